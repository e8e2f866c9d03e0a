import { Effect, type Schema, Struct } from "effect"
import { HttpServer } from "effect/http"
import { type Answer, answer } from "./Answer.ts"
import {
  AssigneesBody,
  CallHeaders,
  type CardChange,
  CommentBody,
  CommentsQuery,
  CreateBody,
  LabelsBody,
  ListQuery,
  MoveBody,
  type Op,
  ResolveBody,
  UpdateBody,
  WriteBody,
  WriteHeaders
} from "./Calls.ts"
import { type Card, toIssue } from "./Card.ts"
import { type Comment, Comments } from "./Comments.ts"
import type { Fault } from "./Faults.ts"
import { Uuid } from "./Fields.ts"
import { Issues } from "./Issues.ts"
import { Once, type StoreError, type Write } from "./Once.ts"
import { Projects } from "./Projects.ts"
import type { Manner } from "./References.ts"
import { decoder, invalidField, notFound, Refusal } from "./Refusal.ts"
import type { Switches } from "./Switches.ts"

/** A call that got past the bearer, as far as it is known before its fields are looked at. */
export interface Incoming {
  readonly params: Readonly<Record<string, string | undefined>>
  readonly query: Readonly<Record<string, string>>
  readonly headers: Readonly<Record<string, string | undefined>>
  readonly body: unknown
  readonly switches: Switches
  readonly fault: Fault["fault"] | undefined
}

export interface Call {
  readonly op: Op
  readonly method: "GET" | "POST" | "PATCH" | "PUT"
  readonly path: `/${string}`
  readonly execute: (incoming: Incoming) => Effect.Effect<Answer, StoreError>
}

export const basePath = "/api/internal/nodedc/agent"

const decodeHeaders = decoder(CallHeaders)
const decodeWriteHeaders = decoder(WriteHeaders)
const decodeWrite = decoder(WriteBody)
const decodeUuid = decoder(Uuid)

/** An id in a path that is no UUID names nothing. */
const pathId = (incoming: Incoming, name: string) =>
  Effect.mapError(decodeUuid(incoming.params[name]), () => notFound("No such id."))

/** Headers and body have to name the same agent and owner. */
const requireSameActor = (
  headers: typeof CallHeaders.Type,
  actor: { readonly agent_id: string; readonly owner_user_id: string }
) =>
  actor.agent_id === headers["x-nodedc-agent-id"] && actor.owner_user_id === headers["x-nodedc-owner-id"]
    ? Effect.void
    : Effect.fail(
        new Refusal({
          status: 422,
          error: "actor_mismatch",
          detail: "Headers and actor name different people."
        })
      )

const mannerOf = ({ fault, switches }: Incoming): Manner => ({ drop: fault === "drop", switches })

const shown = ({ external_id, ...comment }: Partial<Comment>, { external_ids_shown }: Switches) => ({
  ...comment,
  ...(external_ids_shown && { external_id })
})

/** The ten calls of the internal API. */
export const calls = Effect.gen(function* () {
  const projects = yield* Projects
  const issues = yield* Issues
  const comments = yield* Comments
  const once = yield* Once
  const server = yield* HttpServer.HttpServer
  const baseUrl = HttpServer.formatAddress(server.address)
  const issueAnswer = (status: number, card: Card, { switches }: Incoming) =>
    answer(status, { issue: toIssue(card, baseUrl, switches) })

  /** What every write has in common: key, actor and project, before its own fields are looked at. */
  const asWrite = Effect.fnUntraced(function* (op: Op, incoming: Incoming): Effect.fn.Return<Write, Refusal> {
    const headers = yield* decodeHeaders(incoming.headers)
    const { bump_updated_at, dedupe_key, race_external_ids } = incoming.switches
    const key = dedupe_key
      ? (yield* decodeWriteHeaders(incoming.headers))["idempotency-key"]
      : (incoming.headers["idempotency-key"] ?? "")
    const { project_id, actor, external_id } = yield* decodeWrite(incoming.body)
    yield* requireSameActor(headers, actor)
    return {
      op,
      key,
      dedupeKey: dedupe_key,
      turn: race_external_ids ? null : (external_id ?? null),
      bumps: bump_updated_at && incoming.fault !== "broker_lost",
      projectId: project_id,
      ownerId: headers["x-nodedc-owner-id"],
      agentId: headers["x-nodedc-agent-id"],
      body: incoming.body
    }
  })

  const create = Effect.fn("Tasker.create")(function* (incoming: Incoming) {
    const write = yield* asWrite("create", incoming)
    const carryOut = Effect.gen(function* () {
      const card = yield* issues.create(yield* decodeCreate(incoming.body), mannerOf(incoming))
      return { answer: issueAnswer(201, card, incoming), issueId: card.id, commentId: null }
    })
    return yield* once.run(write, carryOut)
  })

  /** Updates, moves, labels and assignees are one thing: some fields of a card are set. */
  const change = <S extends Schema.ConstraintDecoder<CardChange & { readonly expected_updated_at?: string }>>(
    op: Op,
    body: S
  ) => {
    const decode = decoder(body)
    return Effect.fn(`Tasker.${op}`)(function* (incoming: Incoming) {
      const issueId = yield* pathId(incoming, "issue_id")
      const write = yield* asWrite(op, incoming)
      const carryOut = Effect.gen(function* () {
        const asked = yield* decode(incoming.body)
        const at = { projectId: write.projectId, issueId, expected: asked.expected_updated_at }
        const card = yield* issues.change(at, asked, mannerOf(incoming))
        return { answer: issueAnswer(200, card, incoming), issueId, commentId: null }
      })
      return yield* once.run(write, carryOut)
    })
  }

  const comment = Effect.fn("Tasker.comment")(function* (incoming: Incoming) {
    const issueId = yield* pathId(incoming, "issue_id")
    const write = yield* asWrite("comment", incoming)
    const carryOut = Effect.gen(function* () {
      const body = yield* decodeComment(incoming.body)
      const { author: _, ...comment } = yield* comments.add(issueId, body, write.ownerId, incoming.switches)
      return {
        answer: answer(201, { comment: shown(comment, incoming.switches) }),
        issueId,
        commentId: comment.id
      }
    })
    return yield* once.run(write, carryOut)
  })

  const resolve = Effect.fn("Tasker.resolve")(function* (incoming: Incoming) {
    const headers = yield* decodeHeaders(incoming.headers)
    const { actor, ...query } = yield* decodeResolve(incoming.body)
    yield* requireSameActor(headers, actor)
    if (query.project_id === undefined && query.identifier === undefined && query.name === undefined) {
      return yield* invalidField("project_id", "Expected one of project_id, identifier and name")
    }
    return answer(200, { project: yield* projects.resolve(headers["x-nodedc-owner-id"], query) })
  })

  const context = Effect.fn("Tasker.context")(function* (incoming: Incoming) {
    const headers = yield* decodeHeaders(incoming.headers)
    const projectId = yield* pathId(incoming, "project_id")
    yield* projects.requireSeat(projectId, headers["x-nodedc-owner-id"])
    return answer(200, yield* projects.context(projectId, incoming.switches))
  })

  const list = Effect.fn("Tasker.list")(function* (incoming: Incoming) {
    const headers = yield* decodeHeaders(incoming.headers)
    const { switches } = incoming
    const query = yield* switches.only_by_project ? decodeProject(incoming.query) : decodeList(incoming.query)
    yield* projects.requireSeat(query.project_id, headers["x-nodedc-owner-id"])
    const page = yield* issues.list(query, switches)
    return answer(200, { ...page, results: page.results.map((card) => toIssue(card, baseUrl, switches)) })
  })

  const listComments = Effect.fn("Tasker.list_comments")(function* (incoming: Incoming) {
    const headers = yield* decodeHeaders(incoming.headers)
    const issueId = yield* pathId(incoming, "issue_id")
    const query = yield* decodeCommentsQuery(incoming.query)
    yield* projects.requireSeat(query.project_id, headers["x-nodedc-owner-id"])
    const page = yield* comments.list(issueId, query, incoming.switches)
    return answer(200, { ...page, results: page.results.map((each) => shown(each, incoming.switches)) })
  })

  return [
    { op: "resolve", method: "POST", path: "/projects/resolve", execute: resolve },
    { op: "context", method: "GET", path: "/projects/:project_id/context", execute: context },
    { op: "list", method: "GET", path: "/issues", execute: list },
    { op: "create", method: "POST", path: "/issues", execute: create },
    { op: "update", method: "PATCH", path: "/issues/:issue_id", execute: change("update", UpdateBody) },
    { op: "move", method: "POST", path: "/issues/:issue_id/move", execute: change("move", MoveBody) },
    { op: "comment", method: "POST", path: "/issues/:issue_id/comments", execute: comment },
    { op: "labels", method: "PUT", path: "/issues/:issue_id/labels", execute: change("labels", LabelsBody) },
    {
      op: "assignees",
      method: "PUT",
      path: "/issues/:issue_id/assignees",
      execute: change("assignees", AssigneesBody)
    },
    { op: "list_comments", method: "GET", path: "/issues/:issue_id/comments", execute: listComments }
  ] satisfies ReadonlyArray<Call>
})

const decodeCreate = decoder(CreateBody)
const decodeComment = decoder(CommentBody)
const decodeResolve = decoder(ResolveBody)
const decodeList = decoder(ListQuery)
/** The seed's listing knows no other parameter. */
const decodeProject = decoder(ListQuery.mapFields(Struct.pick(["project_id"])))
const decodeCommentsQuery = decoder(CommentsQuery)
