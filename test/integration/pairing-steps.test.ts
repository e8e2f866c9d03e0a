import { assert, layer } from "@effect/vitest"
import { Effect, Layer, Redacted } from "effect"
import type { PairingRefused } from "../../src/domain/Failure.ts"
import type { TokenId } from "../../src/domain/Ids.ts"
import type { PairingCodeId } from "../../src/domain/PairingCode.ts"
import * as Reaper from "../../src/layers/Reaper.ts"
import { AgentRegistry } from "../../src/services/AgentRegistry.ts"
import { AuditLog } from "../../src/services/AuditLog.ts"
import { Pairing } from "../../src/services/Pairing.ts"
import { eventually } from "../support/evidence.ts"
import { newAddress, newNonce } from "../support/pairing.ts"
import { act, sql as Sql, World, layer as world } from "../support/world.ts"

/** A login by pages takes several steps with one code; here they are taken without the pages. */

const trying = () => ({ address: newAddress(), requestId: "test-steps" })

const pending = Effect.gen(function* () {
  const { actor } = yield* World
  const pairing = yield* Pairing
  const { agentId, project } = yield* actor()
  const { code, info } = yield* pairing.create(act, agentId, { name: null })
  return { agentId, project, id: info.id, code: Redacted.value(code) }
})

const reasonOf = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.map(Effect.flip(effect), (failure) => (failure as PairingRefused).reason)

const succeeds = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.isSuccess(effect)

/** A token for a code, made and spent in one transaction. */
const spending = Effect.fnUntraced(function* (
  agentId: string,
  id: PairingCodeId,
  after: Effect.Effect<void, string> = Effect.void
) {
  const sql = yield* Sql
  const pairing = yield* Pairing
  const tokenId = crypto.randomUUID() as TokenId
  return yield* sql.withTransaction(
    Effect.gen(function* () {
      yield* sql`
        insert into tokens (id, agent_id, name, hash)
        values (${tokenId}::uuid, ${agentId}::uuid, 'a login', sha256(${tokenId}::text::bytea))`
      const paired = yield* pairing.spend(id, { ...trying(), clientName: "a login", tokenId })
      yield* after
      return paired
    })
  )
})

const statusOf = (agentId: string, id: PairingCodeId) =>
  Effect.gen(function* () {
    const pairing = yield* Pairing
    const { items } = yield* pairing.list(undefined, agentId as never, { limit: 100, cursor: undefined })
    return items.find((info) => info.id === id)?.status
  })

const tokens = (agentId: string) =>
  Effect.flatMap(
    World,
    ({ database }) => database`select from tokens where agent_id = ${agentId}::uuid`
  ).pipe(Effect.map((rows) => rows.length))

layer(world, { timeout: "10 minutes", excludeTestServices: true })("a pairing code", (it) => {
  it.effect("says for whom it is as often as it is asked, without being used up", () =>
    Effect.gen(function* () {
      const pairing = yield* Pairing
      const { agentId, code, id, project } = yield* pending
      for (let n = 0; n < 3; n++) {
        const paired = yield* pairing.identify({ ...trying(), code: code.toLowerCase() })
        assert.strictEqual(paired.pairingId, id)
        assert.strictEqual(paired.agent.id, agentId)
        assert.deepStrictEqual(
          paired.grants.map(({ project_id }) => project_id as string),
          [project.project.id]
        )
      }
      assert.deepStrictEqual((yield* pairing.standing(id)).agent.id, agentId)
      assert.strictEqual(yield* statusOf(agentId, id), "pending")
    })
  )

  it.effect("is spent with all that is made of it, or not at all", () =>
    Effect.gen(function* () {
      const pairing = yield* Pairing
      const { agentId, code, id } = yield* pending
      assert.strictEqual(
        yield* Effect.flip(spending(agentId, id, Effect.fail("something else failed"))),
        "something else failed"
      )
      assert.strictEqual(yield* statusOf(agentId, id), "pending")
      assert.strictEqual(yield* tokens(agentId), 1)
      yield* spending(agentId, id)
      assert.strictEqual(yield* statusOf(agentId, id), "used")
      assert.strictEqual(yield* tokens(agentId), 2)
      assert.strictEqual(yield* reasonOf(spending(agentId, id)), "used")
      assert.strictEqual(yield* reasonOf(pairing.standing(id)), "used")
      assert.strictEqual(yield* reasonOf(pairing.identify({ ...trying(), code })), "used")
      assert.strictEqual(yield* tokens(agentId), 2)
    })
  )

  it.effect("is spent once, by however many it is at once", () =>
    Effect.gen(function* () {
      const pairing = yield* Pairing
      const { agentId, code, id } = yield* pending
      const redeeming = pairing.redeem({ ...trying(), code, clientName: "by line", nonce: newNonce() })

      const tries = [...Array(4).keys()].flatMap(() => [succeeds(spending(agentId, id)), succeeds(redeeming)])
      const ends = yield* Effect.forEach(tries, (each) => each, {
        concurrency: 8
      })
      assert.lengthOf(
        ends.filter((succeeded) => succeeded),
        1
      )
      assert.strictEqual(yield* tokens(agentId), 2)
    })
  )

  it.effect("stands for nobody once it is cancelled, or its agent disabled", () =>
    Effect.gen(function* () {
      const pairing = yield* Pairing
      const registry = yield* AgentRegistry
      const { agentId, code, id } = yield* pending
      yield* registry.updateAgent(act, agentId, { status: "disabled" })
      assert.strictEqual(yield* reasonOf(pairing.standing(id)), "agent_disabled")
      assert.strictEqual(yield* reasonOf(pairing.identify({ ...trying(), code })), "agent_disabled")
      assert.strictEqual(yield* reasonOf(spending(agentId, id)), "agent_disabled")
      yield* registry.updateAgent(act, agentId, { status: "active" })
      yield* pairing.cancel(act, agentId, id)
      assert.strictEqual(yield* reasonOf(pairing.standing(id)), "cancelled")
      assert.strictEqual(yield* reasonOf(spending(agentId, id)), "cancelled")
      assert.strictEqual(yield* tokens(agentId), 1)
      assert.strictEqual(yield* reasonOf(pairing.standing(crypto.randomUUID() as PairingCodeId)), "unknown")
    })
  )

  it.effect("is locked by the fifth wrong confirmation, though they come at once, and stays so", () =>
    Effect.gen(function* () {
      const pairing = yield* Pairing
      const audit = yield* AuditLog
      const { agentId, id } = yield* pending
      const failing = pairing.confirmationFailed(id, "oauth.other_browser", "test-steps")
      yield* Effect.forEach([1, 2, 3, 4], () => failing, { concurrency: 4 })
      assert.strictEqual((yield* pairing.standing(id)).pairingId, id)
      yield* Effect.forEach([1, 2, 3], () => failing, { concurrency: 3 })
      assert.strictEqual(yield* reasonOf(pairing.standing(id)), "locked")
      assert.strictEqual(yield* reasonOf(spending(agentId, id)), "locked")
      const { items } = yield* audit.list({ agentId, limit: 100, cursor: undefined })
      const told = items.map(({ action, outcome, reason }) => `${action} ${outcome} ${reason}`)
      assert.lengthOf(
        told.filter((each) => each === "pairing_code.confirmed denied oauth.other_browser"),
        7
      )
      assert.lengthOf(
        told.filter((each) => each === "pairing_code.locked executed null"),
        1
      )
    })
  )

  it.effect("that was used is not locked by what fails afterwards", () =>
    Effect.gen(function* () {
      const pairing = yield* Pairing
      const { agentId, id } = yield* pending
      yield* spending(agentId, id)
      for (let n = 0; n < 6; n++) yield* pairing.confirmationFailed(id, "oauth.wrong_proof", "test-steps")
      assert.strictEqual(yield* statusOf(agentId, id), "used")
    })
  )

  it.effect("keeps its answer for a minute, and its row for thirty days unless it was used", () =>
    Effect.gen(function* () {
      const { database } = yield* World
      const pairing = yield* Pairing
      const redeemed = yield* pending
      const given = { clientName: "by line", nonce: newNonce() }
      yield* pairing.redeem({ ...trying(), code: redeemed.code, ...given })
      const young = yield* pending
      yield* pairing.redeem({ ...trying(), code: young.code, ...given, nonce: newNonce() })
      const unused = yield* pending
      const recent = yield* pending
      yield* database`
        insert into pairing_guesses (account, minute, guesses, chances)
        values ('192.0.2.1', date_trunc('minute', now()) - interval '2 hours', 1, 1),
          ('192.0.2.1', date_trunc('minute', now()) - interval '5 minutes', 1, 1)`
      yield* database`
        update pairing_codes set used_at = used_at - interval '1 minute' where id = ${redeemed.id}::uuid`
      yield* database`
        update pairing_codes
        set created_at = created_at - interval '31 days', expires_at = expires_at - interval '31 days'
        where id in (${unused.id}::uuid, ${redeemed.id}::uuid)`
      yield* database`
        update pairing_codes
        set created_at = created_at - interval '29 days', expires_at = expires_at - interval '29 days'
        where id = ${recent.id}::uuid`
      const rows = database<{ id: string; kept: boolean }>`
        select id::text, wrapped_token is not null and nonce_hash is not null as kept from pairing_codes`
      const gone = Effect.gen(function* () {
        const left = new Map((yield* rows).map(({ id, kept }) => [id, kept]))
        const guessed = yield* database`select from pairing_guesses where account = '192.0.2.1'`
        return left.get(redeemed.id) === false && !left.has(unused.id) && guessed.length === 1
      })
      yield* Effect.scoped(
        Effect.andThen(
          Layer.build(Reaper.layer),
          eventually("what has had its time is gone", Effect.orDie(gone))
        )
      )
      const left = new Map((yield* rows).map(({ id, kept }) => [id, kept]))
      assert.strictEqual(left.get(young.id), true)
      assert.isTrue(left.has(recent.id))
    })
  )
})
