import { randomUUID } from "node:crypto"
import { Context, Effect, Layer } from "effect"
import { allScopes } from "../../src/domain/Scope.ts"
import { freshDatabase, secret } from "./gateway.ts"
import { freshPlane, requestTo } from "./plane.ts"
import { type Agent, newAgent, Served, start } from "./served.ts"
import type { Setting } from "./story.ts"

/**
 * Where the story is played before a Plane: the real one that the environment names, else a reference Plane
 * made for the run.
 *
 *   PLANE_BASE_URL, PLANE_API_KEY, SMOKE_WORKSPACE_SLUG, SMOKE_PROJECT_ID
 *   PLANE_REQUESTS_PER_MINUTE      the server's API_KEY_RATE_LIMIT, if it was raised
 */
export class PlaneSmoke extends Context.Service<
  PlaneSmoke,
  {
    readonly agent: Agent
    readonly setting: Setting
    /** Deletes what the run made, as far as the API lets it. Returns what is left. */
    readonly discard: (issueId: string) => Effect.Effect<string | undefined>
  }
>()("test/support/PlaneSmoke") {}

interface Place {
  readonly url: string
  readonly apiKey: string
  readonly workspaceSlug: string
  readonly projectId: string
}

/** An empty variable is one that is not set. */
const variable = (name: string): string | undefined => process.env[name] || undefined

const names = ["PLANE_BASE_URL", "PLANE_API_KEY", "SMOKE_WORKSPACE_SLUG", "SMOKE_PROJECT_ID"] as const

const named = Effect.gen(function* () {
  const missing = names.filter((name) => variable(name) === undefined)
  if (missing.length > 0) {
    return yield* Effect.die(new Error(`A real Plane is named, but ${missing.join(", ")} is not set`))
  }
  const [url = "", apiKey = "", workspaceSlug = "", projectId = ""] = names.map(variable)
  return { url, apiKey, workspaceSlug, projectId } satisfies Place
})

const made = Effect.gen(function* () {
  const plane = yield* freshPlane((yield* freshDatabase).url)
  const { project } = yield* plane.project()
  return {
    url: plane.url,
    apiKey: plane.apiKey,
    workspaceSlug: project.workspace_slug,
    projectId: project.id
  } satisfies Place
})

const inDays = (days: number) => new Date(Date.now() + days * 86_400_000).toISOString()

export const layer = Layer.effectContext(
  Effect.gen(function* () {
    const { apiKey, projectId, url, workspaceSlug } = yield* variable("PLANE_BASE_URL") === undefined
      ? made
      : named
    const request = requestTo(url, apiKey)
    const me = (yield* request("/api/v1/users/me/")).json
    const internalToken = secret()
    const databaseUrl = (yield* freshDatabase).url
    const gatewayUrl = yield* start({
      DATABASE_URL: databaseUrl,
      NODEDC_AGENT_GATEWAY_INTERNAL_TOKEN: internalToken,
      TASKER_KIND: "plane",
      PLANE_BASE_URL: url,
      PLANE_API_KEYS: apiKey,
      PLANE_REQUESTS_PER_MINUTE: variable("PLANE_REQUESTS_PER_MINUTE") ?? "100000"
    })
    const gateway = Served.of({ url: gatewayUrl, internalToken, databaseUrl })
    const terms = {
      project_id: projectId,
      workspace_slug: workspaceSlug,
      scopes: allScopes,
      expires_at: inDays(1)
    }
    const owner = { owner_user_id: String(me.id), owner_email: String(me.email) }
    const agent = yield* Effect.provideService(newAgent([terms], owner), Served, gateway)
    const discard = (issueId: string) =>
      Effect.map(
        request(`/api/v1/workspaces/${workspaceSlug}/projects/${projectId}/issues/${issueId}/`, {
          method: "DELETE"
        }),
        ({ status }) => (status === 204 ? undefined : `card ${issueId} (deleting it answered ${status})`)
      )
    const setting = { workspaceSlug, projectId, elsewhere: randomUUID() }
    return Context.make(Served, gateway).pipe(
      Context.add(PlaneSmoke, PlaneSmoke.of({ agent, setting, discard }))
    )
  })
)
