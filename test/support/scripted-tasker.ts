import { createServer, type Server, type Socket } from "node:net"
import { Duration, Effect, Layer, Logger, Option, Redacted, type Scope } from "effect"
import { fromEnvironment, Settings } from "../../src/Config.ts"
import * as TaskerInternal from "../../src/layers/tasker/TaskerInternal.ts"
import { TaskerAdapter } from "../../src/services/TaskerAdapter.ts"

/** A Tasker that is nothing but a socket: each test says, to the byte, what it answers. */

export interface Heard {
  readonly method: string
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

export type Script = (socket: Socket, heard: Heard) => void

export interface Scripted {
  readonly url: URL
  readonly heard: ReadonlyArray<Heard>
  /** Sockets that were opened to it, and those that have been closed since. */
  readonly sockets: { readonly opened: number; readonly closed: number }
  /** Closes every connection, as a server does with idle ones. */
  readonly hangUp: () => void
}

/** Answers each request by the script at that time; `script.now` may be changed between calls. Port 0: any. */
export const scripted = (script: { now: Script }, port = 0): Effect.Effect<Scripted, never, Scope.Scope> => {
  const heard: Array<Heard> = []
  const sockets = { opened: 0, closed: 0 }
  const open = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.opened++
    open.add(socket)
    let received = ""
    socket.on("error", () => {})
    socket.on("close", () => {
      sockets.closed++
      open.delete(socket)
    })
    socket.on("data", (chunk) => {
      received += chunk.toString("latin1")
      for (let next = readRequest(received); next !== undefined; next = readRequest(received)) {
        received = next.rest
        heard.push(next.heard)
        script.now(socket, next.heard)
      }
    })
  })
  return Effect.acquireRelease(
    Effect.callback<number>((resume) => {
      server.listen(port, "127.0.0.1", () => resume(Effect.succeed(portOf(server))))
    }),
    () =>
      Effect.callback<void>((resume) => {
        for (const socket of open) socket.destroy()
        server.close(() => resume(Effect.void))
      })
  ).pipe(
    Effect.map((listening) => ({
      url: new URL(`http://127.0.0.1:${listening}`),
      heard,
      sockets,
      hangUp: () => {
        for (const socket of open) socket.end()
      }
    }))
  )
}

const portOf = (server: Server): number => {
  const address = server.address()
  return typeof address === "object" && address !== null ? address.port : 0
}

const readRequest = (text: string): { readonly heard: Heard; readonly rest: string } | undefined => {
  const end = text.indexOf("\r\n\r\n")
  if (end === -1) return undefined
  const [first = "", ...lines] = text.slice(0, end).split("\r\n")
  const [method = "", path = ""] = first.split(" ")
  const headers = Object.fromEntries(
    lines.map((line) => [
      line.slice(0, line.indexOf(":")).toLowerCase(),
      line.slice(line.indexOf(":") + 1).trim()
    ])
  )
  const bodyEnd = end + 4 + Number(headers["content-length"] ?? 0)
  if (text.length < bodyEnd) return undefined
  const body = Buffer.from(text.slice(end + 4, bodyEnd), "latin1").toString("utf8")
  return { heard: { method, path, headers, body }, rest: text.slice(bodyEnd) }
}

/** A port of this machine at which nobody listens. */
export const closedPort: Effect.Effect<number> = Effect.map(
  Effect.scoped(scripted({ now: () => {} })),
  ({ url }) => Number(url.port)
)

export const bytes =
  (text: string | Uint8Array): Script =>
  (socket) => {
    socket.end(text)
  }

export const reply = (
  status: number,
  body: string,
  headers: Readonly<Record<string, string>> = { "content-type": "application/json" }
): Script => {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  return (socket) => {
    socket.write(
      `HTTP/1.1 ${status} Any\r\n${lines.join("")}content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`
    )
  }
}

export const json = (status: number, body: unknown, headers: Readonly<Record<string, string>> = {}): Script =>
  reply(status, JSON.stringify(body), { "content-type": "application/json", ...headers })

export const silence: Script = () => {}

/** Waits for what must come about, and fails where it does not. */
export const until = (condition: () => boolean) =>
  Effect.callback<void>((resume) => {
    const started = Date.now()
    const check = () => {
      if (condition()) resume(Effect.void)
      else if (Date.now() - started > 5000) resume(Effect.die(new Error("did not come about in 5 s")))
      else setImmediate(check)
    }
    check()
  })

export const bearer = "bearer-of-the-gateway-0123456789abcdef"

export const settings = (url: URL | undefined, timeoutMillis: number) =>
  Layer.effect(
    Settings,
    Effect.map(fromEnvironment({}), (defaults) => ({
      ...defaults,
      taskerUrl: Option.fromUndefinedOr(url),
      taskerToken: Option.some(Redacted.make(bearer)),
      taskerTimeout: Duration.millis(timeoutMillis)
    }))
  )

/** Runs against an adapter of its own; what it logs goes to `logged`, or nowhere. */
export const withAdapter = <A, E, R>(
  url: URL | undefined,
  use: (tasker: TaskerAdapter["Service"]) => Effect.Effect<A, E, R>,
  options: { readonly timeoutMillis?: number; readonly logged?: Array<string> } = {}
) => {
  const logger = Logger.make<unknown, void>(({ logLevel, message }) => {
    options.logged?.push(`${logLevel} ${String(message)}`)
  })
  return Effect.flatMap(TaskerAdapter, use).pipe(
    Effect.provide(
      TaskerInternal.layer.pipe(Layer.provide(settings(url, options.timeoutMillis ?? 5000)), Layer.orDie)
    ),
    Effect.provide(Logger.layer([logger]))
  )
}
