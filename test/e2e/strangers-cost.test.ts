import { randomBytes } from "node:crypto"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { fromBytes } from "../../src/domain/Token.ts"
import { freshDatabase, secret } from "../support/gateway.ts"
import { newAddress } from "../support/pairing.ts"
import { mainThreadMillis, tellsThreadCpu } from "../support/process-cpu.ts"
import { launch, script } from "../support/programs.ts"
import { type Sent, sendTo } from "../support/served.ts"

/** CPU time of the gateway's main thread that one request without a good credential may take, in milliseconds. */
const most = 5

/** As often as each request is sent: half of them to warm up, half of them measured. */
const times = 12

interface Hostile {
  readonly path: string
  readonly sent?: Sent
}

/** A token with a good checksum that nobody was given. */
const madeUp = () => Redacted.value(fromBytes(randomBytes(32)))

const filled = (unit: string, length: number) => unit.repeat(Math.ceil(length / unit.length)).slice(0, length)

/** JSON objects of some length: of many keys, of one long text, nested, with a fault at the end. */
const objects = (length: number): Readonly<Record<string, string>> => ({
  "many keys": `{${Array.from({ length: length / 12 }, (_, key) => `"k${key}":1`).join(",")}}`,
  "long keys": `{${Array.from({ length: length / 64 }, (_, key) => `"${filled("k", 50)}${key}":[]`).join(",")}}`,
  "one long text": JSON.stringify({ code: filled("\u00e9\\", length / 4) }),
  "many lists": `{"code":[${filled("[],", length - 20)}[]]}`,
  "deep lists": `{"code":${"[".repeat(60)}${filled("1,", length - 200)}1${"]".repeat(60)}}`,
  "a fault at the end": `{"code":[${filled("1,", length - 20)}]}`,
  "a key twice": `{${Array.from({ length: length / 12 }, (_, key) => `"k${key}":1`).join(",")},"k0":1}`,
  "token prefixes": JSON.stringify({ code: filled("ndcat_", length - 20) })
})

const structured = ["- - - a\n", "*a_ ", "a\n=\n", "[a](http://a.b)", "a|b\n-|-\n", "&a;", "# a\n"]

const calls = (length: number): ReadonlyArray<Hostile> =>
  structured.flatMap((unit) => {
    const args = {
      project_id: crypto.randomUUID(),
      name: "a",
      description: filled(unit, length),
      idempotency_key: crypto.randomUUID()
    }
    const message = {
      jsonrpc: "2.0",
      id: 1,
      method: "tools/call",
      params: { name: "tasker_create_issue", arguments: args }
    }
    return [
      { path: "/mcp", sent: { body: message } },
      { path: "/api/v1/tools/tasker_create_issue", sent: { body: args } }
    ]
  })

const form = { "content-type": "application/x-www-form-urlencoded" }

const requests = (): ReadonlyArray<readonly [string, Hostile]> => {
  const bodies = [...Object.entries(objects(250_000)), ...Object.entries(objects(15_000))]
  const readers = [
    "/api/v1/pairing/redeem",
    "/oauth/register",
    "/mcp",
    "/api/v1/tools/tasker_create_issue",
    "/api/v1/agents",
    "/api/internal/v1/owners/a/disable-agents"
  ]
  const forms = {
    "many fields": Array.from({ length: 1500 }, (_, key) => `k${key}=${key}`).join("&"),
    "no fields": filled("&", 16_000),
    "encoded bytes": `code=${filled("%F0%9F%98%80", 16_000)}`,
    "many scopes": `grant_type=refresh_token&client_id=a&refresh_token=a&scope=${filled("a+", 15_000)}`
  }
  const query = (text: string) => `/oauth/authorize?client_id=a&${text}`
  return [
    ...readers.flatMap((path) =>
      bodies.map(
        ([name, body]) => [`${path}, ${body.length} bytes: ${name}`, { path, sent: { body } }] as const
      )
    ),
    ...[1000, 15_000, 60_000].flatMap((length) =>
      calls(length).map((one, at) => [`${one.path}, Markdown ${at} of ${length}`, one] as const)
    ),
    ...["/oauth/token", "/oauth/revoke", "/oauth/authorize?client_id=a"].flatMap((path) =>
      Object.entries(forms).map(
        ([name, body]) => [`${path}: ${name}`, { path, sent: { body, headers: form } }] as const
      )
    ),
    ...[
      "/docs",
      "/openapi.json",
      "/connect",
      "/api/v1/meta/capabilities",
      "/.well-known/oauth-authorization-server",
      "/api/v1/agent-session",
      "/mcp",
      "/api/v1/agents?limit=1&limit=2",
      query(filled("a=b&", 12_000)),
      query(`state=${filled("%F0%9F%98%80", 12_000)}`),
      query(`redirect_uri=http://${filled("xn--a.", 12_000)}`),
      `/${filled("a/", 12_000)}`,
      `/api/v1/tools/${filled("%41", 1500)}`
    ].map((path) => [path.slice(0, 60), { path }] as const),
    [
      "hops of trusted proxies",
      { path: "/mcp", sent: { headers: { "x-forwarded-for": filled("127.0.0.1,", 12_000) } } }
    ]
  ]
}

describe.skipIf(!tellsThreadCpu)("a request without a good credential", () => {
  it.live(`takes at most ${most} ms of the event loop's CPU time, whatever it holds`, () =>
    Effect.gen(function* () {
      const { url: databaseUrl } = yield* freshDatabase
      const program = yield* launch(script("src/main.ts"), {
        env: {
          PORT: "0",
          LOG_LEVEL: "info",
          DATABASE_URL: databaseUrl,
          NODEDC_AGENT_GATEWAY_INTERNAL_TOKEN: secret(),
          TRUSTED_PROXIES: "127.0.0.1"
        }
      })
      const url = yield* program.until(/Listening on (http:\S+)/, 60)
      const costs: Array<readonly [string, number]> = []
      for (const [name, { path, sent = {} }] of requests()) {
        const taken: Array<number> = []
        for (let time = 0; time < times; time++) {
          const before = mainThreadMillis(program.pid)
          const { status } = yield* sendTo(url + path, {
            token: madeUp(),
            ...sent,
            headers: { "x-forwarded-for": newAddress(), ...sent.headers }
          })
          taken.push(mainThreadMillis(program.pid) - before)
          assert.notStrictEqual(status, 500, name)
        }
        const measured = taken.slice(times / 2).sort((one, other) => one - other)
        costs.push([name, measured[Math.floor(measured.length / 2)] ?? 0])
      }
      const dearest = costs.toSorted(([, one], [, other]) => other - one).slice(0, 10)
      assert.deepStrictEqual(
        costs.filter(([, cost]) => cost > most),
        [],
        `dearest: ${JSON.stringify(dearest)}`
      )
    }).pipe(Effect.scoped)
  )
})
