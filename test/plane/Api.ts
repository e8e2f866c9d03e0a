import { Effect, Result } from "effect"
import { type Answer, answer } from "../tasker/Answer.ts"
import type { Seat } from "./Access.ts"
import { Boards } from "./Boards.ts"
import { type Card, toJson } from "./Card.ts"
import { CardWrites, type Died } from "./CardWrites.ts"
import { Comments } from "./Comments.ts"
import { type Denial, error, fields, internal, missing } from "./Denial.ts"
import type { Fault, Op } from "./Faults.ts"
import { check, text } from "./Fields.ts"
import { Issues } from "./Issues.ts"
import { envelope, pageOf } from "./Paging.ts"
import type { Settings } from "./Settings.ts"
import { isExpanded, shape } from "./Shapes.ts"
import type { Item, StoreError } from "./Store.ts"

/** Holds a request that passed authentication, permission and throttle. */
export interface Call {
  readonly userId: string
  readonly seat: Seat
  readonly projectId: string
  readonly params: Readonly<Record<string, string>>
  readonly query: Readonly<Record<string, string>>
  readonly body: Readonly<Record<string, unknown>>
  readonly settings: Settings
  readonly fault: Fault["fault"] | undefined
}

export type Execute = (call: Call) => Effect.Effect<Answer, Denial | Died | StoreError>

const newLabel = { name: text({ max: 255 }), color: text({ blank: true, max: 255 }) }

/** Makes the calls, by their op. */
export const calls = Effect.gen(function* () {
  const boards = yield* Boards
  const issues = yield* Issues
  const cardWrites = yield* CardWrites
  const comments = yield* Comments

  const expansionsOf = ({ projectId, query }: Call) =>
    isExpanded(query) ? boards.expansions(projectId) : Effect.succeed({})

  const shaped = (call: Call, item: Item) =>
    Effect.map(expansionsOf(call), (expansions) => answer(200, shape(item, call.query, expansions)))

  const card = (call: Call) => (found: Card) => shaped(call, toJson(found))

  /** Cuts a page out of all items. */
  const paged = Effect.fnUntraced(function* ({ query, settings }: Call, items: ReadonlyArray<Item>) {
    const page = yield* Effect.fromResult(pageOf(query, settings))
    const results = items.slice(page.offset, page.offset + page.perPage).map((item) => shape(item, query))
    return answer(200, envelope(page, items.length, results))
  })

  const issueId = ({ params }: Call) => params.issue_id ?? ""

  const cardWrite = ({ body, fault, projectId, seat, settings, userId }: Call) => ({
    userId,
    projectId,
    defaultAssignee: seat.default_assignee,
    body,
    settings,
    drop: fault === "drop",
    dieBetween: fault === "cut_between"
  })

  const list: Execute = Effect.fnUntraced(function* (call) {
    const { page, total, cards } = yield* issues.list(call.projectId, call.query, call.settings)
    const expansions = yield* expansionsOf(call)
    const results = cards.map((found) => shape(toJson(found), call.query, expansions))
    return answer(200, envelope(page, total, results))
  })

  const listComments: Execute = Effect.fnUntraced(function* (call) {
    const { projectId, query, settings } = call
    const { page, total, comments: found } = yield* comments.list(projectId, issueId(call), query, settings)
    const expansions = yield* expansionsOf(call)
    return answer(
      200,
      envelope(
        page,
        total,
        found.map((comment) => shape(comment, query, expansions))
      )
    )
  })

  const createLabel: Execute = Effect.fnUntraced(function* ({ body, projectId, userId }) {
    const checked = check(newLabel, body, ["name"])
    if (Result.isFailure(checked)) return yield* fields(checked.failure as Record<string, unknown>)
    const { color, name } = checked.success
    const made = yield* boards.addLabel(projectId, userId, name ?? "", color ?? "")
    if (made !== undefined) return answer(201, made)
    const holder = (yield* boards.labels(projectId)).find((label) => label.name === name)
    return yield* error(409, "Label with the same name already exists in the project", { id: holder?.id })
  })

  const project: Execute = Effect.fnUntraced(function* ({ projectId, query, seat, userId }) {
    if (seat.project_id === null) return yield* missing
    const [found] = yield* boards.projects(seat.workspace_id, userId, projectId)
    if (found === undefined) return yield* missing
    const { sort_order: _, ...rest } = found
    return answer(200, shape(rest, query))
  })

  const executes: Readonly<Record<Op, Execute>> = {
    me: ({ userId }) => Effect.map(boards.me(userId), ([user]) => answer(200, user)),
    projects: (call) =>
      Effect.flatMap(boards.projects(call.seat.workspace_id, call.userId), (found) => paged(call, found)),
    project,
    states: (call) => Effect.flatMap(boards.states(call.projectId), (found) => paged(call, found)),
    labels: (call) =>
      call.seat.project_role === null
        ? paged(call, [])
        : Effect.flatMap(boards.labels(call.projectId), (found) => paged(call, found)),
    create_label: createLabel,
    members: ({ projectId, settings }) =>
      Effect.map(boards.members(projectId, settings.list_removed), (found) => answer(200, found)),
    workspace_members: ({ seat }) =>
      Effect.map(boards.workspaceMembers(seat.workspace_id), (found) => answer(200, found)),
    search: ({ query, seat, userId }) =>
      Effect.map(issues.search(seat.workspace_id, userId, query), (found) => answer(200, { issues: found })),
    list,
    lookup: (call) => {
      const { external_id = "", external_source = "" } = call.query
      const found = issues.byExternalId(call.projectId, external_source, external_id, call.settings)
      return Effect.flatMap(found, card(call))
    },
    issue: (call) => Effect.flatMap(issues.byId(call.projectId, issueId(call)), card(call)),
    identifier: (call) => {
      const number = call.params.number ?? ""
      if (!/^\d+$/.test(number)) return Effect.fail(internal)
      if (Number(number) > 2_147_483_647) return Effect.fail(missing)
      return Effect.flatMap(issues.byNumber(call.projectId, Number(number)), card(call))
    },
    list_comments: listComments,
    get_comment: (call) =>
      Effect.flatMap(comments.get(call.projectId, issueId(call), call.params.comment_id ?? ""), (found) =>
        shaped(call, found)
      ),
    create: (call) => Effect.map(cardWrites.create(cardWrite(call)), (made) => answer(201, toJson(made))),
    update: (call) =>
      Effect.map(cardWrites.change(issueId(call), cardWrite(call)), (changed) =>
        answer(200, toJson(changed))
      ),
    delete: (call) =>
      Effect.as(cardWrites.remove(issueId(call), cardWrite(call), call.seat.project_role ?? 0), {
        status: 204,
        body: ""
      }),
    comment: ({ body, params, projectId, settings, userId }) =>
      Effect.map(
        comments.add({ userId, projectId, issueId: params.issue_id ?? "", body, settings }),
        (made) => answer(201, made)
      )
  }
  return executes
})
