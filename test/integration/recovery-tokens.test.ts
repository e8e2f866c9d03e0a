import { randomBytes } from "node:crypto"
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { fromBytes, hash } from "../../src/domain/Token.ts"
import { AgentRegistry } from "../../src/services/AgentRegistry.ts"
import { eventually, keyRow, writesUnder } from "../support/evidence.ts"
import { lose } from "../support/lost.ts"
import { type Actor, act, recovering, World } from "../support/world.ts"

/** As if the next look at its write in doubt were due now. */
const due = (agent: Actor, key: string) =>
  Effect.flatMap(World, ({ database }) =>
    Effect.orDie(
      database`update idempotency_keys set look_at = now() where agent_id = ${agent.agentId} and key = ${key}`
    )
  )

const settles = (agent: Actor, key: string, state: string) =>
  eventually(
    `${key} is ${state}`,
    Effect.map(keyRow(agent, key), (row) => row?.state === state)
  )

/** The same agent with an access token of a login, whose end is far. */
const loggedIn = (agent: Actor) =>
  Effect.gen(function* () {
    const { database } = yield* World
    const token = fromBytes(new Uint8Array(randomBytes(32)), "access")
    yield* database`
      with login as (
        insert into tokens (id, agent_id, kind, name, client_id, scopes, expires_at)
        select gen_random_uuid(), ${agent.agentId}::uuid, 'oauth', 'Codex', 'a-client', g.scopes, now() + interval '90 days'
        from grants g where g.agent_id = ${agent.agentId}
        returning id
      )
      insert into oauth_secrets (hash, token_id, kind, turn, expires_at)
      select ${hash(token)}, id, 'access', 1, now() + interval '1 hour' from login`
    return { ...agent, token } satisfies Actor
  }).pipe(Effect.orDie)

layer(recovering, { timeout: "10 minutes", excludeTestServices: true })(
  "recovery of a write in doubt",
  (it) => {
    for (const op of ["create", "comment", "move"]) {
      it.effect(`sends no ${op} if the token that it was asked for with was revoked, and only looks`, () =>
        Effect.gen(function* () {
          const { actor, database } = yield* World
          const registry = yield* AgentRegistry
          const agent = yield* actor()
          const { key } = yield* lose(agent, op, "cut_before")
          const tokens = yield* database<{
            id: string
          }>`select id from tokens where agent_id = ${agent.agentId}`
          for (const { id } of tokens) yield* registry.revokeToken(act, agent.agentId, id as never)
          yield* due(agent, key)
          yield* settles(agent, key, "unresolved")
          assert.lengthOf(yield* writesUnder(agent, key), 0)
        })
      )

      it.effect(`finds a ${op} that Tasker made before the token was revoked`, () =>
        Effect.gen(function* () {
          const { actor, database } = yield* World
          const agent = yield* actor()
          const { key } = yield* lose(agent, op, "cut_after")
          yield* database`update tokens set revoked_at = now() where agent_id = ${agent.agentId}`
          yield* due(agent, key)
          yield* settles(agent, key, "executed")
          assert.lengthOf(yield* writesUnder(agent, key), 1)
        })
      )
    }

    it.effect("sends it although the token has expired since", () =>
      Effect.gen(function* () {
        const { actor, database } = yield* World
        const agent = yield* actor()
        const { key } = yield* lose(agent, "create", "cut_before")
        yield* database`
        update tokens set expires_at = now() - interval '1 second' where agent_id = ${agent.agentId}`
        yield* due(agent, key)
        yield* settles(agent, key, "executed")
        assert.lengthOf(yield* writesUnder(agent, key), 1)
      })
    )

    it.effect("sends it although the access token of its login has expired or was exchanged since", () =>
      Effect.gen(function* () {
        const { actor, database } = yield* World
        const agent = yield* Effect.flatMap(actor(), loggedIn)
        const { key } = yield* lose(agent, "create", "cut_before")
        yield* database`
        update oauth_secrets set expires_at = now() - interval '1 second', state = 'void'
        where token_id in (select id from tokens where agent_id = ${agent.agentId})`
        yield* due(agent, key)
        yield* settles(agent, key, "executed")
        assert.lengthOf(yield* writesUnder(agent, key), 1)
      })
    )

    it.effect("sends nothing if its login was ended, although the agent has another token", () =>
      Effect.gen(function* () {
        const { actor, database } = yield* World
        const agent = yield* Effect.flatMap(actor(), loggedIn)
        const { key } = yield* lose(agent, "create", "cut_before")
        yield* database`
        update tokens set revoked_at = now() where agent_id = ${agent.agentId} and kind = 'oauth'`
        yield* due(agent, key)
        yield* settles(agent, key, "unresolved")
        assert.lengthOf(yield* writesUnder(agent, key), 0)
      })
    )
  }
)
