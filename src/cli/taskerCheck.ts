import * as NodeCrypto from "@effect/platform-node/NodeCrypto"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Cause, Console, Effect, Exit, Logger, Runtime, Schema } from "effect"
import { CliConfig, CliError, CliOutput, Command, Flag, GlobalFlag } from "effect/cli"
import { SecureRandom } from "effect/crypto"
import manifest from "../../package.json" with { type: "json" }
import { json, screen } from "./output.ts"
import { presenter } from "./presenter.ts"
import { check } from "./taskerCheck/check.ts"
import { place } from "./taskerCheck/Place.ts"
import * as ProbeModule from "./taskerCheck/Probe.ts"
import { Probe } from "./taskerCheck/Probe.ts"
import { isWrong, reportOf, words } from "./taskerCheck/report.ts"

/** `npm run tasker:check`: tells what a Tasker does as `docs/TASKER_API.md` says. Exit code 0, 1 (wrong), 2. */

const flags = {
  write: Flag.Boolean("write").pipe(
    Flag.withoutNegation,
    Flag.withDescription("Make, change, repeat and race cards in the project. They are listed at the end"),
    Flag.withDefault(false)
  ),
  verbose: Flag.Boolean("verbose").pipe(
    Flag.withoutNegation,
    Flag.withDescription("Show every request and response, without the bearer"),
    Flag.withDefault(false)
  )
}

const waiting = (seconds: number) =>
  Console.error(`Tasker answers 429. Waiting ${seconds} s, as its Retry-After asks.`)

/** Something is wrong; the report has told it. */
class FoundWrong extends Schema.TaggedError<FoundWrong>()("FoundWrong", {}) {
  override readonly [Runtime.errorExitCode] = 1
  override readonly [Runtime.errorReported] = false
}

const checked = Effect.fnUntraced(function* (asked: { readonly write: boolean; readonly verbose: boolean }) {
  const at = yield* place
  const random = yield* SecureRandom.SecureRandom
  const probe = yield* ProbeModule.make(at, yield* random.uuidV4(), waiting)
  const found = yield* Effect.provideService(check(at, asked.write), Probe, probe)
  const report = reportOf(at, found, probe.exchanges, asked)
  const { colour } = yield* screen
  yield* Console.log(
    (yield* json) ? JSON.stringify(report, null, 2) : words(report, found, at.owner === undefined, colour)
  )
  if (isWrong(report)) return yield* new FoundWrong()
}, Effect.scoped)

const taskerCheck = Command.make("tasker:check", flags, checked).pipe(
  Command.withDescription(
    "Check a Tasker against docs/TASKER_API.md. It is named by NODEDC_TASKER_INTERNAL_URL, NODEDC_INTERNAL_ACCESS_TOKEN, SMOKE_WORKSPACE_SLUG and SMOKE_PROJECT_ID, in the environment or .env"
  ),
  Command.withGlobalFlags([json])
)

const run = Command.run(taskerCheck, { version: manifest.version }).pipe(
  Effect.tapError((failure) =>
    CliError.isCliError(failure) || failure._tag === "FoundWrong"
      ? Effect.void
      : Console.error(failure.message)
  ),
  Effect.provide([
    NodeServices.layer,
    NodeCrypto.layerSecureRandom,
    CliConfig.layer({ builtIns: [GlobalFlag.Help, GlobalFlag.Version] }),
    CliOutput.layerPresenter(presenter("npm run tasker:check --")),
    Logger.layer([Logger.withConsoleError(Logger.formatLogFmt)])
  ])
)

if (import.meta.main) {
  NodeRuntime.runMain(run, {
    teardown: (exit, onExit) =>
      Exit.isFailure(exit) && CliError.isCliError(Cause.squash(exit.cause))
        ? onExit(2)
        : Runtime.defaultTeardown(exit, onExit)
  })
}
