import { isDeepStrictEqual } from "node:util"
import type { Holding } from "./Holding.ts"
import type { Crash, Early } from "./Lane.ts"
import type { Told } from "./Scene.ts"

/** What is wrong with how one death ended, in words; nothing where the promise was kept. */
export const faultsOf = (crash: Crash): ReadonlyArray<string> => {
  const { after, answers, atOnce, early, end, plan, settled, told } = crash
  const { ending } = plan
  const [first, second] = answers
  return [
    ...contradictions("right after", after),
    ...(early === undefined ? [] : contradictions("once the lease had run out", early.holding)),
    ...contradictions("after recovery", settled),
    ...contradictions("in the end", end),
    ...fault(
      told._tag === "Done" && after.key !== "executed",
      "a client was told that it is done before it was on record"
    ),
    ...fault(told._tag === "Refused", `the client was refused: ${said(told)}`),
    ...fault(
      ending === "called again" && !fitsAtOnce(after, atOnce),
      `with its key ${after.key}, the call was told "${said(atOnce)}" before the lease had run out`
    ),
    ...fault(
      early !== undefined && !fitsEarly(crash, early),
      `with its key ${after.key}, the call was told "${said(early?.told)}" once the lease had run out`
    ),
    ...fault(
      !isSettled(settled) || (ending === "called again" && settled.key !== "executed"),
      `it is left undecided: the key is ${settled.key}, writes in Tasker: ${settled.writes.length}`
    ),
    ...fault(
      ending === "nobody calls" && settled.key === "free" && after.key !== "free",
      "recovery freed the key of an agent that may still write"
    ),
    ...fault(first._tag !== "Done", `the call after recovery was told "${said(first)}"`),
    ...fault(
      second._tag !== "Done" || !second.replayed,
      `the last call was told "${said(second)}" and not given the answer that there is`
    ),
    ...fault(
      first._tag === "Done" &&
        first.replayed !==
          (told._tag === "Done" ||
            atOnce?._tag === "Done" ||
            early?.told._tag === "Done" ||
            wasExecuted(crash)),
      `the call after recovery has the wrong replayed: ${said(first)}`
    ),
    ...fault(
      !alike([told, ...[atOnce, early?.told].filter((each) => each !== undefined), first, second]),
      "answers to one key differ"
    ),
    ...fault(end.key !== "executed", `in the end the key is ${end.key}`),
    ...fault(end.writes.length !== 1, `in the end Tasker has carried out ${end.writes.length} writes`)
  ]
}

const fault = (is: boolean, words: string): ReadonlyArray<string> => (is ? [words] : [])

/** What may not be at any instant. */
const contradictions = (when: string, { events, key, writes }: Holding): ReadonlyArray<string> => {
  const executed = events.filter(isExecuted).length
  return [
    ...fault(writes.length > 1, `doubled: ${when} Tasker has carried out ${writes.length} writes`),
    ...fault(
      writes.some(({ ours }) => !ours),
      `${when} Tasker has a write under a key that is not this call's`
    ),
    ...fault(executed > 1, `${when} the trail has ${executed} events of one write`),
    ...fault(
      (key === "executed") !== executed > 0,
      `${when} the key is ${key}, with ${executed} events "executed"`
    ),
    ...fault(
      executed > 0 && writes.length === 0,
      `lost: ${when} it is on record as done, and Tasker has nothing`
    )
  ]
}

/** A change that was sent again after `updated_at` had moved has a reason beside its outcome. */
const isExecuted = (event: string): boolean => event === "executed" || event === "executed operation.resent"

const isSettled = ({ key, writes }: Holding): boolean =>
  key === "executed" ? writes.length === 1 : key === "free" && writes.length === 0

/** Whether the write was on record as done before the agent's call after recovery. */
const wasExecuted = ({ after, plan, settled }: Crash): boolean =>
  after.key === "executed" || (plan.ending === "nobody calls" && settled.key === "executed")

/** Before the lease has run out nobody but its holder may go on; what is free or done is answered at once. */
const fitsAtOnce = ({ key, leased }: Holding, atOnce: Told | undefined): boolean =>
  leased
    ? atOnce?._tag === "Refused" && atOnce.code === "idempotency.in_progress"
    : atOnce?._tag === "Done" && atOnce.replayed === (key === "executed")

const makings = new Set(["tasker_create_issue", "tasker_add_comment"])

/**
 * A create or comment that Tasker does not show is not sent again while a request of it may be on its way:
 * the call is told when to come back. Everything else is settled at once.
 */
const fitsEarly = ({ after, plan }: Crash, { holding, mayLinger, told }: Early): boolean => {
  if (told._tag === "Done") {
    const waits = mayLinger && makings.has(plan.row.tool) && after.key !== "free"
    return holding.key === "executed" && (after.writes.length > 0 || !waits)
  }
  return (
    told._tag === "Refused" &&
    told.code === "tasker.outcome_unknown" &&
    told.retryAfter !== undefined &&
    told.retryAfter > 0 &&
    makings.has(plan.row.tool) &&
    after.writes.length === 0 &&
    after.leased &&
    holding.key === "unknown" &&
    holding.writes.length === 0
  )
}

const alike = (all: ReadonlyArray<Told>): boolean => {
  const [one, ...others] = all.flatMap((told) => (told._tag === "Done" ? [told.answer] : []))
  return others.every((other) => isDeepStrictEqual(one, other))
}

/** What a client was told, in a word or two. */
export const said = (told: Told | undefined): string => {
  switch (told?._tag) {
    case "Done":
      return told.replayed ? "done, replayed" : "done"
    case "Refused":
      return told.code
    default:
      return "nothing"
  }
}
