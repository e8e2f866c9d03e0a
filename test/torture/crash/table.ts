import { type Crash, type Ending, type Stage, stages } from "./Lane.ts"
import type { Matrix, Recorded, Tried } from "./Matrix.ts"
import { said } from "./verdict.ts"
import { type Point, pointName, samePoint } from "./Watch.ts"

/**
 * The matrix in Markdown, a table for each stage. Tools that went the same way stand together, and so do
 * the moments of an exchange that left and came to the same.
 */
export const tablesOf = (matrix: Matrix): string =>
  stages.map((stage) => `Killed in ${stage}\n\n${tableOf(matrix, stage)}`).join("\n\n")

interface Line {
  readonly exchange: string
  readonly moments: ReadonlyArray<string>
  /** All that stands in the row besides. */
  readonly cells: ReadonlyArray<string>
}

const tableOf = (matrix: Matrix, stage: Stage): string => {
  const recorded = matrix.recorded.filter((each) => each.stage === stage)
  const all = recorded.map(({ row }) => row.tool)
  const lines: Array<Line> = []
  for (const point of inOrder(recorded)) {
    const name = pointName(point)
    const toolsOf = Map.groupBy(all, (tool) => JSON.stringify(cellsOf(matrix, stage, tool, name)))
    for (const [key, tools] of toolsOf) {
      if (key === undefined) continue
      const cells = [toolsCell(tools, all), ...(JSON.parse(key) as ReadonlyArray<string>)]
      const same = lines.findIndex(
        ({ cells: other, exchange }) =>
          exchange === point.exchange.name && JSON.stringify(other) === JSON.stringify(cells)
      )
      const before = lines[same]
      if (before === undefined) lines.push({ exchange: point.exchange.name, moments: [point.moment], cells })
      else lines[same] = { ...before, moments: [...before.moments, point.moment] }
    }
  }
  return markdown([
    heads,
    ...lines.map(({ cells, exchange, moments }) => [`${exchange}: ${moments.join(", ")}`, ...cells])
  ])
}

const heads = [
  "killed at",
  "tools",
  "client",
  "database",
  "Tasker",
  "called again at once",
  "once the lease has run out",
  "and after `TASKER_SETTLE_AFTER_MS`",
  "nobody calls: recovery",
  "Tasker in the end"
]

/** All points in the order of the calls, points that only some tools pass among them. */
const inOrder = (recorded: ReadonlyArray<Recorded>): ReadonlyArray<Point> => {
  const order: Array<Point> = []
  for (const { points } of recorded) {
    let at = 0
    for (const point of points) {
      const found = order.findIndex((other) => samePoint(other, point))
      if (found < 0) order.splice(at, 0, point)
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
  if (crash === undefined) return ["not carried through", "", "", "", "", "", "", ""]
  return [
    said(crash.told),
    inDatabase(crash),
    writes(crash.after.writes.length),
    called?.crash === undefined ? "?" : said(called.crash.atOnce),
    called?.crash === undefined ? "?" : said(called.crash.early?.told),
    called?.crash === undefined ? "?" : said(called.crash.answers[0]),
    alone?.crash === undefined ? "?" : `${alone.crash.settled.key}; a call: ${said(alone.crash.answers[0])}`,
    writes(crash.end.writes.length)
  ]
}

const inDatabase = ({ after: { events, key, leased } }: Crash): string =>
  [
    key === "free" ? "nothing" : key === "in_progress" && !leased ? "in_progress, lease run out" : key,
    // If `updated_at` has moved by then is a matter of milliseconds.
    ...(events.length === 0 ? [] : [`event ${events.join(", ").replaceAll(" operation.resent", "")}`])
  ].join(", ")

const writes = (count: number): string =>
  count === 0 ? "nothing" : count === 1 ? "1 write" : `${count} writes`

const toolsCell = (tools: ReadonlyArray<string>, all: ReadonlyArray<string>): string => {
  const short = (names: ReadonlyArray<string>) =>
    names.map((tool) => `\`${tool.replace(/^tasker_/, "")}\``).join(", ")
  const others = all.filter((tool) => !tools.includes(tool))
  if (others.length === 0) return "all"
  return others.length < tools.length ? `all but ${short(others)}` : short(tools)
}

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

/** What ended as it should not, a line each. */
export const faultLinesOf = (tried: ReadonlyArray<Tried>): ReadonlyArray<string> =>
  tried
    .filter(({ faults }) => faults.length > 0)
    .map(
      ({ faults, plan: { ending, point, row, stage } }) =>
        `${row.tool}, ${stage}, killed at "${pointName(point)}", ${ending}: ${faults.join("; ")}`
    )

/** What every death came to, in one line a number. */
export const summaryOf = ({ kills, recorded, tried }: Matrix): string => {
  const faults = faultLinesOf(tried)
  return [
    `tools                      ${new Set(recorded.map(({ row }) => row.tool)).size}`,
    `points                     ${recorded.reduce((sum, { points }) => sum + points.length, 0)}`,
    `calls that died            ${tried.length}`,
    `gateways killed            ${kills}`,
    `ended as they should not   ${faults.length}`,
    ...faults.map((line) => `  ${line}`)
  ].join("\n")
}
