import { createServer } from "node:http"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Config, Effect, Layer, Logger, Schema } from "effect"
import { HttpRouter } from "effect/http"
import { Faults } from "../../plane/Faults.ts"
import { Journal } from "./Journal.ts"
import { Plane } from "./Plane.ts"
import { proxyRoutes } from "./Server.ts"

/**
 * Runs a reverse proxy between gateways and a real Plane, with a control API for its faults. Killing it cuts every
 * exchange off; what Plane was asked for by then it carries out.
 */

const settings = Config.all({
  port: Config.schema(Schema.FiniteFromString, "PROXY_PORT"),
  plane: Config.schema(Schema.URLFromString, "PROXY_PLANE_URL"),
  journal: Config.String("PROXY_JOURNAL")
})

const main = Layer.unwrap(
  Effect.map(settings, ({ journal, plane, port }) =>
    HttpRouter.serve(proxyRoutes, { disableLogger: true, disableListenLog: true }).pipe(
      Layer.provide([Faults.layer, Journal.layer(journal), Plane.layer(plane)]),
      Layer.provide(
        NodeHttpServer.layer(() => createServer({ keepAliveTimeout: 75_000 }), {
          host: "127.0.0.1",
          port,
          gracefulShutdownTimeout: "500 millis"
        })
      )
    )
  )
)

NodeRuntime.runMain(
  Layer.launch(main).pipe(Effect.provide(Logger.layer([Logger.withConsoleError(Logger.formatLogFmt)])))
)
