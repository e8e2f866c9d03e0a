import { randomUUID } from "node:crypto"
import { assert, layer } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { Settings } from "../../src/Config.ts"
import { codeOf } from "../../src/domain/Failure.ts"
import type { ProjectId } from "../../src/domain/Ids.ts"
import { fingerprint } from "../../src/domain/Operation.ts"
import { titleHash } from "../../src/domain/Repetition.ts"
import { allScopes } from "../../src/domain/Scope.ts"
import { reserveStatement } from "../../src/layers/calls/reserveSql.ts"
import { AgentRegistry } from "../../src/services/AgentRegistry.ts"
import type { Intent } from "../../src/services/Idempotency.ts"
import { onDatabase } from "../support/database.ts"
import { eventually, keyRow, outcome, refusal, trail, writesUnder } from "../support/evidence.ts"
import { type Actor, act, call, grantTerms, sql, World, withVariables } from "../support/world.ts"

const create = (agent: Actor, key: string, more: object = {}) =>
  call(agent, "tasker_create_issue", { name: `Card ${key}`, idempotency_key: key, ...more })

const reservation = /insert into idempotency_keys/

/** Loses the reply to the next reservation, which PostgreSQL carries out. */
const losingReply = Effect.flatMap(World, ({ proxy }) =>
  proxy.breakOn({ statement: reservation, when: "after", times: 1 })
)

/**
 * Makes something happen to the caller in the same instant as its reservation: PostgreSQL does both, and the
 * reply gets lost.
 */
const whenReserved = (statement: string) =>
  Effect.gen(function* () {
    const { database } = yield* World
    yield* Effect.acquireRelease(
      Effect.gen(function* () {
        yield* database.unsafe(
          `create or replace function meanwhile() returns trigger language plpgsql as $$
           begin ${statement}; return null; end $$`
        ).unprepared
        yield* database.unsafe(
          "create trigger meanwhile after insert on idempotency_keys for each row execute function meanwhile()"
        ).unprepared
      }),
      () => Effect.orDie(database.unsafe("drop trigger meanwhile on idempotency_keys").unprepared)
    )
    yield* losingReply
  })

const titlesOf = (agent: Actor) =>
  Effect.flatMap(World, ({ database }) =>
    Effect.orDie(
      database<{ operation_id: string; previous_operation_id: string | null }>`
        select operation_id, previous_operation_id from recent_titles where agent_id = ${agent.agentId}`
    )
  )

layer(withVariables({ DUPLICATE_WINDOW_MINUTES: "15" }, { proxied: true }), {
  timeout: "10 minutes",
  excludeTestServices: true
})("a reservation that is repeated because its reply got lost", (it) => {
  for (const [what, statement, code] of [
    ["token was revoked", "update tokens set revoked_at = now() where id = new.token_id", "auth.revoked"],
    [
      "token has expired",
      "update tokens set expires_at = now() - interval '1 second' where id = new.token_id",
      "auth.expired"
    ],
    [
      "agent was disabled",
      "update agents set status = 'disabled' where id = new.agent_id",
      "auth.agent_disabled"
    ],
    ["grant was revoked", "update grants set revoked_at = now() where id = new.grant_id", "grant.no_grant"]
  ] as const) {
    it.effect(`is withdrawn if the ${what} meanwhile, so that "nothing was changed" is true`, () =>
      Effect.scoped(
        Effect.gen(function* () {
          const { actor, database, proxy } = yield* World
          const agent = yield* actor(undefined, { maxWrites: 5 })
          yield* whenReserved(statement)
          const told = yield* refusal(create(agent, "refused-on-repeat"))
          assert.strictEqual(yield* proxy.broken, 1)
          assert.strictEqual(codeOf(told), code)
          assert.isUndefined(yield* keyRow(agent, "refused-on-repeat"))
          assert.lengthOf(yield* writesUnder(agent, "refused-on-repeat"), 0)
          assert.deepStrictEqual(yield* trail(agent, "refused-on-repeat"), [`denied ${code}`])
          assert.deepStrictEqual(yield* titlesOf(agent), [])
          const [counted] = yield* database<{ writes: number }>`
            select coalesce(sum(writes), 0)::integer as writes
            from grant_writes w join grants g on g.id = w.grant_id where g.agent_id = ${agent.agentId}`
          assert.strictEqual(counted?.writes, 0)
        })
      )
    )
  }

  it.effect("is found and carried out if the caller may still make the write", () =>
    Effect.gen(function* () {
      const { actor, proxy } = yield* World
      const agent = yield* actor(undefined, { maxWrites: 1 })
      yield* losingReply
      assert.strictEqual(yield* outcome(create(agent, "found-again")), "done")
      assert.strictEqual(yield* proxy.broken, 1)
      assert.lengthOf(yield* writesUnder(agent, "found-again"), 1)
      assert.deepStrictEqual(yield* trail(agent, "found-again"), ["executed"])
    })
  )

  it.effect("tells no refusal for certain that the first run may make untrue", () =>
    Effect.gen(function* () {
      const { actor } = yield* World
      const registry = yield* AgentRegistry
      const agent = yield* actor()
      yield* registry.grant(act, agent.agentId, grantTerms(agent.project, ["project:read"]))
      yield* losingReply
      const told = yield* refusal(create(agent, "not-for-certain"))
      assert.strictEqual(codeOf(told), "gateway.unavailable")
      assert.include(told.message, "may still be carried out")
      assert.notInclude(told.message, "changed nothing")
      assert.strictEqual(yield* outcome(create(agent, "not-for-certain")), "grant.scope_missing")
      yield* registry.grant(act, agent.agentId, grantTerms(agent.project, allScopes))
      assert.strictEqual(yield* outcome(create(agent, "not-for-certain")), "done")
    })
  )

  it.effect("remembers whose title its first run took on purpose", () =>
    Effect.gen(function* () {
      const { actor, database } = yield* World
      const settings = yield* Settings
      const agent = yield* actor()
      yield* create(agent, "first-of-name", { name: "Twice" })
      const [first] = yield* titlesOf(agent)
      const id = randomUUID()
      const project = agent.project.project.id as ProjectId
      const intent: Intent = {
        token: agent.token,
        scope: "issue:create",
        key: "second-of-name",
        tool: "tasker_create_issue",
        projectId: project,
        fingerprint: fingerprint("tasker_create_issue", { name: "Twice" }),
        write: {
          _tag: "CreateIssue",
          project_id: project,
          name: "Twice",
          description_html: "<p></p>",
          priority: "none",
          state_id: null,
          label_ids: [],
          assignee_ids: [],
          start_date: null,
          target_date: null,
          parent_id: null
        },
        before: null,
        requestId: "direct",
        client: undefined,
        counted: false,
        repetition: { titleHash: titleHash("Twice"), allowed: true }
      }
      // The second run begins while the first has taken the title and is not committed yet.
      const second = yield* database.withTransaction(
        Effect.gen(function* () {
          yield* reserveStatement(database, settings, intent, id, 60_000)
          const gateways = yield* sql
          const fiber = yield* Effect.forkDetach(reserveStatement(gateways, settings, intent, id, 60_000))
          yield* eventually("the second run waits for the title", rowAwaited)
          return fiber
        })
      )
      yield* Fiber.join(second)
      assert.deepStrictEqual(yield* titlesOf(agent), [
        { operation_id: id, previous_operation_id: first?.operation_id ?? "" }
      ])
    })
  )
})

/** True if a statement waits for a row that another transaction holds. */
const rowAwaited = Effect.flatMap(World, ({ databaseUrl }) =>
  onDatabase(
    databaseUrl,
    (observer) => observer`
      select from pg_stat_activity
      where datname = current_database() and wait_event_type = 'Lock' and wait_event = 'transactionid'`
  )
).pipe(Effect.map((rows) => rows.length > 0))
