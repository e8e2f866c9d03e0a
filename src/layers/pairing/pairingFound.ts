import type { PgClient } from "@effect/sql-pg/PgClient"
import { Effect, Schema } from "effect"
import type { Fragment } from "effect/sql/Statement"
import { AgentId } from "../../domain/Ids.ts"
import { PairingCodeId, PairingStatus } from "../../domain/PairingCode.ts"
import { TokenInfo } from "../../domain/Principal.ts"
import { tokenJson } from "../registry/principalJson.ts"
import { items } from "../registry/registrySql.ts"
import { statusOf } from "./pairingSql.ts"

/** A code that was made once, whatever has become of it since. */
const Found = Schema.Struct({
  id: PairingCodeId,
  agent_id: AgentId,
  status: PairingStatus,
  /** Of one that was redeemed less than a minute ago; in hex. */
  answer: Schema.NullOr(
    Schema.Struct({ nonce_hash: Schema.String, wrapped_token: Schema.String, token: TokenInfo })
  )
})
export type Found = typeof Found.Type

const asFound = items(Found)

/** For how long a redemption is answered again to the nonce that made it, in seconds. */
export const answeredAgainSeconds = 60

/** The code of the table `p` that the condition names. */
export const codeWhere = (sql: PgClient, condition: Fragment) =>
  Effect.map(
    asFound(sql`
      select json_build_object(
        'id', p.id, 'agent_id', p.agent_id, 'status', ${statusOf(sql)},
        'answer', case
          when p.wrapped_token is not null
            and p.used_at > now() - ${answeredAgainSeconds}::integer * interval '1 second'
            and exists (select from tokens t where t.id = p.token_id and t.revoked_at is null)
          then json_build_object(
            'nonce_hash', encode(p.nonce_hash, 'hex'), 'wrapped_token', encode(p.wrapped_token, 'hex'),
            'token', (select ${tokenJson(sql)} from tokens t where t.id = p.token_id)
          )
        end
      ) as item
      from pairing_codes p where ${condition}`),
    ([found]) => found
  )
