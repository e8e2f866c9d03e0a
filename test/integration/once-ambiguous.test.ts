import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import type { ToolResult } from "../../src/tools/Tools.ts"
import { keyRow, outcome, taskerAtRest, trail, trailOutcomes, writesUnder } from "../support/evidence.ts"
import type { Fault } from "../support/tasker.ts"
import { call, impatient, shortTimeout, strict, World, layer as world } from "../support/world.ts"
import { card, writeRows } from "../support/writes.ts"

/** Answers, and silences, that say nothing about the write. */
const answers = [
  { fault: "cut_before" },
  { fault: "cut_after" },
  { fault: "server_error" },
  { fault: "server_error_after" },
  { fault: "malformed" },
  { fault: "wrong_shape" },
  { fault: "html" },
  { fault: "huge" }
]

const lost = answers.filter(({ fault }) => fault.startsWith("cut"))

const late = [
  { fault: "delay", delay_ms: 1.5 * shortTimeout },
  { fault: "delay_after", delay_ms: 1.5 * shortTimeout }
]

/** Taskers that recognise a repeat by less than all that they could, Plane first. */
const manners: ReadonlyArray<{
  readonly words: string
  readonly switches: Readonly<Record<string, boolean>>
  readonly faults: ReadonlyArray<Omit<Fault, "op">>
  readonly only?: ReadonlyArray<string>
  readonly patience: typeof world
  /** A change that arrives late is carried out beside its resend, to the same values. */
  readonly repeatsChanges?: true
}> = [
  { words: "that behaves as Plane", switches: {}, faults: answers, patience: world },
  {
    words: "that behaves as Plane and is too slow",
    switches: {},
    faults: late,
    patience: impatient,
    repeatsChanges: true
  },
  {
    words: "that knows both the key and the external id",
    switches: {},
    faults: answers,
    patience: strict.layer
  },
  { words: "that is too slow", switches: {}, faults: late, patience: strict.impatient },
  {
    words: "that does not know the key",
    switches: { dedupe_key: false },
    faults: lost,
    patience: strict.layer
  },
  {
    words: "that does not know the key and is too slow",
    switches: { dedupe_key: false },
    faults: [{ fault: "delay", delay_ms: 1.5 * shortTimeout }],
    patience: strict.impatient
  },
  {
    words: "that admits an external id twice",
    switches: { dedupe_external: false },
    faults: lost,
    patience: strict.layer
  },
  {
    words: "that overlooks expected_updated_at",
    switches: { ignore_expected: true },
    faults: lost,
    patience: strict.layer
  },
  {
    words: "that knows neither key nor external id, but lists cards and comments by it",
    switches: { dedupe_key: false, dedupe_external: false },
    faults: lost,
    patience: strict.layer
  },
  {
    words: "that does not know the key and lists no comments",
    switches: { dedupe_key: false, no_comments_listing: true },
    faults: lost,
    only: ["comment"],
    patience: strict.layer
  },
  {
    words: "that lists no comments",
    switches: { no_comments_listing: true },
    faults: lost,
    only: ["comment"],
    patience: strict.layer
  }
]

for (const manner of manners) {
  layer(manner.patience, { timeout: "10 minutes", excludeTestServices: true })(
    `an answer that says nothing, from a Tasker ${manner.words}`,
    (it) => {
      for (const row of writeRows.filter(({ op }) => manner.only?.includes(op) ?? true)) {
        for (const fault of manner.faults) {
          const { tool, op } = row
          it.effect(`leaves ${tool} unknown after ${fault.fault}, and the next call settles it`, () =>
            Effect.gen(function* () {
              const { actor, tasker } = yield* World
              yield* tasker.switches(manner.switches)
              const agent = yield* actor()
              const key = `lost-${op}-${fault.fault}`
              const asked = { ...row.args(yield* card(agent)), idempotency_key: key }
              yield* tasker.fault({ op, ...fault })

              assert.strictEqual(yield* outcome(call(agent, tool, asked)), "tasker.outcome_unknown")
              assert.strictEqual((yield* keyRow(agent, key))?.state, "unknown")
              assert.deepStrictEqual(yield* trail(agent, key), ["unknown tasker.outcome_unknown"])
              // In doubt as in certainty, the key stands for this call alone.
              assert.strictEqual(
                yield* outcome(call(agent, tool, { ...asked, ...different(op) })),
                "idempotency.key_reused"
              )

              const settled = yield* call(agent, tool, asked)
              assert.isFalse(settled.replayed)
              yield* taskerAtRest
              const writes = yield* writesUnder(agent, key)
              const isMaking = op === "create" || op === "comment"
              assert.isAtMost(writes.length, manner.repeatsChanges && !isMaking ? 2 : 1)
              assert.isAtLeast(writes.length, 1)
              if (op !== "comment") {
                const { id, version } = issueOf(settled)
                const read = yield* call(agent, "tasker_get_issue", { issue_id: id })
                assert.strictEqual(issueOf(read).version, version)
              }
              const replay = yield* call(agent, tool, asked)
              assert.deepStrictEqual(replay.structured, { ...settled.structured, replayed: true })
              assert.deepStrictEqual(yield* trailOutcomes(agent, key), [
                "unknown tasker.outcome_unknown",
                "denied idempotency.key_reused",
                "executed",
                "replayed"
              ])
            })
          )
        }
      }
    }
  )
}

const issueOf = ({ structured }: ToolResult) =>
  structured.issue as { readonly id: string; readonly version: string }

const different = (op: string): object => {
  switch (op) {
    case "move":
      return { state: "Done" }
    case "comment":
      return { comment: "Something else" }
    case "labels":
      return { labels: [] }
    case "assignees":
      return { assignees: [] }
    default:
      return { name: "Something else" }
  }
}
