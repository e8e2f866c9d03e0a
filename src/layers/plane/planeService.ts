import { Effect } from "effect"
import { TaskerFailure } from "../../domain/Failure.ts"
import type { ProjectId } from "../../domain/Ids.ts"
import type { CommentQuery, IssueQuery, Mark, TaskerCapabilities } from "../../domain/Tasker.ts"
import type { IssueChange } from "../../domain/Write.ts"
import { NotSent, type WriteFailed } from "../../domain/WriteFailed.ts"
import type { Made, OnBehalf, TaskerAdapter, TaskerError, WriteTicket } from "../../services/TaskerAdapter.ts"
import type { Admissions } from "./planeAdmission.ts"
import type { Age, Boards } from "./planeBoards.ts"
import * as Calls from "./planeCalls.ts"
import type { Exchange } from "./planeExchange.ts"
import * as Looks from "./planeLooks.ts"
import type { PlaneOwner } from "./planeOwner.ts"
import { longestPage } from "./planePaths.ts"
import { commentOf, type Place, type PlaneComment } from "./planeShapes.ts"
import * as Writes from "./planeWrites.ts"

type Adapter = Omit<TaskerAdapter["Service"], "reachable" | "available" | "warnings">

interface Options {
  /** Start of the cards' addresses. */
  readonly webUrl: string
  /** True if a comment ends with a line that names its agent. */
  readonly viaLine: boolean
  readonly requests: Pick<Admissions, "finish" | "spare">
}

/** Where a write goes, and whose it is. */
interface Prepared {
  readonly place: Place
  readonly owner: PlaneOwner
}

/** The calls of the gateway in Plane's terms. */
export const makeAdapter = (exchange: Exchange, boards: Boards, options: Options): Adapter => {
  const { requests, viaLine, webUrl } = options
  const { ask } = exchange

  const placeOf = (who: OnBehalf, projectId: ProjectId): Effect.Effect<Place, TaskerError> =>
    Effect.map(boards.project(who, projectId), (project) => ({ project, webUrl }))

  /** Checks the owner's rights. A write is settled also if its owner may not make it any more. */
  const checked = (who: OnBehalf, projectId: ProjectId): Effect.Effect<unknown, TaskerError> =>
    who.purpose === "settle"
      ? Effect.void
      : boards.owner(who, projectId, who.purpose === "write" ? "writes" : "reads")

  const entered = (who: OnBehalf, projectId: ProjectId): Effect.Effect<Place, TaskerError> =>
    Effect.tap(placeOf(who, projectId), checked(who, projectId))

  const viewOf = (who: OnBehalf, projectId: ProjectId) =>
    Effect.map(boards.names(who, projectId), (names) => ({ names, viaLine }))

  const looks = Looks.make(exchange, viewOf)

  const context = (age: Age) => (who: OnBehalf, projectId: ProjectId) =>
    Effect.andThen(entered(who, projectId), boards.context(who, projectId, age)).pipe(
      Effect.ensuring(requests.spare(who, projectId))
    )

  /** Reads the owner and the project first, so that a failure there is `NotSent`. */
  const sending = <A>(
    ticket: WriteTicket,
    projectId: ProjectId,
    send: (prepared: Prepared) => Effect.Effect<A, WriteFailed>
  ): Effect.Effect<A, WriteFailed> => {
    const { upstreamKey: _, ...who } = ticket
    return Effect.all({ place: placeOf(who, projectId), owner: boards.owner(who, projectId, "writes") }).pipe(
      Effect.mapError((failure): WriteFailed => new NotSent({ failure })),
      Effect.flatMap(send),
      Effect.ensuring(requests.finish(who, projectId))
    )
  }

  /**
   * Plane changes archived cards, drafts and cards whose reading it refuses. Planning and settling have read the
   * card in the same call, which proves that it stands on the project's board; the path binds it to the project.
   */
  const change = (ticket: WriteTicket, { issue_id, project_id }: IssueChange, body: Writes.ChangeBody) =>
    sending(ticket, project_id, ({ place }) =>
      exchange.change(Calls.changeCard(ticket, place, issue_id, body))
    )

  return {
    resolveProject: (who, query) =>
      Effect.tap(boards.resolve({ ...who, workspaceSlug: query.workspace_slug }, query), ({ id }) =>
        checked({ ...who, workspaceSlug: query.workspace_slug }, id)
      ),
    projectContext: context("now"),
    recentContext: context("recent"),
    issue: Effect.fnUntraced(function* (who, reference) {
      const place = yield* entered(who, reference.project_id)
      if ("issue_id" in reference) {
        return yield* Looks.orUndefined(ask(Calls.card(who, place, reference.issue_id)))
      }
      const number = numberIn(reference.identifier, place.project.identifier)
      return number === undefined
        ? undefined
        : yield* Looks.orUndefined(ask(Calls.cardNumbered(who, place, number)))
    }),
    listIssues: Effect.fnUntraced(function* (who, query) {
      const place = yield* entered(who, query.project_id)
      const page = yield* pageOf(query)
      // Only a search reads texts, which make a page many times as long.
      const listed = yield* ask(Calls.listCards(who, place, page, query.search !== undefined))
      const { total_count } = listed
      return { ...listed, total_count: hasFilters(query) ? null : total_count, listed_count: total_count }
    }),
    listComments: Effect.fnUntraced(function* (who, query) {
      yield* entered(who, query.project_id)
      const page = yield* ask(Calls.listComments(who, query, yield* pageOf(query)))
      const view = yield* viewOf(who, query.project_id)
      return {
        results: page.results.map((comment) => commentOf(comment, view)),
        next_cursor: page.next_cursor
      }
    }),
    findIssue: (who, mark) => inPlace(who, mark, (place) => looks.findIssue(who, place, mark)),
    findComment: (who, mark) => inPlace(who, mark, (place) => looks.findComment(who, place, mark)),
    comment: looks.comment,
    copies: (who, mark) => inPlace(who, mark, (place) => looks.copies(who, place, mark)),
    createIssue: (ticket, write) =>
      sending(ticket, write.project_id, ({ owner, place }) =>
        exchange.make(Calls.createCard(ticket, place, Writes.createBody(write, owner)))
      ),
    completeIssue: (ticket, write, card) => {
      const missing = Writes.completion(write, card)
      return missing === undefined
        ? Effect.succeed(card)
        : sending(ticket, write.project_id, ({ place }) =>
            exchange.change(Calls.changeCard(ticket, place, card.id, missing))
          )
    },
    updateIssue: (ticket, write) => change(ticket, write, Writes.updateBody(write)),
    moveIssue: (ticket, write) => change(ticket, write, Writes.moveBody(write)),
    setLabels: (ticket, write) => change(ticket, write, Writes.labelsBody(write)),
    setAssignees: (ticket, write) => change(ticket, write, Writes.assigneesBody(write)),
    addComment: (ticket, write) =>
      sending(ticket, write.project_id, ({ owner }) => {
        const agentName = ticket.agent.display_name
        const body = Writes.commentBody(write, { agentName, owner, viaLine })
        const view = { names: new Map<string, string>(), viaLine }
        return Effect.map(exchange.make(Calls.addComment(ticket, write, body)), (sent) =>
          sent._tag === "Existing" ? sent : shown(sent, view)
        )
      }),
    capabilities: Effect.succeed(capabilities)
  }

  function inPlace<A>(
    who: OnBehalf,
    { project_id }: Mark,
    look: (place: Place) => Effect.Effect<A, TaskerError>
  ): Effect.Effect<A, TaskerError> {
    return Effect.flatMap(placeOf(who, project_id), look)
  }
}

const shown = ({ value }: Made<PlaneComment>, view: Parameters<typeof commentOf>[1]) => {
  const { comment_html, created_at, id, issue_id } = commentOf(value, view)
  return { _tag: "Made", value: { id, issue_id, comment_html, created_at } } as const
}

/** As stock Plane does, whatever its version. */
const capabilities: TaskerCapabilities = {
  filters: "no",
  paging: "yes",
  external_id_lookup: "yes",
  repeat_detection: "yes",
  version_checks: "no",
  comment_listing: "yes"
}

const hasFilters = ({ cursor: _, limit: __, project_id: ___, ...filters }: IssueQuery): boolean =>
  Object.values(filters).some((value) => value !== undefined)

const defaultPage = 100

/**
 * A page under the `per_page` that its cursor was given under: Plane counts pages of the `per_page` that is sent,
 * so the cursor would mean other items under another one.
 */
const pageOf = ({ cursor, limit = defaultPage }: Pick<CommentQuery, "cursor" | "limit">) => {
  const [, perPage] = /^(\d{1,4}):\d{1,9}:0$/.exec(cursor ?? "") ?? []
  const per_page = Number(perPage ?? limit)
  return (cursor !== undefined && perPage === undefined) || per_page < 1 || per_page > longestPage
    ? Effect.fail(foreignCursor)
    : Effect.succeed({ per_page, cursor })
}

const foreignCursor = new TaskerFailure({
  reason: "rejected",
  message: "Listing: this is not a cursor that Tasker gave. Begin again without a cursor."
})

/** The number in an identifier of this project, in any case; undefined for another project's. */
const numberIn = (identifier: string, prefix: string): number | undefined => {
  const at = identifier.lastIndexOf("-")
  const digits = identifier.slice(at + 1)
  const isOurs = identifier.slice(0, at).toUpperCase() === prefix.toUpperCase()
  // Plane keeps numbers in 32 bits, and fails at what is no number.
  return isOurs && /^\d{1,9}$/.test(digits) ? Number(digits) : undefined
}
