import * as NodeCrypto from "@effect/platform-node/NodeCrypto"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Cause, Effect, Exit, Layer } from "effect"
import { Settings } from "./Config.ts"
import * as Pipeline from "./calls/Pipeline.ts"
import * as Recovery from "./calls/Recovery.ts"
import * as HttpRoutes from "./http/routes.ts"
import * as Server from "./http/Server.ts"
import * as AuditLogPostgres from "./layers/audit/AuditLogPostgres.ts"
import * as AuditProofPostgres from "./layers/audit/AuditProofPostgres.ts"
import * as AuditSealer from "./layers/audit/AuditSealer.ts"
import * as TimelinePostgres from "./layers/audit/TimelinePostgres.ts"
import * as GrantPolicyLive from "./layers/calls/GrantPolicyLive.ts"
import * as IdempotencyPostgres from "./layers/calls/IdempotencyPostgres.ts"
import * as OperationsPostgres from "./layers/calls/OperationsPostgres.ts"
import * as RecoveryQueuePostgres from "./layers/calls/RecoveryQueuePostgres.ts"
import * as SuspensionPostgres from "./layers/calls/SuspensionPostgres.ts"
import * as TokenStorePostgres from "./layers/calls/TokenStorePostgres.ts"
import * as Database from "./layers/database/Database.ts"
import { environment } from "./layers/environment.ts"
import * as Logging from "./layers/Logging.ts"
import * as OAuthLive from "./layers/oauth/OAuthLive.ts"
import * as PairingPostgres from "./layers/pairing/PairingPostgres.ts"
import * as PlaneAdapter from "./layers/plane/PlaneAdapter.ts"
import * as ReadinessLive from "./layers/ReadinessLive.ts"
import * as Reaper from "./layers/Reaper.ts"
import * as AgentRegistryPostgres from "./layers/registry/AgentRegistryPostgres.ts"
import * as SettingsLive from "./layers/SettingsLive.ts"
import * as TaskerInternal from "./layers/tasker/TaskerInternal.ts"
import * as TextsLive from "./layers/texts/TextsLive.ts"
import * as McpRoute from "./mcp/Route.ts"

/**
 * The gateway, put together. This is the one place where what is promised (`services/`) meets how it
 * is done (`layers/`). Layers are released in the reverse of the order in which they were built: the
 * server drains first, then the pool closes, then an embedded database is shut down.
 */

/** What stands in PostgreSQL. */
const stored = Layer.mergeAll(
  TokenStorePostgres.layer,
  IdempotencyPostgres.layer,
  RecoveryQueuePostgres.layer,
  Reaper.layer,
  SuspensionPostgres.layer,
  OperationsPostgres.layer,
  TimelinePostgres.layer,
  OAuthLive.layer
).pipe(
  Layer.provideMerge(PairingPostgres.layer),
  Layer.provideMerge(AgentRegistryPostgres.layer),
  Layer.provideMerge(AuditLogPostgres.layer),
  Layer.provideMerge(GrantPolicyLive.layer),
  // Released after all that writes events, so that the last of them are sealed too.
  Layer.provideMerge(
    Layer.merge(AuditProofPostgres.layer, AuditSealer.layer.pipe(Layer.provide(Database.asSealer)))
  ),
  Layer.provideMerge(Database.layer),
  Layer.provideMerge(NodeCrypto.layerSecureRandom)
)

/** The adapter of the API that Tasker speaks. */
const tasker = Layer.unwrap(
  Effect.map(Settings, ({ taskerKind }) =>
    taskerKind === "plane" ? PlaneAdapter.layer : TaskerInternal.layer
  )
)

/** What the calls of tools need: Tasker, the texts and what is stored. */
export const services = Layer.provideMerge(Layer.merge(tasker, TextsLive.layer), stored)

const tools = Layer.mergeAll(Pipeline.layer, Recovery.layer, ReadinessLive.layer)

const routes = Layer.mergeAll(HttpRoutes.layer, McpRoute.layer)

/** A gateway that serves as long as its scope is open. Tests give other services, with a fault built in. */
export const gateway = (
  variables: Readonly<Record<string, string | undefined>>,
  provided: typeof services = services
) =>
  Server.serve(routes).pipe(
    Layer.provide(Layer.provideMerge(tools, provided)),
    Layer.provide(Logging.layer),
    Layer.provide(SettingsLive.layer(variables))
  )

/** What is wrong with the configuration, the folder or the database is said once, in words, without a stack. */
const explained = (cause: Cause.Cause<unknown>): string => {
  const failure = cause.reasons.find(Cause.isFailReason)?.error
  return failure instanceof Error ? failure.message : Cause.pretty(cause)
}

/** Runs a gateway as this process. */
export const run = (provided: typeof services = services): void =>
  Effect.suspend(() => Layer.launch(gateway(environment(), provided))).pipe(
    Effect.tapCause((cause) =>
      Cause.hasInterruptsOnly(cause)
        ? Effect.void
        : Effect.sync(() => process.stderr.write(`${explained(cause)}\n`))
    ),
    NodeRuntime.runMain({
      disableErrorReporting: true,
      // Being told to stop is not a failure: SIGTERM and SIGINT end in 0.
      teardown: (exit, onExit) => onExit(Exit.isSuccess(exit) || Cause.hasInterruptsOnly(exit.cause) ? 0 : 1)
    })
  )

if (import.meta.main) run()
