import type { PgClient } from "@effect/sql-pg/PgClient"
import { Effect } from "effect"
import type { SecureRandom } from "effect/crypto"
import { IdempotencyRefused } from "../../domain/Failure.ts"
import { TokenInfo } from "../../domain/Principal.ts"
import { fromBytes, hash } from "../../domain/Token.ts"
import type { AgentRegistry } from "../../services/AgentRegistry.ts"
import { storage } from "../database/storage.ts"
import { type Acting, inFuture } from "./administrativeAct.ts"
import { tokenJson } from "./principalJson.ts"
import { agentWithin, notFound } from "./registryAgents.ts"
import { items, page } from "./registrySql.ts"

type Registry = AgentRegistry["Service"]

const asTokens = items(TokenInfo)

/** The part of the registry that is about tokens. Their secrets pass through here once and are not kept. */
export const registryTokens = (
  sql: PgClient,
  random: SecureRandom.SecureRandom["Service"],
  acting: Acting
) => {
  const tokenOf = (agentId: string, id: string) =>
    Effect.flatMap(
      asTokens(sql`
        select ${tokenJson(sql)} as item from tokens t
        where t.id = ${id}::uuid and t.agent_id = ${agentId}::uuid`),
      ([info]) => (info === undefined ? Effect.fail(notFound("token")) : Effect.succeed(info))
    )

  const issueToken: Registry["issueToken"] = Effect.fn("AgentRegistry.issueToken")(
    function* (act, agentId, request) {
      const id = yield* random.uuidV7()
      const token = fromBytes(yield* random.randomBytes(32))
      return yield* acting.transaction(
        Effect.gen(function* () {
          const agent = yield* agentWithin(sql, act.reach, agentId)
          const make = Effect.gen(function* () {
            yield* inFuture(request.expires_at)
            const [info] = yield* asTokens(sql`
            insert into tokens as t (id, agent_id, name, hash, expires_at)
            values (
              ${id}::uuid, ${agentId}::uuid, ${request.name}, ${hash(token)}, ${request.expires_at}::timestamptz
            )
            returning ${tokenJson(sql)} as item`)
            if (info === undefined) return yield* Effect.die(new Error("An inserted token was not returned"))
            yield* acting.executed(act, "token.issued", agent, { body: request, token: info })
            return { id, value: { token, info } }
          })
          return yield* acting.once(act, request, id, make, (made) =>
            Effect.flatMap(tokenOf(agentId, made), (info) => Effect.fail(alreadyCreated(info)))
          )
        })
      )
    }
  )

  const revokeToken: Registry["revokeToken"] = Effect.fn("AgentRegistry.revokeToken")((act, agentId, id) =>
    acting.transaction(
      Effect.gen(function* () {
        const agent = yield* agentWithin(sql, act.reach, agentId)
        const [revoked] = yield* asTokens(sql`
          update tokens t set revoked_at = now()
          where t.id = ${id}::uuid and t.agent_id = ${agentId}::uuid and t.revoked_at is null
          returning ${tokenJson(sql)} as item`)
        if (revoked === undefined) return yield* tokenOf(agentId, id)
        yield* acting.executed(act, "token.revoked", agent, { token: revoked })
        return revoked
      })
    )
  )

  const listTokens: Registry["listTokens"] = Effect.fn("AgentRegistry.listTokens")(
    (reach, agentId, request) =>
      storage(
        Effect.andThen(
          agentWithin(sql, reach, agentId),
          page(
            sql,
            TokenInfo,
            request,
            (position, cut) => sql`
          select item, ${position} from (
            select ${tokenJson(sql)} as item, t.created_at, t.id from tokens t where t.agent_id = ${agentId}::uuid
          ) as row where true ${cut}`
          )
        )
      )
  )

  return { issueToken, revokeToken, listTokens }
}

const alreadyCreated = (info: TokenInfo): IdempotencyRefused =>
  new IdempotencyRefused({
    reason: "already_created",
    message: `This Idempotency-Key issued token ${info.id} already, and its secret can't be shown again. If it got lost, revoke that token and issue another with a new key.`,
    details: { token_info: info }
  })
