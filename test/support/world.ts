import * as NodeCrypto from "@effect/platform-node/NodeCrypto"
import * as PgClient from "@effect/sql-pg/PgClient"
import { Context, Effect, Layer, Logger, Redacted } from "effect"
import * as Reactivity from "effect/reactivity/Reactivity"
import { Settings } from "../../src/Config.ts"
import * as Pipeline from "../../src/calls/Pipeline.ts"
import * as Recovery from "../../src/calls/Recovery.ts"
import type { AgentId, ProjectId, UserId } from "../../src/domain/Ids.ts"
import { allScopes, type Scope } from "../../src/domain/Scope.ts"
import type { Token } from "../../src/domain/Token.ts"
import * as AuditLogPostgres from "../../src/layers/audit/AuditLogPostgres.ts"
import * as TimelinePostgres from "../../src/layers/audit/TimelinePostgres.ts"
import * as GrantPolicyLive from "../../src/layers/calls/GrantPolicyLive.ts"
import * as IdempotencyPostgres from "../../src/layers/calls/IdempotencyPostgres.ts"
import * as OperationsPostgres from "../../src/layers/calls/OperationsPostgres.ts"
import * as RecoveryQueuePostgres from "../../src/layers/calls/RecoveryQueuePostgres.ts"
import * as SuspensionPostgres from "../../src/layers/calls/SuspensionPostgres.ts"
import * as TokenStorePostgres from "../../src/layers/calls/TokenStorePostgres.ts"
import * as Database from "../../src/layers/database/Database.ts"
import * as OAuthLive from "../../src/layers/oauth/OAuthLive.ts"
import * as PairingPostgres from "../../src/layers/pairing/PairingPostgres.ts"
import * as AgentRegistryPostgres from "../../src/layers/registry/AgentRegistryPostgres.ts"
import * as TaskerInternal from "../../src/layers/tasker/TaskerInternal.ts"
import * as TextsLive from "../../src/layers/texts/TextsLive.ts"
import { type Act, AgentRegistry } from "../../src/services/AgentRegistry.ts"
import type { TaskerAdapter } from "../../src/services/TaskerAdapter.ts"
import { Tools } from "../../src/tools/Tools.ts"
import type { Profile } from "../tasker/Switches.ts"
import { freshDatabase, pepper, secret } from "./gateway.ts"
import { type PostgresProxy, postgresProxy } from "./postgres-proxy.ts"
import { freshTasker, owner, type SeededProject, type TaskerControl } from "./tasker.ts"

/** An agent with a token and a grant on a project of its own. */
export interface Actor {
  readonly agentId: AgentId
  readonly token: Token
  readonly project: SeededProject
}

/** A reference Tasker, a database, and a gateway without its edges between them. */
export class World extends Context.Service<
  World,
  {
    readonly tasker: TaskerControl
    readonly databaseUrl: string
    /** The test's own way to the database, beside the gateway's pool and proxy. */
    readonly database: PgClient.PgClient
    /** What the gateway's statements pass through; only in `proxied`. */
    readonly proxy: PostgresProxy
    /** An agent with a grant on a new project; all scopes where none are named. */
    readonly actor: (
      scopes?: ReadonlyArray<Scope>,
      terms?: { readonly maxWrites?: number; readonly expiresAt?: string }
    ) => Effect.Effect<Actor>
  }
>()("test/World") {}

export const act: Act = { reach: undefined, requestId: "test", key: undefined }

interface Options {
  readonly profile: Profile
  readonly proxied: boolean
  readonly taskerMillis: number
  readonly deadlineMillis: number
  /** Whether writes in doubt are settled without a caller too. */
  readonly recovering?: boolean
  readonly variables?: Readonly<Record<string, string>>
}

/** A gateway without its edges, over a database that is there. */
export const inside = <E>(
  tasker: Layer.Layer<TaskerAdapter, never, Settings | PgClient.PgClient>,
  settings: Layer.Layer<Settings, E>,
  recovering = false
) =>
  Layer.mergeAll(Pipeline.layer, recovering ? Recovery.layer : Layer.empty).pipe(
    Layer.provideMerge(Layer.merge(tasker, TextsLive.layer)),
    Layer.provideMerge(storage),
    Layer.provideMerge(settings)
  )

const storage = Layer.mergeAll(
  TokenStorePostgres.layer,
  IdempotencyPostgres.layer,
  RecoveryQueuePostgres.layer,
  SuspensionPostgres.layer,
  OAuthLive.layer
).pipe(
  Layer.provideMerge(PairingPostgres.layer),
  Layer.provideMerge(AgentRegistryPostgres.layer),
  Layer.provideMerge(Layer.merge(OperationsPostgres.layer, TimelinePostgres.layer)),
  Layer.provideMerge(AuditLogPostgres.layer),
  Layer.provideMerge(GrantPolicyLive.layer),
  Layer.provideMerge(Database.layer),
  Layer.provideMerge(NodeCrypto.layerSecureRandom)
)

const world = (options: Options) =>
  Layer.unwrap(
    Effect.gen(function* () {
      const fresh = yield* freshDatabase
      const proxy = options.proxied ? yield* postgresProxy(fresh.url) : absent
      const tasker = yield* freshTasker(fresh.url, secret(), { profile: options.profile })
      const database = yield* PgClient.make({ url: Redacted.make(fresh.url), maxConnections: 4 })
      const settings = Settings.layer({
        DATABASE_URL: options.proxied ? proxy.url : fresh.url,
        NODEDC_TASKER_INTERNAL_URL: tasker.url,
        NODEDC_INTERNAL_ACCESS_TOKEN: tasker.accessToken,
        NODEDC_AGENT_GATEWAY_INTERNAL_TOKEN: secret(),
        PAIRING_PEPPER: pepper(),
        TASKER_TIMEOUT_MS: String(options.taskerMillis),
        CALL_DEADLINE_MS: String(options.deadlineMillis),
        // A repeat is settled at once; waiting has tests of its own.
        TASKER_SETTLE_AFTER_MS: "0",
        // What these tests do in a minute no agent does; limits have tests of their own.
        RATE_LIMIT_READS_PER_MINUTE: "0",
        RATE_LIMIT_WRITES_PER_MINUTE: "0",
        SUSPEND_AFTER_DENIALS: "0",
        DUPLICATE_WINDOW_MINUTES: "0",
        ...options.variables
      })
      const actors = Layer.effect(
        World,
        Effect.gen(function* () {
          const registry = yield* AgentRegistry
          return World.of({
            tasker,
            databaseUrl: fresh.url,
            database,
            proxy,
            actor: (scopes = allScopes, terms = {}) =>
              Effect.gen(function* () {
                const project = yield* tasker.project()
                const agent = yield* registry.createAgent(act, {
                  owner_user_id: owner.id as UserId,
                  owner_email: owner.email,
                  display_name: "Test Codex"
                })
                yield* registry.grant(
                  act,
                  agent.id,
                  grantTerms(project, scopes, terms.maxWrites ?? null, terms.expiresAt ?? null)
                )
                const { token } = yield* registry.issueToken(act, agent.id, {
                  name: "test",
                  expires_at: null
                })
                return { agentId: agent.id, token, project }
              }).pipe(Effect.orDie)
          })
        })
      )
      return Layer.provideMerge(actors, inside(TaskerInternal.layer, settings, options.recovering))
    })
  ).pipe(Layer.provide(Reactivity.layer), Layer.provideMerge(quiet))

/** What goes wrong here goes wrong on purpose: only a test that fails is worth a line. */
export const quiet = Logger.layer([])

const absent = new Proxy({} as PostgresProxy, {
  get: () => {
    throw new Error("This world has no proxy before its database: take `proxied`")
  }
})

export const grantTerms = (
  project: SeededProject,
  scopes: ReadonlyArray<Scope>,
  maxWrites: number | null = null,
  expiresAt: string | null = null
) => ({
  workspace_slug: project.project.workspace_slug,
  project_id: project.project.id as ProjectId,
  scopes,
  expires_at: expiresAt,
  max_writes_per_day: maxWrites
})

/** As short as a busy machine allows, so that a test of a timeout takes little. */
export const shortTimeout = 1200

/** Builds the worlds of a gateway before a Tasker of one profile. */
const worlds = (profile: Profile) => {
  const patient = { profile, proxied: false, taskerMillis: 5000, deadlineMillis: 20_000 }
  const brief = { ...patient, taskerMillis: shortTimeout, deadlineMillis: 2 * shortTimeout }
  return {
    /** Patient: a machine that is busy with other tests is no slow Tasker. */
    layer: world(patient),
    /** Passes the gateway's statements through a proxy that tells them and breaks connections. */
    proxied: world({ ...patient, proxied: true }),
    /** Settles writes in doubt without a caller too. */
    recovering: world({ ...patient, recovering: true }),
    /** Recovery where a settling, of two looks that each take their time, runs out of its own. */
    hastyRecovery: world({ ...brief, recovering: true }),
    /** Takes settings of its own, and settles without a caller or passes its statements through a proxy if it says so. */
    withVariables: (
      variables: Readonly<Record<string, string>>,
      more: { readonly recovering?: boolean; readonly proxied?: boolean } = {}
    ) => world({ ...patient, variables, ...more }),
    /** Soon gives a call to Tasker up. */
    impatient: world({ ...patient, taskerMillis: shortTimeout }),
    /** Gives a whole call hardly longer than one call to Tasker. */
    hasty: world(brief)
  }
}

/** Puts the gateway before a Tasker that behaves as Plane was measured to behave. */
export const plane = worlds("plane-like")
export const { layer, proxied, recovering, hastyRecovery, withVariables, impatient, hasty } = plane

/** Puts the gateway before a Tasker that keeps every rule of the contract, for tests of what it makes of those rules. */
export const strict = worlds("strict")

/** Calls a tool as an actor does, over no edge; an argument that is undefined is left out. */
export const call = (actor: Actor, name: string, args: object, requestId = "test-request") =>
  Effect.flatMap(Tools, (tools) =>
    tools.call({
      token: actor.token,
      name,
      args: Object.fromEntries(
        Object.entries({ project_id: actor.project.project.id, ...args }).filter(
          ([, value]) => value !== undefined
        )
      ),
      via: "mcp",
      requestId
    })
  )

export const sql = PgClient.PgClient
