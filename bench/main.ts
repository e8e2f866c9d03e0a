/**
 * `npm run bench`: what a call costs. Prints the gateway's CPU time per call and its ratio to a bare node:http
 * server that reads the same body and responds with as many bytes. Real PostgreSQL, the reference Tasker, the access
 * log on. The servers take turns in short rounds, so that a slow moment of the machine slows both.
 *
 *   npm run bench [-- --seconds 60]
 *
 * Ends in 1 if a call fails, never because of a time.
 */
import { randomUUID } from "node:crypto"
import { mkdtemp } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { parseArgs } from "node:util"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Effect, Logger, Redacted } from "effect"
import { jsonApi } from "../ops/quickstart/clients.ts"
import { startCounterpart } from "../ops/quickstart/counterparts.ts"
import { type Running, start } from "../ops/quickstart/processes.ts"
import { secret, signingKey } from "../ops/quickstart/secrets.ts"
import * as EmbeddedPostgres from "../src/layers/database/EmbeddedPostgres.ts"
import { type Call, load } from "./load.ts"

const { values } = parseArgs({ options: { seconds: { type: "string", default: "300" } } })
const seconds = Number(values.seconds)
if (!Number.isFinite(seconds) || seconds <= 0) {
  process.stderr.write("--seconds is a number above 0\n")
  process.exit(2)
}

const rounds = 3

const dataDir = Effect.acquireRelease(
  Effect.promise(() => mkdtemp(join(tmpdir(), "gateway-bench-"))),
  (folder) => Effect.orDie(EmbeddedPostgres.discard({ dataDir: folder }))
)

/** A server whose CPU time is measured. */
interface Measured {
  readonly origin: string
  /** CPU time of all its threads so far, in microseconds. */
  readonly cpu: () => Promise<number>
}

const preload = { NODE_OPTIONS: `--import ${pathToFileURL(join(import.meta.dirname, "cpu.ts")).href}` }

const measured = Effect.fnUntraced(function* (running: Running) {
  const origin = yield* Effect.promise(() =>
    running.until((text) => /Listening on (http:\S+)/.exec(text)?.[1], 120)
  )
  let asked = 0
  const cpu = async () => {
    const line = new RegExp(`^cpu ${++asked} (\\d+)$`)
    running.process.kill("SIGUSR2")
    return Number(await running.until((text) => line.exec(text)?.[1], 120))
  }
  return { origin, cpu } satisfies Measured
})

/** Calls one server for a while. Returns the CPU time per call and the mean length of its responses. */
const measure = async (server: Measured, call: Call, milliseconds: number) => {
  const before = await server.cpu()
  const { bytesEach, calls } = await load(server.origin, call, milliseconds)
  return { each: ((await server.cpu()) - before) / calls, bytesEach }
}

const median = (numbers: ReadonlyArray<number>): number =>
  numbers.toSorted((one, other) => one - other)[numbers.length >> 1] ?? Number.NaN

/** Compares one call with the echo of its body, in interleaved rounds after one that warms both up. */
const compare = async (gateway: Measured, echo: Measured, name: string, call: Call, milliseconds: number) => {
  const found: Array<{ readonly ours: number; readonly bare: number }> = []
  let bytes = 0
  for (let round = 0; round <= rounds; round++) {
    const ours = await measure(gateway, call, milliseconds)
    bytes = ours.bytesEach
    const headers = { ...call.headers, "x-response-length": String(bytes) }
    const bare = await measure(echo, { ...call, headers, succeeded: () => true }, milliseconds)
    if (round > 0) found.push({ ours: ours.each, bare: bare.each })
  }
  const ratios = found.map(({ bare, ours }) => ours / bare)
  const cells = [
    median(found.map(({ ours }) => ours)).toFixed(0),
    median(found.map(({ bare }) => bare)).toFixed(0),
    median(ratios).toFixed(1),
    String(bytes),
    `${Math.min(...ratios).toFixed(1)} to ${Math.max(...ratios).toFixed(1)}`
  ]
  return [name.padEnd(22), ...cells.map((cell) => cell.padStart(16))].join("")
}

const head = [
  "call".padEnd(22),
  ...["gateway, µs", "bare, µs", "ratio", "response, bytes", "of the rounds"].map((name) => name.padStart(16))
].join("")

const main = Effect.gen(function* () {
  const folder = yield* dataDir
  const databaseUrl = Redacted.value((yield* EmbeddedPostgres.start({ dataDir: folder })).url)
  const tasker = yield* startCounterpart("nodedc", { folder, databaseUrl, secret: secret() })
  const internalToken = secret()
  const gateway = yield* Effect.flatMap(
    start("src/main.ts", folder, {
      ...preload,
      ...tasker.gateway,
      DATABASE_URL: databaseUrl,
      DATA_DIR: folder,
      PORT: "0",
      NODEDC_AGENT_GATEWAY_INTERNAL_TOKEN: internalToken,
      AUDIT_SIGNING_KEY: signingKey(),
      PAIRING_PEPPER: secret(),
      LOG_LEVEL: "info",
      // One agent makes all the calls, far more than any agent may in a minute.
      RATE_LIMIT_READS_PER_MINUTE: "0",
      RATE_LIMIT_WRITES_PER_MINUTE: "0",
      DUPLICATE_WINDOW_MINUTES: "0"
    }),
    measured
  )
  const echo = yield* Effect.flatMap(start("bench/echo.ts", folder, preload), measured)

  yield* Effect.promise(async () => {
    const { ops: project_id } = await tasker.seed()
    const lifecycle = jsonApi(gateway.origin, internalToken)
    const person = { owner_user_id: "olga", owner_email: "olga@example.test", display_name: "Bench" }
    const { agent } = (await lifecycle("POST", "/api/v1/agents", person)) as { agent: { id: string } }
    await lifecycle("POST", `/api/v1/agents/${agent.id}/grants`, {
      workspace_slug: tasker.workspace,
      project_id,
      scopes: ["project:read", "issue:read", "issue:create", "issue:move", "comment:create"]
    })
    const { token } = await lifecycle("POST", `/api/v1/agents/${agent.id}/tokens`, { name: "bench" })
    const headers = { authorization: `Bearer ${token}` }
    const tools = jsonApi(gateway.origin, String(token))
    const path = (tool: string) => `/api/v1/tools/${tool}`
    const card = () => ({
      project_id,
      name: "Write the release notes",
      description: "## What to say\n\n- [ ] what changed for **users**\n- [x] who did it\n",
      idempotency_key: randomUUID()
    })
    const again = card()
    const { issue } = (await tools("POST", path("tasker_create_issue"), again)) as { issue: { id: string } }
    for (let n = 1; n < 20; n++) await tools("POST", path("tasker_create_issue"), card())

    const tool = (name: string, args: () => object): Call => ({
      path: path(name),
      headers,
      body: () => JSON.stringify(args()),
      succeeded: (text) => text.startsWith("{")
    })
    const listing = { jsonrpc: "2.0", id: 1, method: "tools/list", params: {} }
    const calls: Readonly<Record<string, Call>> = {
      "list 20 cards": tool("tasker_list_issues", () => ({ project_id, limit: 20 })),
      "read one card": tool("tasker_get_issue", () => ({ project_id, issue_id: issue.id })),
      "create a card": tool("tasker_create_issue", card),
      "replay the create": tool("tasker_create_issue", () => again),
      "tools/list over /mcp": {
        path: "/mcp",
        headers: {
          ...headers,
          accept: "application/json, text/event-stream",
          "mcp-protocol-version": "2025-06-18"
        },
        body: () => JSON.stringify(listing),
        succeeded: (text) => text.includes('"result"')
      }
    }
    const slice = (seconds * 1000) / (Object.keys(calls).length * (rounds + 1) * 2)
    process.stdout.write(`\n${head}\n`)
    for (const [name, call] of Object.entries(calls))
      process.stdout.write(`${await compare(gateway, echo, name, call, slice)}\n`)
  })
}).pipe(Effect.scoped, Effect.provide(Logger.layer([])))

NodeRuntime.runMain(main)
