import { randomBytes, randomUUID } from "node:crypto"
import * as PgClient from "@effect/sql-pg/PgClient"
import { Context, Effect, Fiber, Layer, Redacted } from "effect"
import * as Reactivity from "effect/reactivity/Reactivity"
import type { Profile } from "../tasker/Switches.ts"
import { eventually } from "./data-dirs.ts"
import { freshDatabase, secret } from "./gateway.ts"
import { freshTasker, owner, type ProjectSeed, type TaskerControl } from "./tasker.ts"

/** Provides a reference Tasker to the tests of one file, with a connection to its tables. */
export class BareTasker extends Context.Service<
  BareTasker,
  { readonly tasker: TaskerControl; readonly database: PgClient.PgClient }
>()("test/BareTasker") {
  static readonly layer = (profile: Profile) =>
    Layer.effect(
      BareTasker,
      Effect.gen(function* () {
        const { url } = yield* freshDatabase
        const tasker = yield* freshTasker(url, secret(), { profile })
        const database = yield* PgClient.make({ url: Redacted.make(url), maxConnections: 2 })
        return { tasker, database }
      })
    ).pipe(Layer.provide(Reactivity.layer))
}

/** Holds a response of Tasker's API. */
export interface TaskerReply {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  // biome-ignore lint/suspicious/noExplicitAny: tests look into responses of every shape
  readonly json: any
}

interface Request {
  readonly query?: Readonly<Record<string, string>>
  readonly body?: unknown
  /** Null sends none. */
  readonly bearer?: string | null
  readonly key?: string
}

const agentId = randomUUID()
const actor = {
  agent_id: agentId,
  agent_display_name: "Codex",
  owner_user_id: owner.id,
  owner_email: owner.email
}
const newKey = () => randomBytes(32).toString("hex")

/** Sends one request as the gateway would, without a gateway. */
export const request = (tasker: TaskerControl, method: string, path: string, options: Request = {}) =>
  Effect.promise(async (): Promise<TaskerReply> => {
    const { bearer = tasker.accessToken, body, key = newKey(), query = {} } = options
    const search = new URLSearchParams(query).toString()
    const response = await fetch(
      `${tasker.url}/api/internal/nodedc/agent${path}${search === "" ? "" : `?${search}`}`,
      {
        method,
        headers: {
          "x-nodedc-agent-id": agentId,
          "x-nodedc-owner-id": owner.id,
          ...(bearer === null ? {} : { authorization: `Bearer ${bearer}` }),
          ...(body === undefined ? {} : { "content-type": "application/json", "idempotency-key": key })
        },
        ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) })
      }
    )
    const text = await response.text()
    const isJson = response.headers.get("content-type")?.startsWith("application/json") === true
    return {
      status: response.status,
      headers: response.headers,
      text,
      json: isJson ? JSON.parse(text) : null
    }
  })

/** Makes what a write needs to be found again. */
export const external = (id: string) => ({ external_source: "test", external_id: id })

type Fields = Readonly<Record<string, unknown>>

/** Seeds a project. Returns the requests to it that tests make often. */
export const board = Effect.fnUntraced(function* (tasker: TaskerControl, seed: Partial<ProjectSeed> = {}) {
  const seeded = yield* tasker.project(seed)
  const project_id = seeded.project.id
  const common = { project_id, actor }
  const get = (path: string, query: Readonly<Record<string, string>> = {}) =>
    request(tasker, "GET", path, { query: { project_id, ...query } })
  const write = (method: string, path: string, body: Fields, key?: string) =>
    request(tasker, method, path, { body: { ...common, ...body }, ...(key !== undefined && { key }) })
  return {
    ...seeded,
    projectId: project_id,
    create: (body: Fields = {}, key?: string) => write("POST", "/issues", { name: "Card", ...body }, key),
    change: (id: string, body: Fields) => write("PATCH", `/issues/${id}`, body),
    assign: (id: string, ids: ReadonlyArray<string>) =>
      write("PUT", `/issues/${id}/assignees`, { assignee_ids: ids }),
    comment: (id: string, body: Fields = {}) =>
      write("POST", `/issues/${id}/comments`, { comment_html: "<p>text</p>", ...body }),
    list: (query?: Readonly<Record<string, string>>) => get("/issues", query),
    card: (id: string) => Effect.map(get("/issues", { issue_id: id }), ({ json }) => json.results[0]),
    comments: (id: string, query?: Readonly<Record<string, string>>) => get(`/issues/${id}/comments`, query),
    context: request(tasker, "GET", `/projects/${project_id}/context`)
  }
})

/** Reads every page from the first on, with the limits in turn, the last of them for all that follow. */
export const pages = Effect.fnUntraced(function* (
  read: (query: Readonly<Record<string, string>>) => Effect.Effect<TaskerReply>,
  limits: readonly [number, ...Array<number>]
) {
  const ids: Array<string> = []
  let cursor: string | null = null
  for (let n = 0; n === 0 || cursor !== null; n++) {
    const limit = String(limits[Math.min(n, limits.length - 1)])
    const { json }: TaskerReply = yield* read({ limit, ...(cursor !== null && { cursor }) })
    ids.push(...json.results.map(({ id }: { id: string }) => id))
    cursor = json.next_cursor
  }
  return ids
})

/**
 * Runs calls while rows can be read but not written, until all of them wait, and then lets them go on.
 * None has then written before all have read, unless a lock keeps them apart.
 */
export const heldBeforeWriting = Effect.fnUntraced(function* <A>(
  database: PgClient.PgClient,
  table: "issues" | "comments",
  calls: ReadonlyArray<Effect.Effect<A>>
) {
  const allWait = Effect.flatMap(
    database<{ n: number }>`
      select count(*)::int as n from pg_stat_activity
      where datname = current_database() and application_name = 'reference-tasker' and wait_event_type = 'Lock'`,
    ([row]) => (row?.n === calls.length ? Effect.void : Effect.fail(new Error(`${row?.n} calls wait`)))
  )
  const running = yield* database.withTransaction(
    Effect.gen(function* () {
      yield* database`lock table ${database.literal(`tasker.${table}`)} in share mode`
      const started = yield* Effect.forkDetach(Effect.all(calls, { concurrency: "unbounded" }))
      yield* eventually(allWait)
      return started
    })
  )
  return yield* Fiber.join(running)
})
