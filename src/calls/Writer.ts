import { Clock, Duration, Effect, Option } from "effect"
import type { Settings } from "../Config.ts"
import { type Change, changeHash } from "../domain/Change.ts"
import type { CallFailure, GrantDenied, TaskerFailure } from "../domain/Failure.ts"
import { fieldHashes, issueFields, touchedFields } from "../domain/IssueVersion.ts"
import { type Answer, judgeKey, type KeyHolder, keyInProgress } from "../domain/Operation.ts"
import type { Principal, StandingGrant } from "../domain/Principal.ts"
import { quotaReached } from "../domain/Quota.ts"
import { possibleDuplicate } from "../domain/Repetition.ts"
import { isChange, type Write } from "../domain/Write.ts"
import type { AuditLog } from "../services/AuditLog.ts"
import type { GrantPolicy } from "../services/GrantPolicy.ts"
import type { Doubt, Idempotency, Leased } from "../services/Idempotency.ts"
import type { OnBehalf, TaskerAdapter } from "../services/TaskerAdapter.ts"
import type { Texts } from "../services/Texts.ts"
import type { TokenStore } from "../services/TokenStore.ts"
import { type Board, makeBoard, unaskedBoard } from "../tools/Board.ts"
import { type Output, showAnswer, showChange } from "../tools/show.ts"
import type { Plan, WriteRequest, WriteTool } from "../tools/Tool.ts"
import type { ToolResult } from "../tools/Tools.ts"
import { answerOf, issueIdOf } from "./answer.ts"
import { asExpected, withCard } from "./conflict.ts"
import { doubledEntry, doubtFacts, outcomeUnknown, tooSlow, unresolved } from "./doubts.ts"
import { dryRunChange } from "./dryRunChange.ts"
import { entryOf, failureEntry, type ToldCall } from "./entries.ts"
import { changeOf, keptBefore } from "./keptChange.ts"
import { secretIn } from "./leaks.ts"
import { persisting } from "./persist.ts"
import { type Done, outOfTime, type Settled } from "./Settled.ts"
import { attempt, settle } from "./settle.ts"
import { whileHeld } from "./whileHeld.ts"

interface Services {
  readonly tokens: TokenStore["Service"]
  readonly policy: GrantPolicy["Service"]
  readonly once: Idempotency["Service"]
  readonly audit: AuditLog["Service"]
  readonly tasker: TaskerAdapter["Service"]
  readonly texts: Texts["Service"]
  readonly settings: Settings["Service"]
}

/** One call of one write tool. */
interface WriteCall {
  readonly call: ToldCall
  readonly tool: WriteTool
  readonly request: WriteRequest
  /** When all of it has to be over: monotonic, nanoseconds. */
  readonly deadline: bigint
}

/** Who calls and under which grant. */
interface Authorised {
  readonly principal: Principal
  readonly grant: StandingGrant
}

type Admitted = Authorised &
  (
    | { readonly _tag: "DryRun"; readonly change: Change }
    | { readonly _tag: "Replay"; readonly answer: Answer }
    /** Nobody has sent it yet. */
    | ({ readonly _tag: "Reserved" } & Leased)
    /** It was sent before, or perhaps was; what became of it is not known. */
    | ({ readonly _tag: "Claimed" } & Leased)
  )

/**
 * How a write is taken, in two halves. `admit` ends with a reservation, or with what makes one
 * needless; a failure there changed nothing and uses no key up. `carryOut` leaves the outcome and its
 * audit event in one transaction. Both go to their end whether or not anyone still waits for the reply.
 */
export const makeWriter = ({ tokens, policy, once, audit, tasker, texts, settings }: Services) => {
  const persist = persisting(audit)

  const whoOf = ({ call, request }: WriteCall, { principal, grant }: Authorised): OnBehalf => ({
    agent: principal.agent,
    requestId: call.requestId,
    workspaceSlug: grant.workspace_slug,
    purpose: request.dryRun ? "read" : "write"
  })

  const boardOf = (wanted: WriteCall, authorised: Authorised): Board =>
    makeBoard({ tasker, texts }, whoOf(wanted, authorised), authorised.grant)

  const admit = Effect.fnUntraced(function* (wanted: WriteCall): Effect.fn.Return<Admitted, CallFailure> {
    const { call, request, tool } = wanted
    const authorise = Effect.gen(function* () {
      const counts = request.dryRun ? "reads" : "writes"
      const { principal, operation } = yield* tokens.admit(call.token, counts, request.key)
      const grant = yield* policy.authorise(principal, tool.scope, request.projectId)
      return { principal, grant, operation }
    })
    if (request.plansAtOnce && !request.dryRun) {
      // The reservation itself will authenticate. A plan that fails is told to nobody before that is done.
      const board = unaskedBoard(request.projectId, texts.short)
      const plan = yield* Effect.tapError(planned(wanted, board, undefined), () => authorise)
      return yield* reserve(wanted, plan, { counted: false })
    }
    const { operation, ...authorised } = yield* authorise
    if (request.dryRun) {
      yield* wouldBeRefused(wanted, authorised, operation)
      const board = boardOf(wanted, authorised)
      const { change, write } = yield* planned(wanted, board, authorised)
      return { _tag: "DryRun", ...authorised, change: yield* dryRunChange(change, write, board) }
    }
    // A key that stands for something is answered from that: nobody is asked anything again.
    if (operation !== undefined) return yield* answerByKey(wanted, authorised, operation)
    return yield* Effect.matchEffect(planned(wanted, boardOf(wanted, authorised), authorised), {
      onFailure: (failure) => unplanned(wanted, failure),
      onSuccess: (plan) => reserve(wanted, plan, { counted: true })
    })
  })

  /** Answers by the key if another call with it has taken it since: a conflict may be this very write. */
  const unplanned = Effect.fnUntraced(function* (
    wanted: WriteCall,
    failure: CallFailure
  ): Effect.fn.Return<Admitted, CallFailure> {
    const { call, request, tool } = wanted
    if (failure._tag !== "TaskerFailure" || failure.reason !== "conflict") return yield* failure
    const { operation, principal } = yield* tokens.authenticate(call.token, request.key)
    if (operation === undefined) return yield* failure
    const grant = yield* policy.authorise(principal, tool.scope, request.projectId)
    return yield* answerByKey(wanted, { principal, grant }, operation)
  })

  /** What the reservation would refuse, as far as it can be told without one. */
  const wouldBeRefused = Effect.fnUntraced(function* (
    { request }: WriteCall,
    { grant: { max_writes_per_day, writes_today }, principal }: Authorised,
    operation: KeyHolder | undefined
  ) {
    const verdict = operation === undefined ? undefined : judgeKey(operation, request.fingerprint)
    if (verdict?._tag === "Refused") return yield* verdict.failure
    if (operation === undefined && max_writes_per_day !== null && writes_today >= max_writes_per_day) {
      return yield* quotaReached(yield* Clock.currentTimeMillis)
    }
    if (operation === undefined && request.repetition !== undefined) {
      const made = yield* once.duplicateOf(principal.agent.id, request.projectId, request.repetition)
      if (Option.isSome(made)) return yield* possibleDuplicate(made.value)
    }
  })

  /** What is left for sending once planning took its longest is a whole call to Tasker. */
  const planned = Effect.fnUntraced(function* (
    { request, deadline }: WriteCall,
    board: Board,
    authorised: Authorised | undefined
  ): Effect.fn.Return<Plan, CallFailure> {
    const left = (yield* millisUntil(deadline)) - Duration.toMillis(settings.taskerTimeout)
    const plan = yield* Effect.timeoutOrElse(request.plan(board), {
      duration: left,
      orElse: () => Effect.fail(tooSlow())
    })
    const secret = yield* secretIn(plan.write, board.texts)
    if (secret !== undefined) return yield* secret
    const { seen, write } = plan
    if (!isChange(write) || seen === undefined || authorised === undefined) return plan
    const { agent } = authorised.principal
    yield* asExpected(request.expected, seen, board.may("issue:read"), (updatedAt) =>
      once.versionAnswered(agent.id, seen.id, updatedAt)
    ).pipe(
      Effect.catchTag("TaskerFailure", (failure) =>
        Effect.flatMap(withCard(failure, write, board), Effect.fail)
      )
    )
    // A caller that expects a version forbids the change also if a field is changed that it does not touch.
    const isExpected = Object.values(request.expected).some((value) => value !== undefined)
    const fields = isExpected ? issueFields : touchedFields(write)
    return { ...plan, write: { ...write, planned: fieldHashes(fields, seen) } }
  })

  const reserve = Effect.fnUntraced(function* (
    wanted: WriteCall,
    { change, write }: Plan,
    { counted }: { readonly counted: boolean }
  ): Effect.fn.Return<Admitted, CallFailure> {
    const { call, request, tool } = wanted
    const before = keptBefore(change)
    const reservation = yield* once.reserve({
      token: call.token,
      scope: tool.scope,
      key: request.key,
      tool: tool.name,
      projectId: request.projectId,
      fingerprint: request.fingerprint,
      write,
      before,
      requestId: call.requestId,
      client: call.client,
      counted,
      repetition: request.repetition
    })
    const { grant, principal } = reservation
    return reservation._tag === "Reserved"
      ? {
          _tag: "Reserved",
          principal,
          grant,
          lease: reservation.lease,
          tries: reservation.tries,
          write,
          before
        }
      : yield* answerByKey(wanted, { principal, grant }, reservation.operation)
  })

  /** What becomes of a call whose key stands for something. */
  const answerByKey = Effect.fnUntraced(function* (
    { request }: WriteCall,
    authorised: Authorised,
    operation: KeyHolder
  ): Effect.fn.Return<Admitted, CallFailure> {
    const verdict = judgeKey(operation, request.fingerprint)
    if (verdict._tag === "Refused") return yield* verdict.failure
    if (verdict._tag === "Replay") return { _tag: "Replay", ...authorised, answer: verdict.answer }
    const claimed = yield* once.claim(verdict.operation)
    if (Option.isNone(claimed)) return yield* keyInProgress()
    return { _tag: "Claimed", ...authorised, ...claimed.value }
  })

  const carryOut = Effect.fnUntraced(function* (
    wanted: WriteCall,
    admitted: Admitted
  ): Effect.fn.Return<ToolResult, CallFailure> {
    const { call, request, tool } = wanted
    const { principal, grant } = admitted
    const counter = texts.of(principal.agent.id)
    switch (admitted._tag) {
      case "DryRun": {
        yield* audit.record(yield* entryOf(call, principal, "dry_run", request))
        return { structured: yield* showChange(counter, admitted.change, grant), replayed: false }
      }
      case "Replay": {
        const entry = yield* entryOf(call, principal, "replayed", request)
        yield* audit.record({ ...entry, issue_id: issueIdOf(admitted.answer) ?? entry.issue_id })
        return {
          structured: yield* showAnswer(counter, admitted.answer, grant, request.wrote, true),
          replayed: true
        }
      }
      case "Reserved":
      case "Claimed": {
        const { lease, tries, write } = admitted
        const purpose = admitted._tag === "Reserved" ? "write" : "settle"
        const who: OnBehalf = { ...whoOf(wanted, admitted), purpose }
        const ticket = { ...who, upstreamKey: lease.upstreamKey }
        const held = whileHeld(lease)
        const sending = {
          tasker,
          who,
          key: lease.upstreamKey,
          tries,
          held,
          texts: texts.owed(principal.agent.id),
          send: (sent: Write) => held(tool.apply(sent, ticket, tasker))
        }
        const settling = admitted._tag === "Reserved" ? attempt(write, sending) : settle(write, sending)
        return yield* conclude(wanted, admitted, admitted, yield* bounded(wanted, settling))
      }
    }
  })

  /** Within what is left of the call's time; one call to Tasker at least, or reserving was for nothing. */
  const bounded = Effect.fnUntraced(function* ({ deadline }: WriteCall, settling: Effect.Effect<Settled>) {
    const left = yield* millisUntil(deadline)
    // A process that stood still for so long may have lost its lease: then it is another's to send.
    if (left < -overdueMillis) {
      return { _tag: "Undecided", because: "The gateway stood still.", asked: false } satisfies Settled
    }
    return yield* Effect.timeoutOrElse(settling, {
      duration: Math.max(left, Duration.toMillis(settings.taskerTimeout)),
      orElse: () => Effect.map(Clock.monotonicTimeNanos, outOfTime)
    })
  })

  /** Writes down what came of it. From here on nothing is sent any more. */
  const conclude = (
    wanted: WriteCall,
    authorised: Authorised,
    leased: Leased,
    settled: Settled
  ): Effect.Effect<ToolResult, CallFailure> => {
    switch (settled._tag) {
      case "Done":
        return executed(wanted, authorised, leased, settled)
      case "NotDone":
        return refused(wanted, authorised, leased, settled.failure)
      case "Undecided":
        return doubted(wanted, authorised, leased, "look again", outcomeUnknown(settled.because), settled)
      case "Waiting":
        return doubted(
          wanted,
          authorised,
          leased,
          "look again",
          outcomeUnknown(settled.because, Math.ceil(settled.millis / 1000)),
          settled
        )
      case "Unresolvable":
        return doubted(wanted, authorised, leased, "unresolved", unresolved(settled.because), settled)
    }
  }

  const executed = Effect.fnUntraced(function* (
    wanted: WriteCall,
    authorised: Authorised,
    { before, lease, write }: Leased,
    settled: Done
  ): Effect.fn.Return<ToolResult, CallFailure> {
    const { call, request } = wanted
    const owed = texts.owed(authorised.principal.agent.id)
    const answer = yield* answerOf(settled, write, before, boardOf(wanted, authorised), owed)
    const change = changeOf(write, before, answer)
    const told = {
      ...(yield* entryOf(call, authorised.principal, "executed", request)),
      issue_id: issueIdOf(answer)
    }
    const entry = {
      ...told,
      reason: reasonOf(settled, request),
      ...(change === undefined ? {} : { change_sha256: changeHash(change) })
    }
    const doubled =
      settled.copies === undefined ? undefined : yield* audit.stamp({ ...told, ...doubledEntry })
    const recorded = yield* persist(entry, (event) =>
      once.complete(lease, answer, event, change, { checkLater: settled.resent === "making", doubled })
    )
    if (recorded === "LeaseLost") return yield* takenOver(wanted, authorised)
    if (recorded === "Unrecorded")
      return yield* outcomeUnknown("The change was made, but could not be put on record.")
    const structured: Output = yield* showAnswer(owed, answer, authorised.grant, request.wrote, false)
    return { structured, replayed: false }
  })

  const refused = Effect.fnUntraced(function* (
    wanted: WriteCall,
    authorised: Authorised,
    { lease, write }: Leased,
    failure: TaskerFailure | GrantDenied
  ): Effect.fn.Return<never, CallFailure> {
    const entry = yield* failureEntry(wanted.call, authorised.principal, failure, wanted.request)
    const recorded = yield* persist(entry, (event) => once.release(lease, event))
    if (recorded === "LeaseLost") return yield* takenOver(wanted, authorised)
    if (recorded === "Unrecorded") {
      // Whoever settles it when the lease runs out does not know of the refusal, and may send it again.
      return yield* outcomeUnknown(
        "Tasker refused it, but that could not be put on record, so it may be tried again."
      )
    }
    return yield* failure.reason === "conflict" && failure._tag === "TaskerFailure" && isChange(write)
      ? Effect.flatMap(withCard(failure, write, boardOf(wanted, authorised)), Effect.fail)
      : Effect.fail(failure)
  })

  const doubted = Effect.fnUntraced(function* (
    wanted: WriteCall,
    authorised: Authorised,
    { lease }: Leased,
    doubt: Doubt,
    failure: TaskerFailure,
    settled: { readonly sentAt?: bigint; readonly millis?: number; readonly moved?: boolean }
  ): Effect.fn.Return<never, CallFailure> {
    const entry = yield* failureEntry(wanted.call, authorised.principal, failure, wanted.request)
    const times = yield* doubtFacts(settled)
    const recorded = yield* persist(entry, (event) => once.doubt(lease, doubt, failure.message, event, times))
    return yield* recorded === "LeaseLost" ? takenOver(wanted, authorised) : Effect.fail(failure)
  })

  /** Who took over says what came of it; that this call ended in doubt is on record all the same. */
  const takenOver = Effect.fnUntraced(function* (
    { call, request }: WriteCall,
    { principal }: Authorised
  ): Effect.fn.Return<never, CallFailure> {
    const failure = outcomeUnknown("Another call took over while Tasker answered.")
    yield* persist(yield* failureEntry(call, principal, failure, request), audit.append)
    return yield* failure
  })

  return { admit, carryOut }
}

/** The event's reason: a second card that was intended, or a change that may have undone another hand's. */
const reasonOf = ({ resent }: Done, { repetition }: WriteRequest): string | null => {
  if (resent === "moved") return "operation.resent"
  return repetition?.allowed === true ? "duplicate.allowed" : null
}

const millisUntil = (deadline: bigint): Effect.Effect<number> =>
  Effect.map(Clock.monotonicTimeNanos, (now) => Number(deadline - now) / 1e6)

/** How far past its deadline a write is still sent: well within what a lease lasts beyond it. */
const overdueMillis = 10_000
