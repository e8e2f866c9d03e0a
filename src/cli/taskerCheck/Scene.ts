import { Context, Effect } from "effect"
import type { IssuePage, ProjectContext, TaskerIssue } from "../../domain/Tasker.ts"
import * as Calls from "../../layers/tasker/taskerCalls.ts"
import type { OnBehalf, WriteTicket } from "../../services/TaskerAdapter.ts"
import type { Owner, Place } from "./Place.ts"
import { Probe, type Sent } from "./Probe.ts"

/** A card that the check made. */
export interface MadeCard {
  readonly id: string
  readonly identifier: string
  readonly name: string
}

/** The project that is checked, as it was read at the start, and the cards that were made in it. */
export class Scene extends Context.Service<
  Scene,
  {
    readonly place: Place
    readonly context: ProjectContext
    readonly owner: Owner
    readonly who: OnBehalf
    /** The ticket of one write. Equal names are one write. */
    readonly ticket: (name: string) => WriteTicket
    /** Name of a card of this run. */
    readonly named: (what: string) => string
    readonly note: (card: TaskerIssue) => Effect.Effect<void>
    readonly made: Effect.Effect<ReadonlyArray<MadeCard>>
  }
>()("tasker-codex-api/cli/taskerCheck/Scene") {}

export const make = Effect.fnUntraced(function* (place: Place, context: ProjectContext, owner: Owner) {
  const { onBehalf, run, ticket } = yield* Probe
  const made = new Map<string, MadeCard>()
  return Scene.of({
    place,
    context,
    owner,
    who: onBehalf(owner),
    ticket: (name) => ticket(owner, name),
    named: (what) => `tasker:check ${run.slice(0, 8)} ${what}`,
    note: ({ id, identifier, name }) =>
      Effect.sync(() => {
        if (!made.has(id)) made.set(id, { id, identifier, name })
      }),
    made: Effect.sync(() => [...made.values()])
  })
})

/** Most pages that are read to find a card by its name. */
const searchedPages = 3

/** Cards of the newest pages that pass a test, however this Tasker pages. */
export const cardsWhere = Effect.fnUntraced(function* (
  isIt: (card: TaskerIssue) => boolean,
  purpose: string
) {
  const { place, who } = yield* Scene
  const { send } = yield* Probe
  const found: Array<TaskerIssue> = []
  let cursor: string | null = null
  for (let page = 0; page < searchedPages; page++) {
    const query: Calls.ListQuery = {
      project_id: place.projectId,
      limit: 100,
      ...(cursor === null ? {} : { cursor })
    }
    const { outcome }: Sent<IssuePage> = yield* send(Calls.listIssues(who, query), purpose)
    if (outcome._tag !== "Done") break
    found.push(...outcome.value.results.filter(isIt))
    cursor = outcome.value.next_cursor
    if (cursor === null || found.length > 0) break
  }
  return found
})

/** The card as it stands; undefined if this Tasker does not show it. */
export const cardNow = Effect.fnUntraced(function* ({ id }: TaskerIssue, purpose: string) {
  const { place, who } = yield* Scene
  const { send } = yield* Probe
  const query = { project_id: place.projectId, issue_id: id, limit: 1 }
  const { outcome } = yield* send(Calls.listIssues(who, query), purpose)
  const card = outcome._tag === "Done" ? outcome.value.results.find((one) => one.id === id) : undefined
  return card ?? (yield* cardsWhere((one) => one.id === id, purpose))[0]
})
