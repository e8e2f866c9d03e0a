import { clientName } from "./asking.ts"
import { html } from "./html.ts"
import type { DonePage, Page } from "./models.ts"
import { phrases } from "./phrases.ts"
import { page } from "./shell.ts"

/**
 * What to paste, for a program on another computer (`codex mcp login --no-browser`): it waits at its own
 * loopback address, which this browser can't reach. That can't be found out without a script, and a page that
 * leaves by itself can't be read; so the person says so, and where they do not, Allow leads straight back.
 *
 * The address holds the authorization code, which is good for a minute. It stands in a field, so that it is
 * marked and copied with the keyboard and on a phone, and nowhere else: not in the page's own address.
 */
export const donePage = (model: DonePage): Page => {
  const words = phrases[model.language]
  const t = words.done
  return page(model, {
    status: 200,
    title: t.title,
    failed: false,
    switch: undefined,
    main: html`<h1>${t.title}</h1>
<p>${t.lead(clientName(model.clientName, words))}</p>
<div>
<label class="name" for="callback">${t.label}</label>
<p class="soft" id="callback-hint">${t.hint}</p>
<textarea id="callback" readonly autofocus rows="5" spellcheck="false" aria-describedby="callback-hint callback-secret">${model.callback}</textarea>
</div>
<p class="note" id="callback-secret">${t.secret}</p>
<p>${t.afterwards}</p>
<p><a class="button" href="${model.callback}" rel="noreferrer">${t.hereInstead}</a></p>`
  })
}
