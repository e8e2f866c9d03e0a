import { assert, layer } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import fc from "fast-check"
import { countTokens } from "gpt-tokenizer/encoding/o200k_base"
import type { Tools } from "../../src/tools/Tools.ts"
import { owner } from "../support/tasker.ts"
import { type Actor, call, plane, strict, World, layer as world } from "../support/world.ts"
import { card } from "../support/writes.ts"
import { profiles } from "../tasker/Switches.ts"

interface Listed {
  readonly comments: ReadonlyArray<{
    readonly id: string
    readonly comment: string
    readonly truncated?: true
  }>
  readonly next_cursor: string | null
}

/** Comments of a person on a new card, oldest first, by their ids. */
const commented = Effect.fnUntraced(function* (texts: ReadonlyArray<string>) {
  const { actor, tasker } = yield* World
  const agent = yield* actor()
  const issue_id = yield* card(agent)
  const made = yield* Effect.forEach(texts, (comment_html) =>
    tasker.send("POST", `/issues/${issue_id}/comments`, { author_id: owner.id, comment_html })
  )
  return { agent, issue_id, ids: made.map((body) => (body as { comment: { id: string } }).comment.id) }
})

const page = (agent: Actor, args: object) =>
  Effect.map(call(agent, "tasker_list_comments", args), ({ structured }) => {
    assert.isAtMost(countTokens(JSON.stringify(structured)), 8000)
    return structured as unknown as Listed
  })

const everyPage = Effect.fnUntraced(function* (agent: Actor, args: object) {
  const pages = [yield* page(agent, args)]
  for (let last = pages[0]; last !== undefined && last.next_cursor !== null; last = pages.at(-1)) {
    pages.push(yield* page(agent, { ...args, cursor: last.next_cursor }))
  }
  return pages
})

/** Returns the longest that another fiber waits for its turn while something runs, and how long that takes, in CPU time. */
const turnsDuring = <A, E, R>(running: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const millis = () => {
      const { system, user } = process.threadCpuUsage()
      return (user + system) / 1000
    }
    let longest = 0
    let last = millis()
    const ticking = Effect.sync(() => {
      const now = millis()
      longest = Math.max(longest, now - last)
      last = now
    })
    const clock = yield* Effect.forkChild(Effect.forever(Effect.andThen(ticking, Effect.yieldNow)))
    const from = millis()
    const result = yield* running
    const took = millis() - from
    yield* Fiber.interrupt(clock)
    return { longest, took, result }
  })

/** Ends the search for a smaller counterexample. Running out of it is a failure, not a pass after fewer runs. */
const longestMillis = 400_000

const someWords = "Words and words, and some more. "

layer(world, { timeout: "10 minutes", excludeTestServices: true })("the comments of a card", (it) => {
  it.effect("of 36 KB each come in pages that end early, and none is lost between them", () =>
    Effect.gen(function* () {
      const texts = Array.from({ length: 12 }, (_, n) => `<p>${n} ${someWords.repeat(1125)}</p>`)
      const { agent, ids, issue_id } = yield* commented(texts)
      const pages = yield* everyPage(agent, { issue_id, limit: 100 })
      assert.deepStrictEqual(
        pages.flatMap(({ comments }) => comments.map(({ id }) => id)),
        ids.toReversed()
      )
      assert.isAbove(pages.length, 1)
      for (const { comment, truncated } of pages.flatMap(({ comments }) => comments)) {
        assert.strictEqual(truncated ?? false, comment.length < 1125 * someWords.length)
      }
    })
  )

  it.effect("of which some are long come in pages that end early, and none is lost between them", () =>
    Effect.gen(function* () {
      const texts = Array.from({ length: 60 }, (_, n) => `<p>${n} ${someWords.repeat((n * n * 7) % 120)}</p>`)
      const { agent, ids, issue_id } = yield* commented(texts)
      const pages = yield* everyPage(agent, { issue_id, limit: 100 })
      assert.deepStrictEqual(
        pages.flatMap(({ comments }) => comments.map(({ id }) => id)),
        ids.toReversed()
      )
      assert.isAbove(pages.length, 1)
    })
  )

  it.effect("take long to read, and others get their turn between any two of them", () =>
    Effect.gen(function* () {
      // Of much markup and few words, so that all of them are read for one page.
      const texts = Array.from({ length: 20 }, (_, n) => `<p>${n}${"<b></b><i>a</i>".repeat(2400)}</p>`)
      const { agent, ids, issue_id } = yield* commented(texts)
      const { longest, result, took } = yield* turnsDuring(page(agent, { issue_id, limit: 20 }))
      assert.isNotEmpty(result.comments)
      assert.include(ids, result.comments[0]?.id)
      assert.isBelow(longest, took / 2)
    })
  )
})

for (const [profile, before] of [
  ["strict", strict],
  ["plane-like", plane]
] as const) {
  const { newest_comments_first } = profiles[profile]
  layer(before.layer, { timeout: "10 minutes", excludeTestServices: true })(
    `comments before a ${profile} Tasker`,
    (it) => {
      it.effect(
        "are listed whole, in Tasker's order and without repeats, under any limits and whatever is added meanwhile",
        () =>
          Effect.gen(function* () {
            const { tasker } = yield* World
            const run = Effect.runPromiseWith(yield* Effect.context<World | Tools>())
            const holds = Effect.fnUntraced(function* (
              lengths: ReadonlyArray<number>,
              limits: ReadonlyArray<number>,
              additions: ReadonlyArray<number>
            ) {
              const texts = lengths.map((length, n) => `<p>${n} ${someWords.repeat(length)}</p>`)
              const { agent, ids, issue_id } = yield* commented(texts)
              const pages = [yield* page(agent, { issue_id, limit: limits[0] ?? 20 })]
              for (let last = pages[0]; last?.next_cursor != null; last = pages.at(-1)) {
                for (let n = 0; n < (additions[pages.length] ?? 0); n++) {
                  yield* tasker.send("POST", `/issues/${issue_id}/comments`, {
                    author_id: owner.id,
                    comment_html: "<p>Added meanwhile</p>"
                  })
                }
                const limit = limits[pages.length % limits.length] ?? 20
                pages.push(yield* page(agent, { issue_id, limit, cursor: last.next_cursor }))
              }
              const listed = pages.flatMap(({ comments }) => comments.map(({ id }) => id))
              const expected = newest_comments_first ? ids.toReversed() : ids
              assert.deepStrictEqual(
                listed.filter((id) => ids.includes(id)),
                expected
              )
              assert.strictEqual(new Set(listed).size, listed.length)
            })
            yield* Effect.promise(() =>
              fc.assert(
                fc.asyncProperty(
                  fc.array(fc.constantFrom(0, 1, 50, 400), { minLength: 1, maxLength: 25 }),
                  fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 1, maxLength: 3 }),
                  fc.array(fc.nat(5), { maxLength: 4 }),
                  (lengths, limits, additions) => run(holds(lengths, limits, additions))
                ),
                { numRuns: 10, interruptAfterTimeLimit: longestMillis, markInterruptAsFailure: true }
              )
            )
          })
      )
    }
  )
}
