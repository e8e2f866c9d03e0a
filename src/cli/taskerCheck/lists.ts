import { Effect, Random } from "effect"
import { compareInstants } from "../../domain/Instant.ts"
import { passesFilters } from "../../domain/IssueFilters.ts"
import type { IssueFilters, IssuePage, TaskerIssue } from "../../domain/Tasker.ts"
import * as Calls from "../../layers/tasker/taskerCalls.ts"
import { breaks, type Finding, failed, holds, promised, untried, without, works } from "./findings.ts"
import { Probe, type Sent, told } from "./Probe.ts"
import { Scene } from "./Scene.ts"

/** Checks of `GET /issues`: order, look-ups, filters, pages and counts. */

const list = Effect.fnUntraced(function* (query: Omit<Calls.ListQuery, "project_id">, purpose: string) {
  const { place, who } = yield* Scene
  const { send } = yield* Probe
  return yield* send(Calls.listIssues(who, { project_id: place.projectId, ...query }), purpose)
})

const resultsOf = ({ outcome }: Sent<IssuePage>): ReadonlyArray<TaskerIssue> =>
  outcome._tag === "Done" ? outcome.value.results : []

export const checkLists = Effect.gen(function* () {
  const first = yield* list({ limit: 5 }, "the newest cards")
  if (first.outcome._tag !== "Done") return failed(first)
  const page = first.outcome.value
  const [sample] = page.results
  const none = "the project has no card; run with --write"
  return [
    works("listIssues"),
    ...limited(page),
    ...ordered(page),
    ...(sample === undefined
      ? [untried("lookup.card", none), untried("list.filters", none), untried("list.complete", none)]
      : [...(yield* lookUps(sample)), ...(yield* filters(sample)), ...(yield* pages(page))]),
    ...(yield* byMark)
  ] satisfies ReadonlyArray<Finding>
})

const limited = ({ results }: IssuePage): ReadonlyArray<Finding> =>
  results.length > 5
    ? [without("listIssues", `limit and cursor (it lists ${results.length} cards at once)`)]
    : []

const ordered = ({ results }: IssuePage): ReadonlyArray<Finding> => {
  if (results.length < 2) return [untried("list.order", "the project has fewer than two cards")]
  const sorted = results.every(
    (card, at) => at === 0 || compareInstants(results[at - 1]?.created_at ?? "", card.created_at) >= 0
  )
  return [promised("list.order", sorted, "the newest page is ordered otherwise")]
}

const lookUps = Effect.fnUntraced(function* (sample: TaskerIssue) {
  const found: Array<Finding> = []
  const tries = [
    { what: "issue_id", query: { issue_id: sample.id }, isIt: true },
    { what: "identifier", query: { identifier: sample.identifier }, isIt: true },
    { what: "identifier in lower case", query: { identifier: sample.identifier.toLowerCase() }, isIt: true },
    { what: "identifier that no card has", query: { identifier: `${sample.identifier}999999` }, isIt: false }
  ]
  for (const { isIt, query, what } of tries) {
    const sent = yield* list({ ...query, limit: 2 }, `look-up by ${what}`)
    const ids = resultsOf(sent).map(({ id }) => id)
    const right = isIt ? ids.length === 1 && ids[0] === sample.id : ids.length === 0
    if (sent.outcome._tag === "Done" && right) found.push(holds("lookup.card"))
    else {
      const because =
        sent.outcome._tag === "Done" ? `${what} lists ${ids.length} cards` : `${what}: ${told(sent.outcome)}`
      found.push(without("listIssues", `look-up by ${what}`), breaks("lookup.card", because))
    }
  }
  return found
})

/** Looks for a value that no card has. `checkCreate` looks for one that a card has. */
const byMark = Effect.gen(function* () {
  const { ticket } = yield* Scene
  const { upstreamKey } = ticket(`no card ${yield* Random.nextInt}`)
  const sent = yield* list({ external_id: upstreamKey, limit: 2 }, "look-up by an external_id of no card")
  const found = resultsOf(sent)
  if (sent.outcome._tag === "Done" && found.length === 0) return [] satisfies ReadonlyArray<Finding>
  const because =
    sent.outcome._tag === "Done"
      ? `an external_id of no card finds ${found.length}`
      : `an external_id of no card: ${told(sent.outcome)}`
  return [without("listIssues", "look-up by external_id"), breaks("lookup.external_id", because)]
})

/** Filters that the sample passes, and the same with a value that it fails. */
const filters = Effect.fnUntraced(function* (sample: TaskerIssue) {
  const { context } = yield* Scene
  const other = (ids: ReadonlyArray<string>, own: ReadonlyArray<string>) =>
    ids.find((id) => !own.includes(id))
  const tries: ReadonlyArray<readonly [keyof IssueFilters, string | undefined, string | undefined]> = [
    [
      "state_id",
      sample.state_id,
      other(
        context.states.map(({ id }) => id),
        [sample.state_id]
      )
    ],
    [
      "label_id",
      sample.label_ids[0],
      other(
        context.labels.map(({ id }) => id),
        sample.label_ids
      )
    ],
    [
      "assignee_id",
      sample.assignee_ids[0],
      other(
        context.members.map(({ id }) => id),
        sample.assignee_ids
      )
    ],
    ["priority", sample.priority, sample.priority === "urgent" ? "low" : "urgent"],
    ["search", sample.name.slice(0, 40), "no card has this text 6f1d0c2b"],
    ["updated_after", "2000-01-01T00:00:00Z", "2999-01-01T00:00:00Z"]
  ]
  const found: Array<Finding> = []
  for (const [name, passing, failing] of tries) {
    const given = [passing, failing].filter((value) => value !== undefined)
    if (given.length === 0) continue
    const faults: Array<string> = []
    for (const value of given) {
      const filter = { [name]: value } as IssueFilters
      const sent = yield* list({ ...filter, limit: 5 }, `filter by ${name}`)
      const results = resultsOf(sent)
      if (sent.outcome._tag !== "Done") faults.push(told(sent.outcome))
      else if (!results.every((card) => passesFilters(card, filter))) faults.push("ignored")
      else if (value === passing && results.length === 0) faults.push("finds nothing")
    }
    const [fault] = faults
    if (fault === undefined) found.push(holds("list.filters"))
    else {
      found.push(
        without("listIssues", `filter by ${name} (${fault})`),
        breaks("list.filters", `${name} is ${fault}`)
      )
    }
  }
  return found
})

/** Most pages of one walk. */
const mostPages = 8

interface Walk {
  readonly ids: ReadonlyArray<string>
  readonly ended: boolean
  readonly fault: Sent<IssuePage> | undefined
}

const walk = Effect.fnUntraced(function* (limit: number) {
  const ids: Array<string> = []
  let cursor: string | null = null
  for (let page = 0; page < mostPages; page++) {
    const query: { limit: number; cursor?: string } = { limit, ...(cursor === null ? {} : { cursor }) }
    const sent: Sent<IssuePage> = yield* list(query, `page ${page + 1} of ${limit} cards`)
    if (sent.outcome._tag !== "Done") return { ids, ended: false, fault: sent } satisfies Walk as Walk
    ids.push(...sent.outcome.value.results.map(({ id }) => id))
    cursor = sent.outcome.value.next_cursor
    if (cursor === null) return { ids, ended: true, fault: undefined } satisfies Walk as Walk
  }
  return { ids, ended: false, fault: undefined } satisfies Walk as Walk
})

/** Walks through the list twice under different limits: both walks have to show the same cards once. */
const pages = Effect.fnUntraced(function* ({ next_cursor, results, total_count }: IssuePage) {
  const expected = total_count ?? (next_cursor === null ? results.length : 100)
  const limit = (parts: number) => Math.min(100, Math.max(1, Math.ceil(expected / parts)))
  const one = yield* walk(limit(2))
  const other = yield* walk(limit(5))
  const fault = one.fault ?? other.fault
  if (fault !== undefined) return failed(fault)
  return [...complete(one, other), ...counted(one, total_count)]
})

const complete = (one: Walk, other: Walk): ReadonlyArray<Finding> => {
  if (one.ids.length < 2) return [untried("list.complete", "the project has fewer than two cards")]
  const repeated = [one, other].some(({ ids }) => new Set(ids).size < ids.length)
  if (repeated) return [breaks("list.complete", "a card is on two pages")]
  // Walks that did not come to the end are compared as far as the shorter one came.
  const length = Math.min(one.ids.length, other.ids.length)
  const same = one.ids.slice(0, length).every((id, at) => other.ids[at] === id)
  const full = !(one.ended && other.ended) || one.ids.length === other.ids.length
  return [
    promised(
      "list.complete",
      same && full,
      `pages of different limits show different cards (${one.ids.length} and ${other.ids.length}), or the board changed meanwhile`
    )
  ]
}

const counted = ({ ended, ids }: Walk, total: number | null): ReadonlyArray<Finding> => {
  if (total === null) return [without("listIssues", "total_count"), breaks("list.total", "there is none")]
  return ended
    ? [promised("list.total", total === ids.length, `total_count is ${total}, listed are ${ids.length}`)]
    : [untried("list.total", "the project has more cards than the check reads")]
}
