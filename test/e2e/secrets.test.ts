import { randomBytes, randomUUID } from "node:crypto"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { allScopes } from "../../src/domain/Scope.ts"
import { fromBytes } from "../../src/domain/Token.ts"
import { tools } from "../../src/tools/registry.ts"
import { eventually } from "../support/data-dirs.ts"
import { onDatabase } from "../support/database.ts"
import { type Gate, gateTo } from "../support/gate.ts"
import { freshDatabase, pepper, signingKey } from "../support/gateway.ts"
import { launch, script } from "../support/programs.ts"
import { administer, newAgent, type Reply, type Sent, Served, sendTo } from "../support/served.ts"
import { freshTasker, type TaskerControl } from "../support/tasker.ts"

/**
 * Every secret there is goes through every hole there is, with the log at debug; then all that came out
 * is searched: each line of the log, each reply, each row of each table, and all that Tasker was sent.
 */

const sentinel = () => `sentinel-${randomBytes(24).toString("base64url")}`
const unissued = () => Redacted.value(fromBytes(randomBytes(32)))

/** A secret is also given away by its first half. */
const needlesOf = (secret: string): ReadonlyArray<string> => [secret.slice(0, 24), secret.slice(-20)]

/** A database with a role whose password is a sentinel, behind a gate. */
const guardedDatabase = Effect.gen(function* () {
  const { url } = yield* freshDatabase
  const password = sentinel()
  const role = `r_${randomUUID().replaceAll("-", "")}`
  yield* onDatabase(url, (sql) => sql.unsafe(`create role ${role} superuser login password '${password}'`))
  const gate = yield* gateTo(url)
  const guarded = new URL(gate.url)
  guarded.username = role
  guarded.password = password
  return { url, guarded: guarded.href, gate, password }
})

interface Cast {
  readonly live: string
  readonly dead: ReadonlyArray<string>
  readonly internal: string
  readonly agentId: string
  readonly projectId: string
}

const message = (method: unknown, params: object, id: unknown = 1) => ({ jsonrpc: "2.0", id, method, params })
const callOf = (name: string, args: object) => message("tools/call", { name, arguments: args })

/** A call whose client claims a token for all that it says of itself. */
const claiming = (token: string, args: object) => ({
  name: "tasker_create_issue",
  arguments: args,
  _meta: {
    callId: token,
    itemId: token,
    threadId: `in ${token}.`,
    "x-codex-turn-metadata": {
      session_id: token,
      turn_id: token,
      model: token,
      codex_version: token,
      [token]: token
    }
  }
})

/** Requests that carry a token where none belongs: as what they are, all of them are refused or harmless. */
const misplaced = ({ live, agentId, projectId }: Cast): ReadonlyArray<readonly [string, Sent]> => {
  const key = () => `secrets-${randomUUID()}`
  const card = (change: object) => ({
    project_id: projectId,
    name: "A card",
    idempotency_key: key(),
    ...change
  })
  const create = "/api/v1/tools/tasker_create_issue"
  const agent = { token: live }
  const stray = [unissued(), live].flatMap((token) => [
    [`/healthz?access_token=${token}`, {}],
    [`/nowhere/${token}`, {}],
    [`/api/v1/tools/${token}`, { ...agent, body: {} }],
    ["/healthz", { headers: { "x-request-id": token, "user-agent": token, referer: token, cookie: token } }],
    ["/healthz", { headers: { host: `${token}.example`, origin: `https://${token}.example` } }],
    ["/mcp", { ...agent, headers: { host: `${token}.example` }, body: message("ping", {}) }],
    ["/mcp", { ...agent, headers: { origin: `https://${token}.example` }, body: message("ping", {}) }],
    [create, { ...agent, body: card({ name: `Use ${token}` }) }],
    [create, { ...agent, body: card({ description: token }) }],
    [create, { ...agent, body: card({ idempotency_key: token }) }],
    [create, { ...agent, body: card({ idempotency_key: `prefix.${token}` }) }],
    [create, { ...agent, body: card({ idempotency_key: undefined }), headers: { "idempotency-key": token } }],
    [create, { ...agent, body: card({ [token]: 1 }) }],
    [create, { ...agent, body: card({ state: token, labels: [token], assignees: [token] }) }],
    [create, { ...agent, body: card({ project_id: token, parent_id: token }) }],
    [create, { ...agent, body: `{"name": "${token}" "broken": true}` }],
    [create, { ...agent, body: token, headers: { "content-type": `text/${token}` } }],
    [create, { ...agent, body: "{}", headers: { "content-encoding": token } }],
    ["/mcp", { ...agent, body: callOf("tasker_create_issue", card({ name: token })) }],
    ["/mcp", { ...agent, body: callOf("tasker_list_issues", { project_id: projectId, search: token }) }],
    ["/mcp", { ...agent, body: callOf("tasker_resolve_project", { name: token }) }],
    ["/mcp", { ...agent, body: callOf(token, {}) }],
    ["/mcp", { ...agent, body: message("tools/call", claiming(token, card({}))) }],
    ["/mcp", { ...agent, body: message(token, {}) }],
    ["/mcp", { ...agent, body: message("ping", { _meta: { token } }) }],
    [
      "/mcp",
      { ...agent, body: message("initialize", { protocolVersion: token, clientInfo: { name: token } }) }
    ],
    ["/mcp", { ...agent, body: message("ping", {}), headers: { "mcp-protocol-version": token } }],
    [
      "/mcp",
      { ...agent, body: message("ping", {}), headers: { "mcp-session-id": token, "last-event-id": token } }
    ],
    ["/mcp", { ...agent, body: message("tools/list", { cursor: token }), headers: { "mcp-method": token } }],
    [`/api/v1/agent-session/operations/${token}`, agent],
    ["/api/v1/pairing/redeem", { body: { code: token, client_name: "A client", nonce: token } }],
    ["/api/v1/pairing/redeem", { body: { code: "BCDF-GHJK-LMNP", client_name: token, nonce: "none" } }],
    ["/api/v1/agent-session", { headers: { authorization: `Token ${token}` } }],
    ["/api/v1/agent-session", { headers: { authorization: [`Bearer ${token}`, `Bearer ${token}`] } }],
    ["/api/v1/agent-session", { token: `${token}x` }]
  ]) as ReadonlyArray<readonly [string, Sent]>
  return [...stray, [`/api/v1/agents/${agentId}`, agent]]
}

/** The same, of those that hold the internal token. */
const misplacedByOperators = ({ live, agentId }: Cast): ReadonlyArray<readonly [string, Sent]> => {
  const person = { owner_user_id: "o", owner_email: "o@example.test", display_name: "Codex" }
  return [
    ["/api/v1/agents", { body: { ...person, display_name: live } }],
    ["/api/v1/agents", { body: { ...person, owner_user_id: live } }],
    ["/api/v1/agents", { body: { ...person, owner_email: `${live}@example.test` } }],
    ["/api/v1/agents", { body: { ...person, [live]: live } }],
    ["/api/v1/agents", { body: person, headers: { "idempotency-key": live } }],
    [`/api/v1/agents?cursor=${live}`, {}],
    [`/api/v1/agents?${live}=1`, {}],
    [`/api/v1/agents/${live}`, {}],
    [`/api/internal/v1/owners/${live}/agents`, {}],
    [
      `/api/internal/v1/owners/${live}/agents`,
      { body: { owner_email: "o@example.test", display_name: "Codex" } }
    ],
    [`/api/internal/v1/owners/${live}/disable-agents`, { method: "POST" }],
    [`/api/internal/v1/owners/${live}/agents/${agentId}/tokens`, { body: { name: "stolen" } }],
    [`/api/v1/agents/${agentId}`, { method: "PATCH", body: { display_name: live } }],
    [`/api/v1/agents/${agentId}/tokens`, { body: { name: live } }],
    [`/api/v1/agents/${agentId}/pairing-codes`, { body: { name: live } }],
    [`/api/v1/agents/${agentId}/pairing-codes`, { body: {}, headers: { "idempotency-key": live } }],
    [`/api/v1/agents/${agentId}/pairing-codes/${live}`, { method: "DELETE" }],
    [
      `/api/v1/agents/${agentId}/grants`,
      { body: { workspace_slug: live, project_id: live, scopes: [live] } }
    ],
    [`/api/v1/agents/${agentId}/grants/${live}`, { method: "DELETE" }],
    [`/api/v1/operations?agent_id=${live}`, {}],
    [`/api/v1/operations/${live}/settle`, { body: { outcome: "executed", note: live } }],
    [`/api/v1/operations/${agentId}/settle`, { body: { outcome: "executed", note: live, [live]: live } }]
  ]
}

const tablesAsText = (url: string) =>
  onDatabase(url, (sql) =>
    Effect.gen(function* () {
      const tables = yield* sql<{ name: string }>`
        select format('%I.%I', schemaname, tablename) as name from pg_tables
        where schemaname not in ('pg_catalog', 'information_schema')`
      const texts = yield* Effect.forEach(tables, ({ name }) =>
        Effect.map(
          sql.unsafe<{ all: string }>(
            `select coalesce(string_agg(t::text, chr(10)), '') as all from ${name} t`
          ),
          ([row]) => `${name}\n${row?.all}`
        )
      )
      return texts.join("\n")
    })
  )

/** Calls of every kind that go well or fail as calls do, with the token where it belongs. */
const everyday = Effect.fnUntraced(function* (
  { live, dead, internal, agentId, projectId }: Cast,
  { gate, tasker }: { readonly gate: Gate; readonly tasker: TaskerControl },
  ask: (path: string, sent: Sent) => Effect.Effect<Reply>
) {
  for (const token of [live, ...dead, internal, unissued()]) {
    yield* ask("/api/v1/agent-session", { token })
    yield* ask("/api/v1/agent-session/setup", { token })
    yield* ask(`/api/v1/agents/${agentId}`, { token })
    yield* ask(`/api/v1/agents/${agentId}/audit`, { token })
    yield* ask(`/api/v1/agents/${agentId}/timeline`, { token })
    yield* ask(`/api/v1/agents/${agentId}/setup`, { token })
    yield* ask("/mcp", { token, body: message("tools/list", {}) })
    for (const { name } of tools) {
      yield* ask(`/api/v1/tools/${name}`, { token, body: { project_id: projectId } })
    }
  }
  const write = () =>
    callOf("tasker_create_issue", { project_id: projectId, name: "A card", idempotency_key: randomUUID() })
  const faults = [
    "unauthorized",
    "html",
    "server_error_after",
    "cut_after",
    "malformed",
    "rate_limit",
    "refuse"
  ]
  for (const fault of faults) {
    yield* tasker.fault({ op: "create", fault, retry_after: 0 })
    yield* ask("/mcp", { token: live, body: write() })
  }
  yield* gate.shut
  yield* ask("/readyz", {})
  yield* ask("/mcp", { token: live, body: write() })
  yield* ask("/mcp", { token: live, body: message("tools/list", {}) })
  yield* ask(`/api/v1/agents/${agentId}`, { token: internal })
  yield* gate.open
  yield* eventually(
    Effect.flatMap(ask("/api/v1/agent-session", { token: live }), ({ status }) =>
      status === 200 ? Effect.void : Effect.fail(status)
    )
  )
})

describe("no secret", () => {
  it.live.each(["development", "production"])(
    "gets into a log, a reply, a row or a call of Tasker in %s",
    (NODE_ENV) =>
      Effect.gen(function* () {
        const database = yield* guardedDatabase
        const taskerToken = sentinel()
        const internalToken = sentinel()
        const tasker = yield* freshTasker(database.url, taskerToken)
        const gateway = yield* launch(script("src/main.ts"), {
          env: {
            NODE_ENV,
            LOG_LEVEL: "debug",
            PORT: "0",
            DATABASE_URL: database.guarded,
            NODEDC_AGENT_GATEWAY_INTERNAL_TOKEN: internalToken,
            AUDIT_SIGNING_KEY: signingKey(),
            PAIRING_PEPPER: pepper(),
            NODEDC_TASKER_INTERNAL_URL: tasker.url,
            NODEDC_INTERNAL_ACCESS_TOKEN: taskerToken,
            TASKER_TIMEOUT_MS: "1000"
          }
        })
        const url = yield* gateway.until(/Listening on (http:[^\s"]+)/)
        const served = Served.of({ url, internalToken, databaseUrl: database.url })
        const as = <A>(effect: Effect.Effect<A, never, Served>) =>
          Effect.provideService(effect, Served, served)

        const { project } = yield* tasker.project()
        const terms = { project_id: project.id, workspace_slug: project.workspace_slug, scopes: allScopes }
        const [live, revoked, disabled, expired] = yield* as(
          Effect.all([newAgent([terms]), newAgent([terms]), newAgent([terms]), newAgent([terms])])
        )
        yield* as(administer(`/api/v1/agents/${revoked.id}/tokens/${revoked.tokenId}`, { method: "DELETE" }))
        yield* as(
          administer(`/api/v1/agents/${disabled.id}`, { method: "PATCH", body: { status: "disabled" } })
        )
        yield* onDatabase(
          database.url,
          (sql) =>
            sql`update tokens set expires_at = now() - interval '1 second' where id = ${expired.tokenId}::uuid`
        )
        const dead = [revoked.token, disabled.token, expired.token]
        const cast: Cast = {
          ...{ live: live.token, dead, internal: internalToken },
          ...{ agentId: live.id, projectId: project.id }
        }

        const replies: Array<string> = []
        const ask = (path: string, sent: Sent) =>
          Effect.map(sendTo(url + path, sent), (reply) => {
            assert.notStrictEqual(reply.status, 500, `${path} ${reply.text}`)
            replies.push(`${JSON.stringify(reply.headers)} ${reply.text}`)
            return reply
          })
        const tokens = [live.token, ...dead]
        const stray = [
          ...misplaced(cast),
          ...misplacedByOperators(cast).map(
            ([path, sent]) => [path, { token: internalToken, ...sent }] as const
          )
        ]
        for (const [path, sent] of stray) yield* ask(path, sent)
        yield* everyday(cast, { gate: database.gate, tasker }, ask)
        const before = replies.length
        assert.isAbove(before, 150)

        yield* gateway.signal("SIGTERM")
        assert.strictEqual(yield* gateway.ended, 0)
        const log = gateway.said()
        const sent = JSON.stringify(yield* tasker.requests)
        const rows = yield* tablesAsText(database.url)
        assert.include(rows, live.id)
        assert.include(log, live.id)
        const secrets = { internalToken, taskerToken, password: database.password }
        const leaks: Array<string> = []
        const search = (place: string, text: string, what: string, secret: string) => {
          for (const needle of needlesOf(secret)) {
            for (const form of [needle, Buffer.from(needle).toString("hex")]) {
              const at = text.indexOf(form)
              if (at >= 0) leaks.push(`${what} in ${place}: …${text.slice(Math.max(0, at - 160), at)}[here]`)
            }
          }
        }
        for (const [what, secret] of [
          ...Object.entries(secrets),
          ...tokens.map((token) => ["agent token", token] as const)
        ]) {
          search("the log", log, what, secret)
          for (const reply of replies) search("a reply", reply, what, secret)
          search("a row", rows, what, secret)
          search("a call of Tasker", sent, what, secret)
        }
        // Of tokens that were never issued it is the form that may stand nowhere.
        for (const [place, text] of [
          ["the log", log],
          ["a row", rows],
          ["a call of Tasker", sent]
        ] as const) {
          const found = /ndca[tor]_[0-9A-Za-z]{20,}/.exec(text)
          if (found !== null)
            leaks.push(
              `a token in ${place}: …${text.slice(Math.max(0, found.index - 160), found.index)}[here]`
            )
        }
        assert.deepStrictEqual([...new Set(leaks)], [])
      })
  )
})
