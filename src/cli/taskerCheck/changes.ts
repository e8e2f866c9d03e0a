import { Effect } from "effect"
import type { TaskerIssue } from "../../domain/Tasker.ts"
import type { UpdateIssue } from "../../domain/Write.ts"
import * as Calls from "../../layers/tasker/taskerCalls.ts"
import { sameName, sameText } from "../../text/sameText.ts"
import { breaks, type Finding, failed, holds, promised, untried, works, wrong } from "./findings.ts"
import { Probe, type Sent, told } from "./Probe.ts"
import { cardNow, Scene } from "./Scene.ts"

/** Checks of the four calls that change a card. */

/** A change is sent again under the card's new `updated_at` so often: Tasker may have moved it meanwhile. */
const tries = 4

const onCard = (card: TaskerIssue) => ({
  project_id: card.project_id,
  issue_id: card.id,
  seen_updated_at: card.updated_at
})

/** Sends a change as the gateway does: a 409 is answered by reading the card and sending it again. */
const change = Effect.fnUntraced(function* (
  card: TaskerIssue,
  key: string,
  callOf: (card: TaskerIssue, key: string) => Calls.Call<TaskerIssue>,
  purpose: string
) {
  const { send } = yield* Probe
  let seen = card
  for (let attempt = 1; ; attempt++) {
    const sent = yield* send(callOf(seen, attempt === 1 ? key : `${key} ${attempt}`), purpose)
    const { outcome } = sent
    if (outcome._tag !== "Refused" || outcome.means !== "conflict" || attempt >= tries) return sent
    seen = (yield* cardNow(card, "the card after a 409")) ?? seen
  }
})

const update = Effect.fnUntraced(function* (
  card: TaskerIssue,
  key: string,
  fields: UpdateIssue["fields"],
  purpose: string
) {
  const { ticket } = yield* Scene
  return yield* change(
    card,
    key,
    (seen, under) => Calls.updateIssue(ticket(under), { _tag: "UpdateIssue", ...onCard(seen), fields }),
    purpose
  )
})

/** The card after a change, or before it if the change failed. */
const after = (sent: Sent<TaskerIssue>, before: TaskerIssue): TaskerIssue =>
  sent.outcome._tag === "Done" ? sent.outcome.value : before

export const checkUpdate = Effect.fnUntraced(function* (created: TaskerIssue) {
  const { named, ticket } = yield* Scene
  const { send } = yield* Probe
  const first = { name: named("A, first name") }
  const one = yield* update(created, "update 1", first, "a new name")
  if (one.outcome._tag !== "Done") return { card: created, findings: failed(one) }
  const card = one.outcome.value
  const found: Array<Finding> = [works("updateIssue")]
  if (!sameName(card.name, first.name)) found.push(wrong(one, "does not set the name"))
  const touched = (["priority", "state_id", "start_date", "target_date", "parent_id"] as const).filter(
    (field) => card[field] !== created[field]
  )
  if (touched.length > 0) found.push(wrong(one, `changes ${touched.join(", ")}, which were not sent`))

  const cleared = yield* update(
    card,
    "update 2",
    { name: named("A, second name"), description_html: "<p></p>", start_date: null },
    "an emptied text and date"
  )
  if (cleared.outcome._tag !== "Done") found.push(...failed(cleared))
  else {
    const { description_html, start_date } = cleared.outcome.value
    if (start_date !== null) found.push(wrong(cleared, "does not clear start_date"))
    const isEmpty = sameText("<p></p>", description_html)
    found.push(promised("text.empty", isEmpty, `an emptied text is ${JSON.stringify(description_html)}`))
  }

  // The request of the first change to the letter, under its key.
  const repeat = Calls.updateIssue(ticket("update 1"), {
    _tag: "UpdateIssue",
    ...onCard(created),
    fields: first
  })
  const late = yield* send(repeat, "the first change again, after the second")
  const now = yield* cardNow(created, "the card after a late repeat")
  if (now === undefined) found.push(untried("change.late_repeat", "the card could not be read"))
  else {
    const undone = sameName(now.name, first.name)
    found.push(promised("change.late_repeat", !undone, "the second name is overwritten by the first"))
  }
  const current = now ?? after(late, after(cleared, card))

  const outdated = Calls.updateIssue(ticket("outdated"), {
    _tag: "UpdateIssue",
    ...onCard(created),
    fields: { priority: "low" }
  })
  const stale = yield* send(outdated, "a change under an outdated expected_updated_at")
  if (stale.outcome._tag === "Refused" && stale.outcome.means === "conflict") {
    found.push(holds("change.version"))
  } else if (stale.outcome._tag === "Done") found.push(breaks("change.version", "it is executed"))
  else found.push(...failed(stale), untried("change.version", told(stale.outcome)))
  return { card: after(stale, current), findings: found }
})

export const checkMove = Effect.fnUntraced(function* (card: TaskerIssue) {
  const { context, ticket } = yield* Scene
  const target = context.states.find(({ id }) => id !== card.state_id)
  if (target === undefined) return { card, findings: [] as ReadonlyArray<Finding> }
  const sent = yield* change(
    card,
    "move",
    (seen, key) => Calls.moveIssue(ticket(key), { _tag: "MoveIssue", ...onCard(seen), state_id: target.id }),
    `a move to ${target.name}`
  )
  if (sent.outcome._tag !== "Done") return { card, findings: failed(sent) }
  const moved = sent.outcome.value
  return {
    card: moved,
    findings: [moved.state_id === target.id ? works("moveIssue") : wrong(sent, "does not set the state")]
  }
})

const sameIds = (one: ReadonlyArray<string>, other: ReadonlyArray<string>): boolean =>
  one.length === other.length && one.every((id) => other.includes(id))

export const checkLabels = Effect.fnUntraced(function* (card: TaskerIssue) {
  const { context, ticket } = yield* Scene
  const sets = [context.labels.slice(0, 2).map(({ id }) => id), []].filter(
    (set, at, all) => at === 0 || set.length !== all[0]?.length
  )
  const found: Array<Finding> = []
  let current = card
  for (const [at, label_ids] of sets.entries()) {
    const sent = yield* change(
      current,
      `labels ${at}`,
      (seen, key) => Calls.setLabels(ticket(key), { _tag: "SetLabels", ...onCard(seen), label_ids }),
      `${label_ids.length} labels`
    )
    if (sent.outcome._tag !== "Done") return { card: current, findings: [...found, ...failed(sent)] }
    current = sent.outcome.value
    const isSet = sameIds(current.label_ids, label_ids)
    found.push(isSet ? works("setLabels") : wrong(sent, "does not set the labels"))
  }
  return { card: current, findings: found }
})

/** Most members that are assigned at once. */
const mostAssigned = 20

export const checkAssignees = Effect.fnUntraced(function* (card: TaskerIssue) {
  const { context, ticket } = yield* Scene
  const set = (on: TaskerIssue, key: string, assignee_ids: ReadonlyArray<string>, purpose: string) =>
    change(
      on,
      key,
      (seen, under) =>
        Calls.setAssignees(ticket(under), { _tag: "SetAssignees", ...onCard(seen), assignee_ids }),
      purpose
    )
  const members = context.members.filter(({ role }) => (role ?? 0) >= 15).slice(0, mostAssigned)
  const others = context.members.filter(({ role }) => (role ?? 0) < 15).slice(0, mostAssigned)
  const ids = members.map(({ id }) => id)
  const all = yield* set(card, "assignees", ids, "all members")
  if (all.outcome._tag !== "Done") return { card, findings: failed(all) }
  const found: Array<Finding> = [works("setAssignees")]
  const given = all.outcome.value.assignee_ids
  const left = members.filter(({ id }) => !given.includes(id)).map(({ display_name }) => display_name)
  found.push(
    ids.length === 0
      ? untried("members.assignable", "no member has role 15 or more")
      : promised("members.assignable", left.length === 0, `it leaves out ${left.join(", ")} without a word`)
  )
  let current = all.outcome.value
  if (others.length === 0) found.push(untried("members.others", "every member has role 15 or more"))
  else {
    const strangers = others.map(({ id }) => id)
    const sent = yield* set(current, "guests", strangers, "guests and removed members")
    current = after(sent, current)
    const assigned = others.filter(({ id }) => current.assignee_ids.includes(id))
    if (sent.outcome._tag === "Astray" || sent.outcome._tag === "Broken") found.push(...failed(sent))
    found.push(
      promised(
        "members.others",
        assigned.length === 0,
        `it assigns ${assigned.map(({ display_name }) => display_name).join(", ")}`
      )
    )
  }
  const none = yield* set(current, "no assignees", [], "no assignees")
  if (none.outcome._tag === "Done" && none.outcome.value.assignee_ids.length > 0) {
    found.push(wrong(none, "does not empty the set"))
  }
  return { card: after(none, current), findings: found }
})
