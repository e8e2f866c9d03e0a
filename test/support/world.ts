import * as NodeCrypto from "@effect/platform-node/NodeCrypto"
import * as PgClient from "@effect/sql-pg/PgClient"
import { Context, Effect, Layer, Redacted } from "effect"
import { GatewayConfig } from "../../src/Config.ts"
import type { AgentId, ProjectId, UserId } from "../../src/domain/Ids.ts"
import { allScopes, type Scope } from "../../src/domain/Scope.ts"
import type { Token } from "../../src/domain/Token.ts"
import * as AgentRegistryPostgres from "../../src/layers/AgentRegistryPostgres.ts"
import * as AuditLogPostgres from "../../src/layers/AuditLogPostgres.ts"
import * as Database from "../../src/layers/Database.ts"
import * as GrantPolicyLive from "../../src/layers/GrantPolicyLive.ts"
import * as IdempotencyPostgres from "../../src/layers/IdempotencyPostgres.ts"
import * as TaskerInternal from "../../src/layers/TaskerInternal.ts"
import * as TokenStorePostgres from "../../src/layers/TokenStorePostgres.ts"
import { type Act, AgentRegistry } from "../../src/services/AgentRegistry.ts"
import * as Pipeline from "../../src/tools/Pipeline.ts"
import { Tools } from "../../src/tools/Tools.ts"
import { freshDatabase, secret } from "./gateway.ts"
import { freshTasker, owner, type SeededProject, type TaskerControl } from "./tasker.ts"

/** A reference Tasker with a project, an agent with a token, and a gateway without its edges between them. */
export interface Actor {
  readonly agentId: AgentId
  readonly token: Token
  readonly project: SeededProject
}

export class World extends Context.Service<
  World,
  {
    readonly tasker: TaskerControl
    readonly databaseUrl: string
    /** An agent with a grant on a new project; all scopes where none are named. */
    readonly actor: (
      scopes?: ReadonlyArray<Scope>,
      terms?: { readonly maxWrites?: number }
    ) => Effect.Effect<Actor>
  }
>()("test/World") {}

const act: Act = { reach: undefined, requestId: "test", key: undefined }

const world = Layer.unwrap(
  Effect.gen(function* () {
    const database = yield* freshDatabase
    const tasker = yield* freshTasker(database.url, secret())
    const settings = GatewayConfig.layer({
      DATABASE_URL: database.url,
      NODEDC_TASKER_INTERNAL_URL: tasker.url,
      NODEDC_INTERNAL_ACCESS_TOKEN: tasker.accessToken,
      NODEDC_AGENT_GATEWAY_INTERNAL_TOKEN: secret(),
      TASKER_TIMEOUT_MS: "1500",
      CALL_DEADLINE_MS: "8000"
    })
    const storage = Layer.mergeAll(TokenStorePostgres.layer, IdempotencyPostgres.layer).pipe(
      Layer.provideMerge(AgentRegistryPostgres.layer),
      Layer.provideMerge(AuditLogPostgres.layer),
      Layer.provideMerge(GrantPolicyLive.layer),
      Layer.provideMerge(Database.layer),
      Layer.provideMerge(NodeCrypto.layerSecureRandom)
    )
    const actors = Layer.effect(
      World,
      Effect.gen(function* () {
        const registry = yield* AgentRegistry
        return World.of({
          tasker,
          databaseUrl: database.url,
          actor: (scopes = allScopes, terms = {}) =>
            Effect.gen(function* () {
              const project = yield* tasker.project()
              const agent = yield* registry.createAgent(act, {
                owner_user_id: owner.id as UserId,
                owner_email: owner.email,
                display_name: "Test Codex"
              })
              yield* registry.grant(act, agent.id, {
                workspace_slug: "nodedc",
                project_id: project.project.id as ProjectId,
                scopes,
                expires_at: null,
                max_writes_per_day: terms.maxWrites ?? null
              })
              const { token } = yield* registry.issueToken(act, agent.id, { name: "test", expires_at: null })
              return { agentId: agent.id, token, project }
            }).pipe(Effect.orDie)
        })
      })
    )
    return Layer.mergeAll(Pipeline.layer, actors).pipe(
      Layer.provideMerge(TaskerInternal.layer),
      Layer.provideMerge(storage),
      Layer.provideMerge(settings)
    )
  })
)

export const layer = world

/** Calls a tool as an actor does, over no edge. */
export const call = (actor: Actor, name: string, args: object, requestId = "test-request") =>
  Effect.flatMap(Tools, (tools) =>
    tools.call({
      token: actor.token,
      name,
      args: { project_id: actor.project.project.id, ...args },
      via: "mcp",
      requestId
    })
  )

export const sql = PgClient.PgClient
export const reveal = Redacted.value
