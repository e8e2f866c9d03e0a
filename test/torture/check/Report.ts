import type { Counterpart } from "../counterparts/Counterpart.ts"
import type { Event } from "../History.ts"
import { kindsBefore } from "../Plan.ts"
import type { ChainVerdict } from "./Chain.ts"
import { type Rule, rules, type Verdict } from "./Checker.ts"
import type { Records } from "./Records.ts"

/** What is said of a run at its end. */
export interface Told {
  readonly verdict: Verdict
  readonly events: ReadonlyArray<Event>
  readonly records: Records
  /** Undefined if the run was ended early to show a finding. */
  readonly chain: ChainVerdict | undefined
  readonly healedInSeconds: number
  readonly counterpart: Pick<Counterpart, "kind" | "leftOut">
}

const mostHistories = 3

export const report = ({ chain, counterpart, events, healedInSeconds, records, verdict }: Told): string => {
  const struck = strikesIn(events)
  const count = (rule: Rule) => verdict.findings.filter((finding) => finding.rule === rule).length
  const total = (prefix: string) =>
    [...struck].reduce((sum, [kind, times]) => (kind.startsWith(prefix) ? sum + times : sum), 0)
  const lines: ReadonlyArray<readonly [string, string | number]> = [
    ...Object.entries(verdict.counts),
    ...rules.map((rule) => [rule, count(rule)] as const),
    ...[...verdict.explained].map(([why, times]) => [`unresolved, since ${why}`, times] as const),
    ["events in the trail", records.events.length],
    ["chain verified", chain === undefined ? "not looked at" : chain.said],
    ["healed within", `${healedInSeconds} s`],
    ["kills (-9)", total("instance.kill") + total("tasker.kill") + total("postgres.kill")],
    ["restarts", total("instance.stop") + total("tasker.stop") + total("postgres.")],
    ["cuts and the like on connections", total("link.")],
    ...[...struck].toSorted(([one], [other]) => one.localeCompare(other)),
    [
      "kinds that never fired",
      kindsBefore(counterpart.kind)
        .filter((kind) => !struck.has(kind))
        .join(", ") || "none"
    ],
    ...counterpart.leftOut.map((what) => ["not made before this Tasker", what] as const)
  ]
  const width = Math.max(...lines.map(([name]) => name.length))
  return lines.map(([name, value]) => `${name.padEnd(width)}  ${value}`).join("\n")
}

/** How often each kind of fault really struck: of what befalls connections, the exchanges that it befell. */
const strikesIn = (events: ReadonlyArray<Event>): ReadonlyMap<string, number> => {
  const struck = new Map<string, number>()
  const add = (kind: string) => struck.set(kind, (struck.get(kind) ?? 0) + 1)
  for (const event of events) {
    if (event.ev === "strike" && event.done && event.strike.kind !== "link") add(event.kind)
    if (event.ev === "link") add(`link.${event.link}.${event.fault}`)
  }
  return struck
}

/** The whole history of the keys that the first findings are about. */
export const histories = ({ events, records, verdict }: Told): string => {
  const shown = new Map<string, (typeof verdict.findings)[number]>()
  for (const finding of verdict.findings) {
    const of = verdict.findings.filter(({ rule }) => rule === finding.rule).indexOf(finding)
    if (of < mostHistories) shown.set(`${finding.rule}: ${finding.what}`, finding)
  }
  return [...shown]
    .map(([title, { ops }]) => [title, ...ops.flatMap((op) => historyOf(op, events, records))].join("\n  "))
    .join("\n\n")
}

const historyOf = (op: string, events: ReadonlyArray<Event>, records: Records): ReadonlyArray<string> => {
  const begun = events.find((event) => event.ev === "operation" && event.op === op)
  if (begun?.ev !== "operation") return []
  const same = new Set(
    events.flatMap((event) =>
      event.ev === "operation" && event.agent === begun.agent && event.key === begun.key ? [event.op] : []
    )
  )
  const calls = new Set(
    events.flatMap((event) =>
      event.ev === "invoke" && event.op !== null && same.has(event.op) ? [event.call] : []
    )
  )
  const ofKey = (event: Event) =>
    ("op" in event && event.op !== null && same.has(event.op)) || ("call" in event && calls.has(event.call))
  return [
    ...events.filter(ofKey).map((event) => JSON.stringify(event)),
    ...records.keys
      .filter((row) => row.agent_id === begun.agent && row.key === begun.key)
      .map((row) => `on record: ${JSON.stringify(row)}`),
    ...records.events
      .filter((row) => row.agent_id === begun.agent && row.idempotency_key === begun.key)
      .map((row) => `in the trail: ${JSON.stringify(row)}`),
    ...records.writes
      .filter(({ effect }) => effect === begun.effect)
      .map((row) => `in Tasker: ${JSON.stringify(row)}`)
  ]
}
