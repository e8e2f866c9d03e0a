import { Clock, Duration, Effect, Option, Schedule } from "effect"
import type { Settings } from "../Config.ts"
import { type CallFailure, gatewayUnavailable, TaskerFailure } from "../domain/Failure.ts"
import { type Answer, keyInProgress, type Lease, type Operation, standing } from "../domain/Operation.ts"
import type { Principal, StandingGrant } from "../domain/Principal.ts"
import type { Write, Written } from "../domain/Write.ts"
import type { AuditLog } from "../services/AuditLog.ts"
import type { GrantPolicy } from "../services/GrantPolicy.ts"
import type { Idempotency } from "../services/Idempotency.ts"
import type { TaskerAdapter } from "../services/TaskerAdapter.ts"
import type { TokenStore } from "../services/TokenStore.ts"
import { type Board, makeBoard, unaskedBoard } from "./Board.ts"
import { entryOf, failureEntry } from "./entries.ts"
import { bareView, commentView } from "./present.ts"
import { attempt, type Settled, settle } from "./settle.ts"
import { type Change, showAnswer, showChange } from "./show.ts"
import type { OpenedWrite, Tool } from "./Tool.ts"
import type { ToolCall, ToolResult } from "./Tools.ts"
import { unmet, unmetComment } from "./unmet.ts"

/**
 * How a write is taken, in two halves. `admit` ends with a reservation, or with what makes one
 * needless; a failure there changed nothing and uses no key up. `carryOut` leaves the outcome and its
 * audit event in one transaction. Both go to their end whether or not anyone still waits for the reply.
 */
export interface Services {
  readonly tokens: TokenStore["Service"]
  readonly policy: GrantPolicy["Service"]
  readonly once: Idempotency["Service"]
  readonly audit: AuditLog["Service"]
  readonly tasker: TaskerAdapter["Service"]
  readonly settings: Settings
}

/** One call of one write tool. */
export interface WriteCall {
  readonly call: ToolCall
  readonly tool: Tool
  readonly opened: OpenedWrite
  /** When the call began, in milliseconds since the epoch. */
  readonly startedAt: number
}

interface Known {
  readonly principal: Principal
  readonly grant: StandingGrant
}

export type Admitted = Known &
  (
    | { readonly _tag: "DryRun"; readonly change: Change }
    | { readonly _tag: "Replay"; readonly answer: Answer }
    | { readonly _tag: "Claimed"; readonly lease: Lease; readonly write: Write }
    | { readonly _tag: "Reserved"; readonly lease: Lease; readonly write: Write }
  )

export const makeWriter = ({ tokens, policy, once, audit, tasker, settings }: Services) => {
  const admit = Effect.fnUntraced(function* (wanted: WriteCall): Effect.fn.Return<Admitted, CallFailure> {
    const { call, opened } = wanted
    const authorised = Effect.gen(function* () {
      const { principal, operation } = yield* tokens.authenticate(call.token, opened.key)
      return {
        principal,
        operation,
        grant: yield* policy.authorise(principal, opened.scope, opened.projectId)
      }
    })
    if (!opened.asksTasker && !opened.dryRun) {
      // The reservation itself will authenticate. A plan that fails is told to nobody before that is done.
      const { write } = yield* Effect.tapError(
        planned(opened, unaskedBoard(opened.projectId)),
        () => authorised
      )
      return yield* reserved(wanted, write)
    }
    const { principal, grant, operation } = yield* authorised
    // A key that stands for something is answered from that: nobody is asked anything again.
    if (operation !== undefined && !opened.dryRun) return yield* stands(wanted, principal, grant, operation)
    const board = makeBoard(tasker, { agent: principal.agent, requestId: call.requestId }, grant)
    const { change, write } = yield* planned(opened, board)
    return opened.dryRun ? { _tag: "DryRun", principal, grant, change } : yield* reserved(wanted, write)
  })

  const reserved = Effect.fnUntraced(function* (
    wanted: WriteCall,
    write: Write
  ): Effect.fn.Return<Admitted, CallFailure> {
    const { call, opened } = wanted
    const { scope, projectId, key, fingerprint } = opened
    const reservation = yield* once.reserve({
      token: call.token,
      scope,
      key,
      tool: call.name,
      projectId,
      fingerprint,
      write,
      requestId: call.requestId
    })
    const { principal } = reservation.caller
    const grant = yield* policy.authorise(principal, scope, projectId)
    return reservation._tag === "Reserved"
      ? { _tag: "Reserved", principal, grant, lease: reservation.lease, write }
      : yield* stands(wanted, principal, grant, reservation.caller.operation)
  })

  /** What becomes of a call whose key stands for something. */
  const stands = Effect.fnUntraced(function* (
    { opened }: WriteCall,
    principal: Principal,
    grant: StandingGrant,
    operation: Operation
  ): Effect.fn.Return<Admitted, CallFailure> {
    const found = standing(operation, opened.fingerprint)
    if (found._tag === "Refused") return yield* found.failure
    if (found._tag === "Replay") return { _tag: "Replay", principal, grant, answer: found.answer }
    const claimed = yield* once.claim(operation)
    if (Option.isNone(claimed)) return yield* keyInProgress()
    return { _tag: "Claimed", principal, grant, ...claimed.value }
  })

  /** What is left for sending once planning took its longest is a whole call to Tasker. */
  const planned = (opened: OpenedWrite, board: Board) =>
    Effect.timeoutOrElse(opened.plan(board), {
      duration: Duration.max(
        Duration.subtract(settings.callDeadline, settings.taskerTimeout),
        settings.taskerTimeout
      ),
      orElse: () => Effect.fail(tooSlow())
    })

  const carryOut = Effect.fnUntraced(function* (
    wanted: WriteCall,
    admitted: Admitted
  ): Effect.fn.Return<ToolResult, CallFailure> {
    const { call, opened } = wanted
    const { principal, grant } = admitted
    switch (admitted._tag) {
      case "DryRun": {
        yield* audit.record(entryOf(call, principal, "dry_run", opened))
        return { structured: yield* showChange(admitted.change, grant), replayed: false }
      }
      case "Replay": {
        const entry = entryOf(call, principal, "replayed", opened)
        yield* audit.record({ ...entry, issue_id: issueIdOf(admitted.answer) ?? entry.issue_id })
        return { structured: yield* showAnswer(admitted.answer, grant, opened.wrote, true), replayed: true }
      }
      case "Reserved":
      case "Claimed": {
        const { lease, write } = admitted
        const ticket = { agent: principal.agent, requestId: call.requestId, upstreamKey: lease.upstreamKey }
        const sending = admitted._tag === "Reserved" ? attempt : settle
        const settled = yield* bounded(wanted, sending(write, ticket, tasker, wanted.tool.apply))
        return yield* conclude(wanted, admitted, lease, write, settled)
      }
    }
  })

  /** Within what is left of the call's time; one call to Tasker at least, or reserving was for nothing. */
  const bounded = ({ startedAt }: WriteCall, settling: Effect.Effect<Settled>): Effect.Effect<Settled> =>
    Effect.flatMap(Clock.currentTimeMillis, (now) =>
      Effect.timeoutOrElse(settling, {
        duration: Math.max(
          startedAt + Duration.toMillis(settings.callDeadline) - now,
          Duration.toMillis(settings.taskerTimeout)
        ),
        orElse: () =>
          Effect.succeed<Settled>({ _tag: "Undecided", because: "Tasker did not answer in time." })
      })
    )

  /** Writes down what came of it. From here on nothing is sent any more. */
  const conclude = Effect.fnUntraced(function* (
    { call, opened }: WriteCall,
    { principal, grant }: Known,
    lease: Lease,
    write: Write,
    settled: Settled
  ): Effect.fn.Return<ToolResult, CallFailure> {
    const doubted = (failure: TaskerFailure) => failureEntry(call, principal, failure, opened)
    /** Who took over says what came of it; that this call ended in doubt is on record all the same. */
    const takenOver = (because: string) => {
      const failure = outcomeUnknown(because)
      return Effect.andThen(persist(audit.record(doubted(failure))), Effect.fail(failure))
    }
    if (settled._tag === "Done") {
      const answer = yield* answerOf(
        settled.written,
        write,
        makeBoard(tasker, { agent: principal.agent, requestId: call.requestId }, grant)
      )
      const entry = { ...entryOf(call, principal, "executed", opened), issue_id: issueIdOf(answer) }
      const recorded = yield* persist(once.complete(lease, answer, entry))
      if (recorded === "LeaseLost") return yield* takenOver("Another call took over while Tasker answered.")
      if (recorded === "Unrecorded")
        return yield* outcomeUnknown("The change was made, but could not be put on record.")
      return { structured: yield* showAnswer(answer, grant, opened.wrote, false), replayed: false }
    }
    if (settled._tag === "NotDone") {
      const recorded = yield* persist(
        once.release(lease, failureEntry(call, principal, settled.failure, opened))
      )
      return yield* recorded === "LeaseLost"
        ? takenOver("Another call took over while Tasker answered.")
        : settled.failure
    }
    const failure = outcomeUnknown(settled.because)
    const recorded = yield* persist(once.doubt(lease, doubted(failure)))
    return yield* recorded === "LeaseLost" ? takenOver(settled.because) : failure
  })

  /**
   * An outcome is worth some patience: a database that restarts is back within seconds. If it stays
   * away, the lease runs out and the next call with the key settles the matter.
   */
  const persist = <A>(recording: Effect.Effect<A, CallFailure>): Effect.Effect<A | "Unrecorded"> =>
    recording.pipe(
      Effect.retry({ times: 3, schedule: Schedule.exponential("200 millis") }),
      Effect.timeoutOrElse({ duration: "5 seconds", orElse: () => Effect.fail(gatewayUnavailable()) }),
      Effect.catch((failure) =>
        Effect.as(
          Effect.logError("The outcome of a write could not be recorded", failure),
          "Unrecorded" as const
        )
      )
    )

  return { admit, carryOut }
}

const issueIdOf = (answer: Answer) => answer.issue?.id ?? answer.comment?.issue_id ?? null

/** Nothing was sent yet: what the call depends on could not be had in time. */
export const tooSlow = (): TaskerFailure =>
  new TaskerFailure({
    reason: "timeout",
    message: "Tasker was too slow to answer. Nothing was changed; repeat the same call.",
    retryable: true
  })

const outcomeUnknown = (because: string): TaskerFailure =>
  new TaskerFailure({
    reason: "outcome_unknown",
    message: `It is not known whether this change was made. ${because} Repeat the same call with the same idempotency_key: that settles it and never makes the change twice. If it stays unknown, stop and ask a person to look at the card.`,
    retryable: true,
    details: { retry_after_seconds: 2 }
  })

/** What Tasker says it did, held against what was asked: what did not take stands in `warnings`. */
const answerOf = (written: Written, write: Write, board: Board): Effect.Effect<Answer> => {
  if (written._tag === "Comment") {
    const asked = write._tag === "AddComment" ? write.comment_html : ""
    return Effect.succeed({
      comment: commentView(written.comment),
      warnings:
        written.comment.created_at !== null
          ? unmetComment(asked, written.comment.comment_html)
          : [
              {
                field: "comment",
                message: "Tasker had this comment already and can't show it, so its text was not compared."
              }
            ]
    })
  }
  const warnings = write._tag === "AddComment" ? [] : unmet(write, written.issue)
  return board.view(written.issue).pipe(
    // The change is made: that its names can't be had just now must not turn it into a failure.
    Effect.timeoutOrElse({ duration: "2 seconds", orElse: () => Effect.succeed(bareView(written.issue)) }),
    Effect.catch(() => Effect.succeed(bareView(written.issue))),
    Effect.map((issue) => ({ issue, warnings }))
  )
}
