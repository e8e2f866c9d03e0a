import { randomUUID } from "node:crypto"
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import type { AuditEvent } from "../../src/domain/AuditEvent.ts"
import { IssueId, OperationId } from "../../src/domain/Ids.ts"
import { upstreamKey } from "../../src/domain/Operation.ts"
import { allScopes } from "../../src/domain/Scope.ts"
import { AgentRegistry } from "../../src/services/AgentRegistry.ts"
import { AuditLog } from "../../src/services/AuditLog.ts"
import { Idempotency } from "../../src/services/Idempotency.ts"
import { keyRow, outcome, writesUnder } from "../support/evidence.ts"
import { layer as gateway, operate } from "../support/http.ts"
import {
  asOperator,
  asOwner,
  create,
  historyOf,
  type Lost,
  lost,
  settle,
  twins
} from "../support/operations.ts"
import { owner } from "../support/tasker.ts"
import { type Actor, act, call, grantTerms, sql, World } from "../support/world.ts"
import { card, writeRows } from "../support/writes.ts"

interface Answered {
  readonly issue?: { readonly id: string; readonly name: string }
  readonly comment?: object
  readonly replayed: boolean
  readonly warnings: ReadonlyArray<{ readonly field: string; readonly message: string }>
}

const repeat = ({ agent, asked, operation }: Lost) =>
  Effect.map(call(agent, operation.tool, asked), ({ structured }) => structured as unknown as Answered)

/** The card that a write made in Tasker, though its reply got lost. */
const madeBy = ({ agent, key }: Lost) =>
  Effect.flatMap(writesUnder(agent, key), ([made]) =>
    made?.issue_id == null ? Effect.die(new Error("Tasker made no card")) : Effect.succeed(made.issue_id)
  )

const writesLeft = (agent: Actor) =>
  Effect.map(call(agent, "tasker_get_session", { project_id: undefined }), ({ structured }) => {
    const { grants } = structured as { grants: Array<{ writes_left_today: number | null }> }
    return grants[0]?.writes_left_today
  })

const doubted = (tool: string) => `mcp ${tool} unknown tasker.outcome_unknown`

layer(gateway, { timeout: "10 minutes", excludeTestServices: true })("an owner who settles", (it) => {
  it.effect.each(writeRows.filter(({ op }) => op !== "comment").map((row) => [row.tool, row] as const))(
    "%s as executed lets every later call be given the card, and nothing be sent",
    ([tool, row]) =>
      Effect.gen(function* () {
        const { actor } = yield* World
        const one = yield* lost(yield* actor(), row)
        const issueId = row.op === "create" ? yield* madeBy(one) : one.issueId
        const named = row.op === "create" ? { issue_id: issueId } : {}
        const decision = { outcome: "executed", note: "I see it on the board", ...named }
        const { body, status } = yield* settle(one.operation.id, decision, asOwner(owner.id))
        assert.strictEqual(status, 200)
        const { issue_identifier, settled_at, ...shown } = body.operation
        assert.isString(settled_at)
        assert.match(issue_identifier, /^OPS\d+-\d+$/)
        assert.deepStrictEqual(shown, {
          id: one.operation.id,
          agent_id: one.agent.agentId,
          tool,
          project_id: one.agent.project.project.id,
          issue_id: issueId,
          comment_id: null,
          idempotency_key: one.key,
          status: "executed",
          reason: "I see it on the board",
          looks: 12,
          request_id: "test-request",
          created_at: one.operation.created_at
        })

        const answer = yield* repeat(one)
        assert.isTrue(answer.replayed)
        assert.strictEqual(answer.issue?.id, issueId)
        assert.deepStrictEqual(answer.warnings, [])
        assert.lengthOf(yield* writesUnder(one.agent, one.key), 1)
        assert.deepStrictEqual(yield* historyOf(one.operation.id), [
          doubted(tool),
          "admin operation.settled executed",
          `admin ${tool} executed`,
          `mcp ${tool} replayed`
        ])
      })
  )

  it.effect("leaves exactly one event that says that the card was changed, under the write's own names", () =>
    Effect.gen(function* () {
      const { actor } = yield* World
      const db = yield* sql
      const one = yield* lost(yield* actor())
      const issueId = yield* madeBy(one)
      yield* settle(one.operation.id, { outcome: "executed", issue_id: issueId, note: "Seen" })
      const { body } = yield* operate(`${asOperator}/${one.operation.id}`)
      const [row] = yield* db<{ fingerprint: string; token_id: string }>`
        select fingerprint, token_id::text from idempotency_keys where id = ${one.operation.id}::uuid`
      const [act, executed] = body.history.slice(-2)
      assert.deepStrictEqual(
        [act.action, act.issue_id, act.token_id, act.idempotency_key, act.project_id],
        ["operation.settled", null, null, one.key, one.agent.project.project.id]
      )
      assert.match(act.arguments_sha256, /^[0-9a-f]{64}$/)
      assert.deepStrictEqual(
        [executed.issue_id, executed.token_id, executed.arguments_sha256, executed.request_id],
        [issueId, row?.token_id, row?.fingerprint, "test-request"]
      )
      assert.notStrictEqual(act.request_id, "test-request")
    })
  )

  it.effect("a comment as executed lets later calls be told that it was, though not which it is", () =>
    Effect.gen(function* () {
      const { actor } = yield* World
      const row = writeRows.filter(({ op }) => op === "comment")[0] ?? create
      const one = yield* lost(yield* actor(), row)
      const { body } = yield* settle(one.operation.id, { outcome: "executed", note: "It stands there" })
      assert.strictEqual(body.operation.issue_id, one.issueId)
      const answer = yield* repeat(one)
      assert.deepStrictEqual(answer, {
        replayed: true,
        warnings: [
          {
            field: "comment",
            message: "Its owner settled this call as carried out. Which comment it made is not known."
          }
        ]
      })
      assert.lengthOf(yield* writesUnder(one.agent, one.key), 1)
    })
  )

  it.effect("a create whose card is gone again needs to name none", () =>
    Effect.gen(function* () {
      const { actor, tasker } = yield* World
      const one = yield* lost(yield* actor())
      yield* tasker.send("DELETE", `/issues/${yield* madeBy(one)}`)
      const { body } = yield* settle(one.operation.id, { outcome: "executed", note: "Deleted since" })
      assert.deepStrictEqual([body.operation.status, body.operation.issue_id], ["executed", null])
      const answer = yield* repeat(one)
      assert.isTrue(answer.replayed)
      assert.deepStrictEqual(
        answer.warnings.map(({ field }) => field),
        ["issue"]
      )
      assert.lengthOf(yield* writesUnder(one.agent, one.key), 1)
    })
  )

  it.effect("a change of a card that is gone again is still settled", () =>
    Effect.gen(function* () {
      const { actor, tasker } = yield* World
      const row = writeRows.find(({ op }) => op === "move") ?? create
      const one = yield* lost(yield* actor(), row)
      yield* tasker.send("DELETE", `/issues/${one.issueId}`)
      const gone = { outcome: "executed", issue_id: one.issueId, note: "Deleted since" }
      const named = yield* settle(one.operation.id, gone)
      assert.deepStrictEqual([named.status, named.body.code], [403, "grant.wrong_project"])
      const { body } = yield* settle(one.operation.id, { outcome: "executed", note: "Deleted since" })
      assert.deepStrictEqual([body.operation.status, body.operation.issue_id], ["executed", one.issueId])
      assert.deepStrictEqual(
        (yield* repeat(one)).warnings.map(({ field }) => field),
        ["issue"]
      )
    })
  )

  it.effect("tells later calls what does not stand on the card as they asked", () =>
    Effect.gen(function* () {
      const { actor, tasker } = yield* World
      const one = yield* lost(yield* actor())
      const issueId = yield* madeBy(one)
      yield* tasker.send("PATCH", `/issues/${issueId}`, { name: "Renamed by a person" })
      yield* settle(one.operation.id, { outcome: "executed", issue_id: issueId, note: "Seen" })
      const answer = yield* repeat(one)
      assert.strictEqual(answer.issue?.name, "Renamed by a person")
      assert.deepStrictEqual(
        answer.warnings.map(({ field }) => field),
        ["name"]
      )
    })
  )

  it.effect.each(writeRows.map((row) => [row.tool, row] as const))(
    "%s as not executed frees its key, and the same call is then made",
    ([tool, row]) =>
      Effect.gen(function* () {
        const { actor } = yield* World
        const one = yield* lost(yield* actor(), row, { fault: "cut_before" })
        const { body, status } = yield* settle(one.operation.id, {
          outcome: "not_executed",
          note: "There is\nno such thing"
        })
        assert.strictEqual(status, 200)
        assert.deepStrictEqual(
          [body.operation.status, body.operation.reason, body.operation.issue_identifier],
          ["not_executed", "There is\nno such thing", null]
        )
        assert.isString(body.operation.settled_at)
        assert.deepStrictEqual(yield* historyOf(one.operation.id), [
          doubted(tool),
          "admin operation.settled executed",
          `admin ${tool} failed operation.not_executed`
        ])
        assert.isFalse((yield* repeat(one)).replayed)
        assert.lengthOf(yield* writesUnder(one.agent, one.key), 1)
        const rows = yield* (yield* sql)`
          select from idempotency_keys where agent_id = ${one.agent.agentId} and key = ${one.key}`
        assert.lengthOf(rows, 2)
      })
  )

  it.effect("what was not executed gives its grant the write back and frees its title", () =>
    Effect.gen(function* () {
      const { actor } = yield* World
      const db = yield* sql
      const agent = yield* actor(undefined, { maxWrites: 9 })
      const one = yield* lost(agent, create, { fault: "cut_before" })
      yield* db`
        insert into recent_titles (agent_id, project_id, title_hash, operation_id)
        values (
          ${agent.agentId}::uuid, ${agent.project.project.id}::uuid, sha256('a title'::bytea),
          ${one.operation.id}::uuid
        )
        on conflict do nothing`
      const before = (yield* writesLeft(agent)) ?? 0
      yield* settle(one.operation.id, { outcome: "not_executed", note: "No" })
      assert.strictEqual(yield* writesLeft(agent), before + 1)
      const titles = yield* db`select from recent_titles where operation_id = ${one.operation.id}::uuid`
      assert.lengthOf(titles, 0)
      // Once more, as after a lost reply: it is given back once.
      yield* settle(one.operation.id, { outcome: "not_executed", note: "No" })
      assert.strictEqual(yield* writesLeft(agent), before + 1)
    })
  )

  it.effect.each(["unknown", "unresolved"] as const)("%s may be decided", (state) =>
    Effect.gen(function* () {
      const { actor } = yield* World
      const { operation } = yield* lost(yield* actor(), create, { state, fault: "cut_before" })
      const { status } = yield* settle(operation.id, { outcome: "not_executed", note: "No" })
      assert.strictEqual(status, 200)
    })
  )

  it.effect("the same again is answered as it stands; otherwise, or with another card, is refused", () =>
    Effect.gen(function* () {
      const { actor } = yield* World
      const agent = yield* actor()
      const one = yield* lost(agent, create, { key: "it-was-made" })
      const issueId = yield* madeBy(one)
      const decision = { outcome: "executed", issue_id: issueId, note: "Seen" }
      const first = yield* settle(one.operation.id, decision)
      for (const [, path] of twins) {
        for (const again of [decision, { outcome: "executed", note: "Seen by another" }]) {
          const { body, status } = yield* settle(one.operation.id, again, path)
          assert.deepStrictEqual([status, body], [200, first.body])
        }
        for (const other of [
          { outcome: "not_executed", note: "No" },
          { ...decision, issue_id: one.issueId },
          { ...decision, issue_id: randomUUID() }
        ]) {
          const { body, status } = yield* settle(one.operation.id, other, path)
          assert.deepStrictEqual([status, body.code], [409, "request.conflict"])
          assert.deepStrictEqual([body.status, body.issue_id], [409, issueId])
        }
      }
      const never = yield* lost(agent, create, { key: "never-made", fault: "cut_before" })
      const no = yield* settle(never.operation.id, { outcome: "not_executed", note: "No" })
      const again = yield* settle(never.operation.id, { outcome: "not_executed", note: "Still no" })
      assert.deepStrictEqual([again.status, again.body], [200, no.body])
      const yes = yield* settle(never.operation.id, { outcome: "executed", note: "Yes, it was" })
      assert.deepStrictEqual([yes.status, yes.body.code], [409, "request.conflict"])
      assert.deepStrictEqual(yield* historyOf(never.operation.id), [
        doubted("tasker_create_issue"),
        "admin operation.settled executed",
        "admin tasker_create_issue failed operation.not_executed",
        "admin operation.settled failed request.conflict"
      ])
    })
  )

  it.effect("finds a write that was settled by a call decided already", () =>
    Effect.gen(function* () {
      const { actor } = yield* World
      const one = yield* lost(yield* actor(), create, { state: "unknown" })
      yield* repeat(one)
      const { body, status } = yield* settle(one.operation.id, { outcome: "executed", note: "It is there" })
      assert.deepStrictEqual([status, body.operation.status, body.operation.reason], [200, "executed", null])
      const no = yield* settle(one.operation.id, { outcome: "not_executed", note: "No" })
      assert.deepStrictEqual([no.status, no.body.code], [409, "request.conflict"])
    })
  )

  it.effect("both ways at the same moment gets one decision, which stands", () =>
    Effect.gen(function* () {
      const { actor } = yield* World
      const one = yield* lost(yield* actor())
      const issueId = yield* madeBy(one)
      const decisions = Array.from({ length: 10 }, (_, n) =>
        n % 2 === 0
          ? { outcome: "executed", issue_id: issueId, note: `Seen by ${n}` }
          : { outcome: "not_executed", note: `Not seen by ${n}` }
      )
      const answers = yield* Effect.forEach(decisions, (decision) => settle(one.operation.id, decision), {
        concurrency: "unbounded"
      })
      const { body } = yield* operate(`${asOperator}/${one.operation.id}`)
      const stands = body.operation.status
      assert.deepStrictEqual(
        answers.map(({ status }) => status),
        decisions.map(({ outcome }) => (outcome === stands ? 200 : 409))
      )
      for (const answer of answers.filter(({ status }) => status === 200))
        assert.deepStrictEqual(answer.body.operation, body.operation)
      const told = (yield* historyOf(one.operation.id)).filter((event) => !/ failed request/.test(event))
      assert.lengthOf(told, 3)
    })
  )

  it.effect("lets two creates never be one card, also at the same moment", () =>
    Effect.gen(function* () {
      const { actor } = yield* World
      const agent = yield* actor()
      const [one, other] = [
        yield* lost(agent, create, { key: "first-create" }),
        yield* lost(agent, create, { key: "second-create", fault: "cut_before" })
      ]
      const decision = { outcome: "executed", issue_id: yield* madeBy(one), note: "This one" }
      const answers = yield* Effect.all(
        [settle(one.operation.id, decision), settle(other.operation.id, decision)],
        { concurrency: "unbounded" }
      )
      const refused = answers.filter(({ status }) => status !== 200)
      assert.lengthOf(refused, 1)
      assert.deepStrictEqual(
        [refused[0]?.status, refused[0]?.body.code, refused[0]?.body.errors[0].path],
        [422, "input.invalid", "issue_id"]
      )
    })
  )

  it.effect("takes the pen from whoever held the lease before", () =>
    Effect.gen(function* () {
      const { actor } = yield* World
      const once = yield* Idempotency
      const audit = yield* AuditLog
      const one = yield* lost(yield* actor(), create, { fault: "cut_before" })
      const fence = (yield* keyRow(one.agent, one.key))?.fence ?? 0
      yield* settle(one.operation.id, { outcome: "not_executed", note: "No" })
      const { body } = yield* operate(`${asOperator}/${one.operation.id}`)
      const event: AuditEvent = yield* audit.stamp(body.history.at(-1))
      const lease = {
        operationId: OperationId.make(one.operation.id),
        fence,
        upstreamKey: upstreamKey(one.agent.agentId, one.key),
        sendUntil: { nanos: 0n, millis: 0 }
      }
      const late = yield* once.complete(
        lease,
        { warnings: [] },
        { ...event, issue_id: IssueId.make(randomUUID()) },
        undefined,
        { checkLater: false, doubled: undefined }
      )
      assert.strictEqual(late, "LeaseLost")
      assert.isAbove((yield* keyRow(one.agent, one.key))?.fence ?? 0, fence)
    })
  )

  it.effect("does so also where the agent is disabled and its grant is gone", () =>
    Effect.gen(function* () {
      const { actor } = yield* World
      const registry = yield* AgentRegistry
      const one = yield* lost(yield* actor())
      const { grants } = yield* registry.getAgent(undefined, one.agent.agentId)
      for (const { id } of grants) yield* registry.revokeGrant(act, one.agent.agentId, id)
      yield* registry.updateAgent(act, one.agent.agentId, { status: "disabled" })
      const issueId = yield* madeBy(one)
      const { body } = yield* settle(one.operation.id, {
        outcome: "executed",
        issue_id: issueId,
        note: "Yes"
      })
      assert.deepStrictEqual([body.operation.status, body.operation.issue_id], ["executed", issueId])
      yield* registry.updateAgent(act, one.agent.agentId, { status: "active" })
      yield* registry.grant(act, one.agent.agentId, grantTerms(one.agent.project, allScopes))
      assert.strictEqual(yield* outcome(call(one.agent, one.operation.tool, one.asked)), "replayed")
    })
  )

  it.effect("may name a card that somebody made by hand, which later calls are then given", () =>
    Effect.gen(function* () {
      const { actor } = yield* World
      const agent = yield* actor()
      const one = yield* lost(agent, create, { fault: "cut_before" })
      // Made by hand, by somebody who did not want to wait.
      const byHand = yield* card(agent, "as-if-by-hand-1")
      yield* (yield* sql)`delete from idempotency_keys
        where agent_id = ${agent.agentId} and key = 'as-if-by-hand-1'`
      yield* settle(one.operation.id, { outcome: "executed", issue_id: byHand, note: "I made it myself" })
      const answer = yield* repeat(one)
      assert.strictEqual(answer.issue?.id, byHand)
      assert.lengthOf(yield* writesUnder(agent, one.key), 0)
    })
  )
})
