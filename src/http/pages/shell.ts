import type { Language } from "../../domain/Language.ts"
import { type Html, html, type Part } from "./html.ts"
import { otherThan } from "./language.ts"
import { type Action, type Common, fields, type Page } from "./models.ts"
import { phrases } from "./phrases.ts"
import { styleElement, styleSource } from "./style.ts"

/** What a page puts into the frame that all of them share. */
export interface Shown {
  readonly status: number
  readonly title: string
  /** Whether the page says that something was not right: its title then begins with it. */
  readonly failed: boolean
  readonly step?: 1 | 2 | undefined
  readonly main: Part
  readonly switch: Html | undefined
  /** Where its form may lead besides to us, as sources of a policy. */
  readonly leadsTo?: ReadonlyArray<string> | undefined
}

/** The whole document, with the headers under which it is safe. */
export const page = ({ language }: Common, shown: Shown): Page => {
  const words = phrases[language]
  const document = html`<!doctype html>
<html lang="${language}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="robots" content="noindex">
<title>${shown.failed && `${words.skipError}: `}${shown.title} · ${words.product}</title>
${styleElement}
</head>
<body>
<header>${mark}<p>${words.product}</p>${shown.step !== undefined && html`<p class="step">${words.step(shown.step, 2)}</p>`}</header>
<main>
${shown.main}
</main>
<footer>${shown.switch}</footer>
</body>
</html>
`
  return {
    status: shown.status,
    html: document.toString(),
    headers: { ...headers(shown.leadsTo ?? []), "content-language": language }
  }
}

/** Two nodes and the line between them. */
const mark = html`<svg viewBox="0 0 28 28" aria-hidden="true" focusable="false"><g fill="none" stroke="currentColor" stroke-width="2.6" stroke-linecap="round"><circle cx="7.5" cy="20.5" r="4.2"/><circle cx="20.5" cy="7.5" r="4.2" fill="currentColor"/><path d="M10.8 17.2 17 11"/></g></svg>`

/**
 * The page's own headers.
 *
 * - `form-action` names the program's address too, since Chromium holds it against the redirect that answers
 *   a form (CSP level 3, section 6.4.1), and `Allow` and `Deny` are answered with one.
 * - `Referrer-Policy: same-origin`, and not `no-referrer`: under the latter a browser sends a form with
 *   `Origin: null` (Fetch, "append a request Origin header"), which is what a foreign page would show as well.
 *   To another origin nothing is sent by either.
 * - Nobody frames the page (RFC 6749 section 10.13), opens it with a handle on it, or keeps it.
 */
const headers = (leadsTo: ReadonlyArray<string>): Readonly<Record<string, string>> => ({
  "content-type": "text/html; charset=utf-8",
  "content-security-policy": [
    "default-src 'none'",
    `style-src ${styleSource}`,
    `form-action ${["'self'", ...leadsTo].join(" ")}`,
    "base-uri 'none'",
    "frame-ancestors 'none'"
  ].join("; "),
  "x-frame-options": "DENY",
  "referrer-policy": "same-origin",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "permissions-policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=(), clipboard-read=()",
  "x-content-type-options": "nosniff",
  "cache-control": "no-store",
  "x-robots-tag": "noindex",
  vary: "accept-language, cookie"
})

/** The id of a page's one form, for the buttons that stand outside of it. */
export const formId = "answer"

/**
 * The switch of a page with a form: a button that sends the form along, so that what was typed and ticked is
 * there again in the other language. It is the last of its form's buttons, so that Enter never presses it.
 */
export const switchButton = (language: Language): Html => {
  const other = otherThan(language)
  return html`<button form="${formId}" name="${fields.action}" value="${`lang:${other}` satisfies Action}" lang="${other}" formnovalidate>${phrases[other].own}</button>`
}

export const switchLink = (language: Language, href: string): Html => {
  const other = otherThan(language)
  return html`<a class="button" href="${href}" lang="${other}" hreflang="${other}">${phrases[other].own}</a>`
}

/** What a form sends besides what a person fills in. */
export const hiddenFields = (language: Language, hidden: Readonly<Record<string, string>>): Part =>
  Object.entries({ ...hidden, [fields.language]: language }).map(
    ([name, value]) => html`<input type="hidden" name="${name}" value="${value}">`
  )
