import { defuseName } from "../../text/DefusedName.ts"
import { html } from "./html.ts"
import type { FailureKind, FailurePage, Page } from "./models.ts"
import { phrases } from "./phrases.ts"
import { page, switchLink } from "./shell.ts"

const statuses: Readonly<Record<FailureKind, number>> = {
  client_unknown: 400,
  client_unreadable: 502,
  redirect_refused: 400,
  request_malformed: 400,
  form_foreign: 403,
  cookie_missing: 400,
  consent_expired: 410,
  code_used: 409,
  code_expired: 410,
  code_cancelled: 410,
  code_locked: 410,
  agent_disabled: 409,
  nothing_granted: 403,
  too_many: 429,
  unavailable: 503,
  internal: 500
}

/** What the same request would only meet again; a button that repeats it would lead a person round in circles. */
const lasting: ReadonlySet<FailureKind> = new Set(["client_unknown", "redirect_refused", "request_malformed"])

/** Why a login can't go on, and what to do next. Never a redirect: it is not proven where that would lead. */
export const failurePage = (model: FailurePage): Page => {
  const words = phrases[model.language]
  const t = words.failure
  const { retryAfterSeconds: seconds } = model
  const { steps, title, what } = t.kinds[model.kind]
  // Where it is known how long to wait, that is the first thing to do, in place of "wait a while".
  const known = seconds === undefined ? steps : [t.wait(seconds), ...steps.slice(1)]
  const shown = page(model, {
    status: statuses[model.kind],
    title,
    failed: true,
    switch: model.otherLanguage === undefined ? undefined : switchLink(model.language, model.otherLanguage),
    main: html`<h1>${title}</h1>
<p>${what}</p>
${
  model.redirectUri !== undefined &&
  html`<p>${t.asked}: <code><bdi>${defuseName(model.redirectUri, longestShown).text}</bdi></code></p>`
}
<section>
<h2>${t.next}</h2>
<ol>${known.map((step) => html`<li>${step}</li>`)}</ol>
</section>
${model.again !== undefined && !lasting.has(model.kind) && html`<p><a class="button main" href="${model.again}">${t.again}</a></p>`}
<p class="soft">${t.requestId}: <code>${model.requestId}</code></p>`
  })
  return seconds === undefined
    ? shown
    : { ...shown, headers: { ...shown.headers, "retry-after": String(Math.max(1, Math.ceil(seconds))) } }
}

/** Of an address that nobody checked, so much that a person sees what it is. */
const longestShown = 200
