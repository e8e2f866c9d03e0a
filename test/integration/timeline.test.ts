import { assert, layer } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { eventHash } from "../../src/domain/AuditChain.ts"
import type { AuditEvent } from "../../src/domain/AuditEvent.ts"
import { asHex } from "../../src/domain/AuditExport.ts"
import type { ProjectId, UserId } from "../../src/domain/Ids.ts"
import type { Turn } from "../../src/domain/Timeline.ts"
import { AgentRegistry } from "../../src/services/AgentRegistry.ts"
import { layer as gateway, operate, send } from "../support/http.ts"
import { owner } from "../support/tasker.ts"
import { type Actor, act, sql, World } from "../support/world.ts"

/** One turn of a conversation, as Codex names it. */
interface Talk {
  readonly session: string
  readonly turn: string
  readonly model?: string
}

let messages = 0

/** Calls a tool over `/mcp` as Codex does, with its claims. What came back, whatever it is. */
const say = ({ project, token }: Actor, talk: Talk | undefined, name: string, args: object) =>
  Effect.gen(function* () {
    const id = ++messages
    const _meta =
      talk === undefined
        ? undefined
        : {
            callId: `call_${id}`,
            itemId: `item_${id}`,
            threadId: `thread of ${talk.session}`,
            "x-codex-turn-metadata": {
              session_id: talk.session,
              thread_id: `thread of ${talk.session}`,
              turn_id: talk.turn,
              model: talk.model ?? "a-model",
              codex_version: "0.169.0"
            }
          }
    const { body } = yield* send("/mcp", {
      token: Redacted.value(token),
      headers: { accept: "text/event-stream, application/json", "mcp-protocol-version": "2025-06-18" },
      body: {
        jsonrpc: "2.0",
        id,
        method: "tools/call",
        params: { name, arguments: { project_id: project.project.id, ...args }, _meta }
      }
    })
    return body.result?.structuredContent ?? body
  })

const asOperator = ({ agentId }: Actor) => `/api/v1/agents/${agentId}/timeline`
const asOwner = ({ agentId }: Actor, who: string = owner.id) =>
  `/api/internal/v1/owners/${encodeURIComponent(who)}/agents/${agentId}/timeline`

const timelineOf = (path: string) =>
  Effect.map(operate(path), ({ body, status }) => {
    assert.strictEqual(status, 200, JSON.stringify(body))
    return body as { readonly turns: ReadonlyArray<Turn>; readonly next_cursor: string | null }
  })

/** All pages of a timeline. */
const pagesOf = Effect.fnUntraced(function* (path: string, limit: number) {
  const pages: Array<{ readonly turns: ReadonlyArray<Turn>; readonly next_cursor: string | null }> = []
  let cursor: string | null | undefined
  while (cursor !== null) {
    const from: string = cursor === undefined ? "" : `&cursor=${cursor}`
    const page: (typeof pages)[number] = yield* timelineOf(`${path}?limit=${limit}${from}`)
    pages.push(page)
    cursor = page.next_cursor
  }
  return pages
})

const linesOf = ({ entries }: Turn) =>
  entries.map(({ action, outcome, reason }) =>
    [action, outcome, reason].filter((word) => word !== null).join(" ")
  )

layer(gateway, { timeout: "10 minutes", excludeTestServices: true })("a timeline", (it) => {
  it.effect("tells the story of two turns of an agent, as its owner and an operator may read it", () =>
    Effect.gen(function* () {
      const { actor, tasker } = yield* World
      const agent = yield* actor()
      const plan: Talk = { session: "session-1", turn: "turn-1" }
      const work: Talk = { session: "session-1", turn: "turn-2", model: "a-better-model" }

      const create = { name: "Fix the login", priority: "low", idempotency_key: "story-create" }
      const { issue } = yield* say(agent, plan, "tasker_create_issue", create)
      yield* say(agent, plan, "tasker_create_issue", create)
      yield* say(agent, plan, "tasker_get_issue", { issue_id: issue.id })
      const move = { issue_id: issue.id, state: "In Progress", idempotency_key: "story-move" }
      yield* say(agent, work, "tasker_move_issue", move)
      yield* tasker.fault({ op: "comment", fault: "cut_after" })
      const comment = { issue_id: issue.id, comment: "Under way", idempotency_key: "story-comment" }
      yield* say(agent, work, "tasker_add_comment", comment)
      yield* say(agent, work, "tasker_add_comment", comment)
      const elsewhere = { ...move, project_id: issue.id, idempotency_key: "story-elsewhere" }
      yield* say(agent, work, "tasker_move_issue", elsewhere)

      const { turns, next_cursor } = yield* timelineOf(asOwner(agent))
      assert.isNull(next_cursor)
      assert.deepStrictEqual(yield* timelineOf(asOperator(agent)), { turns, next_cursor })
      assert.deepStrictEqual(
        turns.map(({ session_id, turn_id, model, codex_version }) => [
          session_id,
          turn_id,
          model,
          codex_version
        ]),
        [
          ["session-1", "turn-2", "a-better-model", "0.169.0"],
          ["session-1", "turn-1", "a-model", "0.169.0"],
          [null, null, null, null]
        ]
      )
      const [second, first, before] = turns as [Turn, Turn, Turn]
      assert.deepStrictEqual(linesOf(second), [
        "tasker_move_issue denied grant.no_grant",
        "tasker_add_comment executed",
        "tasker_add_comment unknown tasker.outcome_unknown",
        "tasker_move_issue executed"
      ])
      assert.deepStrictEqual(linesOf(first), ["tasker_create_issue replayed", "tasker_create_issue executed"])
      assert.deepStrictEqual(linesOf(before), [
        "token.issued executed",
        "grant.created executed",
        "agent.created executed"
      ])

      const moved = second.entries.at(-1)
      assert.deepInclude(moved ?? assert.fail("no entry"), {
        via: "mcp",
        count: 1,
        project_id: agent.project.project.id as ProjectId,
        issue: { id: issue.id, identifier: issue.identifier, name: "Fix the login" },
        idempotency_key: "story-move"
      })
      assert.deepStrictEqual(
        [moved?.change?.before, moved?.change?.after].map(
          (fields) => (fields as { state: { name: string } }).state.name
        ),
        ["Backlog", "In Progress"]
      )
      assert.match(moved?.call_id ?? "", /^call_\d+$/)
      assert.isTrue(Number.isInteger(moved?.duration_ms))
      assert.isNull(before.entries[0]?.duration_ms)
      // Named as the agent knew the card, though this call was refused.
      assert.deepStrictEqual(second.entries[0]?.issue, {
        id: issue.id,
        identifier: issue.identifier,
        name: "Fix the login"
      })
      assert.isTrue(first.started_at <= first.ended_at && first.ended_at <= second.started_at)
    })
  )

  it.effect("comes in pages that hold every event once, and none of them ends a turn without saying so", () =>
    Effect.gen(function* () {
      const { actor } = yield* World
      const agent = yield* actor(["issue:read"])
      const talks: ReadonlyArray<Talk | undefined> = [
        { session: "a", turn: "1" },
        { session: "b", turn: "1" },
        undefined
      ]
      // Two conversations at once, and calls without claims between them.
      for (let n = 0; n < 12; n++) {
        yield* say(agent, talks[n % 3], "tasker_move_issue", {
          issue_id: agent.agentId,
          state: "Todo",
          idempotency_key: `paged-${n}-of-12`
        })
      }
      const [whole] = yield* pagesOf(asOwner(agent), 100)
      const everything = (whole?.turns ?? []).flatMap(({ entries }) =>
        entries.map(({ event_id }) => event_id)
      )
      assert.lengthOf(everything, 15)
      assert.isTrue(whole?.turns.every(({ continued }) => continued === undefined))
      for (const limit of [1, 2, 4, 7]) {
        const pages = yield* pagesOf(asOwner(agent), limit)
        const shown = pages.flatMap(({ turns }) => turns.flatMap(({ entries }) => entries))
        assert.sameMembers(
          shown.map(({ event_id }) => event_id),
          everything
        )
        assert.lengthOf(shown, 15)
        pages.forEach(({ turns }, at) => {
          const later = pages.slice(at + 1).flatMap((page) => page.turns)
          for (const turn of turns) {
            const goesOn = later.some(
              ({ session_id, turn_id }) => session_id === turn.session_id && turn_id === turn.turn_id
            )
            assert.strictEqual(turn.continued ?? false, goesOn, `limit ${limit}, page ${at}`)
          }
        })
      }
    })
  )

  it.effect("ends a page before changes that are too long for it, and goes on with them", () =>
    Effect.gen(function* () {
      const { actor } = yield* World
      const db = yield* sql
      const agent = yield* actor()
      const talk: Talk = { session: "s", turn: "t" }
      const make = { name: "Long", idempotency_key: "long-create" }
      const { issue } = yield* say(agent, talk, "tasker_create_issue", make)
      // In thousands of characters; a page takes some thousand, but one change whatever its length.
      const lengths = [600, 1500, 600, 400, 400]
      for (const [n, length] of lengths.entries()) {
        const idempotency_key = `long-update-${n}`
        yield* say(agent, talk, "tasker_update_issue", { issue_id: issue.id, name: `${n}`, idempotency_key })
        yield* db`
          update changes c set after = jsonb_build_object('description', repeat('x', ${length * 1000}::integer))
          from audit_events e
          where e.id = c.event_id and e.agent_id = ${agent.agentId} and e.idempotency_key = ${idempotency_key}`
      }
      const pages = yield* pagesOf(asOperator(agent), 100)
      const shown = pages.map(({ turns }) =>
        turns.flatMap(({ entries }) =>
          entries
            .filter(({ action }) => action === "tasker_update_issue")
            .map(({ change }) => String(change?.after.description).length / 1000)
        )
      )
      assert.deepStrictEqual(shown, [[400, 400], [600], [1500], [600]])
      assert.deepStrictEqual(
        pages.map(({ turns }) => turns[0]?.continued),
        [true, true, true, undefined]
      )
    })
  )

  it.effect("puts what was settled without its caller into the turn in which it was asked", () =>
    Effect.gen(function* () {
      const { actor, tasker } = yield* World
      const agent = yield* actor()
      const talk: Talk = { session: "lost", turn: "reply" }
      yield* tasker.fault({ op: "create", fault: "cut_before" })
      yield* say(agent, talk, "tasker_create_issue", { name: "Lost", idempotency_key: "lost-in-turn" })
      const { body } = yield* operate(`/api/v1/operations?agent_id=${agent.agentId}`)
      yield* operate(`/api/v1/operations/${body.operations[0].id}/settle`, {
        body: { outcome: "not_executed", note: "Nothing there" }
      })
      const { turns } = yield* timelineOf(asOwner(agent))
      const turn = turns.find(({ turn_id }) => turn_id === "reply")
      assert.deepStrictEqual(turn === undefined ? [] : linesOf(turn), [
        "tasker_create_issue failed operation.not_executed",
        "tasker_create_issue unknown tasker.outcome_unknown"
      ])
    })
  )

  it.effect("takes claims for what a client says, and decides nothing by them", () =>
    Effect.gen(function* () {
      const { actor } = yield* World
      const db = yield* sql
      const agent = yield* actor()
      const hostile = [
        null,
        "x",
        [],
        { "x-codex-turn-metadata": "text" },
        {
          callId: { $ne: null },
          threadId: "x".repeat(5000),
          "x-codex-turn-metadata": {
            session_id: "turned\u202earound",
            turn_id: Redacted.value(agent.token),
            model: "<script>alert(1)</script>",
            agent_id: "somebody-else"
          }
        }
      ]
      for (const [n, _meta] of hostile.entries()) {
        const { body } = yield* send("/mcp", {
          token: Redacted.value(agent.token),
          headers: { accept: "application/json", "mcp-protocol-version": "2025-06-18" },
          body: {
            jsonrpc: "2.0",
            id: n,
            method: "tools/call",
            params: {
              name: "tasker_create_issue",
              arguments: {
                project_id: agent.project.project.id,
                name: `Hostile ${n}`,
                idempotency_key: `hostile-${n}`
              },
              _meta
            }
          }
        })
        assert.isUndefined(body.result.isError, JSON.stringify(body))
      }
      const kept = yield* db<{ client: unknown; whose: string }>`
        select client, agent_id::text as whose from audit_events
        where agent_id = ${agent.agentId} and idempotency_key like 'hostile-%' order by position`
      assert.deepStrictEqual(
        kept.map(({ client }) => client),
        [null, null, null, null, { model: "<script>alert(1)</script>" }]
      )
      assert.isTrue(kept.every(({ whose }) => whose === agent.agentId))
    })
  )

  it.effect("is made of events that are hashed as the audit shows them, claims and changes and all", () =>
    Effect.gen(function* () {
      const { actor } = yield* World
      const db = yield* sql
      const agent = yield* actor()
      const make = { name: "Hashed", idempotency_key: "hashed-as-shown" }
      yield* say(agent, { session: "Сессия 1", turn: '"quoted" \\ turn' }, "tasker_create_issue", make)
      yield* say(agent, undefined, "tasker_create_issue", make)
      const { body } = yield* operate(`/api/v1/agents/${agent.agentId}/audit`)
      const events = body.events as ReadonlyArray<AuditEvent>
      const hashes = yield* db<{ id: string; hash: string }>`
        select id::text, encode(hash, 'hex') as hash from audit_events
        where agent_id = ${agent.agentId} order by position desc`
      assert.deepStrictEqual(
        events.map((event) => ({ id: event.id, hash: asHex(eventHash(event)) })),
        hashes.map(({ hash, id }) => ({ id, hash }))
      )
      const [replayed, executed, act] = events
      assert.hasAllKeys(executed?.client, [
        "session_id",
        "thread_id",
        "turn_id",
        "call_id",
        "item_id",
        "model",
        "codex_version"
      ])
      assert.containsAllKeys(executed, ["client", "change_sha256", "duration_ms"])
      assert.doesNotHaveAnyKeys(replayed, ["client", "change_sha256"])
      assert.doesNotHaveAnyKeys(act, ["client", "change_sha256", "duration_ms"])
    })
  )

  it.effect("marks a change that was altered after it was made, and no other", () =>
    Effect.gen(function* () {
      const { actor } = yield* World
      const db = yield* sql
      const agent = yield* actor()
      const talk: Talk = { session: "session-altered", turn: "turn" }
      for (const [at, name] of ["As it was", "Rewritten", "Unspeakable"].entries()) {
        yield* say(agent, talk, "tasker_create_issue", { name, idempotency_key: `altered-${at}` })
      }
      const entries = Effect.map(timelineOf(asOwner(agent)), ({ turns }) =>
        turns.flatMap((turn) => turn.entries).filter(({ change_sha256 }) => change_sha256 !== null)
      )
      const marks = Effect.map(entries, (all) =>
        all.map(({ change, change_altered }) => [change?.after.name, change_altered])
      )
      assert.deepStrictEqual(yield* marks, [
        ["Unspeakable", undefined],
        ["Rewritten", undefined],
        ["As it was", undefined]
      ])
      const before = yield* entries
      yield* db`
        update changes set after = after || '{"name": "Something else"}'
        where agent_id = ${agent.agentId} and after ->> 'name' = 'Rewritten'`
      yield* db`
        update changes set after = after || '{"size": 1e400}'
        where agent_id = ${agent.agentId} and after ->> 'name' = 'Unspeakable'`
      assert.deepStrictEqual(yield* marks, [
        // JSON has no such number.
        [undefined, true],
        ["Something else", true],
        ["As it was", undefined]
      ])
      assert.deepStrictEqual(
        (yield* entries).map(({ change_sha256 }) => change_sha256),
        before.map(({ change_sha256 }) => change_sha256)
      )
    })
  )

  it.effect("is nobody's but the owner's and the operators'", () =>
    Effect.gen(function* () {
      const { actor } = yield* World
      const registry = yield* AgentRegistry
      const agent = yield* actor()
      const other = yield* registry.createAgent(act, {
        owner_user_id: "somebody-else" as UserId,
        owner_email: "else@example.test",
        display_name: "Another"
      })
      const strange = yield* operate(asOwner(agent, "somebody-else"))
      const unknown = yield* operate(asOwner(agent).replace(agent.agentId, crypto.randomUUID()))
      for (const { body, status } of [strange, unknown]) {
        assert.deepStrictEqual(
          [status, body.code, body.detail],
          [404, "request.not_found", "There is no such agent."]
        )
      }
      const fine = yield* timelineOf(`/api/internal/v1/owners/somebody-else/agents/${other.id}/timeline`)
      assert.deepStrictEqual(fine.turns.flatMap(linesOf), ["agent.created executed"])
      for (const path of [asOperator(agent), asOwner(agent)]) {
        assert.strictEqual((yield* send(path)).status, 401)
        assert.strictEqual((yield* send(path, { token: Redacted.value(agent.token) })).status, 401)
      }
      for (const query of ["cursor=nonsense", "limit=0", "limit=101", "unheard=of"]) {
        assert.strictEqual((yield* operate(`${asOperator(agent)}?${query}`)).status, 422, query)
      }
    })
  )
})
