import type { Language } from "../../domain/Language.ts"
import type { Scope } from "../../domain/Scope.ts"
import { defuseName } from "../../text/DefusedName.ts"
import { askingRows, clientName, nameOf, policySource, remarks } from "./asking.ts"
import { type Html, html, type Part } from "./html.ts"
import { type Action, type ConsentPage, fields, type Page, type ShownProject } from "./models.ts"
import { phrases } from "./phrases.ts"
import { formId, hiddenFields, page, switchButton } from "./shell.ts"
import type { Phrases } from "./words.ts"

/** The second step: who asks for what, and what comes of it. */
export const consentPage = (model: ConsentPage): Page => {
  const words = phrases[model.language]
  const t = words.consent
  const agent = defuseName(model.agentName)
  return page(model, {
    status: model.error === undefined ? 200 : 422,
    title: t.title,
    failed: model.error !== undefined,
    step: 2,
    leadsTo: [policySource(model.asking.redirectUri)],
    switch: switchButton(model.language),
    main: html`<h1>${t.heading(clientName(model.asking.clientName, words))}</h1>
${model.error !== undefined && html`<p class="error" id="tick-error" role="alert">${t.nothingTicked}</p>`}
<form id="${formId}" method="post" action="${model.action}" autocomplete="off">
${enterDoesNothing(model.language)}
${hiddenFields(model.language, model.hidden)}
<section>
<h2>${t.who}</h2>
<dl>${askingRows(model.asking, words)}</dl>
</section>
<section>
<h2>${t.whom}</h2>
<dl>
<div>
<dt>${t.owner}</dt>
<dd>${nameOf(defuseName(model.owner.email, longestEmail).text || model.owner.id)}</dd>
</div>
<div>
<dt>${t.agent}</dt>
<dd>${nameOf(agent.text)} ${remarks(agent, words)}</dd>
</div>
</dl>
</section>
<section>
<h2>${t.where}</h2>
${projectList(model, words)}${
  model.grantsEnd &&
  html`
<p class="soft">${t.endsWhy}</p>`
}
</section>
<section>
<h2>${t.what}</h2>
<p class="soft" id="tick-hint">${t.tickHint}</p>
${ticks(model, words, t.reads, (scope) => scope.endsWith(":read"))}
${ticks(model, words, t.writes, (scope) => !scope.endsWith(":read"))}
</section>
<section>
<h2>${t.neverTitle}</h2>
<ul class="plain never">${t.never.map((one) => html`<li>${one}</li>`)}</ul>
</section>
<section>
<h2>${t.untilTitle}</h2>
<p>${t.until(model.idleDays)}</p>
</section>
<div class="buttons">
<button class="main" name="${fields.action}" value="${"allow" satisfies Action}">${t.allow}</button>
<button name="${fields.action}" value="${"deny" satisfies Action}">${t.deny}</button>
</div>
<details>
<summary>${t.elsewhereTitle}</summary>
<p>${t.elsewhereText}</p>
<button name="${fields.action}" value="${"paste" satisfies Action}">${t.paste}</button>
</details>
<p class="soft">${t.minutesLeft(Math.ceil(model.minutesLeft))}</p>
</form>`
  })
}

/** RFC 5321 section 4.5.3.1.3: no address is longer. */
const longestEmail = 254

/**
 * Enter on a tick presses its form's first button, seen or not (HTML, "implicit submission"): here one that
 * shows the page again as it is, so that nobody allows or denies anything unawares.
 */
const enterDoesNothing = (language: Language): Html =>
  html`<button hidden name="${fields.action}" value="${`lang:${language}` satisfies Action}"></button>`

const ticks = (
  { error, offered, ticked }: ConsentPage,
  words: Phrases,
  legend: string,
  belongs: (scope: Scope) => boolean
): Part => {
  const scopes = offered.filter(belongs)
  if (scopes.length === 0) return undefined
  return html`<fieldset aria-describedby="tick-hint${error !== undefined && " tick-error"}">
<legend>${legend}</legend>
${scopes.map(
  (scope) => html`<label class="tick"><input type="checkbox" name="${fields.scope}" value="${scope}"${
    ticked.includes(scope) && html` checked`
  }${error !== undefined && scope === offered[0] && html` autofocus`}> <span>${words.consent.scopes[scope]}</span></label>
`
)}</fieldset>`
}

/** So many projects are seen at once; the others are counted, and unfold. */
const seenAtOnce = 6

const projectList = (model: ConsentPage, words: Phrases): Html => {
  const items = (projects: ReadonlyArray<ShownProject>) =>
    html`<ul class="plain projects">${projects.map((project) => projectItem(project, model, words))}</ul>`
  const { projects } = model
  return projects.length <= seenAtOnce + 1
    ? items(projects)
    : html`${items(projects.slice(0, seenAtOnce))}
<details>
<summary>${words.consent.more(projects.length - seenAtOnce)}</summary>
${items(projects.slice(seenAtOnce))}
</details>`
}

const projectItem = (project: ShownProject, { language, offered }: ConsentPage, words: Phrases): Html => {
  const t = words.consent
  const name = defuseName(project.name ?? "")
  const here = offered.filter((scope) => project.scopes.includes(scope))
  const { expiresAt, identifier, maxWritesPerDay, workspaceSlug } = project
  return html`<li>
${nameOf(name.text || project.id)}
<small><bdi>${[workspaceSlug, identifier].filter((part) => part !== null).join(" / ")}</bdi></small>
${here.length < offered.length && html`<small>${t.onlyHere(here.map((scope) => t.shortScopes[scope]))}</small>`}
${expiresAt !== null && html`<small>${t.ends(time(expiresAt, language))}</small>`}
${maxWritesPerDay !== null && html`<small>${t.daily(maxWritesPerDay)}</small>`}
${remarks(name, words)}
</li>`
}

/** An instant in words. Without a script the reader's zone is not known, so it is named. */
const time = (instant: string, language: Language): Html =>
  html`<time datetime="${instant}">${formats[language].format(new Date(instant))} UTC</time>`

const formatIn = (locale: string) =>
  new Intl.DateTimeFormat(locale, { dateStyle: "long", timeStyle: "short", timeZone: "UTC" })

const formats: Readonly<Record<Language, Intl.DateTimeFormat>> = {
  en: formatIn("en-GB"),
  ru: formatIn("ru-RU")
}
