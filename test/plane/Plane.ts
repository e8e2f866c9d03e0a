import { createServer } from "node:http"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { PgClient } from "@effect/sql-pg"
import { Clock, Context, Effect, Layer, Redacted, References } from "effect"
import { HttpRouter, HttpServer } from "effect/http"
import { schemaName } from "../tasker/Tables.ts"
import { Access } from "./Access.ts"
import { Boards } from "./Boards.ts"
import { CardWrites } from "./CardWrites.ts"
import { Changes } from "./Changes.ts"
import { Comments } from "./Comments.ts"
import { controlRoutes } from "./Control.ts"
import { Faults } from "./Faults.ts"
import { Issues } from "./Issues.ts"
import { Journal } from "./Journal.ts"
import { People } from "./People.ts"
import { Rates } from "./Rates.ts"
import { Seeds } from "./Seeds.ts"
import { apiRoutes } from "./Server.ts"
import { Behaviour, type Settings } from "./Settings.ts"
import { createTables } from "./Tables.ts"
import { Writes } from "./Writes.ts"

export interface PlaneOptions {
  readonly databaseUrl: string | Redacted.Redacted
  /** The schema of its tables; default `plane`. */
  readonly schema?: string
  /** The key of a user who is admin in every workspace. */
  readonly apiKey: string | Redacted.Redacted
  /** Default 0: any free port. */
  readonly port?: number
  /** What differs from the measured behaviour from the start, such as `rate_limit`. */
  readonly settings?: Partial<Settings>
}

/** A reference Plane that is up. */
export class Plane extends Context.Service<
  Plane,
  {
    /** Without a slash at its end; the API is under `/api/v1`, the control API under `/control`. */
    readonly url: string
  }
>()("reference-plane/Plane") {
  static readonly layer = (options: PlaneOptions) => Layer.effect(Plane, startPlane(options))
}

const redacted = (secret: string | Redacted.Redacted) =>
  typeof secret === "string" ? Redacted.make(secret) : secret

/** Starts a reference Plane on 127.0.0.1, which stops when the scope closes. Its tables stay. */
export const startPlane = Effect.fnUntraced(
  function* (options: PlaneOptions) {
    const schema = options.schema ?? "plane"
    if (!schemaName.test(schema)) return yield* Effect.die(new Error(`Not a schema name: ${schema}`))

    const database = PgClient.layer({
      url: redacted(options.databaseUrl),
      applicationName: "reference-plane",
      maxConnections: 16,
      startupParameters: { search_path: schema }
    })
    const cards = CardWrites.layer.pipe(Layer.provideMerge(Layer.mergeAll(Issues.layer, Changes.layer)))
    const services = Layer.mergeAll(
      Access.layer,
      Boards.layer,
      Comments.layer,
      cards,
      People.layer,
      Rates.layer,
      Seeds.layer
    ).pipe(
      Layer.provideMerge(Writes.layer),
      Layer.provideMerge(Layer.mergeAll(Behaviour.layer(options.settings ?? {}), Faults.layer, Journal.layer))
    )
    const operator = Layer.effectDiscard(
      Effect.flatMap(Seeds, (seeds) => seeds.operator(Redacted.value(redacted(options.apiKey))))
    )
    const app = HttpRouter.serve(Layer.mergeAll(apiRoutes, controlRoutes), {
      disableLogger: true,
      disableListenLog: true
    }).pipe(
      Layer.provide(operator),
      Layer.provide(services),
      Layer.provideMerge(Layer.effect(HttpServer.HttpServer, listen(options.port ?? 0))),
      Layer.provide(Layer.effectDiscard(createTables(schema))),
      Layer.provide(database)
    )
    const context = yield* Layer.build(app)
    return { url: HttpServer.formatAddress(Context.get(context, HttpServer.HttpServer).address) }
  },
  // Its time goes on where a test's clock stands still, and its spans are not the gateway's.
  Effect.provideService(Clock.Clock, Clock.Clock.defaultValue()),
  Effect.provideService(References.TracerEnabled, false)
)

const listen = Effect.fnUntraced(function* (port: number) {
  const node = createServer({ keepAliveTimeout: 75_000 })
  const server = yield* NodeHttpServer.make(() => node, {
    host: "127.0.0.1",
    port,
    gracefulShutdownTimeout: "500 millis"
  })
  yield* Effect.addFinalizer(() => Effect.sync(() => node.closeAllConnections()))
  return server
})
