import { isIP } from "node:net"
import { type DefusedName, defuseName } from "../../text/DefusedName.ts"
import { type Html, html, type Part } from "./html.ts"
import type { Asking } from "./models.ts"
import type { Phrases } from "./words.ts"

/** A name as text that can't reorder or join what stands around it. */
export const nameOf = (text: string): Html => html`<strong><bdi>${text}</bdi></strong>`

/** The client's name where it has one that can be seen. */
export const clientName = (sent: string | null, words: Phrases): Html => {
  const { text } = defuseName(sent ?? "")
  return text === "" ? html`<strong>${words.nameless}</strong>` : nameOf(text)
}

/** What there is to say of a name: that it looks like something else, or is not whole. */
export const remarks = ({ marks }: DefusedName, words: Phrases): Part =>
  marks.map((mark) =>
    mark === "cut"
      ? html`<small>${words.marks[mark]}</small>`
      : html`<span class="note">${words.marks[mark]}</span>`
  )

/** Who asks, where the answer goes and from where it was asked, as rows of a description list. */
export const askingRows = (asking: Asking, words: Phrases): Html => {
  const t = words.consent
  return html`<div>
<dt>${t.program}</dt>
<dd>${clientName(asking.clientName, words)} ${remarks(defuseName(asking.clientName ?? ""), words)}
<small>${asking.vouchedBy === null ? t.ownWord : t.vouched(nameOf(shownHost(asking.vouchedBy)))}</small></dd>
</div>
<div>
<dt>${t.answerTo}</dt>
<dd>${destination(asking.redirectUri, words)}</dd>
</div>
<div>
<dt>${t.from}</dt>
<dd>${origin(asking, words)}</dd>
</div>`
}

const destination = (redirectUri: string, words: Phrases): Part => {
  const { host, hostname } = new URL(redirectUri)
  const name = html`<bdi>${shownHost(host)}</bdi>`
  if (isLoopback(hostname)) return html`${words.consent.thisComputer} <small>(${name})</small>`
  return html`<strong>${name}</strong>
<span class="note">${words.consent.elsewhere}</span>
${/(^|\.)xn--/.test(hostname) && html`<span class="note">${words.consent.punycode}</span>`}`
}

const isLoopback = (hostname: string): boolean =>
  hostname === "localhost" || hostname === "[::1]" || /^127(\.\d{1,3}){3}$/.test(hostname)

/** The end of a host is what says whose it is, so a long one loses its beginning. */
const longestHost = 80

const shownHost = (host: string): string =>
  host.length > longestHost ? `…${host.slice(1 - longestHost)}` : host

/**
 * A program that registered from elsewhere than where its person sits may be a stranger's, who sent the person
 * a link. Two addresses of different families can be one machine's, so these are shown and not compared.
 */
const origin = ({ browserAddress, programAddress }: Asking, words: Phrases): Part => {
  const t = words.consent
  const shown = html`<bdi>${programAddress ?? browserAddress}</bdi>`
  if (programAddress === null) return html`${shown} <small>(${t.thisBrowser})</small>`
  if (programAddress === browserAddress) return html`${shown} <small>(${t.sameAddress})</small>`
  return isIP(programAddress) === isIP(browserAddress)
    ? html`<strong>${shown}</strong>
<span class="note">${t.otherAddress(html`<bdi>${browserAddress}</bdi>`)}</span>`
    : shown
}

/**
 * Where a form's answer may redirect, as a source of a policy. A host-source can't hold an IPv6 address (CSP
 * level 3, section 2.3.1: its host-part has no brackets), so that one is let out by its scheme.
 */
export const policySource = (redirectUri: string): string => {
  const { hostname, origin: source, protocol } = new URL(redirectUri)
  return hostname.startsWith("[") ? protocol : source
}
