import { randomUUID } from "node:crypto"
import { assert, layer } from "@effect/vitest"
import { Effect, Layer, Redacted } from "effect"
import type { AgentId, UserId } from "../../src/domain/Ids.ts"
import { fromBytes } from "../../src/domain/OAuthCode.ts"
import { type AuthorizationRequest, challengeOf, requestHash } from "../../src/domain/OAuthRequest.ts"
import type { Token } from "../../src/domain/Token.ts"
import * as Reaper from "../../src/layers/Reaper.ts"
import { AgentRegistry } from "../../src/services/AgentRegistry.ts"
import { AuditLog } from "../../src/services/AuditLog.ts"
import { Authorization } from "../../src/services/Authorization.ts"
import { Logins } from "../../src/services/Logins.ts"
import { OAuthClients } from "../../src/services/OAuthClients.ts"
import { Pairing } from "../../src/services/Pairing.ts"
import { RecoveryQueue } from "../../src/services/RecoveryQueue.ts"
import { Timeline } from "../../src/services/Timeline.ts"
import { TokenStore } from "../../src/services/TokenStore.ts"
import { outcome } from "../support/evidence.ts"
import { owner } from "../support/tasker.ts"
import { act, call, grantTerms, proxied, World } from "../support/world.ts"
import { card, writeRows } from "../support/writes.ts"

const rows = 100_000

/** So many rows in every table that a call or an act looks into, as a busy year would leave them. */
const fill = Effect.gen(function* () {
  const { database: sql } = yield* World
  yield* sql.withTransaction(Effect.andThen(sql`set local session_replication_role = replica`, insertAll))
  yield* sql`analyze`
})

/** Without foreign keys being looked up row by row: the rows are made to fit. */
const insertAll = Effect.gen(function* () {
  const { database: sql } = yield* World
  const at = sql`now() - n * interval '5 minutes'`
  const series = sql`from generate_series(1, ${rows}::integer) as n`
  yield* sql`create table seeds as select n, gen_random_uuid() as agent, gen_random_uuid() as grant_id,
    gen_random_uuid() as token, gen_random_uuid() as project ${series}`
  const seeds = sql`from seeds`
  yield* sql`
    insert into agents (id, owner_user_id, owner_email, display_name, created_at)
    select agent, 'person-' || n % 20000, 'a@example.test', 'Agent ' || n, ${at} ${seeds}`
  yield* sql`
    insert into grants (id, agent_id, workspace_slug, project_id, scopes, created_at, revoked_at)
    select grant_id, agent, 'nodedc', project, '{issue:read}', ${at}, case when n % 3 = 0 then now() end ${seeds}`
  yield* sql`
    insert into tokens (id, agent_id, name, hash, created_at)
    select token, agent, 'laptop', sha256(token::text::bytea), ${at} ${seeds}`
  yield* sql`
    insert into grant_writes (grant_id, day, writes, max_writes) select grant_id, current_date, 1, 5 ${seeds}`
  yield* sql`
    insert into audit_events (id, at, action, outcome, agent_id, request_id, via)
    select gen_random_uuid(), ${at}, 'tasker_create_issue', 'executed', agent, 'r', 'mcp' ${seeds}`
  yield* sql`
    insert into idempotency_keys (
      id, agent_id, key, tool, project_id, grant_id, token_id, fingerprint, state, answer, settled_at, request_id,
      created_at
    )
    select gen_random_uuid(), agent, 'key-' || token, 'tasker_create_issue', project, grant_id, token,
      encode(sha256(token::text::bytea), 'hex'), 'executed', '{}', now(), 'r', ${at} ${seeds}`
  yield* sql`insert into used_keys select agent, sha256(token::text::bytea) ${seeds}`
  yield* sql`
    insert into changes (event_id, agent_id, issue_id, identifier, name, before, after, created_at)
    select gen_random_uuid(), agent, project, 'OPS-' || n, 'A card', '{"priority": "low"}', '{"priority": "high"}', ${at}
    ${seeds}`
  yield* sql`
    insert into lifecycle_keys (path, key, fingerprint, resource_id, created_at)
    select '/api/v1/agents', token::text, sha256(token::text::bytea), agent, ${at} ${seeds}`
  // Of minutes to come, since those that are over are cleared away as soon as the gateway sees them.
  yield* sql`
    insert into denial_tallies (agent_id, action, reason, minute, denials, last_event)
    select agent, 'tasker_create_issue', 'limit.rate', now() + interval '1 day' + n * interval '1 minute', 1, '{}'
    ${seeds}`
  yield* sql`
    insert into recent_titles (agent_id, project_id, title_hash, operation_id, reserved_at)
    select agent, project, sha256(token::text::bytea), gen_random_uuid(), ${at} ${seeds}`
  yield* sql`
    insert into call_rates (agent_id, class, minute, calls) select agent, 'reads', ${at}, 1 ${seeds}`
  yield* sql`insert into denial_counts (agent_id, minute, denials) select agent, ${at}, 1 ${seeds}`
  yield* sql`
    insert into refused_writes (agent_id, fingerprint, minute, refusals)
    select agent, encode(sha256(token::text::bytea), 'hex'), ${at}, 1 ${seeds}`
  yield* sql`
    insert into pairing_codes (
      id, agent_id, code_hash, created_at, expires_at, used_at, token_id, used_by, used_from, nonce_hash, wrapped_token
    )
    select gen_random_uuid(), agent, sha256(token::text::bytea), ${at}, ${at} + interval '10 minutes',
      case when used then ${at} end, case when used then token end, case when used then 'laptop' end,
      case when used then '192.0.2.1' end, case when kept then sha256(agent::text::bytea) end,
      case when kept then sha256(agent::text::bytea) end
    from seeds, lateral (select n % 2 = 0 as used, n % 1000 = 0 as kept) as of`
  yield* sql`
    insert into pairing_guesses (account, minute, guesses, chances)
    select 'network ' || n % 5000, date_trunc('minute', ${at}), 1, 10 ${seeds}`
  // Logins, each under its agent's id and its grant's as its client's, with ends that are still to come.
  const end = sql`now() + n * interval '1 minute'`
  yield* sql`
    insert into tokens (id, agent_id, kind, name, client_id, scopes, created_at, expires_at)
    select agent, agent, 'oauth', 'Codex', grant_id::text, '{issue:read}', ${at}, ${end} ${seeds}`
  yield* sql`
    insert into oauth_secrets (hash, token_id, kind, turn, expires_at)
    select sha256((kind || token)::bytea), agent, kind, 1, ${end}
    from seeds, unnest(array['access', 'refresh']) as kind`
  yield* sql`
    insert into oauth_clients (id, name, redirect_uris, address, network, created_at)
    select grant_id, 'Codex', '{http://127.0.0.1/}', '192.0.2.1', 'network ' || n % 5000,
      now() - n * interval '2 seconds' ${seeds}`
  yield* sql`
    insert into oauth_consents (id, pairing_id, browser_hash, request_hash, expires_at)
    select agent, agent, sha256(token::text::bytea), sha256(token::text::bytea), ${end} ${seeds}`
  yield* sql`
    insert into oauth_codes (hash, token_id, pairing_id, redirect_uri, challenge, resource, expires_at)
    select sha256(token::text::bytea), agent, agent, 'http://127.0.0.1/', sha256(token::text::bytea), 'r', ${end}
    ${seeds}`
  yield* sql`drop table seeds`
})

/** A login from its registration to its end, with what is refused on the way. */
const logIn = Effect.fnUntraced(function* (agentId: AgentId) {
  const clients = yield* OAuthClients
  const authorization = yield* Authorization
  const logins = yield* Logins
  const pairing = yield* Pairing
  const tokens = yield* TokenStore
  const redirectUri = "http://127.0.0.1/"
  const { client } = yield* clients.register({
    name: "Codex",
    redirectUris: [redirectUri],
    address: "192.0.2.1"
  })
  yield* clients.find(client.id, "192.0.2.1")
  const verifier = "v".repeat(43)
  const request: AuthorizationRequest = {
    clientId: client.id,
    redirectUri,
    state: undefined,
    challenge: challengeOf(verifier),
    scopes: ["issue:read"],
    resource: "r"
  }
  const paired = yield* pairing.create(act, agentId, { name: null })
  const about = {
    pairingId: paired.info.id,
    browserHash: requestHash(request),
    requestHash: requestHash(request)
  }
  yield* authorization.deny(yield* authorization.open(about), "plans")
  const consent = yield* authorization.consent((yield* authorization.open(about)).id)
  const trying = { address: "192.0.2.1", requestId: "plans" }
  const code = fromBytes(new Uint8Array(32))
  yield* authorization.allow({ ...trying, client, consent, request, scopes: request.scopes, code })
  yield* authorization.waits(code, request)
  const exchange = { code, clientId: client.id, redirectUri, verifier, resource: "r", requestId: "plans" }
  const issued = yield* logins.exchange(exchange)
  const refresh = (token: Token) =>
    logins.refresh({ token, clientId: client.id, scopes: undefined, requestId: "plans" })
  yield* refresh(issued.refresh)
  const second = yield* refresh(issued.refresh)
  yield* refresh(second.refresh)
  yield* tokens.admit(issued.access, "reads", "some-key-1")
  yield* Effect.flip(refresh(issued.refresh))
  yield* Effect.flip(logins.exchange(exchange))
  yield* logins.revoke({ token: issued.access, clientId: undefined, requestId: "plans" })
})

/** Everything that the layers ask of the database: every tool well and badly, every act of the lifecycle. */
const exercise = Effect.gen(function* () {
  const { actor, tasker } = yield* World
  const registry = yield* AgentRegistry
  const audit = yield* AuditLog
  const agent = yield* actor(undefined, { maxWrites: 1000 })
  const issueId = yield* card(agent)
  for (const { tool, op, args, others } of writeRows) {
    const asked = { ...args(issueId), idempotency_key: `plans-${op}` }
    yield* tasker.fault({ op, fault: "refuse" })
    yield* outcome(call(agent, tool, asked))
    yield* tasker.fault({ op, fault: "cut_after" })
    yield* outcome(call(agent, tool, asked))
    yield* outcome(call(agent, tool, asked))
    yield* outcome(call(agent, tool, asked))
    yield* outcome(call(agent, tool, { ...others(issueId), idempotency_key: asked.idempotency_key }))
  }
  yield* call(agent, "tasker_list_issues", {})

  const keyed = (path: string) => ({ ...act, key: { path, value: randomUUID() } })
  const reach = owner.id as UserId
  const page = { limit: 10, cursor: undefined }
  const made = keyed("/api/v1/agents")
  const profile = { owner_user_id: reach, owner_email: owner.email, display_name: "Acted upon" }
  const { id } = yield* registry.createAgent(made, profile)
  yield* registry.createAgent(made, profile)
  for (const within of [undefined, reach]) {
    const acting = { ...act, reach: within }
    yield* registry.updateAgent(acting, id, { display_name: `Renamed ${within}` })
    const agents = yield* registry.listAgents(within, { limit: 1, cursor: undefined })
    yield* registry.listAgents(within, { limit: 1, cursor: agents.next_cursor ?? undefined })
    yield* registry.getAgent(within, id)
    yield* registry.standing(within, id)
    const grant = yield* registry.grant(
      { ...keyed("/grants"), reach: within },
      id,
      grantTerms(agent.project, ["issue:read"])
    )
    yield* registry.grant(
      { ...keyed("/grants"), reach: within },
      id,
      grantTerms(agent.project, ["issue:read"])
    )
    yield* registry.listGrants(within, id, page)
    yield* registry.revokeGrant(acting, id, grant.id)
    yield* registry.revokeGrant(acting, id, grant.id)
    const token = yield* registry.issueToken({ ...keyed("/tokens"), reach: within }, id, {
      name: "laptop",
      expires_at: null
    })
    yield* registry.listTokens(within, id, page)
    yield* registry.revokeToken(acting, id, token.info.id)
    yield* registry.revokeToken(acting, id, token.info.id)
  }
  const pairing = yield* Pairing
  for (const within of [undefined, reach]) {
    const acting = { ...keyed("/pairing-codes"), reach: within }
    const paired = yield* pairing.create(acting, id, { name: null })
    const code = Redacted.value(paired.code)
    const trying = { address: "192.0.2.1", requestId: "plans" }
    yield* pairing.identify({ ...trying, code })
    yield* pairing.standing(paired.info.id)
    const redeeming = { ...trying, code, clientName: "laptop", nonce: "A".repeat(43) }
    yield* Effect.flip(pairing.redeem({ ...redeeming, nonce: "none" }))
    yield* pairing.redeem(redeeming)
    yield* Effect.flip(pairing.redeem({ ...redeeming, nonce: "none" }))
    yield* Effect.flip(pairing.redeem({ ...redeeming, code: "BCDFGHJKLMNP" }))
    const codes = yield* pairing.list(within, id, { limit: 1, cursor: undefined })
    yield* pairing.list(within, id, { limit: 1, cursor: codes.next_cursor ?? undefined })
    const other = yield* pairing.create({ ...act, reach: within }, id, { name: null })
    yield* pairing.cancel({ ...act, reach: within }, id, other.info.id)
    yield* pairing.cancel({ ...act, reach: within }, id, other.info.id)
  }
  yield* logIn(id)
  const timeline = yield* Timeline
  for (const within of [undefined, reach]) {
    const turns = yield* timeline.list(within, { agentId: agent.agentId, limit: 5, cursor: undefined })
    yield* timeline.list(within, { agentId: agent.agentId, limit: 5, cursor: turns.next_cursor ?? undefined })
  }
  const events = yield* audit.list({ agentId: agent.agentId, limit: 2, cursor: undefined })
  yield* audit.list({ agentId: agent.agentId, limit: 2, cursor: events.next_cursor ?? undefined })
  yield* registry.updateAgent(act, id, { status: "disabled" })
  yield* registry.updateAgent(act, id, { status: "active" })
  yield* Layer.build(Reaper.layer)
  const queue = yield* RecoveryQueue
  yield* queue.take(4)
  yield* registry.disableAgents(act, `nobody-${randomUUID()}` as UserId)
})

/**
 * In the planner's own units, a page read in order being 1: a table of these is some thousands to read
 * through, by whatever index, and a few rows found by the right one are some tens.
 */
const dearest = 200

interface Plan {
  readonly "Node Type": string
  readonly "Relation Name"?: string
  readonly "Total Cost": number
  readonly Plans?: ReadonlyArray<Plan>
}

const scansOf = (plan: Plan): ReadonlyArray<string> => [
  ...(plan["Node Type"] === "Seq Scan" ? [String(plan["Relation Name"])] : []),
  ...(plan.Plans ?? []).flatMap(scansOf)
]

layer(proxied, { timeout: "10 minutes", excludeTestServices: true })(`with ${rows} rows a table`, (it) => {
  it.effect(
    "every statement that the layers make finds its rows by an index",
    () =>
      Effect.gen(function* () {
        const { database: sql, proxy } = yield* World
        yield* fill
        yield* proxy.executed
        yield* exercise
        const executed = new Set(yield* proxy.executed)
        const asking = [...executed].filter((text) => /^\s*(select|insert|update|delete|with)\b/i.test(text))
        // The statements that a write, its refusals and its settling are made of are among them.
        for (const part of [
          "insert into idempotency_keys",
          "state = 'executed'",
          "delete from idempotency_keys"
        ]) {
          assert.isTrue(
            asking.some((text) => text.includes(part)),
            part
          )
        }
        // Explained as they came over the wire, for whatever values (PostgreSQL 16, EXPLAIN, GENERIC_PLAN).
        yield* sql`
          create function plan_of(statement text) returns json language plpgsql as $$
            declare plan json;
            begin execute 'explain (generic_plan, format json) ' || statement into plan; return plan; end
          $$`
        const scanning: Array<string> = []
        const dear: Array<string> = []
        // Of a limit that is not known the planner thinks a tenth of all rows: it is told twenty.
        for (const text of asking.map((each) => each.replace(/limit \$\d+::integer/g, "limit 20"))) {
          const [found] = yield* sql<{ plan: [{ Plan: Plan }] }>`select plan_of(${text}) as plan`
          const plan = found?.plan[0].Plan ?? assert.fail(text)
          const tables = scansOf(plan)
          if (tables.length > 0) scanning.push(`${tables.join(", ")}: ${text}`)
          if (plan["Total Cost"] > dearest) dear.push(`${plan["Total Cost"]}: ${text}`)
        }
        assert.isAtLeast(asking.length, 25)
        assert.deepStrictEqual(scanning, [])
        assert.deepStrictEqual(dear, [])
      }),
    300_000
  )
})
