import { type Crash, type Ending, type Stage, stages } from "./Lane.ts"
import type { Matrix, Recorded, Tried } from "./Matrix.ts"
import { said } from "./verdict.ts"
import { pointName } from "./Watch.ts"

/** The matrix in Markdown, a table for each stage: one row a point, tools that went the same way together. */
export const tablesOf = (matrix: Matrix): string =>
  stages.map((stage) => `Killed in ${stage}\n\n${tableOf(matrix, stage)}`).join("\n\n")

const tableOf = (matrix: Matrix, stage: Stage): string => {
  const recorded = matrix.recorded.filter((each) => each.stage === stage)
  const all = recorded.map(({ row }) => row.tool)
  const rows = inOrder(recorded).flatMap((name) => {
    const byCells = new Map<string, Array<string>>()
    for (const tool of all) {
      const cells = cellsOf(matrix, stage, tool, name)
      if (cells === undefined) continue
      const line = cells.join(" | ")
      byCells.set(line, [...(byCells.get(line) ?? []), tool])
    }
    return [...byCells].map(([line, tools]) => [`${name}`, toolsCell(tools, all), ...line.split(" | ")])
  })
  return markdown([heads, ...rows])
}

const heads = [
  "killed at",
  "tools",
  "client",
  "database",
  "Tasker",
  "called again at once",
  "called again when the lease has run out",
  "nobody calls: recovery",
  "Tasker in the end"
]

/** The names of all points in the order of the calls, points that only some tools pass among them. */
const inOrder = (recorded: ReadonlyArray<Recorded>): ReadonlyArray<string> => {
  const order: Array<string> = []
  for (const { points } of recorded) {
    let at = 0
    for (const name of points.map(pointName)) {
      const found = order.indexOf(name)
      if (found < 0) order.splice(at, 0, name)
      at = (found < 0 ? at : Math.max(found, at)) + 1
    }
  }
  return order
}

const cellsOf = (
  { tried }: Matrix,
  stage: Stage,
  tool: string,
  name: string
): ReadonlyArray<string> | undefined => {
  const of = (ending: Ending): Tried | undefined =>
    tried.find(
      ({ plan }) =>
        plan.stage === stage &&
        plan.row.tool === tool &&
        pointName(plan.point) === name &&
        plan.ending === ending
    )
  const [called, alone] = [of("called again"), of("nobody calls")]
  if (called === undefined && alone === undefined) return undefined
  const crash = called?.crash ?? alone?.crash
  if (crash === undefined) return ["not carried through", "", "", "", "", "", ""]
  return [
    said(crash.told),
    inDatabase(crash),
    writes(crash.after.writes.length),
    called?.crash === undefined ? "?" : said(called.crash.atOnce),
    called?.crash === undefined ? "?" : said(called.crash.answers[0]),
    alone?.crash === undefined ? "?" : `${alone.crash.settled.key}; a call: ${said(alone.crash.answers[0])}`,
    writes(crash.end.writes.length)
  ]
}

const inDatabase = ({ after: { events, key, leased } }: Crash): string =>
  [
    key === "free" ? "nothing" : key === "in_progress" && !leased ? "in_progress, lease run out" : key,
    ...(events.length === 0 ? [] : [`event ${events.join(", ")}`])
  ].join(", ")

const writes = (count: number): string =>
  count === 0 ? "nothing" : count === 1 ? "1 write" : `${count} writes`

const toolsCell = (tools: ReadonlyArray<string>, all: ReadonlyArray<string>): string =>
  tools.length === all.length ? "all" : tools.map((tool) => tool.replace(/^tasker_/, "")).join(", ")

const markdown = (rows: ReadonlyArray<ReadonlyArray<string>>): string => {
  const widths = heads.map((_, column) => Math.max(...rows.map((row) => (row[column] ?? "").length)))
  const line = (cells: ReadonlyArray<string>) =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(" | ")} |`
  const [head = [], ...body] = rows
  return [
    line(head),
    line(heads.map((_, column) => "-".repeat(widths[column] ?? 0))),
    ...body.map(line)
  ].join("\n")
}

/** What every death came to, in one line a number. */
export const summaryOf = ({ kills, recorded, tried }: Matrix): string => {
  const faulty = tried.filter(({ faults }) => faults.length > 0)
  const points = recorded.reduce((sum, each) => sum + each.points.length, 0)
  return [
    `tools                      ${new Set(recorded.map(({ row }) => row.tool)).size}`,
    `points                     ${points}`,
    `calls that died            ${tried.length}`,
    `gateways killed            ${kills}`,
    `ended as they should not   ${faulty.length}`,
    ...faulty.map(
      ({ faults, plan: { ending, point, row, stage } }) =>
        `  ${row.tool}, ${stage}, killed at "${pointName(point)}", ${ending}: ${faults.join("; ")}`
    )
  ].join("\n")
}
