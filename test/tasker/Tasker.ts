import { createServer } from "node:http"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { PgClient } from "@effect/sql-pg"
import { Clock, Context, Effect, Layer, Redacted, References } from "effect"
import { HttpRouter, HttpServer } from "effect/http"
import { Comments } from "./Comments.ts"
import { controlRoutes } from "./Control.ts"
import { Faults } from "./Faults.ts"
import { Issues } from "./Issues.ts"
import { Journal } from "./Journal.ts"
import { Once } from "./Once.ts"
import { Projects } from "./Projects.ts"
import { Seeds } from "./Seeds.ts"
import { apiRoutes } from "./Server.ts"
import { defaultProfile, type Profile, profiles, type Switches } from "./Switches.ts"
import { createTables, schemaName } from "./Tables.ts"
import { Worker } from "./Worker.ts"

export interface TaskerOptions {
  readonly databaseUrl: string | Redacted.Redacted
  /** Its tables are in a schema of their own; default `tasker`. */
  readonly schema?: string
  /** What the gateway has to present. */
  readonly accessToken: string | Redacted.Redacted
  /** Default 0: any free port. */
  readonly port?: number
  /** Address to listen on; default 127.0.0.1. */
  readonly host?: string
  readonly profile?: Profile
  /** Differ from the profile's. */
  readonly switches?: Partial<Switches>
}

/** A reference Tasker that is up. */
export class Tasker extends Context.Service<
  Tasker,
  {
    /** Without a slash at its end; the API is under `/api/internal/nodedc/agent`, the control API under `/control`. */
    readonly url: string
  }
>()("reference-tasker/Tasker") {
  static readonly layer = (options: TaskerOptions) => Layer.effect(Tasker, startTasker(options))
}

/** How long calls under way may take after the scope has closed, before their sockets are destroyed. */
const grace = "500 millis"

const redacted = (secret: string | Redacted.Redacted) =>
  typeof secret === "string" ? Redacted.make(secret) : secret

/**
 * Starts a reference Tasker, which stops when the scope closes. Its tables stay, so one that
 * is started again on the same schema goes on where the last one ended.
 */
export const startTasker = Effect.fnUntraced(
  function* (options: TaskerOptions) {
    const schema = options.schema ?? "tasker"
    if (!schemaName.test(schema)) return yield* Effect.die(new Error(`Not a schema name: ${schema}`))

    const database = PgClient.layer({
      url: redacted(options.databaseUrl),
      applicationName: "reference-tasker",
      // The pool opens further ones late: of three calls at once the third waited for one of the others.
      minConnections: 4,
      maxConnections: 16,
      startupParameters: { search_path: schema }
    })

    const http = Layer.effect(HttpServer.HttpServer, listen(options.host ?? "127.0.0.1", options.port ?? 0))

    const services = Layer.mergeAll(
      Projects.layer,
      Issues.layer,
      Comments.layer,
      Once.layer.pipe(Layer.provideMerge(Worker.layer)),
      Seeds.layer,
      Faults.layer({ ...profiles[options.profile ?? defaultProfile], ...options.switches }),
      Journal.layer
    )

    const app = HttpRouter.serve(Layer.mergeAll(apiRoutes(redacted(options.accessToken)), controlRoutes), {
      disableLogger: true,
      disableListenLog: true
    }).pipe(
      Layer.provide(services),
      Layer.provideMerge(http),
      Layer.provide(Layer.effectDiscard(createTables(schema))),
      Layer.provide(database)
    )

    const context = yield* Layer.build(app)
    return { url: HttpServer.formatAddress(Context.get(context, HttpServer.HttpServer).address) }
  },
  // It is a program of its own, also in the process of a test: its time goes on where a test's clock
  // stands still, and its spans are not the gateway's.
  Effect.provideService(Clock.Clock, Clock.Clock.defaultValue()),
  Effect.provideService(References.TracerEnabled, false)
)

const listen = Effect.fnUntraced(function* (host: string, port: number) {
  // Longer than any client keeps a connection, so that it is never Tasker who hangs up on a reused one.
  const node = createServer({ keepAliveTimeout: 75_000 })
  const server = yield* NodeHttpServer.make(() => node, {
    host,
    port,
    gracefulShutdownTimeout: grace
  })
  yield* Effect.addFinalizer(() => Effect.sync(() => node.closeAllConnections()))
  return server
})
