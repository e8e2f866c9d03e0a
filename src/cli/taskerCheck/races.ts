import { Duration, Effect } from "effect"
import type { TaskerComment, TaskerIssue } from "../../domain/Tasker.ts"
import type { CreateIssue, UpdateIssue } from "../../domain/Write.ts"
import * as Calls from "../../layers/tasker/taskerCalls.ts"
import { listComments } from "./comments.ts"
import { asRepeat, bare, comment, commentText, countNamed, create } from "./creates.ts"
import { breaks, type Finding, holds, promised, untried, without } from "./findings.ts"
import { Probe, type Sent, told } from "./Probe.ts"
import { cardNow, Scene } from "./Scene.ts"

/** Checks of what happens at the same moment, late, and after a lost response. */

/** Equal requests at once. */
const runners = 3
const rounds = 3

/** Distinct things that these requests made or named. */
const idsOf = (sent: ReadonlyArray<Sent<TaskerIssue | TaskerComment>>): ReadonlySet<string> =>
  new Set(
    sent.flatMap(({ outcome }) =>
      outcome._tag === "Done" ? [outcome.value.id] : outcome._tag === "Exists" ? [outcome.id] : []
    )
  )

const raced = (what: string, made: number): Finding =>
  made === 0
    ? untried("once.race", `none of ${runners} equal requests at once made a ${what}`)
    : promised("once.race", made === 1, `${runners} equal requests at once made ${made} ${what}s`)

export const checkRaces = Effect.fnUntraced(function* (card: TaskerIssue) {
  const write = yield* bare("C, raced")
  const atOnce = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
    Effect.all(
      Array.from({ length: runners }, () => effect),
      { concurrency: runners }
    )
  const cards = yield* atOnce(create("C", write, "equal creates at once"))
  const counted = yield* countNamed(write.name)
  const comments = yield* atOnce(comment("raced comment", card, commentText, "equal comments at once"))
  const listed = yield* listComments(card, 100)
  const marks =
    listed.outcome._tag === "Done"
      ? new Set(listed.outcome.value.results.filter(({ id }) => idsOf(comments).has(id)).map(({ id }) => id))
      : new Set<string>()
  return [
    raced("card", Math.max(counted, idsOf(cards).size)),
    raced("comment", Math.max(marks.size, idsOf(comments).size))
  ]
})

/** Two changes of different fields at once: each that was answered as done has to stand. */
export const checkFields = Effect.fnUntraced(function* (created: TaskerIssue) {
  const { ticket } = yield* Scene
  const { send } = yield* Probe
  const found: Array<Finding> = []
  let card = created
  for (let round = 0; round < rounds; round++) {
    const fields: ReadonlyArray<UpdateIssue["fields"]> = [
      { priority: round % 2 === 0 ? "urgent" : "medium" },
      { target_date: `2026-12-${10 + round}` }
    ]
    const on = { project_id: card.project_id, issue_id: card.id, seen_updated_at: card.updated_at }
    const sent = yield* Effect.forEach(
      fields,
      (one, at) =>
        send(
          Calls.updateIssue(ticket(`fields ${round} ${at}`), { _tag: "UpdateIssue", ...on, fields: one }),
          "different fields at once"
        ),
      { concurrency: 2 }
    )
    const now = yield* cardNow(created, "the card after changes at once")
    if (now === undefined) return [...found, untried("change.fields", "the card could not be read")]
    card = now
    const lost = fields.filter((one, at) => sent[at]?.outcome._tag === "Done" && !stands(one, now))
    found.push(promised("change.fields", lost.length === 0, `in round ${round + 1} one of two is gone`))
  }
  return found
})

const stands = (fields: UpdateIssue["fields"], card: TaskerIssue): boolean =>
  (fields.priority === undefined || card.priority === fields.priority) &&
  (fields.target_date === undefined || card.target_date === fields.target_date)

/** Long enough for Plane's worker, which moves `updated_at` within 0.2 s if it is idle. */
const bumpTime = Duration.millis(800)

/** Reads a card again that nobody changed. */
export const checkStill = Effect.fnUntraced(function* (what: string) {
  const write = yield* bare(what)
  const sent = yield* create(what, write, "a card that is left alone")
  if (sent.outcome._tag !== "Done") return [untried("card.version_still", told(sent.outcome))]
  yield* Effect.sleep(bumpTime)
  const card = sent.outcome.value
  const now = yield* cardNow(card, "a card that is left alone")
  if (now === undefined) return [untried("card.version_still", "the card could not be read")]
  return [
    ...(now.created_at === card.created_at
      ? []
      : [
          without(
            "createIssue",
            `the card's created_at: the response has ${card.created_at}, the card has ${now.created_at}`
          )
        ]),
    promised(
      "card.version_still",
      now.updated_at === card.updated_at,
      `updated_at of a card that nobody touched went from ${card.updated_at} to ${now.updated_at}`
    )
  ]
})

const lookPause = Duration.millis(250)
const looks = 12

/**
 * Loses the response of a create and settles it as the gateway does: looks by `external_id`, and sends it again
 * only if a repeat makes nothing new.
 */
export const checkLost = Effect.fnUntraced(function* (findings: ReadonlyArray<Finding>) {
  const { ticket, who, note } = yield* Scene
  const { send } = yield* Probe
  const kept = (id: "lookup.external_id" | "once.repeat") =>
    findings.some((finding) => finding._tag === "Promise" && finding.id === id && finding.holds === true) &&
    !findings.some((finding) => finding._tag === "Promise" && finding.id === id && finding.holds === false)
  const [looksUp, repeats] = [kept("lookup.external_id"), kept("once.repeat")]
  const write = yield* bare("D, response lost")
  const lost = Calls.createIssue(ticket("D"), write)
  yield* send(lost, "a create whose response is lost", { loseAfterMillis: 5 })
  const mark = { project_id: write.project_id, external_id: ticket("D").upstreamKey, limit: 2 }
  let isThere = false
  for (let look = 0; look < looks && !isThere; look++) {
    yield* Effect.sleep(lookPause)
    if (looksUp) {
      const { outcome } = yield* send(Calls.listIssues(who, mark), "look for what was lost")
      if (outcome._tag === "Done") {
        yield* Effect.forEach(outcome.value.results, note)
        isThere = outcome.value.results.length > 0
      }
    } else isThere = (yield* countNamed(write.name)) > 0
  }
  if (looksUp && isThere) return [yield* once(write)]
  if (!repeats) {
    yield* countNamed(write.name)
    return [
      looksUp
        ? untried("once.lost_reply", "the request did not arrive, and a repeat is not safe")
        : breaks("once.lost_reply", "there is neither a look-up by external_id nor a safe repeat")
    ]
  }
  const again = yield* create("D", write, "the lost create again")
  return again.outcome._tag === "Done" || again.outcome._tag === "Exists"
    ? [yield* once(write)]
    : [untried("once.lost_reply", told(again.outcome))]
})

const once = Effect.fnUntraced(function* ({ name }: CreateIssue) {
  const count = yield* countNamed(name)
  return count === 1
    ? holds("once.lost_reply")
    : count === 0
      ? untried("once.lost_reply", "the card was not found in the list")
      : breaks("once.lost_reply", `there are ${count} cards of one create`)
})

/** Repeats the first create and its comment at the end, when the card has been changed. */
export const checkLate = Effect.fnUntraced(function* (card: TaskerIssue, write: CreateIssue) {
  const late = yield* create("A", write, "the first create again, at the end")
  const found = [...asRepeat("once.late_repeat", card.id, late)]
  const one = yield* comment("late comment", card, commentText, "a comment")
  if (one.outcome._tag !== "Done") return found
  yield* comment("other comment", card, "<p>In between.</p>", "a comment in between")
  const again = yield* comment("late comment", card, commentText, "the comment again, after another")
  return [...found, ...asRepeat("once.late_repeat", one.outcome.value.id, again)]
})
