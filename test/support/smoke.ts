import { randomUUID } from "node:crypto"
import { Context, Effect, Layer, Redacted } from "effect"
import { allScopes } from "../../src/domain/Scope.ts"
import { freshDatabase, secret } from "./gateway.ts"
import { type Agent, newAgent, Served, start } from "./served.ts"
import { isNamed, namedPlace } from "./smoke-place.ts"
import type { Setting } from "./story.ts"
import { freshTasker, owner } from "./tasker.ts"

/**
 * Where the smokes through to a Tasker run. The environment may name a real one, of which nothing is
 * asked but what the gateway itself may ask; else it is a reference Tasker, made for the run.
 *
 *   NODEDC_TASKER_INTERNAL_URL, NODEDC_INTERNAL_ACCESS_TOKEN, SMOKE_WORKSPACE_SLUG, SMOKE_PROJECT_ID
 *   SMOKE_OWNER_USER_ID, SMOKE_OWNER_EMAIL               in whose name; unset: a member of that project
 *   DATABASE_URL, NODEDC_AGENT_GATEWAY_INTERNAL_TOKEN    where the gateway keeps what it keeps, and its bearer
 */
export class Smoke extends Context.Service<Smoke, { readonly agent: Agent; readonly setting: Setting }>()(
  "test/support/Smoke"
) {}

interface Place {
  readonly taskerUrl: string
  readonly taskerToken: string
  readonly workspaceSlug: string
  readonly projectId: string
  readonly databaseUrl: string
  readonly internalToken: string
  readonly owner: { readonly owner_user_id: string; readonly owner_email: string }
}

/** An empty variable is one that is not set. */
const variable = (name: string): string | undefined => process.env[name] || undefined

const named = Effect.gen(function* () {
  const { owner: found, place } = yield* Effect.orDie(namedPlace(process.env))
  return {
    taskerUrl: place.url.href,
    taskerToken: Redacted.value(place.token),
    workspaceSlug: place.workspaceSlug,
    projectId: place.projectId,
    databaseUrl: variable("DATABASE_URL") ?? (yield* freshDatabase).url,
    internalToken: variable("NODEDC_AGENT_GATEWAY_INTERNAL_TOKEN") ?? secret(),
    owner: { owner_user_id: found.id, owner_email: found.email }
  } satisfies Place
})

const made = Effect.gen(function* () {
  const { url: databaseUrl } = yield* freshDatabase
  const tasker = yield* freshTasker(databaseUrl, secret())
  const { project } = yield* tasker.project()
  return {
    taskerUrl: tasker.url,
    taskerToken: tasker.accessToken,
    workspaceSlug: project.workspace_slug,
    projectId: project.id,
    databaseUrl,
    internalToken: secret(),
    owner: { owner_user_id: owner.id, owner_email: owner.email }
  } satisfies Place
})

/** A gateway of the smoke's own, and an agent with every scope on the one project. */
export const layer = Layer.effectContext(
  Effect.gen(function* () {
    const place: Place = yield* isNamed(process.env) ? named : made
    const { databaseUrl, internalToken, projectId, workspaceSlug } = place
    const url = yield* start({
      DATABASE_URL: databaseUrl,
      NODEDC_AGENT_GATEWAY_INTERNAL_TOKEN: internalToken,
      NODEDC_TASKER_INTERNAL_URL: place.taskerUrl,
      NODEDC_INTERNAL_ACCESS_TOKEN: place.taskerToken
    })
    const gateway = Served.of({ url, internalToken, databaseUrl })
    const terms = { project_id: projectId, workspace_slug: workspaceSlug, scopes: allScopes }
    const agent = yield* Effect.provideService(newAgent([terms], place.owner), Served, gateway)
    const setting = { workspaceSlug, projectId, elsewhere: randomUUID() }
    return Context.make(Served, gateway).pipe(Context.add(Smoke, Smoke.of({ agent, setting })))
  })
)
