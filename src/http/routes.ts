import { Effect, Layer } from "effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as Response from "effect/http/HttpServerResponse"
import { HttpApiBuilder, OpenApi } from "effect/http-api"
import * as AgentHandlers from "./api/AgentHandlers.ts"
import { Api } from "./api/Api.ts"
import * as AuditHandlers from "./api/AuditHandlers.ts"
import * as LifecycleHandlers from "./api/LifecycleHandlers.ts"
import * as MetaHandlers from "./api/MetaHandlers.ts"
import * as middlewares from "./api/middlewares.ts"
import * as OperationsHandlers from "./api/OperationsHandlers.ts"
import * as PairingHandlers from "./api/PairingHandlers.ts"
import * as TimelineHandlers from "./api/TimelineHandlers.ts"
import * as ConnectRoute from "./connect/Route.ts"
import { docsPage } from "./docsPage.ts"
import { Hosts } from "./Hosts.ts"
import * as OAuthRoutes from "./oauth/routes.ts"
import { counted } from "./openRoutes.ts"
import { problem } from "./Problem.ts"
import { requestId } from "./RequestId.ts"

/** The API's description for people. A page, so it looks at `Host` and `Origin` as `/mcp` does. */
const docs = HttpRouter.use((router) =>
  Effect.gen(function* () {
    const hosts = yield* Hosts
    const { html, policy } = docsPage(OpenApi.fromApi(Api))
    const page = Response.text(html, {
      contentType: "text/html; charset=utf-8",
      headers: {
        "content-security-policy": policy,
        "referrer-policy": "no-referrer"
      }
    })
    yield* router.add("GET", "/docs", (request) =>
      Effect.match(hosts.check(request), {
        onFailure: (failure) => problem(failure, requestId(request)),
        onSuccess: () => page
      })
    )
  })
)

const api = HttpApiBuilder.layer(Api, { openapiPath: "/openapi.json" }).pipe(
  Layer.provide([
    MetaHandlers.layer,
    AgentHandlers.layer,
    AuditHandlers.layer,
    LifecycleHandlers.layer,
    OperationsHandlers.layer,
    TimelineHandlers.layer,
    PairingHandlers.layer
  ]),
  Layer.provide(middlewares.layer)
)

/** All of the gateway's routes but `/mcp`. */
export const layer = Layer.mergeAll(api, docs, ConnectRoute.layer, OAuthRoutes.layer, counted)
