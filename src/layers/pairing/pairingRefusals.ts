import { IdempotencyRefused, PairingRefused } from "../../domain/Failure.ts"
import { invalidInput } from "../../domain/inputs.ts"
import {
  mostPending,
  mostPendingOfOwner,
  type PairingCodeInfo,
  type PairingStatus
} from "../../domain/PairingCode.ts"

/** What is said of a pairing code that connects nothing. None repeats a code. */

const refusal = (reason: PairingRefused["reason"], message: string): PairingRefused =>
  new PairingRefused({ reason, message })

const another = "Have a new one made in Tasker."

export const unknownCode = (): PairingRefused =>
  refusal(
    "unknown",
    "There is no such pairing code. It has twelve letters without vowels, in the form BCDF-GHJK-LMNP: look at it again, or have a new one made in Tasker."
  )

export const agentDisabled = (): PairingRefused =>
  refusal(
    "agent_disabled",
    "The agent of this pairing code is disabled. Nothing was changed: enable it in Tasker, then connect it."
  )

export const tooManyPending = (): PairingRefused =>
  refusal(
    "too_many",
    `${mostPending} pairing codes of this agent are pending already. Use one of them, cancel one, or wait: a code lives ten minutes.`
  )

export const tooManyPendingOfOwner = (): PairingRefused =>
  refusal(
    "too_many",
    `${mostPendingOfOwner} pairing codes of this owner's agents are pending already. Use one of them, cancel one, or wait: a code lives ten minutes.`
  )

/** Why a code of this status connects nothing; `pending` is what it was a moment ago. */
export const notGood = (status: PairingStatus): PairingRefused => {
  switch (status) {
    case "cancelled":
      return refusal("cancelled", `This pairing code was cancelled. ${another}`)
    case "locked":
      return refusal("locked", `This pairing code was locked after five steps that failed. ${another}`)
    case "expired":
      return refusal("expired", `This pairing code has expired: one lives ten minutes. ${another}`)
    default:
      return refusal(
        "used",
        `This pairing code was used already, and it is good once. If that was not you, revoke in Tasker the token that it gave. ${another}`
      )
  }
}

export const badNonce = () =>
  invalidInput(
    "nonce",
    "Expected 256 random bits, new for every code: 43 characters of base64url or 64 of hex."
  )

export const badClientName = () =>
  invalidInput("client_name", "Expected a name that can be seen: it is shown to the agent's owner.")

export const alreadyCreated = (info: PairingCodeInfo): IdempotencyRefused =>
  new IdempotencyRefused({
    reason: "already_created",
    message: `This Idempotency-Key made pairing code ${info.id} already, and it can't be shown again. If it got lost, cancel it and make another with a new key.`,
    details: { pairing_code_info: info }
  })
