import { Option, Schema } from "effect"
import type { HttpServerRequest } from "effect/http/HttpServerRequest"
import type { Language } from "../../domain/Language.ts"
import type { OAuthClient } from "../../domain/OAuthClient.ts"
import { ConsentId } from "../../domain/OAuthConsent.ts"
import { type AuthorizationRequest, requestHash, scopesIn } from "../../domain/OAuthRequest.ts"
import type { Scope } from "../../domain/Scope.ts"
import { type Action, type Asking, actions, fields, type Page } from "../pages/models.ts"

/** One look of a browser at a page of a login, whose request is proven. */
export interface Visit {
  readonly http: HttpServerRequest
  readonly client: OAuthClient
  readonly asked: AuthorizationRequest
  /** Where the page's form goes: here again, with the same request. */
  readonly action: string
  readonly address: string
  readonly requestId: string
  readonly language: Language
}

/** What a browser is shown, and the cookie that it is given with it. */
export interface Answer {
  readonly page: Page
  readonly cookie?: string
}

/** What a person pressed, and what they had filled in. */
export interface Step {
  readonly action: Action
  readonly code: string
  readonly ticked: ReadonlyArray<Scope>
  readonly proof: string
  /** The consent that the form is of; undefined: the page before. */
  readonly consent: ConsentId | undefined
}

/** The fields of ours that go along unseen. */
export const hidden = { proof: "proof", consent: "consent" } as const

const consentIn = Schema.decodeUnknownOption(ConsentId)
const isAction = (text: string): text is Action => actions.some((action) => action === text)

/** Reads a form of our pages; undefined where it can't be one. Only ticks come several times. */
export const readStep = (form: URLSearchParams): Step | undefined => {
  const once = [fields.action, fields.code, fields.language, hidden.proof, hidden.consent]
  if (once.some((name) => form.getAll(name).length > 1)) return undefined
  const action = form.get(fields.action) ?? ""
  const named = form.get(hidden.consent)
  const consent = Option.getOrUndefined(consentIn(named))
  if (!isAction(action) || (named !== null && consent === undefined)) return undefined
  return {
    action,
    code: form.get(fields.code) ?? "",
    ticked: scopesIn(form.getAll(fields.scope).join(" ")),
    proof: form.get(hidden.proof) ?? "",
    consent
  }
}

export const askingOf = ({ address, asked, client }: Visit): Asking => ({
  clientName: client.name,
  vouchedBy: client.vouchedBy,
  redirectUri: asked.redirectUri,
  programAddress: client.address,
  browserAddress: address
})

/** What the first page's form is about: this request and no other. */
export const aboutRequest = ({ asked }: Pick<Visit, "asked">): string =>
  `code ${Buffer.from(requestHash(asked)).toString("hex")}`

export const aboutConsent = (id: ConsentId): string => `consent ${id}`
