import { timingSafeEqual } from "node:crypto"
import { Effect, Redacted } from "effect"
import type { GatewayUnavailable, PairingRefused } from "../../domain/Failure.ts"
import { browserHash, type ConsentId, isFormProof } from "../../domain/OAuthConsent.ts"
import { requestHash } from "../../domain/OAuthRequest.ts"
import { Authorization, type Consent } from "../../services/Authorization.ts"
import { Pairing } from "../../services/Pairing.ts"
import { donePage } from "../pages/donePage.ts"
import type { FailureKind } from "../pages/models.ts"
import { answerTo, Halted, SentBack } from "./asked.ts"
import { denial } from "./codeStep.ts"
import { makeConsentPage } from "./consentForm.ts"
import { offeredIn } from "./consentView.ts"
import { cookiesOf } from "./cookies.ts"
import { type Answer, aboutConsent, type Step, type Visit } from "./visit.ts"

const same = (one: Uint8Array, other: Uint8Array): boolean =>
  one.length === other.length && timingSafeEqual(one, other)

/**
 * The second page's answer. It counts only from the browser that typed the code, on the form that it was shown,
 * for the request that it was shown: anything else is a wrong confirmation, and the fifth locks the code.
 */
export const makeConsentStep = Effect.fnUntraced(function* (publicUrl: string) {
  const pairing = yield* Pairing
  const authorization = yield* Authorization
  const consentForm = yield* makeConsentPage
  const cookies = cookiesOf(publicUrl)

  /** The consent, once it is proven to be answered by whom it was shown to; with its browser's key. */
  const proven = Effect.fnUntraced(function* (visit: Visit, id: ConsentId, proof: string) {
    const consent = yield* authorization.consent(id)
    const key = cookies.consent(id).read(visit.http)
    const wrong = (what: string, kind: FailureKind) =>
      Effect.andThen(
        pairing.confirmationFailed(consent.pairingId, what, visit.requestId),
        Effect.fail(new Halted({ kind }))
      )
    if (key === undefined) return yield* wrong("oauth.other_browser", "cookie_missing")
    if (!same(browserHash(key), consent.browserHash))
      return yield* wrong("oauth.other_browser", "form_foreign")
    if (!isFormProof(proof, key, aboutConsent(id))) return yield* wrong("oauth.wrong_proof", "form_foreign")
    if (!same(requestHash(visit.asked), consent.requestHash))
      return yield* wrong("oauth.other_request", "form_foreign")
    return { consent, key }
  })

  const allow = Effect.fnUntraced(function* (visit: Visit, consent: Consent, scopes: Step["ticked"]) {
    const code = yield* authorization.allow({
      consent,
      client: visit.client,
      request: visit.asked,
      scopes,
      address: visit.address,
      requestId: visit.requestId
    })
    return answerTo(visit.asked, publicUrl, { code: Redacted.value(code) })
  })

  const answer = Effect.fnUntraced(function* (visit: Visit, step: Step, id: ConsentId) {
    const { consent, key } = yield* proven(visit, id, step.proof)
    const cookie = cookies.consent(id).remove
    if (step.action === "deny") {
      yield* authorization.deny(consent, visit.requestId)
      return yield* new SentBack({ location: denial(visit, publicUrl).location, cookie })
    }
    const paired = yield* pairing.standing(consent.pairingId)
    const scopes = offeredIn(paired.grants, visit.asked.scopes).filter((scope) => step.ticked.includes(scope))
    const isGiven = step.action === "allow" || step.action === "paste"
    if (!isGiven || scopes.length === 0) {
      const view = yield* consentForm.look(visit, paired)
      return {
        page: consentForm.page(visit, view, consent, key, step.ticked, isGiven ? "nothing_ticked" : undefined)
      }
    }
    const callback = yield* allow(visit, consent, scopes)
    if (step.action === "allow") return yield* new SentBack({ location: callback, cookie })
    const { language, requestId } = visit
    return { page: donePage({ language, requestId, clientName: visit.client.name, callback }), cookie }
  })

  const take = (
    visit: Visit,
    step: Step,
    id: ConsentId
  ): Effect.Effect<Answer, Halted | SentBack | GatewayUnavailable> =>
    Effect.catchTags(answer(visit, step, id), {
      ConsentGone: () => Effect.fail(new Halted({ kind: "consent_expired" })),
      PairingRefused: ({ reason }) => Effect.fail(new Halted({ kind: lost[reason] }))
    })

  return { take }
})

/** What became of the code between the two pages. */
const lost: Readonly<Record<PairingRefused["reason"], FailureKind>> = {
  unknown: "code_expired",
  used: "code_used",
  expired: "code_expired",
  cancelled: "code_cancelled",
  locked: "code_locked",
  agent_disabled: "agent_disabled",
  too_many: "too_many"
}
