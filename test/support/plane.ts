import { Effect } from "effect"
import { startPlane } from "../plane/Plane.ts"
import type { SeededProject } from "../plane/Seeds.ts"
import type { Settings } from "../plane/Settings.ts"
import type { Logged } from "../plane/Writes.ts"
import { control, type Fault, type TaskerControl } from "./tasker.ts"

export interface PlaneFault extends Fault {
  /** Strikes only requests that name this external id. */
  readonly external_id?: string
  /** What a proxy answers after the write was carried out. */
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

/** A response of Plane's API. */
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

/** What a test does to a reference Plane, and sends to its API. */
export interface PlaneControl extends Pick<TaskerControl, "url" | "requests" | "atRest" | "heal" | "send"> {
  readonly apiKey: string
  readonly writes: Effect.Effect<ReadonlyArray<Logged>>
  readonly project: (seed?: Partial<PlaneProject>) => Effect.Effect<SeededProject>
  /** Adds a member, or changes one. Returns the user's id. */
  readonly member: (projectId: string, member: PlaneMember) => Effect.Effect<string>
  readonly label: (projectId: string, name: string) => Effect.Effect<string>
  readonly fault: (fault: PlaneFault) => Effect.Effect<void>
  readonly configure: (settings: Partial<Settings>) => Effect.Effect<void>
  readonly request: (path: string, request?: PlaneRequest) => Effect.Effect<PlaneReply>
}

/** The people of a seeded project, in different seats. */
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
      return {
        status: response.status,
        headers: response.headers,
        text,
        json: isJson && text ? JSON.parse(text) : null
      }
    })

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
    fault,
    configure: (settings) => switches(settings as Readonly<Record<string, never>>),
    request: requestTo(url, apiKey)
  }
}

/** A reference Plane of a test's own, in the test's database. Without a rate limit unless one is given. */
export const freshPlane = (databaseUrl: string, settings: Partial<Settings> = {}) =>
  Effect.map(
    startPlane({ databaseUrl, apiKey: "plane_api_test", settings: { rate_limit: 0, ...settings } }),
    ({ url }) => planeControl(url, "plane_api_test")
  )
