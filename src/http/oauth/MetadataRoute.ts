import { Effect } from "effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as Response from "effect/http/HttpServerResponse"
import { resourcesOf } from "../../domain/OAuthRequest.ts"
import { OAuthClients } from "../../services/OAuthClients.ts"
import { Addresses } from "../Addresses.ts"
import { paths, resourceMetadata, serverMetadata } from "./metadata.ts"

/**
 * The metadata of the authorization server and of what it guards. Public, the same for everyone and made of
 * nothing that a request says, so that pages of any origin may read it: a client in a browser has to.
 */
export const layer = HttpRouter.use((router) =>
  Effect.gen(function* () {
    const { publicUrl } = yield* Addresses
    const { readsDocuments } = yield* OAuthClients
    const { endpoint, gateway } = resourcesOf(publicUrl)
    const add = (path: HttpRouter.PathInput, document: unknown) => {
      const response = Response.jsonUnsafe(document, { headers: { "access-control-allow-origin": "*" } })
      return router.add("GET", path, () => Effect.succeed(response))
    }
    const server = serverMetadata(publicUrl, readsDocuments)
    yield* add(paths.server, server)
    yield* add(paths.gateway, resourceMetadata(publicUrl, gateway))
    yield* add(paths.endpoint, resourceMetadata(publicUrl, endpoint))
    // Of a public URL with a path, both specifications put it behind the well-known part; a proxy may pass that on.
    const prefix = new URL(publicUrl).pathname.replace(/\/$/, "")
    if (prefix !== "") {
      yield* add(`${paths.server}${prefix}` as HttpRouter.PathInput, server)
      yield* add(`${paths.gateway}${prefix}` as HttpRouter.PathInput, resourceMetadata(publicUrl, gateway))
      yield* add(
        `${paths.gateway}${prefix}/mcp` as HttpRouter.PathInput,
        resourceMetadata(publicUrl, endpoint)
      )
    }
  })
)
