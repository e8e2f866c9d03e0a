import { Effect, Layer, Option, Redacted, References } from "effect"
import { Settings } from "../../src/Config.ts"
import { Addresses } from "../../src/http/Addresses.ts"
import * as routes from "../../src/http/routes.ts"
import { serve } from "../../src/http/Server.ts"
import * as AuditProofPostgres from "../../src/layers/audit/AuditProofPostgres.ts"
import * as ReadinessLive from "../../src/layers/ReadinessLive.ts"
import * as Mcp from "../../src/mcp/Route.ts"
import { withVariables, layer as world } from "./world.ts"

/** A world with its edges: the gateway over real HTTP, on a free port. */
const over = (inner: typeof world) =>
  serve(Layer.mergeAll(routes.layer, Mcp.layer)).pipe(
    Layer.provide(ReadinessLive.layer),
    Layer.provide(AuditProofPostgres.layer),
    Layer.provide(
      Layer.effect(
        Settings,
        Effect.map(Settings, (settings) => ({ ...settings, port: 0 }))
      )
    ),
    Layer.provideMerge(inner),
    Layer.provideMerge(Layer.succeed(References.MinimumLogLevel, "Error"))
  )

export const layer = over(world)

/** The world with its edges and with settings of its own. */
export const layerWith = (variables: Readonly<Record<string, string>>) => over(withVariables(variables))

export interface Answer {
  readonly status: number
  readonly headers: Headers
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape
  readonly body: any
}

export interface Sent {
  readonly method?: string
  readonly token?: string | undefined
  readonly body?: unknown
  readonly headers?: Record<string, string>
}

/** Sends one request to the gateway; a body that is no string goes as JSON. */
export const send = (
  path: string,
  { body, headers, method, token }: Sent = {}
): Effect.Effect<Answer, never, Addresses> =>
  Effect.flatMap(Addresses, ({ listenOrigin }) =>
    Effect.promise(async () => {
      const response = await fetch(listenOrigin + path, {
        method: method ?? (body === undefined ? "GET" : "POST"),
        headers: {
          ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
          ...(body === undefined ? {} : { "content-type": "application/json" }),
          ...headers
        },
        ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) })
      })
      const text = await response.text()
      const json = response.headers.get("content-type")?.includes("json") === true
      return { status: response.status, headers: response.headers, body: json ? JSON.parse(text) : text }
    })
  )

/** The same, as an operator. */
export const operate = (path: string, sent: Sent = {}) =>
  Effect.flatMap(Settings, ({ internalToken }) =>
    send(path, { token: Redacted.value(Option.getOrThrow(internalToken)), ...sent })
  )
