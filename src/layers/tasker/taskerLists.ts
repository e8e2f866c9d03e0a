import { Cache, Duration, Effect, Equal, Exit, Hash } from "effect"
import type { ProjectId } from "../../domain/Ids.ts"
import { compareInstants } from "../../domain/Instant.ts"
import { filterNames, passesFilters } from "../../domain/IssueFilters.ts"
import type { IssueFilters, IssuePage, IssueQuery, IssueReference, TaskerIssue } from "../../domain/Tasker.ts"
import type { OnBehalf, TaskerError } from "../../services/TaskerAdapter.ts"
import * as Calls from "./taskerCalls.ts"
import { type Capabilities, type Filter, randomHex } from "./taskerCapabilities.ts"
import { listTooLong, mostCards } from "./taskerFailures.ts"

/**
 * Reads cards of a Tasker that may not know every parameter of `GET /issues`. The oldest knows `project_id`
 * only and lists all cards in one reply: cards are then picked, filtered and counted here.
 */

/** The whole list of a project, newest first, is kept for so long, a project and owner. */
const freshness = Duration.seconds(10)
/** Each may be of several MiB. */
const listsKept = 8
/** Cards at once, if all cards of a project have to be read for one of them. */
const searchedAtOnce = 100
/** Cards that are filtered without letting other fibers run. */
const filteredAtOnce = 100

export interface Lists {
  readonly issue: (
    who: OnBehalf,
    reference: IssueReference
  ) => Effect.Effect<TaskerIssue | undefined, TaskerError>
  readonly listIssues: (who: OnBehalf, query: IssueQuery) => Effect.Effect<IssuePage, TaskerError>
  /** Forgets the kept lists of a project, one that is being read included. */
  readonly forget: (projectId: ProjectId | undefined) => Effect.Effect<void>
}

type Ask = <A>(call: Calls.Call<A>) => Effect.Effect<A, TaskerError>

export const make = Effect.fnUntraced(function* (
  ask: Ask,
  capabilities: Capabilities
): Effect.fn.Return<Lists> {
  /** How often a project was written to; a list is kept under the number at which it was begun. */
  const writes = new Map<ProjectId, number>()
  const keyOf = (who: OnBehalf, projectId: ProjectId) =>
    new ListKey(who, projectId, writes.get(projectId) ?? 0)

  const list = Effect.fnUntraced(function* (who: OnBehalf, query: Calls.ListQuery) {
    const call = Calls.listIssues(who, query)
    const page = yield* ask(call)
    if (query.limit !== undefined) {
      const { length } = page.results
      if (length > query.limit) yield* capabilities.note("paging", "no")
      else if (page.next_cursor !== null) yield* capabilities.note("paging", "yes")
    }
    if (page.results.length > mostCards) {
      return yield* listTooLong(call, `${page.results.length} at once`)
    }
    return page
  })

  /** All cards of a project, read now. Stops early at a card that is sought. */
  const readAll = Effect.fnUntraced(function* (
    who: OnBehalf,
    projectId: ProjectId,
    isIt: (card: TaskerIssue) => boolean
  ) {
    const cards: Array<TaskerIssue> = []
    const seen = new Set<string>()
    let query: IssueQuery = { project_id: projectId, limit: searchedAtOnce }
    for (;;) {
      const { next_cursor, results }: IssuePage = yield* list(who, query)
      cards.push(...results)
      if (next_cursor === null || seen.has(next_cursor) || results.some(isIt)) return cards
      if (cards.length >= mostCards) {
        return yield* listTooLong(Calls.listIssues(who, query), `more than ${mostCards}`)
      }
      seen.add(next_cursor)
      query = { ...query, cursor: next_cursor }
    }
  })

  const wholes = yield* Cache.makeWith(
    ({ projectId, who }: ListKey) =>
      Effect.map(
        readAll(who, projectId, () => false),
        (cards) => cards.toSorted(newestFirst)
      ),
    {
      capacity: listsKept,
      timeToLive: (exit) => (Exit.isSuccess(exit) ? freshness : Duration.zero)
    }
  )
  /** The page that a whole list makes, with the number of cards that pass the filters. */
  const wholePage = Effect.fnUntraced(function* (cards: ReadonlyArray<TaskerIssue>, filters: IssueFilters) {
    let total_count = 0
    for (const [index, card] of cards.entries()) {
      if (index % filteredAtOnce === filteredAtOnce - 1) yield* Effect.yieldNow
      if (passesFilters(card, filters)) total_count++
    }
    return { results: cards, next_cursor: null, total_count } satisfies IssuePage as IssuePage
  })

  /**
   * True if Tasker is known to apply the filters: then its count is of what was asked. Makes one probe at most.
   */
  const appliesAll = Effect.fnUntraced(function* (
    who: OnBehalf,
    projectId: ProjectId,
    filters: IssueFilters
  ) {
    let isProbed = false
    for (const name of filterNames(filters)) {
      let known = yield* capabilities.of(`filter ${name}`)
      if (known === "unknown" && !isProbed) {
        isProbed = true
        known = yield* capabilities.learn(`filter ${name}`, probe(who, projectId, name, filters))
      }
      if (known !== "yes") return false
    }
    return true
  })

  /** Asks for cards that can't be there: a Tasker that lists one ignores the filter. */
  const probe = Effect.fnUntraced(function* (
    who: OnBehalf,
    projectId: ProjectId,
    name: Filter,
    filters: IssueFilters
  ) {
    const asked = yield* unmeetable(name, filters)
    const { results } = yield* list(who, { project_id: projectId, ...asked, limit: 1 })
    return results.every((card) => passesFilters(card, asked)) ? ("yes" as const) : ("no" as const)
  })

  const listIssues = Effect.fnUntraced(function* (who: OnBehalf, query: IssueQuery) {
    const { cursor, limit, project_id, ...filters } = query
    const key = keyOf(who, project_id)
    if ((yield* capabilities.of("paging")) === "no") {
      return yield* wholePage(yield* Cache.get(wholes, key), filters)
    }
    const page = yield* list(who, query)
    const isWhole = cursor === undefined && page.next_cursor === null
    if (isWhole && limit !== undefined && page.results.length > limit && filterNames(filters).length === 0) {
      const cards = page.results.toSorted(newestFirst)
      yield* Cache.set(wholes, key, cards)
      return yield* wholePage(cards, filters)
    }
    const ignored = filterNames(filters).filter((name) =>
      page.results.some((card) => !passesFilters(card, { [name]: filters[name] }))
    )
    for (const name of ignored) yield* capabilities.note(`filter ${name}`, "no")
    if (isWhole) return yield* wholePage(page.results, filters)
    const isCounted = ignored.length === 0 && (yield* appliesAll(who, project_id, filters))
    const { total_count } = page
    return { ...page, total_count: isCounted ? total_count : null, listed_count: total_count }
  })

  const issue = Effect.fnUntraced(function* (who: OnBehalf, reference: IssueReference) {
    const isIt = isNamedBy(reference)
    const { project_id } = reference
    if ((yield* capabilities.of("card_lookup")) !== "no") {
      const { next_cursor, results } = yield* list(who, { ...reference, limit: 1 })
      const card = results.find(isIt)
      if (card !== undefined || results.length === 0) return inProject(card, project_id)
      yield* capabilities.note("card_lookup", "no")
      if (next_cursor === null) return undefined
    }
    return (yield* readAll(who, project_id, isIt)).find(
      (card) => isIt(card) && card.project_id === project_id
    )
  })

  return {
    issue,
    listIssues,
    forget: (projectId) =>
      projectId === undefined
        ? Effect.void
        : Effect.sync(() => {
            writes.set(projectId, (writes.get(projectId) ?? 0) + 1)
          })
  }
})

/** A filter that no card passes, or for the priority, none of those that were asked for. */
const unmeetable = (name: Filter, { priority }: IssueFilters): Effect.Effect<IssueFilters> => {
  switch (name) {
    case "priority":
      return Effect.succeed({ priority: priority === "urgent" ? "low" : "urgent" })
    case "search":
      return Effect.map(randomHex(32), (search) => ({ search }))
    case "updated_after":
      return Effect.succeed({ updated_after: "9999-01-01T00:00:00Z" })
    case "state_id":
    case "label_id":
    case "assignee_id":
      return Effect.map(randomUuid, (id) => ({ [name]: id }))
  }
}

const randomUuid = Effect.map(
  randomHex(30),
  (hex) =>
    `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(12, 15)}-8${hex.slice(15, 18)}-${hex.slice(18, 30)}`
)

const newestFirst = (one: TaskerIssue, other: TaskerIssue): number =>
  compareInstants(other.created_at, one.created_at) || (one.id < other.id ? 1 : -1)

const isNamedBy =
  (reference: IssueReference) =>
  ({ id, identifier }: TaskerIssue): boolean =>
    "issue_id" in reference
      ? id === reference.issue_id
      : identifier.toLowerCase() === reference.identifier.toLowerCase()

const inProject = (card: TaskerIssue | undefined, projectId: ProjectId): TaskerIssue | undefined =>
  card?.project_id === projectId ? card : undefined

/** Equal for one project and owner between two writes; carries who asks. */
class ListKey implements Equal.Equal {
  readonly who: OnBehalf
  readonly projectId: ProjectId
  readonly writes: number
  constructor(who: OnBehalf, projectId: ProjectId, writes: number) {
    this.who = who
    this.projectId = projectId
    this.writes = writes
  }
  private get name(): string {
    return `${this.projectId} ${this.writes} ${this.who.agent.owner_user_id}`
  }
  [Equal.symbol](that: Equal.Equal): boolean {
    return that instanceof ListKey && this.name === that.name
  }
  [Hash.symbol](): number {
    return Hash.string(this.name)
  }
}
