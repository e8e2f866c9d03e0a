import { check, type Facts, type Finding, type Rule } from "./Checker.ts"
import { nameOf } from "./Seen.ts"

/** Rules whose findings need not name an operation. */
const withoutOperation: ReadonlyArray<Rule> = [
  "done though nobody asked",
  "passed after a revocation was acknowledged"
]

/**
 * Returns the findings that stand whatever the gateways still do: none of their keys is in progress, in doubt or
 * waiting for its second look. Holds only while no client calls.
 */
export const standing = (facts: Facts): ReadonlyArray<Finding> => {
  const pending = new Set(
    facts.records.keys.flatMap(({ agent_id, key, pending }) => (pending ? [nameOf(agent_id, key)] : []))
  )
  const keys = new Map(
    facts.events.flatMap((event) =>
      event.ev === "operation" ? [[event.op, nameOf(event.agent, event.key)] as const] : []
    )
  )
  return check(facts).findings.filter(({ ops, rule }) =>
    ops.length === 0 ? withoutOperation.includes(rule) : ops.every((op) => !pending.has(keys.get(op) ?? ""))
  )
}
