import { Cause, Clock, Duration, Effect, Layer, Option, Random } from "effect"
import { Settings } from "../Config.ts"
import { type AuditEntry, auditEntry, outcomeOf } from "../domain/AuditEvent.ts"
import { changeHash } from "../domain/Change.ts"
import { codeOf, type Failure, type GatewayUnavailable } from "../domain/Failure.ts"
import { firstLook, mostLooks, pauseAfter, pauseWhileOut } from "../domain/Recovery.ts"
import { issueOf } from "../domain/Write.ts"
import { AuditLog } from "../services/AuditLog.ts"
import { GrantPolicy } from "../services/GrantPolicy.ts"
import { Idempotency } from "../services/Idempotency.ts"
import { type Due, RecoveryQueue } from "../services/RecoveryQueue.ts"
import { type OnBehalf, TaskerAdapter } from "../services/TaskerAdapter.ts"
import { Texts } from "../services/Texts.ts"
import { makeBoard } from "../tools/Board.ts"
import { find } from "../tools/registry.ts"
import { answerOf, issueIdOf } from "./answer.ts"
import { doubledEntry, doubtFacts, unresolved } from "./doubts.ts"
import { changeOf } from "./keptChange.ts"
import { persisting } from "./persist.ts"
import { outOfTime, type Settled } from "./Settled.ts"
import { makeSecondLook } from "./secondLook.ts"
import { settle } from "./settle.ts"
import { whileHeld } from "./whileHeld.ts"

/** How many writes one instance settles at a time: a backlog must not crowd out those who call now. */
const atOnce = 4

/** How often it is looked whether something is due: one indexed statement. */
const interval = Duration.millis(500)

/**
 * Recovery without a caller: every instance settles writes whose lease ran out, and writes in doubt
 * whose next look is due, as a call with their key would. Agent, grant and token are checked anew; if one of
 * them is gone or revoked it only looks, never sends. Outcome and audit event are one transaction, as in every write.
 *
 * While Tasker can't be asked it waits: whatever is due then is put back uncounted, and nothing more is
 * taken until a pause is over.
 */
export const layer = Layer.effectDiscard(
  Effect.gen(function* () {
    const queue = yield* RecoveryQueue
    const once = yield* Idempotency
    const policy = yield* GrantPolicy
    const tasker = yield* TaskerAdapter
    const texts = yield* Texts
    const settings = yield* Settings
    const audit = yield* AuditLog
    const persist = persisting(audit)

    /** Whether Tasker was there to be asked. */
    const recover = (due: Due): Effect.Effect<boolean, GatewayUnavailable> =>
      Effect.gen(function* () {
        const who = whoOf(due)
        const ticket = { ...who, upstreamKey: due.lease.upstreamKey }
        const tool = find(due.operation.tool)
        if (tool?._tag !== "Write") {
          return yield* give(due, {
            _tag: "Undecided",
            because: "This gateway has no such tool.",
            asked: true
          })
        }
        const grant = yield* Effect.option(
          policy.authorise({ agent: due.agent, grants: due.grants }, tool.scope, due.operation.project_id)
        )
        const mayWrite = due.agent.status === "active" && !due.isTokenRevoked && Option.isSome(grant)
        const held = whileHeld(due.lease)
        const settled = yield* settle(due.write, {
          tasker,
          who,
          key: due.lease.upstreamKey,
          tries: due.tries,
          held,
          texts: texts.owed(due.agent.id),
          send: mayWrite ? (write) => held(tool.apply(write, ticket, tasker)) : undefined
        }).pipe(
          Effect.timeoutOrElse({
            duration: settings.callDeadline,
            orElse: () => Effect.map(Clock.monotonicTimeNanos, outOfTime)
          }),
          Effect.interruptible,
          // Around the time-out, which interrupts the settling too: what ran out of time is no hand-over.
          Effect.onInterrupt(() => handOver(due))
        )
        return yield* give(due, settled)
      }).pipe(
        Effect.uninterruptible,
        Effect.annotateLogs({ request_id: due.requestId, agent_id: due.agent.id }),
        Effect.withSpan("Recovery.recover", {}, { captureStackTrace: false })
      )

    /** The gateway is being stopped: another instance goes on once what was just sent has come to an end. */
    const handOver = (due: Due) =>
      Effect.ignore(
        queue.putBack(due.lease, {
          after: firstLook(settings.taskerTimeout),
          looked: false,
          because: "The gateway that was settling it was stopped.",
          sentMillisAgo: 0,
          resentMoved: true
        })
      )

    /** Writes down what came of it. */
    const give = Effect.fnUntraced(function* (due: Due, settled: Settled) {
      switch (settled._tag) {
        case "Done": {
          const project = { project_id: due.operation.project_id, scopes: [] }
          const answer = yield* answerOf(
            settled,
            due.write,
            due.before,
            makeBoard({ tasker, texts }, whoOf(due), project),
            texts.owed(due.agent.id)
          )
          const change = changeOf(due.write, due.before, answer)
          const told = { ...entryOf(due, "executed"), issue_id: issueIdOf(answer) }
          const entry = {
            ...told,
            reason: settled.resent === "moved" ? "operation.resent" : null,
            ...(change === undefined ? {} : { change_sha256: changeHash(change) })
          }
          const doubled =
            settled.copies === undefined ? undefined : yield* audit.stamp({ ...told, ...doubledEntry })
          yield* persist(entry, (event) =>
            once.complete(due.lease, answer, event, change, {
              checkLater: settled.resent === "making",
              doubled
            })
          )
          return true
        }
        case "NotDone": {
          const { failure } = settled
          yield* persist(failureEntry(due, failure), (event) =>
            once.refute(due.lease, failure.message, event)
          )
          return true
        }
        case "Unresolvable":
          return yield* giveUp(due, settled.because, settled)
        case "Waiting": {
          const { resentMoved, sentMillisAgo } = yield* doubtFacts(settled)
          yield* queue.putBack(due.lease, {
            after: Duration.millis(settled.millis),
            looked: false,
            because: settled.because,
            sentMillisAgo,
            resentMoved
          })
          return true
        }
        case "Undecided": {
          if (settled.asked && due.looks + 1 >= mostLooks) return yield* giveUp(due, settled.because, settled)
          const chance = yield* Random.next
          const { resentMoved, sentMillisAgo } = yield* doubtFacts(settled)
          yield* queue.putBack(due.lease, {
            after: settled.asked ? pauseAfter(due.looks, chance) : pauseWhileOut(chance),
            looked: settled.asked,
            because: settled.because,
            sentMillisAgo,
            resentMoved
          })
          return settled.asked
        }
      }
    })

    const giveUp = Effect.fnUntraced(function* (
      due: Due,
      because: string,
      settled: { readonly sentAt?: bigint; readonly moved?: boolean }
    ) {
      const times = yield* doubtFacts(settled)
      yield* Effect.logWarning("A write is unresolved: its owner has to settle it", {
        operation_id: due.operation.id
      })
      yield* persist(failureEntry(due, unresolved(because)), (event) =>
        once.doubt(due.lease, "unresolved", because, event, times)
      )
      return true
    })

    /** One that fails keeps its lease until that runs out, and holds up no other. */
    const failed = (cause: Cause.Cause<GatewayUnavailable>): Effect.Effect<boolean> =>
      Effect.as(
        Cause.hasDies(cause) ? Effect.logError("Recovery failed by a defect", cause) : Effect.void,
        true
      )

    const secondLook = makeSecondLook(queue, tasker, audit)

    const secondLooks = (most: number) =>
      Effect.uninterruptible(queue.takeChecks(most)).pipe(
        Effect.flatMap((checks) =>
          Effect.forEach(checks, (check) => Effect.catchCause(Effect.as(secondLook(check), true), failed), {
            concurrency: atOnce
          })
        )
      )

    /** Settles what is due, and says how long to wait before the next look at what is. */
    const pass = Effect.gen(function* () {
      if (!(yield* tasker.available)) return interval
      const due = yield* Effect.uninterruptible(queue.take(atOnce))
      if (due.length === 0) {
        yield* secondLooks(atOnce)
        return interval
      }
      const asked = yield* Effect.forEach(due, (one) => Effect.catchCause(recover(one), failed), {
        concurrency: atOnce
      })
      // One with each batch, so that a backlog never keeps a double from being found.
      yield* secondLooks(1)
      return asked.every((was) => was) ? Duration.zero : pauseWhileOut(yield* Random.next)
    }).pipe(Effect.catchCause((cause) => Effect.as(failed(cause), interval)))

    yield* Effect.forever(Effect.flatMap(pass, Effect.sleep)).pipe(Effect.forkScoped)
  })
)

const whoOf = (due: Due): OnBehalf => ({
  agent: due.agent,
  requestId: due.requestId,
  workspaceSlug: due.workspaceSlug,
  purpose: "settle"
})

/** Told as of the client that asked for it, so that the turn in which it was asked shows how it ended. */
const entryOf = (
  { agent, client, operation, requestId, tokenId, write }: Due,
  outcome: AuditEntry["outcome"]
) =>
  auditEntry({
    action: operation.tool,
    outcome,
    agent,
    token: { id: tokenId },
    project_id: operation.project_id,
    issue_id: issueOf(write),
    idempotency_key: operation.key,
    arguments_sha256: operation.fingerprint,
    request_id: requestId,
    via: "recovery",
    ...(client === null ? {} : { client })
  })

const failureEntry = (due: Due, failure: Failure): AuditEntry => ({
  ...entryOf(due, outcomeOf(failure)),
  reason: codeOf(failure)
})
