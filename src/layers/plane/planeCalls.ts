import { Result } from "effect"
import type { CommentId, IssueId, ProjectId } from "../../domain/Ids.ts"
import type { IssuePage, TaskerIssue } from "../../domain/Tasker.ts"
import type { OnBehalf, WriteTicket } from "../../services/TaskerAdapter.ts"
import { decoder } from "../tasker/taskerAnswers.ts"
import type { Call } from "../tasker/taskerCalls.ts"
import { cards, longestPage, read, search, segment, workspace } from "./planePaths.ts"
import {
  externalSource,
  issueOf,
  markNames,
  type Place,
  PlaneCard,
  PlaneCardMark,
  PlaneComment,
  PlaneCommentMark,
  type PlanePage,
  pageDecoder,
  summaryNames
} from "./planeShapes.ts"

/** Calls that read and write cards and comments. */

const oneCard = (place: Place, call: Omit<Parameters<typeof read<TaskerIssue>>[0], "decode">) =>
  read<TaskerIssue>({
    ...call,
    projectId: place.project.id,
    decode: (json) => Result.map(decodeCard(json), (card) => issueOf(place, card))
  })

export const card = (who: OnBehalf, place: Place, issueId: IssueId): Call<TaskerIssue> =>
  oneCard(place, {
    name: "issue",
    path: `${cards(who, place.project.id)}/${issueId}/`,
    who,
    doing: `Reading card ${issueId}`,
    projectId: place.project.id,
    strays: ({ id, project_id }) =>
      id === issueId && project_id === place.project.id ? undefined : "it answers with another card"
  })

export const cardNumbered = (who: OnBehalf, place: Place, number: number): Call<TaskerIssue> => {
  // In upper case, as the project has it: Plane answers any other spelling with 403.
  const identifier = `${place.project.identifier}-${number}`
  return oneCard(place, {
    name: "issue",
    path: `${workspace(who)}/work-items/${segment(identifier)}/`,
    who,
    doing: `Reading card ${identifier}`,
    projectId: place.project.id,
    strays: ({ project_id, sequence_id }) =>
      sequence_id === number && project_id === place.project.id ? undefined : "it answers with another card"
  })
}

/** Plane answers with the card itself, with 404 if there is none, and with 500 if there are several. */
export const cardMarked = (who: OnBehalf, place: Place, externalId: string): Call<TaskerIssue> =>
  oneCard(place, {
    name: "findIssue",
    path: `${cards(who, place.project.id)}/?${search({ external_id: externalId, external_source: externalSource })}`,
    who,
    doing: "Looking for the card of a write",
    projectId: place.project.id,
    lookUp: true,
    strays: ({ external_id, project_id }) =>
      external_id === externalId && project_id === place.project.id
        ? undefined
        : "it answers with another card"
  })

/** The marks of the newest cards. */
export const newestMarks = (
  who: OnBehalf,
  projectId: ProjectId
): Call<PlanePage<typeof PlaneCardMark.Type>> =>
  read({
    name: "listIssues",
    path: `${cards(who, projectId)}/?${search({ order_by: newestFirst, per_page: marksAtOnce, fields: markNames })}`,
    who,
    doing: `Listing the newest cards of project ${projectId}`,
    projectId,
    lookUp: true,
    decode: decodeCardMarks
  })

/** By `created_at`, which no edit moves. */
const newestFirst = "-created_at"
const marksAtOnce = 100

/** A page of a list. The page's number in Plane's cursor counts pages of the `per_page` that is sent with it. */
export interface PageQuery {
  readonly per_page: number
  readonly cursor: string | undefined
}

export const listCards = (
  who: OnBehalf,
  place: Place,
  page: PageQuery,
  withTexts: boolean
): Call<IssuePage> => {
  const projectId = place.project.id
  const fields = withTexts ? `${summaryNames},description_html` : summaryNames
  return read<IssuePage>({
    name: "listIssues",
    path: `${cards(who, projectId)}/?${search({ order_by: newestFirst, ...page, fields })}`,
    who,
    doing: `Listing cards of project ${projectId}`,
    projectId,
    decode: (json) =>
      Result.map(decodeCards(json), ({ results, ...rest }) => ({
        results: results.map((found) => issueOf(place, found)),
        ...rest
      })),
    strays: ({ results }) =>
      results.every(({ project_id }) => project_id === projectId)
        ? undefined
        : "it lists a card of another project"
  })
}

/** What comments are read of. */
interface OnCard {
  readonly project_id: ProjectId
  readonly issue_id: IssueId
}

const commentsPath = (who: OnBehalf, { issue_id, project_id }: OnCard) =>
  `${cards(who, project_id)}/${issue_id}/comments`

/** Newest first, whatever is asked for. */
export const listComments = (who: OnBehalf, on: OnCard, page: PageQuery): Call<PlanePage<PlaneComment>> =>
  read({
    name: "listComments",
    path: `${commentsPath(who, on)}/?${search({ ...page })}`,
    who,
    doing: `Listing the comments of card ${on.issue_id}`,
    projectId: on.project_id,
    decode: decodeComments,
    strays: ({ results }) =>
      results.every(({ issue }) => issue === on.issue_id) ? undefined : "it lists a comment on another card"
  })

/** The marks of a card's comments, newest first: comments can't be looked up by `external_id`. */
export const commentMarks = (
  who: OnBehalf,
  on: OnCard,
  cursor: string | undefined
): Call<PlanePage<PlaneCommentMark>> =>
  read({
    name: "findComment",
    path: `${commentsPath(who, on)}/?${search({ per_page: longestPage, cursor, fields: markNames })}`,
    who,
    doing: `Looking for the comment of a write on card ${on.issue_id}`,
    projectId: on.project_id,
    lookUp: true,
    decode: decodeCommentMarks
  })

export const comment = (who: OnBehalf, on: OnCard, commentId: CommentId): Call<PlaneComment> =>
  read({
    name: "comment",
    path: `${commentsPath(who, on)}/${commentId}/`,
    who,
    doing: `Reading comment ${commentId}`,
    projectId: on.project_id,
    lookUp: true,
    decode: decodeComment,
    strays: ({ id }) => (id === commentId ? undefined : "it answers with another comment")
  })

/** A create of a card. Its body has no `state` unless one is asked for, and never an empty description. */
export const createCard = (
  ticket: WriteTicket,
  place: Place,
  body: Readonly<Record<string, unknown>>
): Call<TaskerIssue> =>
  oneCard(place, {
    name: "createIssue",
    method: "POST",
    path: `${cards(ticket, place.project.id)}/`,
    body: { ...body, ...markOf(ticket) },
    who: ticket,
    doing: `Creating a card in project ${place.project.id}`,
    projectId: place.project.id,
    makes: true,
    strays: ({ project_id }) =>
      project_id === place.project.id ? undefined : "the card it answers with is in another project"
  })

export const changeCard = (
  ticket: WriteTicket,
  place: Place,
  issueId: IssueId,
  change: {
    readonly name: string
    readonly doing: string
    readonly body: Readonly<Record<string, unknown>>
  }
): Call<TaskerIssue> =>
  oneCard(place, {
    name: change.name,
    method: "PATCH",
    path: `${cards(ticket, place.project.id)}/${issueId}/`,
    body: change.body,
    who: ticket,
    doing: `${change.doing} card ${issueId}`,
    projectId: place.project.id,
    strays: ({ id, project_id }) =>
      id === issueId && project_id === place.project.id
        ? undefined
        : "it answers with another card, or with one of another project"
  })

export const addComment = (
  ticket: WriteTicket,
  on: OnCard,
  body: Readonly<Record<string, unknown>>
): Call<PlaneComment> => ({
  name: "addComment",
  method: "POST",
  path: `${commentsPath(ticket, on)}/`,
  body: { ...body, ...markOf(ticket) },
  who: ticket,
  doing: `Commenting on card ${on.issue_id}`,
  projectId: on.project_id,
  makes: true,
  decode: decodeComment,
  strays: ({ issue }) =>
    issue === on.issue_id ? undefined : "the comment it answers with is on another card"
})

const markOf = ({ upstreamKey }: WriteTicket) => ({
  external_source: externalSource,
  external_id: upstreamKey
})

const decodeCard = decoder(PlaneCard)
const decodeCards = pageDecoder(PlaneCard)
const decodeCardMarks = pageDecoder(PlaneCardMark)
const decodeCommentMarks = pageDecoder(PlaneCommentMark)
const decodeComment = decoder(PlaneComment)
const decodeComments = pageDecoder(PlaneComment)
