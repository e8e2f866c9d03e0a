import { randomBytes } from "node:crypto"
import { Effect } from "effect"
import { alphabet } from "../../src/domain/PairingCode.ts"
import { administer, newAgent, operate, type Sent, send } from "./served.ts"

/** A gateway that takes addresses from `X-Forwarded-For`, so that a test can come from anywhere. */
export const fromAnywhere = { TRUSTED_PROXIES: "127.0.0.1" }

/** 256 bits of the client's own. */
export const newNonce = (): string => randomBytes(32).toString("base64url")

let hosts = 0
/** An address that no test came from before, of a network and a block of its own. */
export const newAddress = (): string => {
  const host = hosts++
  return `${20 + (host >> 8)}.${host % 256}.0.1`
}

/** A code that was never made, but with a chance that no test will see. */
export const guess = (): string =>
  [...randomBytes(12)].map((byte) => alphabet[byte % alphabet.length]).join("")

export interface Made {
  readonly agentId: string
  readonly id: string
  readonly code: string
  readonly path: string
}

/** A pending code, of a new agent where none is named. */
export const newPairingCode = Effect.fnUntraced(function* (agentId?: string) {
  const agent = agentId ?? (yield* newAgent([])).id
  const path = `/api/v1/agents/${agent}/pairing-codes`
  const { id, pairing_code } = yield* administer(path, { body: {} })
  return { agentId: agent, id, code: pairing_code, path } as Made
})

export interface Redeeming {
  readonly nonce?: string
  readonly name?: string
  readonly address?: string
}

export const redeem = (
  code: string,
  { address = newAddress(), name = "test client", nonce = newNonce() }: Redeeming = {},
  sent: Sent = {}
) =>
  send("/api/v1/pairing/redeem", {
    headers: { "x-forwarded-for": address },
    body: { code, client_name: name, nonce },
    ...sent
  })

/** How its owner is shown a code. */
export const shown = ({ id, path }: Made) =>
  Effect.map(operate(path), ({ json }) =>
    (json.pairing_codes as ReadonlyArray<Record<string, unknown>>).find((each) => each.id === id)
  )
