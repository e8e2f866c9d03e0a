import { createServer } from "node:http"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { Layer } from "effect"
import { HttpRouter } from "effect/http"
import { Faults } from "../../plane/Faults.ts"
import { Journal } from "./Journal.ts"
import { Plane } from "./Plane.ts"
import { proxyRoutes } from "./Server.ts"

export interface ProxyOptions {
  /** 0: any free port. */
  readonly port: number
  readonly plane: URL
  /** A file. */
  readonly journal: string
}

/** A reverse proxy on 127.0.0.1 between gateways and a Plane, with a control API for its faults. */
export const layer = ({ journal, plane, port }: ProxyOptions) =>
  HttpRouter.serve(proxyRoutes, { disableLogger: true, disableListenLog: true }).pipe(
    Layer.provide([Faults.layer, Journal.layer(journal), Plane.layer(plane)]),
    Layer.provideMerge(
      NodeHttpServer.layer(() => createServer({ keepAliveTimeout: 75_000 }), {
        host: "127.0.0.1",
        port,
        gracefulShutdownTimeout: "500 millis"
      })
    )
  )
