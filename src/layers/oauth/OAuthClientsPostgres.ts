import { PgClient } from "@effect/sql-pg/PgClient"
import { Effect, Layer, Option, Schema } from "effect"
import { SecureRandom } from "effect/crypto"
import { Settings } from "../../Config.ts"
import { documentHosts } from "../../domain/ClientDocument.ts"
import { LimitReached } from "../../domain/Failure.ts"
import { Uuid } from "../../domain/Ids.ts"
import { networkOf } from "../../domain/Network.ts"
import type { OAuthClient } from "../../domain/OAuthClient.ts"
import { ClientRefused } from "../../domain/OAuthFailure.ts"
import { ClientDocuments } from "../../services/ClientDocuments.ts"
import { OAuthClients } from "../../services/OAuthClients.ts"
import { repeatable, storage } from "../database/storage.ts"
import { tellingLost, transaction } from "../database/transaction.ts"

/**
 * Registrations in an hour: of one network, and of all. The first keeps one stranger from using the second up;
 * the second bounds what is stored, since after a week what no login came of is forgotten. Programs that are known
 * by a document, as Codex is, need no registration and are never held up by others'.
 */
const ofNetwork = 30
const ofAll = 3000

/** For how long a registration that no login came of is kept. */
export const unusedFor = "7 days"

/** Registrations are counted one after the other, so that no race passes the limit. Any constant serves that nothing else takes. */
const lock = 7_305_402_615

const Counted = Schema.Struct({ of_network: Schema.Int, of_all: Schema.Int })
const decodeCounted = Schema.decodeUnknownEffect(Schema.Tuple([Counted]))

const Row = Schema.Struct({
  id: Schema.String,
  name: Schema.NullOr(Schema.String),
  redirect_uris: Schema.Array(Schema.String),
  address: Schema.String,
  created_at: Schema.String
})
const decodeRows = Schema.decodeUnknownEffect(Schema.Array(Row))
/** Reads an id of ours. `Schema.is` would not do: it looks at what `Uuid` gives, which is any text. */
const readId = Schema.decodeUnknownOption(Uuid)

const clientOf = ({ address, id, name, redirect_uris }: typeof Row.Type): OAuthClient => ({
  id,
  name,
  redirectUris: redirect_uris,
  vouchedBy: null,
  address
})

export const layer = Layer.effect(
  OAuthClients,
  Effect.gen(function* () {
    const sql = yield* PgClient
    const random = yield* SecureRandom.SecureRandom
    const documents = yield* ClientDocuments
    const { cimdHosts } = yield* Settings

    const columns = sql`
      c.id::text as id, c.name, to_json(c.redirect_uris) as redirect_uris, c.address, iso(c.created_at) as created_at`

    /** Fails where no more may register within this hour. */
    const within = Effect.fnUntraced(function* (network: string) {
      const [counted] = yield* Effect.flatMap(
        sql`
          select
            (select count(*)::integer from oauth_clients
              where network = ${network} and created_at > now() - interval '1 hour') as of_network,
            (select count(*)::integer from oauth_clients
              where created_at > now() - interval '1 hour') as of_all`,
        decodeCounted
      )
      if (counted.of_network >= ofNetwork) return yield* tooMany(ofNetwork)
      if (counted.of_all >= ofAll) return yield* tooMany(ofAll)
    })

    const register: OAuthClients["Service"]["register"] = Effect.fn("OAuthClients.register")(function* ({
      address,
      name,
      redirectUris
    }) {
      const id = yield* random.uuidV4()
      const network = networkOf(address)
      // First without the lock: a flood past its limit must not hold connections that wait for one another.
      yield* storage(within(network))
      return yield* transaction(
        sql,
        Effect.gen(function* () {
          yield* sql`select pg_advisory_xact_lock(${lock}::bigint)`
          yield* within(network)
          const [row] = yield* Effect.flatMap(
            sql`
                  insert into oauth_clients as c (id, name, redirect_uris, address, network)
                  values (
                    ${id}::uuid, ${name}::text,
                    array(select jsonb_array_elements_text(${sql.json(redirectUris)}::jsonb)),
                    ${address}, ${network}
                  )
                  returning ${columns}`,
            decodeRows
          )
          if (row === undefined) return yield* Effect.die(new Error("An inserted client was not returned"))
          return { client: clientOf(row), issuedAt: new Date(row.created_at) }
        })
      ).pipe(tellingLost("Register again."))
    })

    const registered = Effect.fnUntraced(function* (id: string) {
      const [row] = yield* storage(
        repeatable(
          sql`select ${columns} from oauth_clients c where c.id = ${id}::uuid`.pipe(
            Effect.flatMap(decodeRows)
          )
        )
      )
      return row === undefined ? yield* unknown() : clientOf(row)
    })

    const find: OAuthClients["Service"]["find"] = Effect.fn("OAuthClients.find")((id, address) => {
      const own = readId(id)
      if (Option.isSome(own)) return registered(own.value)
      return id.startsWith("https://") ? documents.read(id, address) : Effect.fail(unknown())
    })

    return OAuthClients.of({ register, find, readsDocuments: documentHosts(cimdHosts).length > 0 })
  })
)

const unknown = (): ClientRefused =>
  new ClientRefused({ reason: "unknown", because: "no such registration, or it has lapsed" })

const tooMany = (quota: number): LimitReached =>
  new LimitReached({
    reason: "rate",
    message: "Too many programs registered within an hour. Register again later.",
    retryable: true,
    details: {
      limit: { policy: "registrations", quota, window_seconds: 3600, remaining: 0 },
      retry_after_seconds: 3600
    }
  })
