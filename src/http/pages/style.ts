import { createHash } from "node:crypto"
import { Html } from "./html.ts"

/**
 * The one style sheet, small enough to stand in every page: nothing is fetched, and the policy names it by its
 * hash. Colours hold WCAG 2.2's contrast of 4.5 in both schemes (3 for borders of fields); whatever is pressed is
 * 44 pixels high at least (success criterion 2.5.5).
 */
const sheet = `
:root {
  color-scheme: light dark;
  --ground: #eef1f5; --card: #fff; --ink: #14181f; --soft: #505a68; --line: #d9dee6; --field: #7b8593;
  --accent: #2453c9; --accent-ink: #fff; --accent-over: #1b419f; --tint: #f3f6fc;
  --warn: #7a4300; --warn-tint: #fff4e0; --warn-line: #d08a2a; --bad: #b01829; --bad-tint: #fdeeef; --good: #176b3a;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #0c0f14; --card: #161b23; --ink: #e9edf3; --soft: #a5b0bf; --line: #2b3340; --field: #77839a;
    --accent: #8fb3ff; --accent-ink: #0a1530; --accent-over: #b3ccff; --tint: #1b2330;
    --warn: #ffcf87; --warn-tint: #2b2213; --warn-line: #a8722a; --bad: #ff9aa5; --bad-tint: #30181c; --good: #7fd6a2;
  }
}
* { box-sizing: border-box; margin: 0 }
html { font: 100%/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Liberation Sans", sans-serif; -webkit-text-size-adjust: 100%; text-size-adjust: 100% }
body { min-height: 100vh; min-height: 100svh; display: flex; flex-direction: column; align-items: center; gap: 1rem; padding: 1rem; background: var(--ground); color: var(--ink); overflow-wrap: anywhere }
header, main, footer { width: 100%; max-width: 35rem }
header { display: flex; align-items: center; gap: .6rem; padding: .25rem .25rem 0; font-weight: 650; letter-spacing: .01em }
header svg { width: 1.75rem; height: 1.75rem; color: var(--accent); flex: none }
header .step { margin-left: auto; font-weight: 400; font-size: .875rem; color: var(--soft) }
main { background: var(--card); border: 1px solid var(--line); border-radius: 14px; padding: 1.25rem; box-shadow: 0 1px 2px rgb(0 0 0 / .05), 0 10px 30px rgb(0 0 0 / .06) }
h1 { font-size: 1.5rem; line-height: 1.25; letter-spacing: -.012em; text-wrap: balance }
h2, legend { font-size: 1rem; font-weight: 650; padding: 0 }
h1 + * { margin-top: .6rem }
form > * + *, main > section, main > * + * { margin-top: 1.25rem }
h1 + p { margin-top: .6rem }
a { color: var(--accent) }
code { font: .92em/1.4 ui-monospace, SFMono-Regular, "Liberation Mono", Menlo, monospace; background: var(--tint); border-radius: 4px; padding: .1em .35em }
ul, ol { padding-left: 1.25rem }
small, .soft { color: var(--soft); font-size: .9rem }
.note { display: block; border-left: 4px solid var(--warn-line); border-radius: 6px; background: var(--warn-tint); color: var(--warn); padding: .65rem .85rem; font-size: .95rem }
dd .note, li .note { margin: .3rem 0; padding: .35rem .6rem; font-size: .9rem }
.error { border-left: 4px solid var(--bad); border-radius: 6px; background: var(--bad-tint); color: var(--bad); padding: .65rem .85rem }
label.name ~ .error { margin-top: .5rem }
label.name { display: block; font-weight: 650 }
input[type=text], textarea { display: block; width: 100%; min-height: 3.25rem; margin-top: .6rem; padding: .6rem .8rem; border: 1px solid var(--field); border-radius: 9px; background: var(--card); color: var(--ink); font: 1.3rem/1.4 ui-monospace, SFMono-Regular, "Liberation Mono", Menlo, monospace; letter-spacing: .06em }
input[type=text] { text-transform: uppercase }
textarea { font-size: .95rem; letter-spacing: 0; resize: vertical; min-height: 7.5rem; field-sizing: content }
[aria-invalid=true] { border-color: var(--bad); border-width: 2px }
.buttons { display: grid; gap: .65rem; grid-template-columns: 1fr }
button, .button { display: inline-flex; align-items: center; justify-content: center; width: 100%; min-height: 2.9rem; padding: .55rem 1.1rem; border: 1px solid var(--field); border-radius: 9px; background: var(--card); color: var(--ink); font: inherit; font-weight: 600; text-align: center; text-decoration: none; cursor: pointer }
button:hover, .button:hover { background: var(--tint) }
.main { background: var(--accent); border-color: var(--accent); color: var(--accent-ink) }
.main:hover { background: var(--accent-over); border-color: var(--accent-over) }
button[hidden] { display: none }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px }
dl { display: grid; gap: .55rem }
dt { color: var(--soft); font-size: .9rem } dd small { display: block }
section { border-top: 1px solid var(--line); padding-top: 1.1rem }
section h2 + * { margin-top: .5rem }
fieldset { border: 0; padding: 0; margin-top: .75rem; min-width: 0 }
fieldset legend { color: var(--soft); font-size: .9rem; font-weight: 400 }
.tick { display: flex; align-items: center; gap: .8rem; min-height: 2.75rem; padding: .3rem .5rem; margin: 0 -.5rem; border-radius: 8px; cursor: pointer }
.tick:hover { background: var(--tint) }
.tick input { width: 1.3rem; height: 1.3rem; flex: none; accent-color: var(--accent) }
.plain { list-style: none; padding: 0 } .plain li { position: relative; padding-left: 1.6rem }
.never li::before { content: "✕"; content: "✕" / ""; position: absolute; left: .15rem; color: var(--bad); font-weight: 700 }
.projects li { padding: .6rem .8rem; border: 1px solid var(--line); border-radius: 9px }
.projects small { display: block }
li + li, ul + details { margin-top: .35rem }
details { border: 1px solid var(--line); border-radius: 9px; padding: 0 .9rem }
summary { min-height: 2.75rem; padding: .6rem 0; cursor: pointer; font-weight: 600 }
details[open] { padding-bottom: .9rem } details p + button { margin-top: .7rem }
footer { display: flex; flex-wrap: wrap; align-items: center; justify-content: space-between; gap: .5rem 1rem; padding: 0 .25rem .5rem; color: var(--soft); font-size: .875rem }
footer button, footer .button { width: auto; min-height: 2.75rem; font-weight: 500; background: none; border-color: transparent; color: var(--accent); text-decoration: underline; padding: .4rem .5rem; margin-left: auto }
@media (min-width: 32rem) {
  body { padding: 2.5rem 1.5rem; }
  main { padding: 2rem }
  .buttons { grid-template-columns: 1fr 1fr }
  dl div { display: grid; grid-template-columns: 8.5rem 1fr; gap: 1rem } dt { padding-top: .1rem }
  h1 { font-size: 1.7rem }
}
@media (prefers-reduced-motion: no-preference) { button, .button, .tick { transition: background-color .12s } }
@media (forced-colors: active) { main, .note, .error { border: 1px solid } }
`

export const styleElement = new Html(`<style>${sheet}</style>`)

/** The style sheet's name in a policy (CSP level 3, section 2.3.1, hash-source). */
export const styleSource = `'sha256-${createHash("sha256").update(sheet).digest("base64")}'`
