import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Cause, Console, Effect, Exit, Logger, Runtime } from "effect"
import { CliConfig, CliError, CliOutput, Command, GlobalFlag } from "effect/cli"
import manifest from "../../package.json" with { type: "json" }
import { urlFlag } from "./access.ts"
import { create, disable, enable, grant, pair, revoke } from "./agents/manage.ts"
import { list, show } from "./agents/read.ts"
import * as Gateway from "./Gateway.ts"
import { json } from "./output.ts"
import { presenter } from "./presenter.ts"
import { command } from "./refusal.ts"

/** `npm run agents`: agents, their grants and their pairing codes, for operators without Tasker's pages. */
const agents = Command.make("agents").pipe(
  Command.withDescription("Make agents, grant them projects and connect clients to them"),
  Command.withSubcommands([list, show, create, grant, pair, revoke, disable, enable]),
  Command.provide(Gateway.layer),
  Command.withGlobalFlags([urlFlag, json])
)

const run = Command.run(agents, { version: manifest.version }).pipe(
  Effect.tapError((failure) => (CliError.isCliError(failure) ? Effect.void : Console.error(failure.message))),
  Effect.provide([
    NodeServices.layer,
    CliConfig.layer({ builtIns: [GlobalFlag.Help, GlobalFlag.Version] }),
    CliOutput.layerPresenter(presenter(command)),
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
