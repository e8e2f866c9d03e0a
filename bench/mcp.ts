/**
 * What the protocol costs: CPU of the serving process for one trivial `tools/call`, by `cpuUsage`, at
 * 16 connections. The load comes from another process, so that only the server's work is counted.
 *
 *   node bench/mcp.ts [calls]
 */
import { fork } from "node:child_process"
import * as Http from "node:http"
import { type AddressInfo, connect } from "node:net"
import { fileURLToPath } from "node:url"
import { Effect, Layer, Redacted } from "effect"
import { Settings } from "../src/Config.ts"
import { AgentId, TokenId, UserId } from "../src/domain/Ids.ts"
import type { Principal } from "../src/domain/Principal.ts"
import { fromBytes } from "../src/domain/Token.ts"
import { Addresses } from "../src/http/Addresses.ts"
import { Hosts } from "../src/http/Hosts.ts"
import { serve } from "../src/http/Server.ts"
import * as Logging from "../src/layers/Logging.ts"
import * as Mcp from "../src/mcp/Route.ts"
import { AuditLog } from "../src/services/AuditLog.ts"
import { TokenStore } from "../src/services/TokenStore.ts"
import { Tools } from "../src/tools/Tools.ts"

const variants = ["bare node:http", "gateway, no log", "gateway, a line a call"] as const
type Variant = (typeof variants)[number]

const connections = 16
const rounds = 5
const token = fromBytes(new Uint8Array(32).fill(7))
const structured = { ok: true, text: "a trivial answer" }

const eras = {
  "2025-06-18": {
    headers: { "mcp-protocol-version": "2025-06-18" },
    params: {}
  },
  "2026-07-28": {
    headers: { "mcp-protocol-version": "2026-07-28", "mcp-method": "tools/call", "mcp-name": "trivial" },
    params: {
      _meta: {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": { name: "bench", version: "1" },
        "io.modelcontextprotocol/clientCapabilities": {}
      }
    }
  }
} as const
type Era = keyof typeof eras

/** The least that can answer: no checks, no schema, no log. */
const bare = (): void => {
  const server = Http.createServer((request, response) => {
    const chunks: Array<Buffer> = []
    request.on("data", (chunk: Buffer) => chunks.push(chunk))
    request.on("end", () => {
      const { id } = JSON.parse(Buffer.concat(chunks).toString("utf8"))
      const text = JSON.stringify(structured)
      const body = JSON.stringify({
        jsonrpc: "2.0",
        id,
        result: { content: [{ type: "text", text }], structuredContent: structured }
      })
      response.writeHead(200, {
        "content-type": "application/json",
        "content-length": Buffer.byteLength(body)
      })
      response.end(body)
    })
  })
  server.listen(0, "127.0.0.1", () => process.send?.({ port: (server.address() as AddressInfo).port }))
}

const id = "7f0c1c9e-5a0b-4b8e-9d57-6a4f0c0e1a2b"
const instant = "2026-11-24T00:00:00.000Z"
const principal: Principal = {
  agent: {
    id: AgentId.make(id),
    owner_user_id: UserId.make("owner"),
    owner_email: "owner@example.com",
    display_name: "Agent",
    status: "active",
    disabled_reason: null,
    created_at: instant,
    updated_at: instant
  },
  token: {
    id: TokenId.make(id),
    agent_id: AgentId.make(id),
    kind: "agent",
    name: "bench",
    scopes: null,
    created_at: instant,
    expires_at: null,
    revoked_at: null
  },
  grants: []
}

const services = Layer.mergeAll(
  Hosts.layer,
  Layer.succeed(TokenStore, {
    authenticate: () => Effect.succeed({ principal, operation: undefined }),
    admit: () => Effect.die("The bench admits nothing.")
  }),
  Layer.succeed(AuditLog, {
    record: () => Effect.void,
    stamp: () => Effect.die("The bench stamps nothing."),
    append: () => Effect.die("The bench appends nothing."),
    list: () => Effect.die("The bench lists nothing.")
  }),
  Layer.succeed(Tools, {
    names: new Set(["trivial"]),
    list: () => [],
    call: () => Effect.succeed({ structured, replayed: false })
  })
)

/** The gateway's own server and edge, with a pipeline that answers at once. */
const gateway = (logLevel: "info" | "silent"): void => {
  const report = Layer.effectDiscard(
    Effect.map(Addresses, ({ listenOrigin }) => process.send?.({ port: Number(new URL(listenOrigin).port) }))
  )
  const served = serve(Layer.merge(Mcp.layer, report).pipe(Layer.provide(services))).pipe(
    Layer.provide(Logging.layer),
    Layer.provide(
      Settings.layer({
        PORT: "0",
        LOG_LEVEL: logLevel,
        NODE_ENV: "production",
        NODEDC_AGENT_GATEWAY_INTERNAL_TOKEN: "x".repeat(32)
      })
    )
  )
  Effect.runFork(Layer.launch(served))
}

/** One call as bytes, the same every time, so that the load costs little and the server is what is busy. */
const requestOf = (port: number, era: Era): Buffer => {
  const { headers, params } = eras[era]
  const body = JSON.stringify({
    jsonrpc: "2.0",
    id: 1,
    method: "tools/call",
    params: { name: "trivial", arguments: { project_id: id }, ...params }
  })
  const lines = {
    host: `127.0.0.1:${port}`,
    "content-type": "application/json",
    "content-length": Buffer.byteLength(body),
    accept: "text/event-stream, application/json",
    authorization: `Bearer ${Redacted.value(token)}`,
    ...headers
  }
  const head = Object.entries(lines).map(([name, value]) => `${name}: ${value}\r\n`)
  return Buffer.from(`POST /mcp HTTP/1.1\r\n${head.join("")}\r\n${body}`)
}

/** Calls on one connection, one after another, until `next` says that it was the last. */
const converse = (port: number, request: Buffer, next: () => boolean): Promise<void> =>
  new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1").setNoDelay(true)
    let received = ""
    const ask = (): void => {
      if (next()) socket.write(request)
      else {
        socket.destroy()
        resolve()
      }
    }
    socket.setEncoding("latin1").on("data", (chunk: string) => {
      received += chunk
      const head = received.indexOf("\r\n\r\n")
      if (head < 0) return
      const length = Number(/content-length: (\d+)/i.exec(received)?.[1])
      if (received.length < head + 4 + length) return
      if (!received.startsWith("HTTP/1.1 200")) return reject(new Error(received))
      received = ""
      ask()
    })
    socket.on("error", reject).on("connect", ask)
  })

interface Server {
  readonly port: number
  cpu(): Promise<number>
  stop(): void
}

const start = (variant: Variant): Promise<Server> =>
  new Promise((resolve) => {
    // Its log goes where writing costs what it costs, and nobody reads.
    const child = fork(fileURLToPath(import.meta.url), ["--serve", variant], {
      stdio: ["ignore", "ignore", "inherit", "ipc"]
    })
    child.once("message", (message) => {
      const { port } = message as { readonly port: number }
      resolve({
        port,
        cpu: () =>
          new Promise((answered) => {
            child.once("message", (used) => answered(used as number))
            child.send("cpu")
          }),
        stop: () => child.kill("SIGKILL")
      })
    })
  })

/** Microseconds of the server's CPU a call, user and system together. */
const measure = async (server: Server, era: Era, calls: number): Promise<number> => {
  const request = requestOf(server.port, era)
  const work = async (count: number): Promise<void> => {
    let left = count
    await Promise.all(
      Array.from({ length: connections }, () => converse(server.port, request, () => left-- > 0))
    )
  }
  await work(calls / 2)
  const before = await server.cpu()
  await work(calls)
  const used = (await server.cpu()) - before
  return used / calls
}

const median = (values: ReadonlyArray<number>): number =>
  values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN

const main = async (calls: number): Promise<void> => {
  const servers = await Promise.all(variants.map(start))
  const figures = new Map<string, Array<number>>()
  // Rounds interleave, so that a slow minute of the machine slows all alike.
  for (let round = 0; round < rounds; round++) {
    for (const [index, variant] of variants.entries()) {
      for (const era of Object.keys(eras) as ReadonlyArray<Era>) {
        const name = `${variant.padEnd(24)} ${era}`
        const server = servers[index]
        if (server === undefined) throw new Error(`No server for ${variant}`)
        const found = await measure(server, era, calls)
        figures.set(name, [...(figures.get(name) ?? []), found])
      }
    }
  }
  for (const [name, found] of figures) {
    console.log(
      `${name}  ${median(found).toFixed(1)} µs of CPU a call (${Math.min(...found).toFixed(1)} to ${Math.max(...found).toFixed(1)})`
    )
  }
  for (const server of servers) server.stop()
}

const [mode, variant] = process.argv.slice(2)
if (mode === "--serve") {
  process.on("message", () => {
    const { system, user } = process.cpuUsage()
    process.send?.(user + system)
  })
  if (variant === "bare node:http") bare()
  else gateway(variant === "gateway, a line a call" ? "info" : "silent")
} else {
  await main(Number(mode ?? 10_000))
}
