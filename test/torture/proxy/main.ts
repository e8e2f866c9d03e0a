import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Config, Effect, Layer, Logger, Schema } from "effect"
import * as Proxy from "./Proxy.ts"

/**
 * Runs the proxy as a process. Killing it cuts every exchange off; what Plane was asked for by then it carries out.
 */

const settings = Config.all({
  port: Config.schema(Schema.FiniteFromString, "PROXY_PORT"),
  plane: Config.schema(Schema.URLFromString, "PROXY_PLANE_URL"),
  journal: Config.String("PROXY_JOURNAL")
})

NodeRuntime.runMain(
  Layer.launch(Layer.unwrap(Effect.map(settings, Proxy.layer))).pipe(
    Effect.provide(Logger.layer([Logger.withConsoleError(Logger.formatLogFmt)]))
  )
)
