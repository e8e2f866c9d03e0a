/**
 * What a whole call costs, from HTTP request to HTTP reply, on a real PostgreSQL: a read, a write, a
 * write with nothing to ask beforehand, and a replay, at 1 and at 16 connections. Tasker is a process
 * that answers at once and does nothing, so that what is measured is the gateway.
 *
 *   npm run bench [-- calls]
 */
import { type ChildProcess, spawn } from "node:child_process"
import { generateKeyPairSync, randomBytes, randomUUID } from "node:crypto"
import { mkdtemp } from "node:fs/promises"
import { Agent, request } from "node:http"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Effect, Exit, Logger, Redacted, Scope } from "effect"
import { freePort } from "../ops/quickstart/processes.ts"
import * as EmbeddedPostgres from "../src/layers/database/EmbeddedPostgres.ts"

const calls = Number(process.argv[2] ?? 2000)
const projectId = randomUUID()
const secret = randomBytes(32).toString("base64url")

interface Sent {
  readonly milliseconds: number
  readonly status: number
  readonly body: string
}

const send = (agent: Agent, port: number, path: string, token: string, body: unknown): Promise<Sent> =>
  new Promise((done, failed) => {
    const text = JSON.stringify(body)
    const started = performance.now()
    const outgoing = request(
      {
        agent,
        port,
        path,
        method: "POST",
        headers: {
          authorization: `Bearer ${token}`,
          "content-type": "application/json",
          "content-length": Buffer.byteLength(text)
        }
      },
      (response) => {
        const chunks: Array<Buffer> = []
        response.on("data", (chunk: Buffer) => chunks.push(chunk))
        response.on("end", () =>
          done({
            milliseconds: performance.now() - started,
            status: response.statusCode ?? 0,
            body: Buffer.concat(chunks).toString()
          })
        )
      }
    )
    outgoing.on("error", failed)
    outgoing.end(text)
  })

const measure = async (
  name: string,
  port: number,
  token: string,
  connections: number,
  tool: string,
  args: (n: number) => Record<string, unknown>
): Promise<void> => {
  const agent = new Agent({ keepAlive: true, maxSockets: connections })
  const times: Array<number> = []
  let next = 0
  const worker = async () => {
    while (next < calls) {
      const { milliseconds, status, body } = await send(agent, port, `/api/v1/tools/${tool}`, token, {
        project_id: projectId,
        ...args(next++)
      })
      if (status !== 200) throw new Error(`${name} answered ${status}: ${body}`)
      times.push(milliseconds)
    }
  }
  const started = performance.now()
  await Promise.all(Array.from({ length: connections }, worker))
  const seconds = (performance.now() - started) / 1000
  agent.destroy()
  times.sort((one, other) => one - other)
  const at = (share: number) => (times[Math.floor(times.length * share)] ?? 0).toFixed(2).padStart(7)
  process.stdout.write(
    `${name.padEnd(34)} ${String(connections).padStart(2)} at once  p50 ${at(0.5)} ms  p99 ${at(0.99)} ms  ${Math.round(
      calls / seconds
    )
      .toString()
      .padStart(6)} a second\n`
  )
}

const listening = (child: ChildProcess, find: RegExp): Promise<string> =>
  new Promise((found, failed) => {
    let text = ""
    child.stdout?.on("data", (chunk: Buffer) => {
      text += chunk.toString()
      const match = find.exec(text)
      if (match?.[1] !== undefined) found(match[1])
    })
    child.once("exit", () => failed(new Error(`ended before it listened:\n${text}`)))
  })

const start = (script: string, environment: Record<string, string>): ChildProcess =>
  spawn(process.execPath, [script], {
    stdio: ["ignore", "pipe", "inherit"],
    env: { PATH: process.env.PATH, ...environment }
  })

const scope = await Effect.runPromise(Scope.make())
const dataDir = await mkdtemp(join(tmpdir(), "gateway-bench-"))
const quiet = Effect.provide(Logger.layer([]))
const database = await Effect.runPromise(
  EmbeddedPostgres.start({ dataDir }).pipe(Scope.provide(scope), quiet)
)
const tasker = start("bench/tasker.ts", { PROJECT_ID: projectId })
const port = await freePort(0)
const gateway = start("src/main.ts", {
  DATABASE_URL: Redacted.value(database.url),
  PORT: String(port),
  // The access log is part of what a call costs, so it is on.
  LOG_LEVEL: "info",
  NODEDC_AGENT_GATEWAY_INTERNAL_TOKEN: secret,
  AUDIT_SIGNING_KEY: generateKeyPairSync("ed25519")
    .privateKey.export({ format: "der", type: "pkcs8" })
    .toString("base64"),
  NODEDC_INTERNAL_ACCESS_TOKEN: secret,
  NODEDC_TASKER_INTERNAL_URL: await listening(tasker, /(http:\S+)/)
})

try {
  await listening(gateway, /Listening on (http:\S+)/)
  const agent = new Agent({ keepAlive: true })
  const lifecycle = async (path: string, body: unknown) =>
    JSON.parse((await send(agent, port, path, secret, body)).body)
  const owner = { owner_user_id: "bench", owner_email: "bench@example.test", display_name: "Bench" }
  const { agent: made } = await lifecycle("/api/v1/agents", owner)
  await lifecycle(`/api/v1/agents/${made.id}/grants`, {
    workspace_slug: "nodedc",
    project_id: projectId,
    scopes: ["project:read", "issue:read", "issue:create", "issue:move", "comment:create"]
  })
  const { token } = await lifecycle(`/api/v1/agents/${made.id}/tokens`, { name: "bench" })
  const issue_id = randomUUID()
  const key = () => ({ idempotency_key: randomUUID() })
  for (const connections of [1, 16]) {
    await measure("read: get session", port, token, connections, "tasker_get_session", () => ({
      project_id: undefined
    }))
    await measure("read: a card", port, token, connections, "tasker_get_issue", () => ({ issue_id }))
    await measure("write: create, nothing to ask", port, token, connections, "tasker_create_issue", () => ({
      name: "Bench",
      ...key()
    }))
    await measure("write: move, card and state asked", port, token, connections, "tasker_move_issue", () => ({
      issue_id,
      state: "Done",
      ...key()
    }))
    const again = key()
    await send(agent, port, "/api/v1/tools/tasker_create_issue", token, {
      project_id: projectId,
      name: "Bench",
      ...again
    })
    await measure("replay", port, token, connections, "tasker_create_issue", () => ({
      name: "Bench",
      ...again
    }))
  }
  agent.destroy()
} finally {
  gateway.kill("SIGTERM")
  tasker.kill("SIGTERM")
  await new Promise((done) => gateway.once("exit", done))
  await Effect.runPromise(quiet(Scope.close(scope, Exit.void)))
  await Effect.runPromise(quiet(EmbeddedPostgres.discard({ dataDir })))
}
