import { Effect } from "effect"
import { outcome } from "./evidence.ts"
import { type Actor, call, World } from "./world.ts"
import { card, writeRows } from "./writes.ts"

/** A write whose reply got lost: what it asked, whether Tasker did it or not. */
export const lose = Effect.fnUntraced(function* (
  agent: Actor,
  op: string,
  fault: "cut_before" | "cut_after"
) {
  const { tasker } = yield* World
  const row = writeRows.find((each) => each.op === op)
  if (row === undefined) return yield* Effect.die(new Error(op))
  const issueId = yield* card(agent)
  const asked = { ...row.args(issueId), idempotency_key: `lost-${op}` }
  yield* tasker.fault({ op, fault })
  const again = outcome(call(agent, row.tool, asked))
  const told = yield* again
  if (told !== "tasker.outcome_unknown") return yield* Effect.die(new Error(`It was told ${told}`))
  return { again, issueId, key: asked.idempotency_key, row, asked }
})
