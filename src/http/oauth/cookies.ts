import { Redacted } from "effect"
import type { HttpServerRequest } from "effect/http/HttpServerRequest"
import { type BrowserKey, browserKeyForm, type ConsentId } from "../../domain/OAuthConsent.ts"

/**
 * The cookies of a login: one for the page that asks for the code, one for each consent. They are what a form's
 * proof is bound to, and are good for nothing else.
 *
 * - `__Host-` (RFC 6265bis section 4.1.3.2): only this host can have set it, over HTTPS, for all of its paths; so
 *   that neither a neighbouring subdomain nor somebody on the line can plant one (session fixation). Over plain
 *   HTTP, which is development on one's own machine, browsers take neither that prefix nor `Secure`.
 * - The first is `Lax`: a login begins with a link from elsewhere, and a second one in another tab is to find the
 *   cookie of the first. A consent's is `Strict`: it is only ever sent from our own page.
 */
export const cookiesOf = (publicUrl: string) => {
  const secure = publicUrl.startsWith("https://")
  const prefix = secure ? "__Host-ndc" : "ndc"
  const attributes = (sameSite: "Lax" | "Strict", seconds: number) =>
    `Path=/; Max-Age=${seconds}; HttpOnly; SameSite=${sameSite}${secure ? "; Secure" : ""}`

  const cookie = (name: string, sameSite: "Lax" | "Strict") => ({
    /** The key that came along, if one did, once. */
    read: (request: HttpServerRequest): BrowserKey | undefined => {
      const values = (request.headers.cookie ?? "")
        .split(";")
        .map((pair) => pair.trim())
        .filter((pair) => pair.startsWith(`${name}=`))
        .map((pair) => pair.slice(name.length + 1))
      const [value] = values
      return values.length === 1 && value !== undefined && browserKeyForm.test(value)
        ? Redacted.make(value, { label: "browser key" })
        : undefined
    },
    set: (key: BrowserKey, seconds: number): string =>
      `${name}=${Redacted.value(key)}; ${attributes(sameSite, seconds)}`,
    remove: `${name}=; ${attributes(sameSite, 0)}`
  })

  return {
    login: cookie(`${prefix}-login`, "Lax"),
    /** Each consent has its own, so that two tabs do not take each other's away. */
    consent: (id: ConsentId) => cookie(`${prefix}-consent-${id}`, "Strict")
  }
}
