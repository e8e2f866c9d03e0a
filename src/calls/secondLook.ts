import { Duration, Effect } from "effect"
import { auditEntry } from "../domain/AuditEvent.ts"
import type { GatewayUnavailable } from "../domain/Failure.ts"
import type { AuditLog } from "../services/AuditLog.ts"
import type { Check, CheckResult, RecoveryQueue } from "../services/RecoveryQueue.ts"
import type { TaskerAdapter } from "../services/TaskerAdapter.ts"
import { doubledWarning } from "./answer.ts"
import { doubledEntry } from "./doubts.ts"

/**
 * Looks a second time for a double of a create or comment that the gateway sent again. The first look came
 * with the resend; by this one a first request that arrived meanwhile has been executed.
 */
export const makeSecondLook = (
  queue: RecoveryQueue["Service"],
  tasker: TaskerAdapter["Service"],
  audit: AuditLog["Service"]
) =>
  Effect.fn("Recovery.secondLook")(function* (check: Check): Effect.fn.Return<void, GatewayUnavailable> {
    const { agent, isComment, operation, requestId, workspaceSlug } = check
    const { issue_id, project_id } = operation
    const mark = { project_id, external_id: check.upstreamKey }
    const result = yield* tasker
      .copies(
        { agent, requestId, workspaceSlug, purpose: "settle" },
        isComment && issue_id !== null ? { ...mark, issue_id } : mark
      )
      .pipe(
        Effect.matchEffect({
          onFailure: (failure) =>
            failure.reason === "unsupported"
              ? givenUp(check, failure.message)
              : later(check, failure.message),
          onSuccess: (copies): Effect.Effect<CheckResult> =>
            copies.several
              ? Effect.map(audit.stamp(eventOf(check)), (event) => ({
                  _tag: "Doubled",
                  warning: doubledWarning(copies, isComment),
                  event
                }))
              : Effect.succeed({ _tag: "Single" })
        })
      )
    yield* queue.endCheck(check, result)
  })

/** By time, not by looks: an outage of Tasker of any usual length must not hide a double. */
const longest = Duration.hours(24)

/** A look that fails is repeated after as long again as it is settled, within bounds. */
const later = (check: Check, because: string): Effect.Effect<CheckResult> =>
  check.age < Duration.toMillis(longest)
    ? Effect.succeed({
        _tag: "Later",
        after: Duration.clamp(Duration.millis(check.age), {
          minimum: Duration.seconds(5),
          maximum: Duration.minutes(10)
        })
      })
    : givenUp(check, because)

const givenUp = ({ operation }: Check, because: string): Effect.Effect<CheckResult> =>
  Effect.as(
    Effect.logWarning("The second look for a double was given up", {
      operation_id: operation.id,
      reason: because
    }),
    { _tag: "GivenUp" } satisfies CheckResult
  )

const eventOf = ({ agent, client, operation, requestId, tokenId }: Check) =>
  auditEntry({
    action: doubledEntry.action,
    outcome: doubledEntry.outcome,
    agent,
    token: { id: tokenId },
    project_id: operation.project_id,
    issue_id: operation.issue_id,
    idempotency_key: operation.key,
    arguments_sha256: operation.fingerprint,
    request_id: requestId,
    via: "recovery",
    ...(client === null ? {} : { client })
  })
