import { PgClient } from "@effect/sql-pg/PgClient"
import { Effect, Layer, Schema } from "effect"
import { SecureRandom } from "effect/crypto"
import { auditEntry } from "../../domain/AuditEvent.ts"
import { TokenId, Uuid } from "../../domain/Ids.ts"
import { loginName } from "../../domain/OAuthClient.ts"
import { codeSeconds, hash } from "../../domain/OAuthCode.ts"
import { ConsentId, consentSeconds } from "../../domain/OAuthConsent.ts"
import { ConsentGone } from "../../domain/OAuthFailure.ts"
import { PairingCodeId } from "../../domain/PairingCode.ts"
import { AuditLog } from "../../services/AuditLog.ts"
import { Authorization, type Consent } from "../../services/Authorization.ts"
import { Pairing } from "../../services/Pairing.ts"
import { repeatable, storage } from "../database/storage.ts"
import { tellingLost, transaction } from "../database/transaction.ts"
import { digestOf } from "../registry/administrativeAct.ts"

type Service = Authorization["Service"]

const Row = Schema.Struct({
  id: Uuid,
  pairing_id: PairingCodeId,
  browser_hash: Schema.Uint8Array,
  request_hash: Schema.Uint8Array,
  seconds_left: Schema.Int
})
const decodeRows = Schema.decodeUnknownEffect(Schema.Array(Row))

const consentOf = (row: typeof Row.Type): Consent => ({
  id: ConsentId.make(row.id),
  pairingId: row.pairing_id,
  browserHash: row.browser_hash,
  requestHash: row.request_hash,
  secondsLeft: row.seconds_left
})

export const layer = Layer.effect(
  Authorization,
  Effect.gen(function* () {
    const sql = yield* PgClient
    const random = yield* SecureRandom.SecureRandom
    const audit = yield* AuditLog
    const pairing = yield* Pairing

    const columns = sql`
      c.id::text as id, c.pairing_id::text as pairing_id, c.browser_hash, c.request_hash,
      greatest(0, floor(extract(epoch from c.expires_at - now())))::integer as seconds_left`

    const open: Service["open"] = Effect.fn("Authorization.open")(function* (about) {
      const id = yield* random.uuidV4()
      const [row] = yield* storage(
        sql`
          insert into oauth_consents as c (id, pairing_id, browser_hash, request_hash, expires_at)
          select ${id}::uuid, p.id, ${about.browserHash}, ${about.requestHash},
            least(p.expires_at, now() + ${consentSeconds}::integer * interval '1 second')
          from pairing_codes p where p.id = ${about.pairingId}::uuid
          returning ${columns}`.pipe(Effect.flatMap(decodeRows))
      )
      return row === undefined
        ? yield* Effect.die(new Error("The pairing code of a consent is gone"))
        : consentOf(row)
    })

    const consent: Service["consent"] = Effect.fn("Authorization.consent")(function* (id) {
      const [row] = yield* storage(
        repeatable(
          sql`
            select ${columns} from oauth_consents c
            where c.id = ${id}::uuid and c.expires_at > now()`.pipe(Effect.flatMap(decodeRows))
        )
      )
      return row === undefined ? yield* new ConsentGone() : consentOf(row)
    })

    /** Takes the consent away, so that it has one answer; who comes second waits here and finds it gone. */
    const conclude = Effect.fnUntraced(function* ({ id }: Consent) {
      const taken = yield* sql`
        delete from oauth_consents where id = ${id}::uuid and expires_at > now() returning 1 as taken`
      if (taken.length === 0) return yield* new ConsentGone()
    })

    const allow: Service["allow"] = Effect.fn("Authorization.allow")(function* (agreement) {
      const { address, client, code, consent, request, requestId, scopes } = agreement
      const id = TokenId.make(yield* random.uuidV7())
      const name = loginName(client)
      yield* transaction(
        sql,
        Effect.gen(function* () {
          yield* conclude(consent)
          const { agent } = yield* pairing.standing(consent.pairingId)
          const ends = sql`now() + ${codeSeconds}::integer * interval '1 second'`
          yield* sql`
              insert into tokens (id, agent_id, kind, name, client_id, scopes, expires_at)
              values (
                ${id}::uuid, ${agent.id}::uuid, 'oauth', ${name}, ${client.id},
                array(select jsonb_array_elements_text(${sql.json(scopes)}::jsonb)), ${ends}
              )`
          yield* sql`
              insert into oauth_codes (hash, token_id, pairing_id, redirect_uri, challenge, resource, expires_at)
              values (
                ${hash(code)}, ${id}::uuid, ${consent.pairingId}::uuid, ${request.redirectUri},
                ${request.challenge}, ${request.resource}, ${ends}
              )`
          yield* pairing.spend(consent.pairingId, { address, clientName: name, requestId, tokenId: id })
          yield* audit.record(
            auditEntry({
              action: "oauth.allowed",
              outcome: "executed",
              agent,
              token: { id },
              arguments_sha256: digestOf({
                client_id: client.id,
                redirect_uri: request.redirectUri,
                scopes
              }).toString("hex"),
              request_id: requestId,
              via: "rest"
            })
          )
        })
      ).pipe(tellingLost("The pairing code may be used up. Start the login again."))
    })

    const waits: Service["waits"] = Effect.fn("Authorization.waits")((code, request) =>
      Effect.map(
        storage(
          repeatable(sql`
            select from oauth_codes c join tokens t on t.id = c.token_id
            where c.hash = ${hash(code)} and c.used_at is null and c.voided_at is null and c.expires_at > now()
              and c.redirect_uri = ${request.redirectUri} and c.challenge = ${request.challenge}
              and t.client_id = ${request.clientId}`)
        ),
        (rows) => rows.length > 0
      )
    )

    const deny: Service["deny"] = Effect.fn("Authorization.deny")((consent, requestId) =>
      transaction(
        sql,
        Effect.gen(function* () {
          yield* conclude(consent)
          // An agent that was disabled meanwhile, or a code that ran out: nothing is given either way.
          const paired = yield* Effect.catchTag(pairing.standing(consent.pairingId), "PairingRefused", () =>
            Effect.succeed(undefined)
          )
          if (paired === undefined) return
          yield* audit.record(
            auditEntry({
              action: "oauth.denied",
              outcome: "executed",
              agent: paired.agent,
              request_id: requestId,
              via: "rest"
            })
          )
        })
      ).pipe(tellingLost("Start the login again if it is still wanted."))
    )

    return Authorization.of({ open, consent, allow, waits, deny })
  })
)
