import { readdirSync, readFileSync } from "node:fs"
import { assert, describe, it, layer } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { codeOf, type Failure } from "../../src/domain/Failure.ts"
import { OperationId, type UserId } from "../../src/domain/Ids.ts"
import { AgentRegistry } from "../../src/services/AgentRegistry.ts"
import { Operations } from "../../src/services/Operations.ts"
import { Pairing } from "../../src/services/Pairing.ts"
import type { Tools } from "../../src/tools/Tools.ts"
import { keyRow, outcome } from "../support/evidence.ts"
import { owner } from "../support/tasker.ts"
import { act, call, proxied, World } from "../support/world.ts"

const profile = { owner_user_id: owner.id as UserId, owner_email: owner.email, display_name: "Acted upon" }

const keyed = (value: string) => ({ ...act, key: { path: "/test", value } })

const nonce = "A".repeat(43)

/** Breaks the connection of the next statement that matches. */
const breaking = (statement: RegExp, when: "before" | "after", skip = 0) =>
  Effect.flatMap(World, ({ proxy }) => proxy.breakOn({ statement, when, skip, times: 1 }))

const tokensNamed = (name: string) =>
  Effect.flatMap(World, ({ database }) =>
    Effect.orDie(Effect.map(database`select from tokens where name = ${name}`, (rows) => rows.length))
  )

/** An act that is one transaction, with a statement in its middle. */
interface Row {
  readonly what: string
  readonly statement: RegExp
  /** Transactions that come before the act's own. */
  readonly before?: number
  /** Prepares the act, and returns it. */
  readonly run: (
    key: string
  ) => Effect.Effect<
    Effect.Effect<unknown, Failure>,
    unknown,
    World | AgentRegistry | Pairing | Operations | Tools
  >
}

const acts: ReadonlyArray<Row> = [
  {
    what: "issuing a token",
    statement: /insert into tokens/,
    run: Effect.fnUntraced(function* (key: string) {
      const registry = yield* AgentRegistry
      const agent = yield* registry.createAgent(act, profile)
      return registry.issueToken(keyed(key), agent.id, { name: key, expires_at: null })
    })
  },
  {
    what: "revoking a token",
    statement: /update tokens t set revoked_at/,
    run: Effect.fnUntraced(function* (key: string) {
      const registry = yield* AgentRegistry
      const agent = yield* registry.createAgent(act, profile)
      const { info } = yield* registry.issueToken(act, agent.id, { name: key, expires_at: null })
      return registry.revokeToken(act, agent.id, info.id)
    })
  },
  {
    what: "redeeming a pairing code",
    // The guess has a transaction of its own.
    before: 1,
    statement: /insert into tokens/,
    run: Effect.fnUntraced(function* (key: string) {
      const registry = yield* AgentRegistry
      const pairing = yield* Pairing
      const agent = yield* registry.createAgent(act, profile)
      const { code } = yield* pairing.create(act, agent.id, { name: null })
      return pairing.redeem({
        address: "192.0.2.1",
        requestId: "r",
        code: Redacted.value(code),
        clientName: key,
        nonce
      })
    })
  },
  {
    what: "settling an operation",
    statement: /update idempotency_keys k\s+set state = 'not_executed'/,
    run: Effect.fnUntraced(function* (key: string) {
      const { actor, database, tasker } = yield* World
      const operations = yield* Operations
      const agent = yield* actor()
      yield* tasker.fault({ op: "create", fault: "cut_before" })
      yield* outcome(call(agent, "tasker_create_issue", { name: "In doubt", idempotency_key: key }))
      yield* database`update idempotency_keys set state = 'unresolved', look_at = null where key = ${key}`
      const row = yield* keyRow(agent, key)
      const decision = { outcome: "not_executed", note: "Nobody made it." } as const
      return operations.settle(act, OperationId.make(row?.id ?? ""), decision, {
        outcome: "not_executed",
        forced: false
      })
    })
  }
]

layer(proxied, { timeout: "10 minutes", excludeTestServices: true })("a connection that breaks", (it) => {
  for (const { before = 0, run, statement, what } of acts) {
    const name = what.replaceAll(" ", "-")

    it.effect(`at the reply to the COMMIT of ${what} is told as something that may have been done`, () =>
      Effect.gen(function* () {
        const { proxy } = yield* World
        const acting = yield* run(`lost-${name}`)
        yield* breaking(/^commit/i, "after", before)
        const failure = yield* Effect.flip(acting)
        assert.strictEqual(yield* proxy.broken, 1)
        assert.strictEqual(codeOf(failure), "gateway.unavailable")
        assert.include(failure.message, "it may have been done")
        assert.notMatch(failure.message, /nothing/i)
        assert.match(failure.message, /Look whether it was|Send the same request/)
      })
    )

    it.effect(`before the COMMIT of ${what} arrives is told as something that may have been done`, () =>
      Effect.gen(function* () {
        const { proxy } = yield* World
        const acting = yield* run(`unsent-${name}`)
        yield* breaking(/^commit/i, "before", before)
        const failure = yield* Effect.flip(acting)
        assert.strictEqual(yield* proxy.broken, 1)
        assert.include(failure.message, "it may have been done")
      })
    )

    it.effect(`in the middle of ${what} is an outage that changed nothing, and no defect`, () =>
      Effect.gen(function* () {
        const { proxy } = yield* World
        const acting = yield* run(`middle-${name}`)
        yield* breaking(statement, "after")
        const failure = yield* Effect.flip(acting)
        assert.strictEqual(yield* proxy.broken, 1)
        assert.strictEqual(codeOf(failure), "gateway.unavailable")
        assert.include(failure.message, "This call changed nothing")
        // What it is told to do next works.
        yield* acting
      })
    )
  }

  it.effect("at the COMMIT of a new token leaves none that nobody has, if the request had a key", () =>
    Effect.gen(function* () {
      const registry = yield* AgentRegistry
      const agent = yield* registry.createAgent(act, profile)
      const issue = registry.issueToken(keyed("repeatable"), agent.id, {
        name: "repeatable-token",
        expires_at: null
      })
      yield* breaking(/^commit/i, "after")
      yield* Effect.flip(issue)
      const again = yield* Effect.flip(issue)
      assert.strictEqual(codeOf(again), "idempotency.already_created")
      assert.strictEqual(yield* tokensNamed("repeatable-token"), 1)
    })
  )
})

describe("a transaction of the gateway", () => {
  it("is run by `transaction`, whose type says that its commit may be lost", () => {
    const layers = new URL("../../src/layers/", import.meta.url)
    const direct = readdirSync(layers, { recursive: true, encoding: "utf8" })
      .filter((file) => file.endsWith(".ts"))
      .filter((file) => readFileSync(new URL(file, layers), "utf8").includes("withTransaction("))
      .filter((file) => !file.startsWith("database/"))
    // The sealer's own work changes nothing that a caller is told of.
    assert.deepStrictEqual(direct, ["audit/AuditSealer.ts"])
  })
})
