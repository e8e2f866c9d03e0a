import { defuseName } from "../../text/DefusedName.ts"
import { clientName, policySource, remarks } from "./asking.ts"
import { html } from "./html.ts"
import { type Action, type CodeError, type CodePage, fields, type Page } from "./models.ts"
import { phrases } from "./phrases.ts"
import { formId, hiddenFields, page, switchButton } from "./shell.ts"

/** Why a code is refused is also the answer's status, so that a program that reads it is told. */
const statuses: Readonly<Record<CodeError, number>> = {
  empty: 422,
  malformed: 422,
  unknown: 404,
  used: 409,
  expired: 410,
  cancelled: 410,
  locked: 410,
  agent_disabled: 409,
  limit: 429
}

/** The first step: the code that says whose boards it is about. */
export const codePage = (model: CodePage): Page => {
  const words = phrases[model.language]
  const t = words.code
  const { error } = model
  const message =
    error === undefined ? undefined : error === "limit" ? t.limit(model.retryAfterSeconds) : t.errors[error]
  const shown = page(model, {
    status: error === undefined ? 200 : statuses[error],
    title: t.title,
    failed: message !== undefined,
    step: 1,
    leadsTo: [policySource(model.asking.redirectUri)],
    switch: switchButton(model.language),
    main: html`<h1>${t.title}</h1>
<p>${t.lead(clientName(model.asking.clientName, words))} ${t.how}</p>
${remarks(defuseName(model.asking.clientName ?? ""), words)}
<form id="${formId}" method="post" action="${model.action}" autocomplete="off" novalidate>
${hiddenFields(model.language, model.hidden)}
<div>
<label class="name" for="code">${t.label}</label>
<p class="soft" id="code-hint">${t.hint}</p>
${message !== undefined && html`<p class="error" id="code-error" role="alert">${message}</p>`}
<input type="text" id="code" name="${fields.code}" value="${model.typed.slice(0, longestTyped)}" required autofocus
 autocomplete="one-time-code" autocapitalize="characters" autocorrect="off" spellcheck="false" inputmode="text" enterkeyhint="go"
 aria-describedby="code-hint${message !== undefined && " code-error"}" aria-invalid="${message === undefined ? "false" : "true"}">
</div>
<p class="note">${t.caution}</p>
<div class="buttons">
<button class="main" name="${fields.action}" value="${"continue" satisfies Action}">${t.next}</button>
<button name="${fields.action}" value="${"deny" satisfies Action}">${t.cancel}</button>
</div>
</form>`
  })
  return model.retryAfterSeconds === undefined
    ? shown
    : { ...shown, headers: { ...shown.headers, "retry-after": String(Math.ceil(model.retryAfterSeconds)) } }
}

/** What was typed comes back to be put right; nothing of this length can be. */
const longestTyped = 64
