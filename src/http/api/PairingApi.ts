import { Schema } from "effect"
import { HttpApi, HttpApiEndpoint, HttpApiGroup, OpenApi } from "effect/http-api"
import { AgentId } from "../../domain/Ids.ts"
import { PairingCodeId, PairingCodeInfo } from "../../domain/PairingCode.ts"
import { Instant, TokenInfo } from "../../domain/Principal.ts"
import { line } from "../fields.ts"
import { SetupPacket } from "../setup.ts"
import { InternalAccess } from "./Access.ts"
import {
  ActName,
  Acts,
  created,
  keyed,
  nextCursor,
  OwnerInPath,
  paged,
  StrictBody,
  StrictOpenBody,
  strict
} from "./Lifecycle.ts"
import { failures } from "./Problems.ts"

/**
 * Pairing codes: made for an owner, who carries one to a client, and given for a token. What owners do stands
 * twice, as the lifecycle API does, and both are made here from one definition.
 */

/** Codes, names and nonces are short; this much of them is read. */
const text = (longest: number) =>
  Schema.String.check(Schema.isMaxLength(longest, { message: `Expected ${longest} characters or fewer` }))

export const NewPairingCode = Schema.Struct({ name: Schema.optionalKey(Schema.NullOr(line(128))) })

export const Redemption = Schema.Struct({ code: text(64), client_name: text(256), nonce: text(64) })

const MadePairingCode = Schema.Struct({
  pairing_code: Schema.String,
  id: PairingCodeId,
  expires_at: Instant,
  connect: Schema.Struct({
    /** What a person types on a machine with Codex and a browser. */
    codex: Schema.Array(Schema.String),
    /** On one without: a line for a POSIX shell. It holds the code. */
    shell: Schema.String
  })
})

const resources = <const Name extends string, Owner extends Schema.Struct.Fields>(
  name: Name,
  owner: Owner
) => {
  const ofAgent = { ...owner, agent_id: AgentId }
  return HttpApiGroup.make(name).add(
    HttpApiEndpoint.post("createPairingCode", "/agents/:agent_id/pairing-codes", {
      params: ofAgent,
      headers: keyed,
      payload: NewPairingCode,
      success: created(MadePairingCode)
    })
      .middleware(StrictBody)
      .annotate(ActName, "pairing_code.created")
      .middleware(Acts)
      .annotate(
        OpenApi.Description,
        "Makes a code by which a client is connected to this agent. It is shown this once, good once and for ten minutes. At most three of an agent and thirty of an owner may be pending: 409 `pairing.too_many`. `connect` says what to type: `codex` starts a login that asks for the code on its page, `shell` is for a machine without a browser. A code can't be shown again, so the same Idempotency-Key is 409 `idempotency.already_created` with the `pairing_code_info`."
      ),
    HttpApiEndpoint.get("listPairingCodes", "/agents/:agent_id/pairing-codes", {
      params: ofAgent,
      query: paged,
      success: Schema.Struct({ pairing_codes: Schema.Array(PairingCodeInfo), ...nextCursor })
    }).annotate(
      OpenApi.Description,
      "The agent's codes, newest first, without the codes themselves. `status` is one of `pending`, `used`, `expired`, `cancelled` and `locked` (five steps on it failed their proof). `used` says by whom a code was used, and for which token; `refused_after_use` counts who tried it again: somebody else may have seen it. Codes that nobody used are kept for 30 days."
    ),
    HttpApiEndpoint.delete("cancelPairingCode", "/agents/:agent_id/pairing-codes/:pairing_code_id", {
      params: { ...ofAgent, pairing_code_id: PairingCodeId },
      success: Schema.Struct({ pairing_code_info: PairingCodeInfo })
    })
      .annotate(ActName, "pairing_code.cancelled")
      .middleware(Acts)
      .annotate(
        OpenApi.Description,
        "Cancels a pending code. One that is not pending any more stays what it is: what it was used for is undone by revoking its token."
      )
  )
}

export const OperatorPairing = resources("operatorPairing", {})
  .middleware(InternalAccess)
  .prefix("/api/v1")
  .annotate(HttpApi.PayloadParseOptions, strict)
  .annotate(HttpApi.QueryParseOptions, strict)
  .annotateMerge(
    OpenApi.annotations({ title: "Pairing: operators", description: "Pairing codes of all agents." })
  )

export const OwnerPairing = resources("ownerPairing", { owner_user_id: OwnerInPath })
  .middleware(InternalAccess)
  .prefix("/api/internal/v1/owners/:owner_user_id")
  .annotate(HttpApi.PayloadParseOptions, strict)
  .annotate(HttpApi.QueryParseOptions, strict)
  .annotateMerge(
    OpenApi.annotations({
      title: "Pairing: one owner",
      description:
        "The same for the agents of one owner; those of others are not found. For Tasker's backend."
    })
  )

export const PairingApi = HttpApiGroup.make("pairing")
  .add(
    HttpApiEndpoint.post("redeemPairingCode", "/pairing/redeem", {
      payload: Redemption,
      success: created(Schema.Struct({ token: Schema.String, token_info: TokenInfo, setup: SetupPacket })),
      error: failures(409, 410)
    })
      .middleware(StrictOpenBody)
      .annotate(
        OpenApi.Description,
        "Gives an agent token for a pairing code, which is read without regard to case and separators. `client_name` becomes the token's name and is shown to the owner, without what can't be seen in it. `nonce` is 256 random bits of the client's own, new for every code, as 43 characters of base64url or 64 of hex: where a reply got lost, the same request within 60 seconds is given the same answer. Any other use of a used code is 409 `pairing.used`, and the owner is shown it. 404 `pairing.unknown` is a guess; past ten guesses of an address in some ten minutes, or for as long as many networks guess, codes are not looked at: 429 `limit.rate`."
      )
  )
  .prefix("/api/v1")
  // Who asks is not known: the first fault is enough to say, and costs least to find.
  .annotate(HttpApi.PayloadParseOptions, { ...strict, errors: "first" })
  .annotateMerge(
    OpenApi.annotations({ title: "Pairing: clients", description: "Open to all who have a code." })
  )
