import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { IssueId, ProjectId } from "../../src/domain/Ids.ts"
import { passesFilters } from "../../src/domain/IssueFilters.ts"
import { versionOf } from "../../src/domain/IssueVersion.ts"
import { secretIn } from "../../src/domain/inputs.ts"
import { fingerprint } from "../../src/domain/Operation.ts"
import { titleHash } from "../../src/domain/Repetition.ts"
import type { TaskerIssue } from "../../src/domain/Tasker.ts"
import { parseStrict } from "../../src/http/StrictJson.ts"
import { atOnce, isShort } from "../../src/layers/texts/shortWork.ts"
import { type Input, type WorkName, work } from "../../src/layers/texts/work.ts"
import { sameName } from "../../src/text/sameText.ts"
import { namesOf, plain, plainWithin, summaryView } from "../../src/tools/present.ts"
import { tools } from "../../src/tools/registry.ts"
import { showIssue } from "../../src/tools/show.ts"
import { cpuMillis } from "../support/cpu.ts"
import { type Hostile, hostileHtml, hostileMarkdown } from "../support/hostileTexts.ts"

/** CPU time that one piece of work may take on the event loop, in milliseconds, and a short conversion. */
const most = { piece: 50, short: 5 }

/** Returns the least of up to three tries that take longer than `limit`: collecting garbage and compiling is not the text's fault. */
const least = (limit: number, run: () => unknown): number => {
  let best = cpuMillis(run)
  for (let time = 0; time < 2 && best > limit; time++) best = Math.min(best, cpuMillis(run))
  return best
}

/** Measures each, and names all that take too long. */
const holdsFor = (texts: ReadonlyArray<Hostile>, limit: number, run: (text: string) => unknown) => {
  const slow = texts.flatMap(({ name, text }) => {
    const taken = least(limit, () => run(text))
    return taken > limit ? [`${name}: ${taken.toFixed(1)} ms`] : []
  })
  assert.deepStrictEqual(slow, [])
}

const warmUp = () => {
  for (const { text } of hostileMarkdown(300, 40)) work.render(text)
  for (const { text } of hostileHtml(300, 40)) work.read({ html: text, people: new Map() })
}

/** Lengths around what is still converted on the event loop. */
const shortLengths = [30, 60, 120, 250, 500, 1000, 2000, 4096]

const people = new Map<string, string>()

describe("a text that is converted on the event loop", () => {
  const inputs: { readonly [N in WorkName]?: (text: string) => Input<N> } = {
    render: (text) => text,
    read: (html) => ({ html, people }),
    plain: (html) => html,
    same: (html) => ({ one: html, other: `${html}<p>b` }),
    sameWords: (html) => ({ one: html, other: `${html}<p>b` }),
    holdsSecret: (html) => html
  }
  for (const [name, inputOf] of Object.entries(inputs) as ReadonlyArray<
    readonly [WorkName, (text: string) => Input<WorkName>]
  >) {
    it(`takes at most ${most.short} ms of CPU time, whatever it holds: ${name}`, () => {
      warmUp()
      let short = 0
      for (const length of shortLengths) {
        const texts = (name === "render" ? hostileMarkdown : hostileHtml)(length).filter(({ text }) =>
          isShort(name, inputOf(text))
        )
        short += texts.length
        holdsFor(texts, most.short, (text) => atOnce(name, inputOf(text)))
      }
      assert.isAbove(short, 100)
    })
  }
})

const card = (text: string): TaskerIssue =>
  ({
    id: IssueId.make(crypto.randomUUID()),
    project_id: ProjectId.make(crypto.randomUUID()),
    identifier: "A-1",
    name: text.slice(0, 255).toWellFormed(),
    description_html: text,
    priority: "none",
    state_id: "s",
    label_ids: [],
    assignee_ids: [],
    start_date: null,
    target_date: null,
    parent_id: null,
    created_at: "2026-11-24T10:11:12Z",
    updated_at: "2026-11-24T10:11:12Z",
    url: "https://a.b"
  }) as unknown as TaskerIssue

const context = {
  project: { id: ProjectId.make(crypto.randomUUID()), name: "", identifier: "", workspace_slug: "" },
  states: [],
  labels: [],
  members: []
}

const megabyte = 1_000_000

describe("what the event loop does with a text of a card of a megabyte", () => {
  const pieces: Readonly<Record<string, (html: string) => unknown>> = {
    "handing it to a worker": (html) => structuredClone({ name: "read", input: { html, people } }),
    "finding out that it is not short": (html) => isShort("read", { html, people }),
    "looking for words in it": (html) => passesFilters(card(html), { search: "word" }),
    "naming its version": (html) => versionOf(card(html)),
    "showing the card in a list": (html) => summaryView(card(html), namesOf(context)),
    "taking hidden characters and secrets out": (html) => plain(html.slice(0, 131_072)),
    "cutting it to an answer": (html) =>
      Effect.runSync(
        showIssue({ tokens: (text) => Effect.succeed(text.length) }, { description: html }, {}, 0)
      )
  }
  for (const [name, run] of Object.entries(pieces)) {
    it(`takes at most ${most.piece} ms of CPU time: ${name}`, () => {
      holdsFor(hostileHtml(megabyte, 4), most.piece, run)
    })
  }
})

describe("what the event loop does with a call", () => {
  const args = (text: string) => ({
    project_id: crypto.randomUUID(),
    issue_id: crypto.randomUUID(),
    name: text.slice(0, 255).toWellFormed(),
    description: text,
    comment: text,
    labels: [text.slice(0, 255).toWellFormed()],
    idempotency_key: crypto.randomUUID()
  })
  const longest = 65_536
  const pieces: Readonly<Record<string, (text: string) => unknown>> = {
    "reading its JSON": (text) => parseStrict(JSON.stringify(args(text))),
    "looking for secrets in its arguments": (text) => secretIn(args(text)),
    "decoding its arguments": (text) => tools.map(({ decode }) => decode(args(text))),
    "hashing what it asks": (text) => fingerprint("tasker_create_issue", args(text)),
    "hashing its title": (text) => titleHash(text.slice(0, 255).toWellFormed()),
    "comparing its name": (text) => sameName(text, `${text}a`),
    "showing its change": (text) => plainWithin(args(text))
  }
  for (const [name, run] of Object.entries(pieces)) {
    it(`takes at most ${most.piece} ms of CPU time: ${name}`, () => {
      holdsFor(hostileMarkdown(longest, 4), most.piece, run)
    })
  }
})
