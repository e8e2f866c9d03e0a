import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import fc from "fast-check"
import { countTokens } from "gpt-tokenizer/encoding/o200k_base"
import type { Tools } from "../../src/tools/Tools.ts"
import { addCard, addCards, deleteCard, editCard } from "../support/board-cards.ts"
import { refusal } from "../support/evidence.ts"
import { type Actor, call, World, layer as world } from "../support/world.ts"
import { profiles } from "../tasker/Switches.ts"

interface Listed {
  readonly issues: ReadonlyArray<{ readonly id: string }>
  readonly next_cursor: string | null
  readonly total_count: number | null
  readonly scanned?: number
  readonly truncated?: true
}

/** More calls than any list of these tests takes: a list that goes on for longer never ends. */
const mostCalls = 200

const page = (agent: Actor, args: object): Effect.Effect<Listed, never, Tools> =>
  Effect.orDie(
    Effect.map(call(agent, "tasker_list_issues", args), ({ structured }) => {
      assert.isAtMost(countTokens(JSON.stringify(structured)), 8000)
      const listed = structured as unknown as Listed
      assert.isAtMost(listed.next_cursor?.length ?? 0, 1024)
      return listed
    })
  )

/** Lists to the end. `between` is run before each further page. */
const list = Effect.fnUntraced(function* (
  agent: Actor,
  argsOf: (call: number) => object,
  between: (call: number) => Effect.Effect<unknown> = () => Effect.void
) {
  const pages = [yield* page(agent, argsOf(0))]
  for (let cursor = pages[0]?.next_cursor; cursor != null; cursor = pages.at(-1)?.next_cursor) {
    assert.isBelow(pages.length, mostCalls)
    yield* between(pages.length)
    pages.push(yield* page(agent, { ...argsOf(pages.length), cursor }))
  }
  return pages
})

const idsOf = (pages: ReadonlyArray<Listed>) => pages.flatMap(({ issues }) => issues.map(({ id }) => id))

/** Ends the search for a smaller counterexample. Running out of it is a failure, not a pass after fewer runs. */
const longestMillis = 400_000

const word = "word "

interface Act {
  /** The call before which it is done. */
  readonly before: number
  readonly kind: "add" | "edit" | "delete"
  readonly at: number
  readonly times: number
}

for (const profile of ["strict", "plane-like", "seed"] as const) {
  layer(world, { timeout: "10 minutes", excludeTestServices: true })(
    `a list of cards before a ${profile} Tasker`,
    (it) => {
      /** An agent before this Tasker. */
      const agentOf = Effect.gen(function* () {
        const { actor, tasker } = yield* World
        yield* tasker.switches(profiles[profile])
        return yield* actor()
      })

      it.effect("that does not change is listed whole and without repeats under any limits", () =>
        Effect.gen(function* () {
          const { tasker } = yield* World
          const agent = yield* agentOf
          const names = Array.from({ length: 130 }, (_, n) => `${n} ${word.repeat((n * 7) % 50)}`.trim())
          const ids = (yield* addCards(tasker, agent.project, names)).reverse()
          const run = Effect.runPromiseWith(yield* Effect.context<World | Tools>())
          const limits = fc.array(
            fc.oneof(fc.constantFrom(1, 2, 20, 100), fc.integer({ min: 1, max: 100 })),
            {
              minLength: 1,
              maxLength: 4
            }
          )
          yield* Effect.promise(() =>
            fc.assert(
              fc.asyncProperty(limits, async (limits) => {
                // A list of many pages that show one card each takes long and shows nothing new.
                const limitOf = (n: number) => Math.max(limits[n % limits.length] ?? 20, n > 20 ? 25 : 1)
                const pages = await run(list(agent, (n) => ({ limit: limitOf(n) })))
                assert.deepStrictEqual(idsOf(pages), ids)
                assert.isTrue(pages.every(({ truncated }) => truncated === undefined))
                assert.isTrue(pages.every(({ total_count }) => total_count === ids.length))
              }),
              {
                numRuns: 6,
                examples: [[[100]], [[20]], [[2, 80]]],
                interruptAfterTimeLimit: longestMillis,
                markInterruptAsFailure: true
              }
            )
          )
        })
      )

      it.effect(
        "shows each card that exists throughout, whatever is added, edited and deleted meanwhile",
        () =>
          Effect.gen(function* () {
            const { tasker } = yield* World
            const run = Effect.runPromiseWith(yield* Effect.context<World | Tools>())
            const act: fc.Arbitrary<Act> = fc.record({
              before: fc.integer({ min: 1, max: 6 }),
              kind: fc.constantFrom("add", "edit", "delete"),
              at: fc.nat(),
              times: fc.integer({ min: 1, max: 5 })
            })
            const limits = fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 3 })
            const holds = Effect.fnUntraced(function* (
              acts: ReadonlyArray<Act>,
              limits: ReadonlyArray<number>
            ) {
              const agent = yield* agentOf
              const ids = yield* addCards(
                tasker,
                agent.project,
                Array.from({ length: 16 }, (_, n) => `Card ${n}`)
              )
              const deleted = new Set<string>()
              const perform = (call: number) =>
                Effect.forEach(
                  acts.filter(({ before }) => before === call),
                  Effect.fnUntraced(function* ({ at, kind, times }) {
                    for (let n = 0; n < times; n++) {
                      const there = ids.filter((id) => !deleted.has(id))
                      const id = there[(at + n) % there.length]
                      if (kind === "add") yield* addCard(tasker, agent.project, { name: "Another card" })
                      else if (id !== undefined && kind === "edit") yield* editCard(tasker, id)
                      else if (id !== undefined) {
                        yield* deleteCard(tasker, id)
                        deleted.add(id)
                      }
                    }
                  })
                )
              const pages = yield* list(agent, (n) => ({ limit: limits[n % limits.length] }), perform)
              if (pages.some(({ truncated }) => truncated === true)) {
                // As many as three pages hold can be deleted, and the place is found again.
                assert.isAbove(deleted.size, 3 * Math.max(2, limits[0] ?? 2))
                return
              }
              const listed = new Set(idsOf(pages))
              assert.deepStrictEqual(
                ids.filter((id) => !deleted.has(id) && !listed.has(id)),
                []
              )
            })
            yield* Effect.promise(() =>
              fc.assert(
                fc.asyncProperty(fc.array(act, { maxLength: 6 }), limits, (acts, limits) =>
                  run(holds(acts, limits))
                ),
                { numRuns: 12, interruptAfterTimeLimit: longestMillis, markInterruptAsFailure: true }
              )
            )
          })
      )

      it.effect("refuses a cursor that it never gave", () =>
        Effect.gen(function* () {
          const { tasker } = yield* World
          const agent = yield* agentOf
          yield* addCards(tasker, agent.project, ["One", "Two", "Three"])
          const { next_cursor } = yield* page(agent, { limit: 1 })
          const inside = JSON.parse(Buffer.from(next_cursor ?? "", "base64url").toString()) as object
          const forged = (change: object) =>
            Buffer.from(JSON.stringify({ ...inside, ...change })).toString("base64url")
          const cursors = [
            "nonsense",
            "e30",
            `${next_cursor}=`,
            Buffer.from("50:1:0").toString("base64url"),
            forged({ limit: 1000 }),
            forged({ list: "another" }),
            forged({ page: "x".repeat(701) }),
            ...(profile === "seed" ? [] : [forged({ page: "no cursor of Tasker's" })]),
            forged({ more: 1 })
          ]
          for (const cursor of cursors) {
            const failure = yield* refusal(call(agent, "tasker_list_issues", { limit: 1, cursor }))
            assert.deepInclude(failure, { kind: "input", reason: "invalid" })
            assert.deepInclude(failure.details, {
              errors: [
                {
                  path: "cursor",
                  message: (failure.details.errors as ReadonlyArray<{ message: string }>)[0]?.message
                }
              ]
            })
          }
          const elsewhere = yield* refusal(
            call(agent, "tasker_list_issues", { limit: 1, priority: "high", cursor: next_cursor })
          )
          assert.deepInclude(elsewhere, { kind: "input", reason: "invalid" })
        })
      )
    }
  )
}
