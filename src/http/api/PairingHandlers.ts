import { Effect, Layer, Redacted } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import type { PairingCode, PairingCodeId } from "../../domain/PairingCode.ts"
import { Pairing } from "../../services/Pairing.ts"
import { sessionOf } from "../../tools/getSession.ts"
import { Tools } from "../../tools/Tools.ts"
import { Addresses } from "../Addresses.ts"
import { CurrentClient } from "../ClientAddress.ts"
import { requestId } from "../RequestId.ts"
import { setupPacket } from "../setup.ts"
import { shellWord } from "../shellWord.ts"
import { Api } from "./Api.ts"
import { actOf, type Carrying, type OfAgent, type Paged, pageOf } from "./LifecycleHandlers.ts"
import type { NewPairingCode } from "./PairingApi.ts"

interface OfCode extends OfAgent {
  readonly params: OfAgent["params"] & { readonly pairing_code_id: PairingCodeId }
}

/** What a person types to connect a client. Codex starts its login by itself, and the code is typed on its page. */
const connectBy = (publicUrl: string, code: PairingCode) => ({
  codex: [`codex mcp add tasker --url ${shellWord(`${publicUrl}/mcp`)}`],
  shell: `curl -fsS ${shellWord(`${publicUrl}/connect`)} | sh -s -- ${Redacted.value(code)}`
})

/** One set of handlers for both APIs. */
const handlers = Effect.gen(function* () {
  const pairing = yield* Pairing
  const { publicUrl } = yield* Addresses

  return {
    createPairingCode: (asked: OfAgent & Carrying<typeof NewPairingCode>) =>
      Effect.gen(function* () {
        const act = yield* actOf(asked)
        const { name = null } = asked.payload
        const { code, info } = yield* pairing.create(act, asked.params.agent_id, { name })
        const { expires_at, id } = info
        return { pairing_code: Redacted.value(code), id, expires_at, connect: connectBy(publicUrl, code) }
      }),
    listPairingCodes: ({ params, query }: OfAgent & Paged) =>
      Effect.map(
        pairing.list(params.owner_user_id, params.agent_id, pageOf(query)),
        ({ items, next_cursor }) => ({ pairing_codes: items, next_cursor })
      ),
    cancelPairingCode: (asked: OfCode) =>
      Effect.gen(function* () {
        const act = yield* actOf(asked)
        const { agent_id, pairing_code_id } = asked.params
        return { pairing_code_info: yield* pairing.cancel(act, agent_id, pairing_code_id) }
      })
  }
})

const clients = HttpApiBuilder.group(Api, "pairing", (group) =>
  Effect.gen(function* () {
    const pairing = yield* Pairing
    const tools = yield* Tools
    const { publicUrl } = yield* Addresses

    return group.handle("redeemPairingCode", ({ payload, request }) =>
      Effect.gen(function* () {
        const { info, paired, token } = yield* pairing.redeem({
          code: payload.code,
          clientName: payload.client_name,
          nonce: payload.nonce,
          address: yield* CurrentClient,
          requestId: requestId(request)
        })
        return {
          token: Redacted.value(token),
          token_info: info,
          setup: setupPacket(publicUrl, tools.list(paired), sessionOf(paired).grants)
        }
      })
    )
  })
)

export const layer = Layer.mergeAll(
  clients,
  HttpApiBuilder.group(Api, "operatorPairing", (group) =>
    Effect.map(handlers, (all) => group.handleAll(all))
  ),
  HttpApiBuilder.group(Api, "ownerPairing", (group) => Effect.map(handlers, (all) => group.handleAll(all)))
)
