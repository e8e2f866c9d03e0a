import type { TaskerRecords, TaskerWrite } from "../check/Records.ts"
import * as Effects from "../Effects.ts"
import type { Entry, Shown } from "../proxy/Journal.ts"
import { effectsOf } from "./plane.ts"
import type { Board } from "./planeBoard.ts"

/**
 * Puts together what a real Plane carried out. Creates and comments are those on its board, by their external
 * ids. A change is one that it answered with a success, or that its activities, a later response or the board
 * show. Which write an external id stands for is known from the requests that were sent to it.
 */
export const recordsOf = (journal: ReadonlyArray<Entry>, board: Board): TaskerRecords => {
  const effectOfId = new Map<string, string>()
  const asked = new Map<string, Extract<Entry, { ev: "forwarded" }>>()
  const wanted = new Map<string, number>()
  for (const entry of journal) {
    if (entry.ev !== "forwarded") continue
    asked.set(entry.send, entry)
    for (const effect of effectsOf(entry)) {
      const id = entry.body.external_id
      if (entry.op === "update") wanted.set(effect, wanted.get(effect) ?? entry.at)
      else if (typeof id === "string") effectOfId.set(`${entry.op} ${id}`, effect)
    }
  }
  const writes: Array<Omit<TaskerWrite, "n">> = []
  const add = (op: string, issue_id: string, comment_id: string | null, at: number, effect: string) =>
    writes.push({ agent_id: null, op, issue_id, comment_id, at, effect })

  for (const { created_at, external_id, id, isForeign } of board.cards) {
    if (isForeign) continue
    add(
      "create",
      id,
      null,
      Date.parse(created_at),
      effectOfId.get(`create ${external_id}`) ?? `create ? ${id}`
    )
  }
  for (const { created_at, external_id, id, isForeign, issue } of board.comments) {
    if (isForeign) continue
    const effect = effectOfId.get(`comment ${external_id}`) ?? `comment ? ${id}`
    add("comment", issue, id, Date.parse(created_at), effect)
  }

  const answered = new Set<string>()
  for (const entry of journal) {
    if (entry.ev !== "replied" || entry.status >= 300) continue
    const request = asked.get(entry.send)
    if (request?.op !== "update") continue
    for (const effect of effectsOf(request)) {
      answered.add(effect)
      add("update", request.issue_id, null, entry.at, effect)
    }
  }
  const standing = new Map(board.cards.map((card) => [card.id, effectsShown(card)]))
  const seen = (effect: string, issue: string, at: number) => {
    if (answered.has(effect)) return
    answered.add(effect)
    add("update", issue, null, Math.max(at, wanted.get(effect) ?? 0), effect)
  }
  for (const activity of board.activities) {
    for (const effect of effectsNoted(activity)) seen(effect, activity.issue, Date.parse(activity.created_at))
  }
  // A card's fields may have come with its making: only what was sent as a change is one.
  const show = (issue: string, effects: ReadonlyArray<string>, at: number) => {
    for (const effect of effects) if (wanted.has(effect)) seen(effect, issue, at)
  }
  for (const entry of journal) {
    if (entry.ev === "shown") show(entry.card.id, effectsShown(entry.card), entry.at)
  }
  for (const [issue, effects] of standing) show(issue, effects, 0)
  const times = (op: string) => {
    const counted = new Map<string, number>()
    for (const write of writes) {
      const mark = write.op === op ? Effects.markIn(write.effect) : undefined
      if (mark !== undefined) counted.set(mark, (counted.get(mark) ?? 0) + 1)
    }
    return counted
  }
  return {
    writes: writes.toSorted((one, other) => one.at - other.at).map((write, n) => ({ n, ...write })),
    cards: times("create"),
    comments: times("comment"),
    standing
  }
}

/** The effects of changes that a card's fields show, whether or not a change has put them there. */
const effectsShown = ({ assignees, id, labels, name, state }: Shown): ReadonlyArray<string> => {
  const mark = name.startsWith("Renamed") ? Effects.markIn(name) : undefined
  return [
    ...(mark === undefined ? [] : [Effects.updated(id, mark)]),
    Effects.moved(id, state),
    Effects.labelled(id, labels),
    Effects.assigned(id, assignees)
  ]
}

/** Sets are noted person by person and label by label, in no order that could be relied on. */
const effectsNoted = ({ field, issue, new_identifier, new_value }: Board["activities"][number]) => {
  const mark = field === "name" ? Effects.markIn(new_value ?? "") : undefined
  return [
    ...(mark === undefined ? [] : [Effects.updated(issue, mark)]),
    ...(field === "state" && new_identifier !== null ? [Effects.moved(issue, new_identifier)] : [])
  ]
}
