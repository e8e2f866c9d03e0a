import { randomUUID } from "node:crypto"
import * as PgClient from "@effect/sql-pg/PgClient"
import { Context, Effect, Layer, Redacted } from "effect"
import * as Reactivity from "effect/reactivity/Reactivity"
import { Settings } from "../../src/Config.ts"
import type { UserId } from "../../src/domain/Ids.ts"
import { allScopes, type Scope } from "../../src/domain/Scope.ts"
import * as PlaneAdapter from "../../src/layers/plane/PlaneAdapter.ts"
import { AgentRegistry } from "../../src/services/AgentRegistry.ts"
import type { SeededProject } from "../plane/Seeds.ts"
import type { Settings as PlaneSettings } from "../plane/Settings.ts"
import { freshDatabase, pepper, secret } from "./gateway.ts"
import { freshPlane, type PlaneControl, type PlaneProject } from "./plane.ts"
import { type Actor, act, grantTerms, inside, quiet } from "./world.ts"

/** A reference Plane, a database, and a gateway without its edges between them. */
export class PlaneWorld extends Context.Service<
  PlaneWorld,
  {
    readonly plane: PlaneControl
    readonly database: PgClient.PgClient
    /** An agent of ivan's, or of the owner named, with a grant on a new project. */
    readonly actor: (options?: ActorOptions) => Effect.Effect<PlaneActor>
    /** Another agent with a grant on the same project. */
    readonly colleague: (project: SeededProject, options?: ActorOptions) => Effect.Effect<PlaneActor>
  }
>()("test/PlaneWorld") {}

export interface PlaneActor extends Actor {
  readonly seeded: SeededProject
}

interface ActorOptions {
  readonly owner?: { readonly id?: string; readonly email: string }
  readonly project?: Partial<PlaneProject>
  readonly scopes?: ReadonlyArray<Scope>
  readonly agentName?: string
}

interface Options {
  readonly plane?: Partial<PlaneSettings>
  readonly variables?: Readonly<Record<string, string>>
  readonly recovering?: boolean
  /** Done to Plane before the gateway starts. */
  readonly before?: (plane: PlaneControl) => Effect.Effect<unknown>
}

/** Grants on Plane have to end. */
const inAWeek = () => new Date(Date.now() + 7 * 86_400_000).toISOString()

/** The variables of a gateway in front of a Plane. */
export const planeVariables = (plane: Pick<PlaneControl, "url" | "apiKey">) => ({
  TASKER_KIND: "plane",
  PLANE_BASE_URL: plane.url,
  PLANE_API_KEYS: plane.apiKey,
  PLANE_WEB_URL: "https://plane.example.test/",
  // The budget has tests of its own.
  PLANE_REQUESTS_PER_MINUTE: "100000"
})

export const planeWorld = (options: Options = {}) =>
  Layer.unwrap(
    Effect.gen(function* () {
      const fresh = yield* freshDatabase
      const plane = yield* freshPlane(fresh.url, options.plane)
      yield* options.before?.(plane) ?? Effect.void
      const database = yield* PgClient.make({ url: Redacted.make(fresh.url), maxConnections: 4 })
      const settings = Settings.layer({
        DATABASE_URL: fresh.url,
        NODEDC_AGENT_GATEWAY_INTERNAL_TOKEN: secret(),
        PAIRING_PEPPER: pepper(),
        ...planeVariables(plane),
        TASKER_TIMEOUT_MS: "5000",
        CALL_DEADLINE_MS: "20000",
        TASKER_SETTLE_AFTER_MS: "0",
        RATE_LIMIT_READS_PER_MINUTE: "0",
        RATE_LIMIT_WRITES_PER_MINUTE: "0",
        SUSPEND_AFTER_DENIALS: "0",
        DUPLICATE_WINDOW_MINUTES: "0",
        ...options.variables
      })
      const actors = Layer.effect(
        PlaneWorld,
        Effect.gen(function* () {
          const registry = yield* AgentRegistry
          const colleague = (seeded: SeededProject, asked: ActorOptions = {}) =>
            Effect.gen(function* () {
              const ivan = seeded.members.find(({ email }) => email.startsWith("ivan@"))
              const owner = asked.owner ?? { id: ivan?.id ?? "", email: ivan?.email ?? "" }
              const agent = yield* registry.createAgent(act, {
                owner_user_id: (owner.id ?? "not-known-to-plane") as UserId,
                owner_email: owner.email,
                display_name: asked.agentName ?? "Test Codex"
              })
              const terms = grantTerms(seeded, asked.scopes ?? allScopes, null, inAWeek())
              yield* registry.grant(act, agent.id, terms)
              const { token } = yield* registry.issueToken(act, agent.id, { name: "test", expires_at: null })
              return { agentId: agent.id, token, project: seeded, seeded }
            }).pipe(Effect.orDie)
          return PlaneWorld.of({
            plane,
            database,
            colleague,
            actor: (asked) =>
              Effect.flatMap(
                // A workspace of its own, of which nothing is cached.
                plane.project({ workspace_slug: `w-${randomUUID().slice(0, 8)}`, ...asked?.project }),
                (seeded) => colleague(seeded, asked)
              )
          })
        })
      )
      return Layer.provideMerge(actors, inside(PlaneAdapter.layer, settings, options.recovering))
    })
  ).pipe(Layer.provide(Reactivity.layer), Layer.provideMerge(quiet))
