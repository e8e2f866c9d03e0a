import { Context, type Effect } from "effect"
import type { GrantDenied, TaskerFailure } from "../domain/Failure.ts"
import type { CommentId, IssueId, ProjectId } from "../domain/Ids.ts"
import type { Project } from "../domain/Issue.ts"
import type { Agent } from "../domain/Principal.ts"
import type {
  CommentMark,
  CommentQuery,
  Copies,
  IssuePage,
  IssueQuery,
  IssueReference,
  ListedComment,
  Look,
  Mark,
  Page,
  ProjectContext,
  ProjectQuery,
  TaskerCapabilities,
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
import type { WriteFailed } from "../domain/WriteFailed.ts"

/** On whose account Tasker is asked. Headers and `actor` carry it. */
export interface OnBehalf {
  readonly agent: Agent
  readonly requestId: string
  /** The workspace of the grant under which the call is made. */
  readonly workspaceSlug: string
  /** Left out: a read. */
  readonly purpose?: Purpose
}

/**
 * Purpose of the tool call that asks. If Tasker limits requests, settling comes before writes and writes
 * before reads, and a write asks for all requests that it needs before its first.
 */
export type Purpose = "read" | "write" | "settle"

/** Tells one write from every other, and its repeats from it. */
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

export interface CommentReference {
  readonly project_id: ProjectId
  readonly issue_id: IssueId
  readonly comment_id: CommentId
}

/** `owner_not_member` is the one refusal of Tasker's that is a matter of grants. */
export type TaskerError = TaskerFailure | GrantDenied

/**
 * The calls that the gateway makes to Tasker, and nothing else: no other path, method or host can be reached
 * through it, redirects are not followed, and no text that comes back is ever acted on.
 *
 * A write leaves at most once per call, and its failure says by its tag what is known of it (`WriteFailed`).
 * A read is retried a little if Tasker failed. A call that can't be served in time, or that an open circuit
 * breaker refuses, fails before anything is sent.
 *
 * Each request, its waiting and its tries included, ends within `TASKER_TIMEOUT_MS`. A call is one request, except
 * that a list or a look reads pages, and that a call before Plane first reads what is not cached of the project and
 * its people: up to ten pages of projects, each read twice if the project is not among them, and two lists of people,
 * each read twice if the owner is not among them. Callers bound the whole by `CALL_DEADLINE_MS`.
 */
export class TaskerAdapter extends Context.Service<
  TaskerAdapter,
  {
    resolveProject(who: OnBehalf, query: ProjectQuery): Effect.Effect<Project, TaskerError>
    /** States, labels and members, read now. */
    projectContext(who: OnBehalf, projectId: ProjectId): Effect.Effect<ProjectContext, TaskerError>
    /** States, labels and members that may be cached. Good for names and ids, never for access. */
    recentContext(who: OnBehalf, projectId: ProjectId): Effect.Effect<ProjectContext, TaskerError>
    /** The card, read now; undefined if the project shows none. An archived card is not shown. */
    issue(who: OnBehalf, reference: IssueReference): Effect.Effect<TaskerIssue | undefined, TaskerError>
    /** One page of cards, newest first. A card in it may fail a filter that Tasker ignored. */
    listIssues(who: OnBehalf, query: IssueQuery): Effect.Effect<IssuePage, TaskerError>
    /** One page of comments. Fails with `tasker.unsupported` if this Tasker has no such call. */
    listComments(who: OnBehalf, query: CommentQuery): Effect.Effect<Page<ListedComment>, TaskerError>
    /** Looks for the card that a write made. */
    findIssue(who: OnBehalf, mark: Mark): Effect.Effect<Look<TaskerIssue>, TaskerError>
    /** Looks for the comment that a write made. */
    findComment(who: OnBehalf, mark: CommentMark): Effect.Effect<Look<ListedComment>, TaskerError>
    /** Looks for a comment by its id. */
    comment(who: OnBehalf, comment: CommentReference): Effect.Effect<Look<ListedComment>, TaskerError>
    /** Counts what stands under a write's `external_id`, by the newest page and the look-up. */
    copies(who: OnBehalf, mark: Mark | CommentMark): Effect.Effect<Copies, TaskerError>
    createIssue(
      ticket: WriteTicket,
      write: CreateIssue
    ): Effect.Effect<Made<TaskerIssue> | Existing, WriteFailed>
    /** Adds labels and assignees that an interrupted create left out. Returns the card as it then stands. */
    completeIssue(
      ticket: WriteTicket,
      write: CreateIssue,
      found: TaskerIssue
    ): Effect.Effect<TaskerIssue, WriteFailed>
    updateIssue(ticket: WriteTicket, write: UpdateIssue): Effect.Effect<TaskerIssue, WriteFailed>
    moveIssue(ticket: WriteTicket, write: MoveIssue): Effect.Effect<TaskerIssue, WriteFailed>
    setLabels(ticket: WriteTicket, write: SetLabels): Effect.Effect<TaskerIssue, WriteFailed>
    setAssignees(ticket: WriteTicket, write: SetAssignees): Effect.Effect<TaskerIssue, WriteFailed>
    addComment(
      ticket: WriteTicket,
      write: AddComment
    ): Effect.Effect<Made<TaskerComment> | Existing, WriteFailed>
    /** True if Tasker's base URL answers HTTP with any status. Makes no call of the API. */
    readonly reachable: Effect.Effect<"ok" | "unconfigured" | "unreachable">
    /**
     * True if calls are made now, rather than refused by an open circuit breaker, a pause that Tasker asked
     * for, or a missing configuration. Sends nothing. Also true when a probe is due: the caller then has to
     * make a call.
     */
    readonly available: Effect.Effect<boolean>
    /** Sentences for the operator: that calls are paused, or refused by an open circuit breaker. Sends nothing. */
    readonly warnings: Effect.Effect<ReadonlyArray<string>>
    readonly capabilities: Effect.Effect<TaskerCapabilities>
  }
>()("tasker-codex-api/services/TaskerAdapter") {}
