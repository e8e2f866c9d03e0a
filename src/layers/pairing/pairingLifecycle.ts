import type { PgClient } from "@effect/sql-pg/PgClient"
import { Effect, Option, Schema } from "effect"
import type { SecureRandom } from "effect/crypto"
import type { AgentId } from "../../domain/Ids.ts"
import {
  fromBytes,
  hash,
  lifeSeconds,
  mostPending,
  mostPendingOfOwner,
  type PairingCode,
  PairingCodeId,
  PairingCodeInfo
} from "../../domain/PairingCode.ts"
import type { Pepper } from "../../domain/Pepper.ts"
import type { Pairing } from "../../services/Pairing.ts"
import { storage } from "../database/storage.ts"
import type { Acting } from "../registry/administrativeAct.ts"
import { agentWithin, notFound } from "../registry/registryAgents.ts"
import { items, page } from "../registry/registrySql.ts"
import { agentDisabled, alreadyCreated, tooManyPending, tooManyPendingOfOwner } from "./pairingRefusals.ts"
import { isPending, pairingJson } from "./pairingSql.ts"

type Service = Pairing["Service"]

const asInfos = items(PairingCodeInfo)
const decodePending = Schema.decodeUnknownEffect(
  Schema.Tuple([Schema.Struct({ of_agent: Schema.Int, of_owner: Schema.Int })])
)

/** Any constant serves, so long as no other pair of keys in the database begins with it. */
const ownerLocks = 7305

/** The owner's side of pairing codes: they are made, shown and cancelled. A code passes through here once and is not kept. */
export const pairingLifecycle = (
  sql: PgClient,
  random: SecureRandom.SecureRandom["Service"],
  acting: Acting,
  pepper: Pepper
) => {
  const newCode: Effect.Effect<PairingCode> = Effect.flatMap(random.randomBytes(32), (bytes) =>
    Option.match(fromBytes(bytes), { onNone: () => newCode, onSome: Effect.succeed })
  )

  const codeOf = (agentId: AgentId, id: string) =>
    Effect.flatMap(
      asInfos(sql`
        select ${pairingJson(sql)} as item from pairing_codes p
        where p.id = ${id}::uuid and p.agent_id = ${agentId}::uuid`),
      ([info]) => (info === undefined ? Effect.fail(notFound("pairing code")) : Effect.succeed(info))
    )

  const create: Service["create"] = Effect.fn("Pairing.create")(function* (act, agentId, request) {
    const id = PairingCodeId.make(yield* random.uuidV7())
    const code = yield* newCode
    return yield* acting.transaction(
      Effect.gen(function* () {
        // Codes of one agent are made one after the other, so that no race makes a fourth.
        const agent = yield* agentWithin(sql, act.reach, agentId, sql`for no key update`)
        const make = Effect.gen(function* () {
          if (agent.status === "disabled") return yield* agentDisabled()
          // One after the other for one owner, too, so that no race of two agents makes a code too many.
          yield* sql`select pg_advisory_xact_lock(${ownerLocks}::integer, hashtext(${agent.owner_user_id}))`
          const [pending] = yield* Effect.flatMap(
            sql`
              select count(*) filter (where p.agent_id = ${agentId}::uuid)::integer as of_agent,
                count(*)::integer as of_owner
              from pairing_codes p join agents a on a.id = p.agent_id
              where a.owner_user_id = ${agent.owner_user_id} and ${isPending(sql)}`,
            decodePending
          )
          if (pending.of_agent >= mostPending) return yield* tooManyPending()
          if (pending.of_owner >= mostPendingOfOwner) return yield* tooManyPendingOfOwner()
          const [info] = yield* asInfos(sql`
            insert into pairing_codes as p (id, agent_id, name, code_hash, expires_at)
            values (
              ${id}::uuid, ${agentId}::uuid, ${request.name}, ${hash(code, pepper)},
              now() + ${lifeSeconds}::integer * interval '1 second'
            )
            returning ${pairingJson(sql)} as item`)
          if (info === undefined) return yield* Effect.die(new Error("An inserted code was not returned"))
          yield* acting.executed(act, "pairing_code.created", agent, { body: request })
          return { id, value: { info, code } }
        })
        return yield* acting.once(act, request, id, make, (made) =>
          Effect.flatMap(codeOf(agentId, made), (info) => Effect.fail(alreadyCreated(info)))
        )
      })
    )
  })

  const list: Service["list"] = Effect.fn("Pairing.list")((reach, agentId, request) =>
    storage(
      Effect.andThen(
        agentWithin(sql, reach, agentId),
        page(
          sql,
          PairingCodeInfo,
          request,
          (position, cut) => sql`
          select item, ${position} from (
            select ${pairingJson(sql)} as item, p.created_at, p.id
            from pairing_codes p where p.agent_id = ${agentId}::uuid
          ) as row where true ${cut}`
        )
      )
    )
  )

  const cancel: Service["cancel"] = Effect.fn("Pairing.cancel")((act, agentId, id) =>
    acting.transaction(
      Effect.gen(function* () {
        const agent = yield* agentWithin(sql, act.reach, agentId)
        const [cancelled] = yield* asInfos(sql`
          update pairing_codes p set cancelled_at = now()
          where p.id = ${id}::uuid and p.agent_id = ${agentId}::uuid and ${isPending(sql)}
          returning ${pairingJson(sql)} as item`)
        if (cancelled === undefined) return yield* codeOf(agentId, id)
        yield* acting.executed(act, "pairing_code.cancelled", agent)
        return cancelled
      })
    )
  )

  return { create, list, cancel }
}
