import { Context, Effect, Layer } from "effect"
import type { HttpServerRequest } from "effect/http/HttpServerRequest"
import { Settings } from "../Config.ts"
import { RequestRefused } from "../domain/Failure.ts"
import { isLoopback } from "../domain/Network.ts"
import { Addresses } from "./Addresses.ts"

/**
 * Which `Host` and `Origin` may be used on `/mcp` and on pages. It is what keeps a web page from
 * reaching a gateway on its reader's own machine: by DNS rebinding, where the name in `Host` gives it
 * away, or across origins, where `Origin` does (MCP 2025-11-25, basic/transports, "Security Warning").
 */
export class Hosts extends Context.Service<
  Hosts,
  {
    /** Passes, or fails with `request.host` or `request.origin`. No `Origin` is fine: only browsers send one. */
    check(request: HttpServerRequest): Effect.Effect<void, RequestRefused>
    /**
     * Fails with `request.origin` if a web page of another site sent the request. `Host` is not looked at: the
     * lifecycle API is reached by names that only its callers know.
     */
    checkOrigin(request: HttpServerRequest): Effect.Effect<void, RequestRefused>
  }
>()("tasker-codex-api/http/Hosts") {
  static readonly layer = Layer.effect(
    Hosts,
    Effect.gen(function* () {
      const { allowedHosts, allowedOrigins } = yield* Settings
      const { publicUrl, listenOrigin } = yield* Addresses
      return Hosts.of(rules({ allowedHosts, allowedOrigins, publicUrl, listenOrigin }))
    })
  )
}

export const rules = (from: {
  readonly allowedHosts: ReadonlyArray<string>
  readonly allowedOrigins: ReadonlyArray<string>
  readonly publicUrl: string
  readonly listenOrigin: string
}): Record<
  "check" | "checkOrigin",
  (request: Pick<HttpServerRequest, "headers">) => Effect.Effect<void, RequestRefused>
> => {
  const origins = new Set([
    new URL(from.publicUrl).origin,
    new URL(from.listenOrigin).origin,
    ...from.allowedOrigins
  ])
  const hosts = new Set([new URL(from.publicUrl).host, new URL(from.listenOrigin).host, ...from.allowedHosts])
  const check = ({ headers }: Pick<HttpServerRequest, "headers">) => {
    const host = readHost(headers.host)
    if (host === undefined || !(isLoopback(host.name) || hosts.has(host.name) || hosts.has(host.full))) {
      return Effect.fail(
        new RequestRefused({
          reason: "host",
          message:
            "The Host header names none of this gateway's names. Its operator can add one to ALLOWED_HOSTS."
        })
      )
    }
    return headers.origin === undefined || origins.has(headers.origin) ? Effect.void : Effect.fail(foreign())
  }
  const checkOrigin = ({ headers }: Pick<HttpServerRequest, "headers">) => {
    if (headers.origin !== undefined) {
      return origins.has(headers.origin) ? Effect.void : Effect.fail(foreign())
    }
    // Fetch Metadata: browsers send it where they leave Origin out, and no page can change it.
    return headers["sec-fetch-site"]?.includes("cross-site") === true ? Effect.fail(foreign()) : Effect.void
  }
  return { check, checkOrigin }
}

const foreign = () =>
  new RequestRefused({
    reason: "origin",
    message:
      "Web pages of this origin may not use the gateway. Its operator can add the origin to ALLOWED_ORIGINS."
  })

/** `Host` as it is compared: in lower case, an IPv6 address in its brackets, the port apart. */
interface Host {
  readonly name: string
  readonly full: string
}

const hostForm = /^(\[[0-9a-f:.]+\]|[a-z0-9_.-]+?)\.?(?::(\d{1,5}))?$/

const readHost = (header: string | undefined): Host | undefined => {
  const match = hostForm.exec(header?.toLowerCase() ?? "")
  const name = match?.[1]
  if (name === undefined) return undefined
  return { name, full: match?.[2] === undefined ? name : `${name}:${match[2]}` }
}
