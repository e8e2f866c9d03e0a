import { timingSafeEqual } from "node:crypto"
import type { PgClient } from "@effect/sql-pg/PgClient"
import { Effect, Option } from "effect"
import type { SecureRandom } from "effect/crypto"
import { auditEntry } from "../../domain/AuditEvent.ts"
import { clientNameOf } from "../../domain/ClientName.ts"
import { codeOf } from "../../domain/Failure.ts"
import { AgentId } from "../../domain/Ids.ts"
import { secretIn } from "../../domain/inputs.ts"
import { hash, type PairingCodeId, parse } from "../../domain/PairingCode.ts"
import type { Pepper } from "../../domain/Pepper.ts"
import { TokenInfo } from "../../domain/Principal.ts"
import { hash as tokenHash, fromBytes as tokenOf } from "../../domain/Token.ts"
import type { AgentRegistry } from "../../services/AgentRegistry.ts"
import type { AuditLog } from "../../services/AuditLog.ts"
import type { Paired, Pairing, Trying } from "../../services/Pairing.ts"
import { storage } from "../database/storage.ts"
import { tellingLost, transaction } from "../database/transaction.ts"
import { tokenJson } from "../registry/principalJson.ts"
import { items } from "../registry/registrySql.ts"
import { ivLength } from "../sealedText.ts"
import { type Nonce, readNonce, sealToken, unsealToken } from "./pairingAnswer.ts"
import { codeWhere, type Found } from "./pairingFound.ts"
import { pairingGuesses } from "./pairingGuesses.ts"
import { agentDisabled, badClientName, badNonce, notGood, unknownCode } from "./pairingRefusals.ts"
import { isPending } from "./pairingSql.ts"

type Service = Pairing["Service"]

const asTokens = items(TokenInfo)
const asAgentIds = items(AgentId)

/** The other side: somebody has a code, and is given for it what its owner made it for. */
export const pairingUse = (
  sql: PgClient,
  random: SecureRandom.SecureRandom["Service"],
  audit: AuditLog["Service"],
  registry: AgentRegistry["Service"],
  pepper: Pepper,
  confirmationFailed: Service["confirmationFailed"]
) => {
  const guesses = pairingGuesses(sql)

  /** The agent behind a code, for as long as it may be served. Agents are never removed. */
  const pairedOf = Effect.fnUntraced(function* (pairingId: PairingCodeId, agentId: AgentId) {
    const { agent, grants } = yield* Effect.catchTag(
      registry.standing(undefined, agentId),
      "RequestRefused",
      Effect.die
    )
    return agent.status === "disabled"
      ? yield* agentDisabled()
      : ({ pairingId, agent, grants } satisfies Paired)
  })

  /** The code that was typed. What can't be one is no guess: it hits nothing. */
  const lookUp = Effect.fnUntraced(function* ({ address, code }: Trying & { readonly code: string }) {
    const read = parse(code)
    if (Option.isNone(read)) return yield* unknownCode()
    const found = yield* storage(
      guesses.tried(address, codeWhere(sql, sql`p.code_hash = ${hash(read.value, pepper)}`))
    )
    return found ?? (yield* unknownCode())
  })

  /** Says why a code is good no more. Who tries a used one may have seen it in passing: its owner is shown that. */
  const refuse = Effect.fnUntraced(function* ({ agent_id, id, status }: Found, requestId: string) {
    const failure = notGood(status)
    if (status !== "used") return yield* failure
    const { agent } = yield* Effect.catchTag(
      registry.standing(undefined, agent_id),
      "RequestRefused",
      Effect.die
    )
    const reused = auditEntry({
      action: "pairing_code.reused",
      outcome: "denied",
      reason: codeOf(failure),
      agent,
      request_id: requestId,
      via: "rest"
    })
    yield* transaction(
      sql,
      Effect.andThen(
        sql`
            update pairing_codes set refused_after_use = refused_after_use + 1, last_refused_at = now()
            where id = ${id}::uuid`,
        audit.record(reused)
      )
    ).pipe(tellingLost("Repeat the same request."))
    return yield* failure
  })

  const identify: Service["identify"] = Effect.fn("Pairing.identify")(function* (request) {
    const found = yield* lookUp(request)
    return found.status === "pending"
      ? yield* pairedOf(found.id, found.agent_id)
      : yield* refuse(found, request.requestId)
  })

  const codeById = (id: PairingCodeId) => storage(codeWhere(sql, sql`p.id = ${id}::uuid`))

  const standing: Service["standing"] = Effect.fn("Pairing.standing")(function* (id) {
    const found = yield* codeById(id)
    if (found === undefined) return yield* unknownCode()
    return found.status === "pending" ? yield* pairedOf(id, found.agent_id) : yield* notGood(found.status)
  })

  const spend: Service["spend"] = Effect.fn("Pairing.spend")((id, use) =>
    transaction(
      sql,
      Effect.gen(function* () {
        // Of two at the same time the second waits here for the first, and finds the code used.
        const [agentId] = yield* asAgentIds(sql`
            update pairing_codes p set
              used_at = now(), token_id = ${use.tokenId}::uuid, used_by = ${use.clientName}, used_from = ${use.address}
            where p.id = ${id}::uuid and ${isPending(sql)}
            returning p.agent_id as item`)
        if (agentId === undefined) {
          const found = yield* codeById(id)
          return yield* found === undefined ? unknownCode() : notGood(found.status)
        }
        const paired = yield* pairedOf(id, agentId)
        yield* audit.record(
          auditEntry({
            action: "pairing_code.used",
            outcome: "executed",
            agent: paired.agent,
            token: { id: use.tokenId },
            request_id: use.requestId,
            via: "rest"
          })
        )
        return paired
      })
    ).pipe(tellingLost("The pairing code may be used up. Ask for another."))
  )

  /** Makes the token and uses the code up, both or neither. */
  const give = Effect.fnUntraced(function* (
    found: Found,
    nonce: Nonce,
    by: Trying & { readonly name: string }
  ) {
    const id = yield* random.uuidV7()
    const token = tokenOf(yield* random.randomBytes(32))
    const wrapped = sealToken(token, nonce, found.id, yield* random.randomBytes(ivLength))
    return yield* transaction(
      sql,
      Effect.gen(function* () {
        const [info] = yield* asTokens(sql`
            insert into tokens as t (id, agent_id, name, hash)
            values (${id}::uuid, ${found.agent_id}::uuid, ${by.name}, ${tokenHash(token)})
            returning ${tokenJson(sql)} as item`)
        if (info === undefined) return yield* Effect.die(new Error("An inserted token was not returned"))
        const { address, name: clientName, requestId } = by
        const paired = yield* spend(found.id, { address, clientName, requestId, tokenId: info.id })
        yield* sql`
            update pairing_codes set nonce_hash = ${nonce.hash}, wrapped_token = ${wrapped}
            where id = ${found.id}::uuid`
        yield* audit.record(
          auditEntry({
            action: "token.issued",
            outcome: "executed",
            agent: paired.agent,
            token: info,
            request_id: requestId,
            via: "rest"
          })
        )
        return { token, info, paired }
      })
    ).pipe(
      tellingLost("Send the same request with the same nonce within 60 seconds to get the same response.")
    )
  })

  /** To the nonce that a used code was redeemed with: what it was given. To everybody else the refusal. */
  const again = Effect.fnUntraced(function* (found: Found, nonce: Option.Option<Nonce>, requestId: string) {
    const given = Option.flatMap(nonce, (known) => givenTo(found, known))
    if (Option.isNone(given)) return yield* refuse(found, requestId)
    return { ...given.value, paired: yield* pairedOf(found.id, found.agent_id) }
  })

  const redeem: Service["redeem"] = Effect.fn("Pairing.redeem")(function* (request) {
    const { address, clientName, requestId } = request
    const name = clientNameOf(clientName)
    if (name === undefined) return yield* badClientName()
    // Without what can't be seen, a name may be a token that it was not before.
    const secret = secretIn({ client_name: name })
    if (secret !== undefined) return yield* secret
    const nonce = readNonce(request.nonce)
    const found = yield* lookUp(request)
    if (found.status !== "pending") return yield* again(found, nonce, requestId)
    if (Option.isNone(nonce)) {
      yield* confirmationFailed(found.id, "input.invalid", requestId)
      return yield* badNonce()
    }
    return yield* give(found, nonce.value, { address, name, requestId }).pipe(
      // Somebody was quicker: perhaps this same client, which sent its request twice.
      Effect.catchTag("PairingRefused", (failure) =>
        failure.reason === "used"
          ? Effect.flatMap(codeById(found.id), (now) => again(now ?? found, nonce, requestId))
          : Effect.fail(failure)
      )
    )
  })

  return { identify, standing, spend, redeem }
}

const givenTo = ({ answer, id }: Found, nonce: Nonce) => {
  if (answer === null) return Option.none()
  const { nonce_hash, token: info, wrapped_token } = answer
  if (!timingSafeEqual(Buffer.from(nonce_hash, "hex"), nonce.hash)) return Option.none()
  return Option.map(unsealToken(Buffer.from(wrapped_token, "hex"), nonce, id), (token) => ({ token, info }))
}
