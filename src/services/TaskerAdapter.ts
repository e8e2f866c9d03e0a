import { Context, type Effect } from "effect"
import type { GrantDenied, TaskerFailure } from "../domain/Failure.ts"
import type { ProjectId } from "../domain/Ids.ts"
import type { Project } from "../domain/Issue.ts"
import type { Agent } from "../domain/Principal.ts"
import type {
  CommentQuery,
  IssuePage,
  IssueQuery,
  ListedComment,
  Page,
  ProjectContext,
  ProjectQuery,
  TaskerComment,
  TaskerIssue
} from "../domain/Tasker.ts"
import type {
  AddComment,
  CreateIssue,
  MoveIssue,
  SetAssignees,
  SetLabels,
  UpdateIssue
} from "../domain/Write.ts"

/** On whose account Tasker is asked; it goes with every call, as headers and as `actor`. */
export interface OnBehalf {
  readonly agent: Agent
  readonly requestId: string
}

/** How one write is told from every other, and its repeats from it. */
export interface WriteTicket extends OnBehalf {
  /** Sent as `Idempotency-Key` and as `external_id`. */
  readonly upstreamKey: string
}

/** A card or comment with our `external_id` exists in Tasker already; all it says of it is its id. */
export interface Existing {
  readonly _tag: "Existing"
  readonly id: string
}

export interface Made<A> {
  readonly _tag: "Made"
  readonly value: A
}

/** `owner_not_member` is the one refusal of Tasker's that is a matter of grants. */
export type TaskerError = TaskerFailure | GrantDenied

/**
 * The ten calls of Tasker's internal API, and nothing else: no other path, method or host can be
 * reached through it, redirects are not followed, and no text that comes back is ever acted on.
 *
 * Every failure says whether a write may have been carried out all the same
 * (`TaskerFailure.ambiguous`). A write leaves at most once; what became of it and whether it may be
 * repeated is for those to settle who know what was asked. A read is repeated a little where Tasker
 * failed. A call that can't be served in time, or that a failing Tasker would be asked in vain, is
 * refused early as `unavailable`: nothing was sent. Each call ends within `TASKER_TIMEOUT_MS`.
 */
export class TaskerAdapter extends Context.Service<
  TaskerAdapter,
  {
    resolveProject(who: OnBehalf, query: ProjectQuery): Effect.Effect<Project, TaskerError>
    /** States, labels and members, read now. */
    projectContext(who: OnBehalf, projectId: ProjectId): Effect.Effect<ProjectContext, TaskerError>
    /** The same, perhaps some seconds old. Good for turning names into ids and ids into names, never for access. */
    recentContext(who: OnBehalf, projectId: ProjectId): Effect.Effect<ProjectContext, TaskerError>
    listIssues(who: OnBehalf, query: IssueQuery): Effect.Effect<IssuePage, TaskerError>
    /** `tasker.unsupported` where this Tasker lacks the call. */
    listComments(who: OnBehalf, query: CommentQuery): Effect.Effect<Page<ListedComment>, TaskerError>
    createIssue(
      ticket: WriteTicket,
      write: CreateIssue
    ): Effect.Effect<Made<TaskerIssue> | Existing, TaskerError>
    updateIssue(ticket: WriteTicket, write: UpdateIssue): Effect.Effect<TaskerIssue, TaskerError>
    moveIssue(ticket: WriteTicket, write: MoveIssue): Effect.Effect<TaskerIssue, TaskerError>
    setLabels(ticket: WriteTicket, write: SetLabels): Effect.Effect<TaskerIssue, TaskerError>
    setAssignees(ticket: WriteTicket, write: SetAssignees): Effect.Effect<TaskerIssue, TaskerError>
    addComment(
      ticket: WriteTicket,
      write: AddComment
    ): Effect.Effect<Made<TaskerComment> | Existing, TaskerError>
    /** Whether Tasker's base URL answers HTTP at all: any status counts. No call of the API is made. */
    readonly reachable: Effect.Effect<"ok" | "unconfigured" | "unreachable">
    /**
     * Whether calls are made now, rather than refused because Tasker has been failing, has asked to be
     * left alone, or is not configured. Asks nobody and costs nothing. True also when it is time for the
     * one call that tries a Tasker that has been failing: whoever waits for this has to go on to call.
     */
    readonly available: Effect.Effect<boolean>
  }
>()("tasker-codex-api/services/TaskerAdapter") {}
