import { Effect, Option, Redacted } from "effect"
import { SecureRandom } from "effect/crypto"
import type { GatewayUnavailable } from "../../domain/Failure.ts"
import {
  type BrowserKey,
  browserHash,
  consentSeconds,
  formProof,
  isFormProof
} from "../../domain/OAuthConsent.ts"
import { requestHash } from "../../domain/OAuthRequest.ts"
import { parse } from "../../domain/PairingCode.ts"
import { Authorization } from "../../services/Authorization.ts"
import { Pairing } from "../../services/Pairing.ts"
import { codePage } from "../pages/codePage.ts"
import type { CodeError } from "../pages/models.ts"
import { Halted, refusalTo, type SentBack } from "./asked.ts"
import { makeConsentPage } from "./consentForm.ts"
import { cookiesOf } from "./cookies.ts"
import { type Answer, aboutRequest, askingOf, hidden, type Step, type Visit } from "./visit.ts"

/** For how long the first page can lie open before its form is sent, in seconds. */
const waits = 3600

/**
 * The first page. It asks whose boards it is about, by a code that only their owner was shown. Until a good one is
 * typed nothing of this login is kept anywhere but in the browser.
 */
export const makeCodeStep = Effect.fnUntraced(function* (publicUrl: string) {
  const pairing = yield* Pairing
  const authorization = yield* Authorization
  const random = yield* SecureRandom.SecureRandom
  const consentForm = yield* makeConsentPage
  const cookies = cookiesOf(publicUrl)

  const newKey: Effect.Effect<BrowserKey> = Effect.map(random.randomBytes(32), (bytes) =>
    Redacted.make(Buffer.from(bytes).toString("base64url"), { label: "browser key" })
  )

  const pageFor = (
    visit: Visit,
    key: BrowserKey,
    more: { readonly typed: string; readonly error?: CodeError; readonly retryAfterSeconds?: number }
  ) =>
    codePage({
      language: visit.language,
      requestId: visit.requestId,
      action: visit.action,
      hidden: { [hidden.proof]: formProof(key, aboutRequest(visit)) },
      asking: askingOf(visit),
      ...more
    })

  const show = Effect.fnUntraced(function* (visit: Visit): Effect.fn.Return<Answer> {
    const key = cookies.login.read(visit.http) ?? (yield* newKey)
    return { page: pageFor(visit, key, { typed: "" }), cookie: cookies.login.set(key, waits) }
  })

  /** A good code leads on, in a browser that gets a key of its own for it (RFC 9700 section 4.7: no fixation). */
  const leadOn = Effect.fnUntraced(function* (visit: Visit, code: string) {
    const paired = yield* pairing.identify({ code, address: visit.address, requestId: visit.requestId })
    const view = yield* consentForm.look(visit, paired)
    const key = yield* newKey
    const consent = yield* authorization.open({
      pairingId: paired.pairingId,
      browserHash: browserHash(key),
      requestHash: requestHash(visit.asked)
    })
    return {
      page: consentForm.page(visit, view, consent, key, view.offered),
      cookie: cookies.consent(consent.id).set(key, consentSeconds)
    }
  })

  const take = Effect.fnUntraced(function* (
    visit: Visit,
    { action, code, proof }: Step
  ): Effect.fn.Return<Answer, Halted | SentBack | GatewayUnavailable> {
    const key = cookies.login.read(visit.http)
    if (key === undefined) return yield* new Halted({ kind: "cookie_missing" })
    if (!isFormProof(proof, key, aboutRequest(visit))) return yield* new Halted({ kind: "form_foreign" })
    if (action === "deny") return yield* denial(visit, publicUrl)
    const again = (error: CodeError, retryAfterSeconds?: number): Answer => ({
      page: pageFor(visit, key, {
        typed: code,
        error,
        ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds })
      })
    })
    if (action !== "continue") return { page: pageFor(visit, key, { typed: code }) }
    if (code.trim() === "") return again("empty")
    if (Option.isNone(parse(code))) return again("malformed")
    return yield* Effect.catchTags(leadOn(visit, code), {
      PairingRefused: ({ reason }) => Effect.succeed(again(reason === "too_many" ? "limit" : reason)),
      LimitReached: ({ details }) => {
        const { retry_after_seconds: seconds } = details
        return Effect.succeed(again("limit", typeof seconds === "number" ? seconds : undefined))
      }
    })
  })

  return { show, take }
})

/** The person said no (RFC 6749 section 4.1.2.1). */
export const denial = ({ asked }: Visit, publicUrl: string): SentBack =>
  refusalTo(asked, publicUrl, { error: "access_denied", description: "The person denied the request." })
