/**
 * The crash matrix: a gateway process is killed (SIGKILL) at every await between the request and the reply
 * of every write tool, and what client, database and Tasker hold is looked at before and after recovery.
 *
 *   npm run torture:crash [-- --tasker plane] [--tool tasker_move_issue] [--lanes 2]
 *
 * Prints the matrix in Markdown. Ends in 1 if a death ended otherwise than in one write, or if no call was
 * killed at a moment that every call passes.
 */
import { mkdtemp } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { parseArgs } from "node:util"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Console, Effect, Logger, Redacted } from "effect"
import * as EmbeddedPostgres from "../../../src/layers/database/EmbeddedPostgres.ts"
import { writeRows } from "../../support/writes.ts"
import { gapsOf } from "./coverage.ts"
import { runMatrix } from "./Matrix.ts"
import { faultLinesOf, summaryOf, tablesOf } from "./table.ts"

const { values } = parseArgs({
  options: {
    tasker: { type: "string", default: "plane-like" },
    tool: { type: "string", multiple: true },
    lanes: { type: "string", default: "2" }
  }
})

const kinds = ["plane-like", "strict", "plane"] as const
const rows = writeRows.filter(({ tool }) => values.tool?.includes(tool) ?? true)
const lanes = Number(values.lanes)
const kind = kinds.find((each) => each === values.tasker)
if (kind === undefined || rows.length === 0 || !Number.isInteger(lanes) || lanes < 1) {
  process.stderr.write(
    `--tasker is one of ${kinds.join(", ")}; --tool one of ${writeRows.map(({ tool }) => tool).join(", ")}; --lanes a number from 1\n`
  )
  process.exit(2)
}

const dataDir = await mkdtemp(join(tmpdir(), "gateway-crash-"))

const main = Effect.gen(function* () {
  const started = performance.now()
  const { url } = yield* EmbeddedPostgres.start({ dataDir })
  const matrix = yield* runMatrix(Redacted.value(url), {
    kind,
    lanes,
    rows,
    onTried: (tried, left) => {
      const mark = tried.some(({ faults }) => faults.length > 0) ? "x" : "."
      process.stderr.write(`${mark}${left % 10 === 0 ? ` ${left} left\n` : ""}`)
      for (const line of faultLinesOf(tried)) process.stderr.write(`\n${line}\n`)
    }
  })
  const seconds = Math.round((performance.now() - started) / 1000)
  yield* Console.log(`${tablesOf(matrix)}\n\n${summaryOf(matrix)}\nseconds                    ${seconds}`)
  const gaps = gapsOf(matrix, kind)
  for (const gap of gaps) yield* Console.log(gap)
  if (faultLinesOf(matrix.tried).length > 0 || gaps.length > 0) process.exitCode = 1
}).pipe(
  Effect.scoped,
  Effect.ensuring(Effect.ignore(EmbeddedPostgres.discard({ dataDir }))),
  Effect.provide(Logger.layer([]))
)

NodeRuntime.runMain(main)
