import { Effect } from "effect"
import type { TaskerComment, TaskerIssue } from "../../domain/Tasker.ts"
import type { CreateIssue } from "../../domain/Write.ts"
import * as Calls from "../../layers/tasker/taskerCalls.ts"
import { sameName, sameText } from "../../text/sameText.ts"
import { listComments } from "./comments.ts"
import { breaks, type Finding, failed, holds, promised, untried, without, works, wrong } from "./findings.ts"
import { Probe, type Sent, told } from "./Probe.ts"
import { cardsWhere, Scene } from "./Scene.ts"

/** Checks of creates and comments: what comes back, and what a repeat makes. */

/** One of each kind of text that agents write. */
const html = [
  "<h2>Why</h2>",
  '<p><strong>bold</strong>, <em>slanted</em>, <code>code</code>, <a href="https://example.test/a?b=c">a link</a></p>',
  "<ul><li><p>one</p></li><li><p>two</p></li></ul>",
  "<table><thead><tr><th>a</th><th>b</th></tr></thead><tbody><tr><td>1</td><td>2</td></tr></tbody></table>",
  "<pre><code>x &#x3C; y\n</code></pre>"
].join("")

export const bare = Effect.fnUntraced(function* (what: string) {
  const { named, place } = yield* Scene
  return {
    _tag: "CreateIssue",
    project_id: place.projectId,
    name: named(what),
    description_html: "<p></p>",
    priority: "none",
    state_id: null,
    label_ids: [],
    assignee_ids: [],
    start_date: null,
    target_date: null,
    parent_id: null
  } satisfies CreateIssue as CreateIssue
})

/** Sends a create, and notes the card for the list at the end. */
export const create = Effect.fnUntraced(function* (key: string, write: CreateIssue, purpose: string) {
  const { note, ticket } = yield* Scene
  const { send } = yield* Probe
  const sent = yield* send(Calls.createIssue(ticket(key), write), purpose)
  if (sent.outcome._tag === "Done") yield* note(sent.outcome.value)
  return sent
})

/** Counts the cards of a name, and notes them for the list at the end. */
export const countNamed = Effect.fnUntraced(function* (name: string) {
  const { note } = yield* Scene
  const cards = yield* cardsWhere((card) => card.name === name, `cards named ${name}`)
  yield* Effect.forEach(cards, note)
  return cards.length
})

const sorted = (ids: ReadonlyArray<string>) => JSON.stringify([...ids].sort())

/** The fields in which a card is not what was asked for. */
const differences = (write: CreateIssue, card: TaskerIssue): ReadonlyArray<string> => {
  const plain = (["priority", "start_date", "target_date", "parent_id"] as const).filter(
    (field) => card[field] !== write[field]
  )
  return [
    ...(sameName(card.name, write.name) ? [] : ["name"]),
    ...plain,
    ...(write.state_id === null || card.state_id === write.state_id ? [] : ["state_id"]),
    ...(sorted(card.label_ids) === sorted(write.label_ids) ? [] : ["label_ids"]),
    ...(sorted(card.assignee_ids) === sorted(write.assignee_ids)
      ? []
      : [write.assignee_ids.length === 0 ? "assignee_ids (it adds some)" : "assignee_ids"])
  ]
}

const asAsked = (write: CreateIssue, card: TaskerIssue): ReadonlyArray<Finding> => {
  const fields = differences(write, card)
  return fields.length === 0
    ? [works("createIssue"), holds("card.as_asked")]
    : [
        without("createIssue", `what was asked for in ${fields.join(", ")}`),
        breaks("card.as_asked", `it differs in ${fields.join(", ")}`)
      ]
}

export const asText = (asked: string, given: string | null): ReadonlyArray<Finding> =>
  given === asked || sameText(asked, given)
    ? [holds("text.meaning")]
    : [breaks("text.meaning", `it gives back ${JSON.stringify((given ?? "").slice(0, 200))}`)]

/** Judges a repeat of what made `id`. */
export const asRepeat = (
  promise: "once.repeat" | "once.late_repeat",
  id: string,
  sent: Sent<TaskerIssue | TaskerComment>
): ReadonlyArray<Finding> => {
  const { exchange, outcome } = sent
  const made = outcome._tag === "Done" ? outcome.value.id : outcome._tag === "Exists" ? outcome.id : undefined
  if (made === id) return [holds(promise)]
  const what = exchange.call === "addComment" ? "comment" : "card"
  if (made !== undefined) return [breaks(promise, `a repeat makes another ${what}`)]
  return outcome._tag === "Broken"
    ? [untried(promise, told(outcome))]
    : [
        breaks(promise, `a repeat is answered otherwise (${told(outcome)})`),
        without(exchange.call, `a readable answer to a repeat (${told(outcome)})`)
      ]
}

/** The card that the further checks change; undefined if none could be created. */
export const checkCreate = Effect.gen(function* () {
  const { context, owner } = yield* Scene
  const isAssignable = context.members.some(({ id, role }) => id === owner.id && (role ?? 0) >= 15)
  const state = context.states.find((one) => !one.default) ?? context.states[0]
  const write: CreateIssue = {
    ...(yield* bare("A")),
    description_html: html,
    priority: "high",
    state_id: state?.id ?? null,
    label_ids: context.labels.slice(0, 1).map(({ id }) => id),
    assignee_ids: isAssignable ? [owner.id] : [],
    start_date: "2026-11-24",
    target_date: "2026-11-27"
  }
  const sent = yield* create("A", write, "a card with every field")
  if (sent.outcome._tag !== "Done") return { card: undefined, findings: failed(sent), write }
  const card = sent.outcome.value
  const plain = yield* bare("B")
  const empty = yield* create("B", plain, "a card without text, labels and assignees")
  // With two cards, so that all cards are told from one, and before a repeat may make a second one of A.
  const marked = yield* byMark(card)
  const repeat = yield* create("A", write, "the same create again")
  const findings = [
    ...asAsked(write, card),
    ...asText(html, card.description_html),
    ...asRepeat("once.repeat", card.id, repeat),
    ...(empty.outcome._tag === "Done"
      ? [
          ...asAsked(plain, empty.outcome.value),
          promised(
            "text.empty",
            sameText("<p></p>", empty.outcome.value.description_html),
            `it gives back ${JSON.stringify(empty.outcome.value.description_html)}`
          )
        ]
      : [
          without("createIssue", `cards without text (${told(empty.outcome)})`),
          breaks("text.empty", told(empty.outcome))
        ]),
    ...marked
  ]
  return { card, findings, write }
})

const byMark = Effect.fnUntraced(function* (card: TaskerIssue) {
  const { place, ticket, who } = yield* Scene
  const { send } = yield* Probe
  const query = { project_id: place.projectId, external_id: ticket("A").upstreamKey, limit: 2 }
  const sent = yield* send(Calls.listIssues(who, query), "look-up by the external_id of a card")
  if (sent.outcome._tag !== "Done") {
    return [without("listIssues", "look-up by external_id"), breaks("lookup.external_id", told(sent.outcome))]
  }
  const ids = sent.outcome.value.results.map(({ id }) => id)
  return ids.length === 1 && ids[0] === card.id
    ? [holds("lookup.external_id")]
    : [
        without("listIssues", "look-up by external_id"),
        breaks("lookup.external_id", `the external_id of a card finds ${ids.length} cards`)
      ]
})

export const comment = Effect.fnUntraced(function* (
  key: string,
  card: TaskerIssue,
  text: string,
  purpose: string
) {
  const { place, ticket } = yield* Scene
  const { send } = yield* Probe
  const write = {
    _tag: "AddComment",
    project_id: place.projectId,
    issue_id: card.id,
    comment_html: text
  } as const
  return yield* send(Calls.addComment(ticket(key), write), purpose)
})

export const commentText = "<p>Two of <strong>five</strong> are done.</p>"

export const checkComment = Effect.fnUntraced(function* (card: TaskerIssue) {
  const { ticket } = yield* Scene
  const sent = yield* comment("A comment", card, commentText, "a comment")
  if (sent.outcome._tag !== "Done") return failed(sent)
  const made = sent.outcome.value
  const repeat = yield* comment("A comment", card, commentText, "the same comment again")
  const listed = yield* listComments(card, 25)
  const found: Array<Finding> = [
    works("addComment"),
    ...asText(commentText, made.comment_html),
    ...asRepeat("once.repeat", made.id, repeat)
  ]
  if (listed.outcome._tag !== "Done") return found
  const shown = listed.outcome.value.results.find(({ id }) => id === made.id)
  if (shown === undefined) {
    found.push(
      wrong(listed, "does not list a comment that was made"),
      breaks("comments.listed", "a comment is missing")
    )
  } else if (shown.external_id !== ticket("A comment").upstreamKey) {
    found.push(
      without("listComments", "external_id of comments"),
      breaks("comments.listed", "its external_id is missing")
    )
  } else found.push(holds("comments.listed"))
  return found
})
