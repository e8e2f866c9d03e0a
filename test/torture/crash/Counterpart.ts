import { randomBytes, randomUUID } from "node:crypto"
import { Effect, type Scope } from "effect"
import { freshPlane } from "../../support/plane.ts"
import { freshTasker, owner, type RecordedWrite, type SeededProject } from "../../support/tasker.ts"
import type { Profile } from "../../tasker/Switches.ts"

/** Tasker as the crash matrix knows it: the reference Tasker of some profile, or the reference Plane. */
export type TaskerKind = Profile | "plane"

export interface Counterpart {
  readonly url: string
  /** Of the environment of a gateway that reaches it by a URL. */
  readonly gateway: (url: string) => Readonly<Record<string, string>>
  /** Seeds a project. Before Plane it is the only one of its workspace, so that no other call reads what it consists of. */
  readonly project: Effect.Effect<SeededProject["project"]>
  /** What every grant says besides; Plane's have to end. */
  readonly grant: () => object
  /** Makes a card that no gateway has made or read, so that none has anything of its project at hand. */
  readonly card: (project: SeededProject["project"]) => Effect.Effect<string>
  readonly writes: Effect.Effect<ReadonlyArray<RecordedWrite & { readonly project_id: string }>>
  /** True if it logs a change under the key of its write. */
  readonly keysChanges: boolean
}

export const startCounterpart = (
  kind: TaskerKind,
  databaseUrl: string
): Effect.Effect<Counterpart, never, Scope.Scope> =>
  Effect.orDie<Counterpart, unknown, Scope.Scope>(
    kind === "plane" ? plane(databaseUrl) : nodedc(kind, databaseUrl)
  )

const nodedc = Effect.fnUntraced(function* (profile: Profile, databaseUrl: string) {
  const { accessToken, project, url, writes } = yield* freshTasker(
    databaseUrl,
    randomBytes(24).toString("base64url"),
    { profile }
  )
  return {
    url,
    gateway: (at) => ({ NODEDC_TASKER_INTERNAL_URL: at, NODEDC_INTERNAL_ACCESS_TOKEN: accessToken }),
    project: Effect.map(Effect.suspend(project), (seeded) => seeded.project),
    grant: () => ({}),
    card: ({ id: project_id }) => {
      const actor = {
        agent_id: randomUUID(),
        agent_display_name: "Somebody else",
        owner_user_id: owner.id,
        owner_email: owner.email
      }
      const headers = {
        authorization: `Bearer ${accessToken}`,
        "idempotency-key": randomBytes(32).toString("hex"),
        "x-nodedc-agent-id": actor.agent_id,
        "x-nodedc-owner-id": actor.owner_user_id
      }
      const body = { name: "A card", project_id, actor }
      return Effect.map(
        post(`${url}/api/internal/nodedc/agent/issues`, headers, body),
        ({ issue }) => issue.id as string
      )
    },
    writes: writes as Counterpart["writes"],
    keysChanges: true
  } satisfies Counterpart as Counterpart
})

const plane = Effect.fnUntraced(function* (databaseUrl: string) {
  const { apiKey, project, url, writes } = yield* freshPlane(databaseUrl, { rate_limit: requestsPerMinute })
  const members = [
    { email: owner.email, display_name: owner.display_name, role: 20 },
    { email: "ivan@example.test", display_name: "ivan" }
  ]
  return {
    url,
    gateway: (at) => ({
      TASKER_KIND: "plane",
      PLANE_BASE_URL: at,
      PLANE_API_KEYS: apiKey,
      PLANE_REQUESTS_PER_MINUTE: String(requestsPerMinute)
    }),
    project: Effect.map(
      Effect.suspend(() => project({ workspace_slug: `ops-${randomUUID()}`, members })),
      (seeded) => seeded.project
    ),
    grant: () => ({ expires_at: new Date(Date.now() + 7 * 86_400_000).toISOString() }),
    card: ({ id, workspace_slug }) =>
      Effect.map(
        post(
          `${url}/api/v1/workspaces/${workspace_slug}/projects/${id}/issues/`,
          { "x-api-key": apiKey },
          { name: "A card" }
        ),
        (made) => made.id as string
      ),
    writes: writes as unknown as Counterpart["writes"],
    keysChanges: false
  } satisfies Counterpart as Counterpart
})

/** More than the reference Plane is ever asked: no call waits for the budget, or is refused. */
const requestsPerMinute = 100_000

/** Anything but a success is a defect. */
const post = (url: string, headers: Readonly<Record<string, string>>, body: object) =>
  Effect.promise(async () => {
    const response = await fetch(url, {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body: JSON.stringify(body)
    })
    if (!response.ok) throw new Error(`${url} answered ${response.status}: ${await response.text()}`)
    // biome-ignore lint/suspicious/noExplicitAny: answers of every shape
    return (await response.json()) as any
  })
