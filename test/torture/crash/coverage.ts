import type { TaskerKind } from "./Counterpart.ts"
import { endings, type Stage } from "./Lane.ts"
import type { Matrix } from "./Matrix.ts"
import { moments, pointName } from "./Watch.ts"

type Exchanges = Readonly<Record<Stage, ReadonlyArray<string>>>

/** Exchanges that every write passes, before any Tasker. */
const everywhere: Exchanges = {
  "the first call": ["call", "reserve", "send", "complete"],
  "settling a write that was not sent": ["call", "authenticate", "claim", "send", "complete"],
  "settling a write that was done": ["call", "authenticate", "claim", "complete"]
}

/** Exchanges that the two writes pass that Plane's adapter finds again by external id. */
const onPlane: Exchanges = {
  "the first call": ["plan: read projects", "plan: read workspace members", "plan: read project members"],
  "settling a write that was not sent": [
    "settle: read projects",
    "settle: read workspace members",
    "settle: read project members"
  ],
  "settling a write that was done": ["settle: read projects"]
}
const foundByExternalId = new Set(["tasker_create_issue", "tasker_add_comment"])

/** Returns a line for each expected moment at which no call was killed, and for each stage with cells that were not tried. */
export const gapsOf = ({ recorded, tried }: Matrix, kind: TaskerKind): ReadonlyArray<string> =>
  recorded.flatMap(({ points, row, stage }) => {
    const names = points.map(pointName)
    const more = kind === "plane" && foundByExternalId.has(row.tool) ? onPlane[stage] : []
    const lacking = [...everywhere[stage], ...more]
      .flatMap((exchange) => moments.map((moment) => `${exchange}, ${moment}`))
      .filter((name) => !names.includes(name))
    const times = tried.filter(({ plan }) => plan.row.tool === row.tool && plan.stage === stage).length
    const due = endings.length * points.length
    return [
      ...lacking.map((name) => `${row.tool}, ${stage}: no call was killed at "${name}"`),
      ...(points.length % moments.length === 0 ? [] : [`${row.tool}, ${stage}: an exchange lacks a moment`]),
      ...(times === due ? [] : [`${row.tool}, ${stage}: ${times} calls were killed, not ${due}`])
    ]
  })
