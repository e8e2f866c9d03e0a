import { timingSafeEqual } from "node:crypto"
import { Effect, Redacted } from "effect"
import type { GatewayUnavailable, PairingRefused } from "../../domain/Failure.ts"
import type { AuthorizationCode } from "../../domain/OAuthCode.ts"
import { browserHash, type ConsentId, codeOf, isFormProof } from "../../domain/OAuthConsent.ts"
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

  const allow = (visit: Visit, consent: Consent, scopes: Step["ticked"], code: AuthorizationCode) =>
    authorization.allow({
      consent,
      client: visit.client,
      request: visit.asked,
      scopes,
      code,
      address: visit.address,
      requestId: visit.requestId
    })

  /** Back to the program with the code, or the page that shows it. */
  const leadBack = (visit: Visit, { action }: Step, id: ConsentId, code: AuthorizationCode) => {
    const callback = answerTo(visit.asked, publicUrl, { code: Redacted.value(code) })
    const cookie = cookies.consent(id).remove
    if (action === "allow") return Effect.fail(new SentBack({ location: callback, cookie }))
    const { language, requestId } = visit
    const page = donePage({ language, requestId, clientName: visit.client.name, callback })
    return Effect.succeed<Answer>({ page, cookie })
  }

  const denied = (visit: Visit, id: ConsentId) =>
    Effect.fail(
      new SentBack({ location: denial(visit, publicUrl).location, cookie: cookies.consent(id).remove })
    )

  /**
   * A button that is pressed twice sends its form twice, and a browser heeds the second answer alone. So that is the
   * first one again, for as long as the code waits; to anybody else, and after that, the consent is gone. It can be
   * denied in its browser all the same, which tells the program that nothing comes.
   */
  const again = Effect.fnUntraced(function* (visit: Visit, step: Step, id: ConsentId, kind: FailureKind) {
    const key = cookies.consent(id).read(visit.http)
    if (key === undefined || !isFormProof(step.proof, key, aboutConsent(id)))
      return yield* new Halted({ kind })
    const code = codeOf(key, id)
    const waits = yield* authorization.waits(code, visit.asked)
    if (gives(step) && waits) return yield* leadBack(visit, step, id, code)
    if (step.action === "deny" && !waits) return yield* denied(visit, id)
    return yield* new Halted({ kind })
  })

  const answer = Effect.fnUntraced(function* (visit: Visit, step: Step, id: ConsentId) {
    const { consent, key } = yield* proven(visit, id, step.proof)
    if (step.action === "deny") {
      yield* authorization.deny(consent, visit.requestId)
      return yield* denied(visit, id)
    }
    const paired = yield* pairing.standing(consent.pairingId)
    const scopes = offeredIn(paired.grants, visit.asked.scopes).filter((scope) => step.ticked.includes(scope))
    const isGiven = gives(step)
    if (!isGiven || scopes.length === 0) {
      const view = yield* consentForm.look(visit, paired)
      return {
        page: consentForm.page(visit, view, consent, key, step.ticked, isGiven ? "nothing_ticked" : undefined)
      }
    }
    const code = codeOf(key, id)
    yield* allow(visit, consent, scopes, code)
    return yield* leadBack(visit, step, id, code)
  })

  const take = (
    visit: Visit,
    step: Step,
    id: ConsentId
  ): Effect.Effect<Answer, Halted | SentBack | GatewayUnavailable> =>
    Effect.catchTags(answer(visit, step, id), {
      ConsentGone: () => again(visit, step, id, "consent_expired"),
      PairingRefused: ({ reason }) =>
        reason === "used"
          ? again(visit, step, id, lost[reason])
          : Effect.fail(new Halted({ kind: lost[reason] }))
    })

  return { take }
})

const gives = ({ action }: Step): boolean => action === "allow" || action === "paste"

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
