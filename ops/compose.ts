/**
 * `npm run compose:check`: builds and runs the Compose files on a Docker engine, each under a name and on ports of
 * its own, and takes down what it brought up. Where no engine is there it says so and ends with 0.
 *
 *   npm run compose:check -- --stops 9     stops of the rolling restart (default 9)
 */
import { randomBytes } from "node:crypto"
import { mkdtemp } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { parseArgs } from "node:util"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Effect, Logger, Redacted } from "effect"
import * as EmbeddedPostgres from "../src/layers/database/EmbeddedPostgres.ts"
import { checkout } from "./compose/checkout.ts"
import { missing } from "./compose/engine.ts"
import { local } from "./compose/local.ts"
import { plane } from "./compose/plane.ts"
import { synology } from "./compose/synology.ts"
import { bold, heading, line, red, StepFailed } from "./quickstart/screen.ts"

const { values } = parseArgs({ options: { stops: { type: "string", default: "9" } } })
const stops = Number(values.stops)
if (!Number.isInteger(stops) || stops < 1) {
  process.stderr.write("--stops is a whole number from 1 on\n")
  process.exit(2)
}

const lacks = await missing()
if (lacks !== undefined) {
  process.stdout.write(`skipped: no Docker engine (${lacks})\n`)
  process.exit(0)
}

/** The counterparts' database; the gateways have Compose's. */
const database = Effect.gen(function* () {
  const dataDir = yield* Effect.acquireRelease(
    Effect.promise(() => mkdtemp(join(tmpdir(), "tasker-codex-compose-data-"))),
    (folder) => Effect.orDie(EmbeddedPostgres.discard({ dataDir: folder }))
  )
  return Redacted.value((yield* EmbeddedPostgres.start({ dataDir })).url)
})

const check = Effect.gen(function* () {
  yield* line(bold("Compose files on a Docker engine"))
  const folder = yield* checkout
  const place = { folder, databaseUrl: yield* database, id: `tasker-check-${randomBytes(3).toString("hex")}` }
  yield* heading("docker-compose.local.yml")
  yield* Effect.scoped(local(place, stops))
  yield* heading("docker-compose.local.yml with docker-compose.plane.yml")
  yield* Effect.scoped(plane(place))
  yield* heading("docker-compose.synology.yml")
  yield* Effect.scoped(synology(place))
})

Effect.scoped(check).pipe(
  Effect.catchDefect((defect) => Effect.fail(new StepFailed("the check itself", defect))),
  Effect.catch((failure) =>
    Effect.gen(function* () {
      const name = failure instanceof StepFailed ? failure.step : "the check"
      yield* line(`\n  ${red("✗")} ${name}: ${failure.message}`)
      return yield* Effect.fail(failure)
    })
  ),
  Effect.provide(Logger.layer([])),
  NodeRuntime.runMain({ disableErrorReporting: true })
)
