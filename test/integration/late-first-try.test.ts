import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { eventually, keyRow, outcome, taskerAtRest, writesUnder } from "../support/evidence.ts"
import { owner } from "../support/tasker.ts"
import { call, shortTimeout, strict, World } from "../support/world.ts"
import { card, writeRows } from "../support/writes.ts"

const changes = writeRows.filter(({ op }) => !["create", "comment"].includes(op))

/** What a change was sent with, as Tasker got it. */
const expectedBy = (body: unknown) => (body as { expected_updated_at?: string }).expected_updated_at

const cardNow = (issueId: string) =>
  Effect.flatMap(World, ({ tasker }) =>
    Effect.map(tasker.send("GET", `/issues/${issueId}`), (body) => (body as { issue: Card }).issue)
  )
interface Card {
  readonly updated_at: string
  readonly name: string
}

layer(strict.impatient, { timeout: "10 minutes", excludeTestServices: true })(
  "a first try that arrives late at a Tasker that checks expected_updated_at",
  (it) => {
    for (const { op, args, tool } of changes) {
      it.effect(`of ${op} does not undo what a person did meanwhile, by no key recognised`, () =>
        Effect.gen(function* () {
          const { actor, tasker } = yield* World
          const agent = yield* actor()
          const issueId = yield* card(agent)
          const planned = yield* cardNow(issueId)
          const sent = (yield* tasker.requests).length
          const ours = Effect.map(tasker.requests, (requests) =>
            requests.slice(sent).filter((request) => request.op === op)
          )
          yield* tasker.switches({ dedupe_key: false })
          yield* tasker.fault({ op, fault: "delay", delay_ms: shortTimeout + 300 })
          const key = `late-${op}`
          const change = outcome(call(agent, tool, { ...args(issueId), idempotency_key: key }))
          const edit = Effect.gen(function* () {
            yield* eventually(
              `${op} is under way`,
              Effect.map(ours, (requests) => requests.length > 0)
            )
            const [done] = agent.project.states.filter(({ name }) => name === "Done")
            yield* tasker.send("PATCH", `/issues/${issueId}`, {
              name: "A person's name",
              state_id: done?.id,
              label_ids: [],
              assignee_ids: [owner.id]
            })
            return yield* cardNow(issueId)
          })
          const [code, edited] = yield* Effect.all([change, edit], { concurrency: 2 })
          assert.strictEqual(code, "tasker.outcome_unknown")
          yield* taskerAtRest
          assert.deepStrictEqual(yield* cardNow(issueId), edited)
          assert.strictEqual(yield* change, "tasker.outcome_unknown")
          assert.deepStrictEqual(yield* cardNow(issueId), edited)
          assert.strictEqual((yield* keyRow(agent, key))?.state, "unresolved")
          assert.lengthOf(yield* writesUnder(agent, key), 0)
          assert.deepStrictEqual(
            (yield* ours).map(({ body }) => expectedBy(body)),
            [planned.updated_at]
          )
          yield* tasker.heal
        })
      )

      it.effect(`of ${op} and its repeat say both of which card they were planned`, () =>
        Effect.gen(function* () {
          const { actor, tasker } = yield* World
          const agent = yield* actor()
          const issueId = yield* card(agent)
          const planned = yield* cardNow(issueId)
          const sent = (yield* tasker.requests).length
          yield* tasker.fault({ op, fault: "cut_before" })
          const change = outcome(call(agent, tool, { ...args(issueId), idempotency_key: `twice-${op}` }))
          assert.strictEqual(yield* change, "tasker.outcome_unknown")
          assert.strictEqual(yield* change, "done")
          const tries = (yield* tasker.requests).slice(sent).filter((request) => request.op === op)
          assert.deepStrictEqual(
            tries.map(({ body }) => expectedBy(body)),
            [planned.updated_at, planned.updated_at]
          )
        })
      )
    }
  }
)
