import * as Http from "node:http"
import { Context, Effect, Layer } from "effect"
import { allScopes } from "../../src/domain/Scope.ts"
import { Addresses } from "../../src/http/Addresses.ts"
import { gateway } from "../../src/main.ts"
import { freshDatabase, pepper, restricted, secret, signingKey } from "./gateway.ts"
import { freshTasker, owner, type TaskerControl } from "./tasker.ts"

/** The gateway whole, as `npm start` puts it together, and what a program outside says to it over HTTP. */
export class Served extends Context.Service<
  Served,
  {
    /** Where it listens, without a trailing slash. */
    readonly url: string
    readonly internalToken: string
    readonly databaseUrl: string
  }
>()("test/support/Served") {}

/** The reference Tasker behind it. */
export class ReferenceTasker extends Context.Service<ReferenceTasker, TaskerControl>()(
  "test/support/ReferenceTasker"
) {}

export type Variables = Readonly<Record<string, string>>

/** Starts a gateway with these variables and no others, on a free port, until the scope closes. */
export const start = Effect.fnUntraced(function* (variables: Variables) {
  const context = yield* Layer.build(
    Layer.fresh(
      gateway({
        PORT: "0",
        LOG_LEVEL: "silent",
        NODE_ENV: "test",
        // Where a test looked at `/readyz`, a quarter of it goes by before the gateway stops.
        SHUTDOWN_GRACE_SECONDS: "4",
        AUDIT_SIGNING_KEY: signingKey(),
        PAIRING_PEPPER: pepper(),
        ...variables
      })
    )
  )
  return Context.get(context, Addresses).listenOrigin
}, Effect.orDie)

const withDatabase = Effect.fnUntraced(function* (databaseUrl: string, variables: Variables) {
  const internalToken = secret()
  const url = yield* start({
    DATABASE_URL: restricted(databaseUrl),
    MIGRATION_DATABASE_URL: databaseUrl,
    NODEDC_AGENT_GATEWAY_INTERNAL_TOKEN: internalToken,
    ...variables
  })
  return Served.of({ url, internalToken, databaseUrl })
})

/** A gateway to which no Tasker was named. */
export const withoutTasker = Layer.effect(
  Served,
  Effect.flatMap(freshDatabase, ({ url }) => withDatabase(url, {}))
)

/** A gateway with a reference Tasker of its own. */
export const served = (variables: Variables = {}) =>
  Layer.effectContext(
    Effect.gen(function* () {
      const database = yield* freshDatabase
      const tasker = yield* freshTasker(database.url, secret())
      const server = yield* withDatabase(database.url, {
        NODEDC_TASKER_INTERNAL_URL: tasker.url,
        NODEDC_INTERNAL_ACCESS_TOKEN: tasker.accessToken,
        TASKER_TIMEOUT_MS: "3000",
        CALL_DEADLINE_MS: "9000",
        TASKER_SETTLE_AFTER_MS: "0",
        // Many tests make the same card through several doors.
        DUPLICATE_WINDOW_MINUTES: "0",
        ...variables
      })
      return Context.make(Served, server).pipe(Context.add(ReferenceTasker, tasker))
    })
  )

export interface Reply {
  readonly status: number
  readonly headers: Http.IncomingHttpHeaders
  readonly text: string
  // biome-ignore lint/suspicious/noExplicitAny: what came over the wire, of any shape
  readonly json: any
}

export interface Sent {
  readonly method?: string
  readonly token?: string | undefined
  /** Several values of one name go as several headers; an undefined one is left out. */
  readonly headers?: Readonly<Record<string, string | ReadonlyArray<string> | undefined>>
  /** Text and bytes go as they are, anything else as JSON. */
  readonly body?: unknown
}

const connections = new Http.Agent({ keepAlive: true })

const bytesOf = (body: unknown): string | Buffer =>
  typeof body === "string" || Buffer.isBuffer(body) ? body : JSON.stringify(body)

/** Sends one request to any address and reads the reply to its end. */
export const sendTo = (url: string, { method, token, headers = {}, body }: Sent = {}): Effect.Effect<Reply> =>
  Effect.callback((resume) => {
    const all = {
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...(body === undefined ? {} : { "content-type": "application/json" }),
      ...headers
    }
    const given = Object.entries(all).filter(([, value]) => value !== undefined)
    const request = Http.request(url, {
      method: method ?? (body === undefined ? "GET" : "POST"),
      agent: connections,
      headers: Object.fromEntries(given) as Http.OutgoingHttpHeaders
    })
    request.on("response", (response) => {
      let text = ""
      response.setEncoding("utf8").on("data", (chunk: string) => {
        text += chunk
      })
      response.on("end", () => {
        const isJson = text !== "" && /[/+]json/.test(response.headers["content-type"] ?? "")
        resume(
          Effect.succeed({
            status: response.statusCode ?? 0,
            headers: response.headers,
            text,
            json: isJson ? JSON.parse(text) : undefined
          })
        )
      })
    })
    request.on("error", (error) => resume(Effect.die(error)))
    request.end(body === undefined ? undefined : bytesOf(body))
    return Effect.sync(() => request.destroy())
  })

/** The same, to the gateway under test. */
export const send = (path: string, sent: Sent = {}) =>
  Effect.flatMap(Served, ({ url }) => sendTo(url + path, sent))

/** A call of the lifecycle API, as an operator or Tasker's backend makes it. */
export const operate = (path: string, sent: Sent = {}) =>
  Effect.flatMap(Served, ({ internalToken, url }) => sendTo(url + path, { token: internalToken, ...sent }))

/** The same, where anything but a success would be a fault of the test. */
export const administer = (path: string, sent: Sent = {}) =>
  Effect.flatMap(operate(path, sent), (reply) =>
    reply.status < 300
      ? Effect.succeed(reply.json)
      : Effect.die(new Error(`${path} answered ${reply.status}: ${reply.text}`))
  )

export interface GrantTerms {
  readonly project_id: string
  readonly workspace_slug: string
  readonly scopes: ReadonlyArray<string>
}

/** An agent with a token, made through the lifecycle API. */
export interface Agent {
  readonly id: string
  readonly token: string
  readonly tokenId: string
  readonly grantIds: ReadonlyArray<string>
}

export const newAgent = Effect.fnUntraced(function* (
  grants: ReadonlyArray<GrantTerms>,
  who: { readonly owner_user_id: string; readonly owner_email: string } = {
    owner_user_id: owner.id,
    owner_email: owner.email
  }
) {
  const { agent } = yield* administer("/api/v1/agents", { body: { ...who, display_name: "Test Codex" } })
  const path = `/api/v1/agents/${agent.id}`
  const made = yield* Effect.forEach(grants, (terms) => administer(`${path}/grants`, { body: terms }))
  const { token, token_info } = yield* administer(`${path}/tokens`, { body: { name: "test" } })
  return {
    id: agent.id,
    token,
    tokenId: token_info.id,
    grantIds: made.map(({ grant }) => grant.id)
  } as Agent
})

/** Makes an agent with all scopes on a project of its own. */
export const newcomer = Effect.fnUntraced(function* (tasker: TaskerControl) {
  const { project } = yield* tasker.project()
  const terms = { project_id: project.id, workspace_slug: project.workspace_slug, scopes: allScopes }
  return { project, ...(yield* newAgent([terms])) }
})

export interface Event {
  readonly action: string
  readonly outcome: string
  readonly reason: string | null
  readonly request_id: string
  readonly via: string
  readonly issue_id: string | null
  readonly idempotency_key: string | null
}

/** An agent's audit trail, newest first. */
export const auditOf = (agentId: string) =>
  Effect.map(
    administer(`/api/v1/agents/${agentId}/audit?limit=100`),
    ({ events }) => events as ReadonlyArray<Event>
  )
