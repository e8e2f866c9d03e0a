import { Context, Effect, Layer } from "effect"
import type { Edit } from "../plane/People.ts"
import { startPlane } from "../plane/Plane.ts"
import type { SeededProject } from "../plane/Seeds.ts"
import type { Settings } from "../plane/Settings.ts"
import type { Logged } from "../plane/Writes.ts"
import { freshDatabase } from "./gateway.ts"
import { control, type Fault, type TaskerControl } from "./tasker.ts"

export interface PlaneFault extends Fault {
  /** Strikes only requests that name this external id. */
  readonly external_id?: string
  /** Sets what a proxy answers after the write was carried out. */
  readonly status?: number
  readonly body?: string
  readonly content_type?: string
  readonly names?: Readonly<Record<string, string>>
}

export interface PlaneMember {
  readonly email: string
  readonly id?: string
  readonly display_name?: string
  readonly first_name?: string
  readonly last_name?: string
  readonly role?: number
  readonly workspace_role?: number
  readonly active?: boolean
  readonly api_key?: string
}

export interface PlaneProject {
  readonly id: string
  readonly workspace_slug: string
  readonly name: string
  readonly identifier: string
  /** 2 is public, 0 secret. */
  readonly network: 0 | 2
  /** By e-mail. */
  readonly default_assignee: string
  readonly labels: ReadonlyArray<{ readonly name: string; readonly color?: string }>
  readonly members: ReadonlyArray<PlaneMember>
  /** The role of the key's user; null: no seat. */
  readonly key_role: number | null
}

/** Holds a response of Plane's API. */
export interface PlaneReply {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  // biome-ignore lint/suspicious/noExplicitAny: tests look into responses of every shape
  readonly json: any
}

export interface PlaneRequest {
  readonly method?: string
  readonly body?: unknown
  /** Null sends none. */
  readonly key?: string | null
  readonly headers?: Readonly<Record<string, string>>
}

/** Does what a test does to a reference Plane, and sends requests to its API. */
export interface PlaneControl extends Pick<TaskerControl, "url" | "requests" | "atRest" | "heal" | "send"> {
  readonly apiKey: string
  readonly writes: Effect.Effect<ReadonlyArray<Logged>>
  readonly project: (seed?: Partial<PlaneProject>) => Effect.Effect<SeededProject>
  /** Adds a member, or changes one. Returns the user's id. */
  readonly member: (projectId: string, member: PlaneMember) => Effect.Effect<string>
  readonly label: (projectId: string, name: string) => Effect.Effect<string>
  /** Makes a key invalid. */
  readonly revoke: (apiKey: string) => Effect.Effect<void>
  /** Reads any card, also one that is archived, a draft or deleted. */
  readonly card: (issueId: string) => Effect.Effect<PlaneReply["json"]>
  /** Edits, archives or deletes a card as a person does on the board: not logged as a write. */
  readonly edit: (issueId: string, edit: Edit) => Effect.Effect<PlaneReply["json"]>
  readonly remark: (issueId: string, userId: string, html: string) => Effect.Effect<string>
  /** Makes a second card with the same external id. Returns its id. */
  readonly twin: (issueId: string) => Effect.Effect<string>
  readonly fault: (fault: PlaneFault) => Effect.Effect<void>
  readonly configure: (settings: Partial<Settings>) => Effect.Effect<void>
  readonly request: (path: string, request?: PlaneRequest) => Effect.Effect<PlaneReply>
}

/** Seats people in a seeded project, each differently. */
export const people: ReadonlyArray<PlaneMember> = [
  { email: "ivan@example.test", first_name: "Ivan", last_name: "Petrov" },
  { email: "fedor@example.test", first_name: "Fedor", last_name: "Sidorov" },
  { email: "guest@example.test", first_name: "Guest", last_name: "Visitor", role: 5 },
  { email: "olga@example.test", first_name: "Olga", last_name: "Removed", active: false }
]

/** Sends one request to an API of Plane's form; a body that is no string goes as JSON. Redirects are not followed. */
export const requestTo =
  (url: string, apiKey: string) =>
  (path: string, { body, headers, key = apiKey, method }: PlaneRequest = {}): Effect.Effect<PlaneReply> =>
    Effect.promise(async () => {
      const response = await fetch(url + path, {
        method: method ?? (body === undefined ? "GET" : "POST"),
        redirect: "manual",
        headers: {
          ...(key === null ? {} : { "x-api-key": key }),
          ...(body === undefined ? {} : { "content-type": "application/json" }),
          ...headers
        },
        ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) })
      })
      const text = await response.text()
      const isJson = response.headers.get("content-type")?.startsWith("application/json") === true
      return { status: response.status, headers: response.headers, text, json: isJson ? parsed(text) : null }
    })

const parsed = (text: string) => {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

export const planeControl = (url: string, apiKey: string): PlaneControl => {
  const { atRest, fault, heal, requests, send, switches, writes } = control(url, apiKey)
  let projects = 0
  const id = (body: unknown) => (body as { readonly id: string }).id
  return {
    url,
    apiKey,
    atRest,
    heal,
    requests,
    send,
    writes: writes as Effect.Effect<ReadonlyArray<never>>,
    project: (seed = {}) =>
      Effect.suspend(() =>
        send("POST", "/projects", {
          workspace_slug: "ops",
          name: `Operations ${++projects}`,
          identifier: `OPS${projects}`,
          labels: [{ name: "bug" }, { name: "backend" }],
          members: people,
          ...seed
        })
      ) as Effect.Effect<SeededProject>,
    member: (projectId, member) =>
      Effect.map(send("POST", "/members", { project_id: projectId, ...member }), id),
    label: (projectId, name) => Effect.map(send("POST", "/labels", { project_id: projectId, name }), id),
    revoke: (key) => Effect.asVoid(send("DELETE", "/keys", { api_key: key })),
    card: (issueId) => send("GET", `/issues/${issueId}`),
    edit: (issueId, edit) => send("PATCH", `/issues/${issueId}`, edit),
    remark: (issueId, userId, html) =>
      Effect.map(send("POST", `/issues/${issueId}/comments`, { user_id: userId, comment_html: html }), id),
    twin: (issueId) => Effect.map(send("POST", `/issues/${issueId}/twin`), id),
    fault,
    configure: (settings) => switches(settings as Readonly<Record<string, never>>),
    request: requestTo(url, apiKey)
  }
}

/** Starts a reference Plane in the test's database, without a rate limit unless one is given. */
export const freshPlane = (databaseUrl: string, settings: Partial<Settings> = {}) =>
  Effect.map(
    startPlane({ databaseUrl, apiKey: "plane_api_test", settings: { rate_limit: 0, ...settings } }),
    ({ url }) => planeControl(url, "plane_api_test")
  )

/** Provides a reference Plane to the tests of one file. They can change its settings, and reset them by `heal`. */
export class ReferencePlane extends Context.Service<ReferencePlane, PlaneControl>()("test/ReferencePlane") {
  static readonly layer = (settings: Partial<Settings> = {}) =>
    Layer.effect(
      ReferencePlane,
      Effect.flatMap(freshDatabase, ({ url }) => freshPlane(url, settings))
    )
}

/** Seeds a project. Returns its paths, and the requests to them that tests make often. */
export const board = Effect.fnUntraced(function* (plane: PlaneControl, seed: Partial<PlaneProject> = {}) {
  const seeded = yield* plane.project(seed)
  const workspace = `/api/v1/workspaces/${seeded.project.workspace_slug}`
  const project = `${workspace}/projects/${seeded.project.id}`
  const cards = `${project}/issues/`
  const idOf = (found: ReadonlyArray<{ readonly id: string; readonly name: string }>, name: string) =>
    found.find((each) => each.name === name)?.id ?? ""
  return {
    ...seeded,
    workspace,
    project: project,
    projectId: seeded.project.id,
    identifier: seeded.project.identifier,
    cards,
    state: (name: string) => idOf(seeded.states, name),
    label: (name: string) => idOf(seeded.labels, name),
    person: (name: string) => seeded.members.find(({ email }) => email.startsWith(`${name}@`))?.id ?? "",
    create: (body: Readonly<Record<string, unknown>>) =>
      plane.request(cards, { body: { name: "Card", ...body } }),
    get: (id: string) => plane.request(`${cards}${id}/`),
    patch: (id: string, body: unknown) => plane.request(`${cards}${id}/`, { method: "PATCH", body }),
    comment: (id: string, body: unknown) => plane.request(`${cards}${id}/comments/`, { body }),
    lookup: (externalId: string) => plane.request(`${cards}?external_source=test&external_id=${externalId}`),
    list: Effect.map(
      plane.request(`${cards}?fields=id,name`),
      ({ json }) => json.results as ReadonlyArray<Named>
    )
  }
})

interface Named {
  readonly id: string
  readonly name: string
}

/** Makes what a create needs to be found again by its external id. */
export const external = (id: string) => ({ external_source: "test", external_id: id })
