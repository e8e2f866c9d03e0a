import { createHash } from "node:crypto"
import { Schema } from "effect"
import { canonicalJson } from "./CanonicalJson.ts"
import { IdempotencyRefused } from "./Failure.ts"
import { AgentId, IssueId, OperationId, ProjectId } from "./Ids.ts"
import { Comment, Issue, Warning } from "./Issue.ts"

/** What a write came to, as it is kept for every later call with the same key. */
export const Answer = Schema.Struct({
  /** An answer that was kept by an earlier version of the gateway has no version. */
  issue: Schema.optionalKey(Schema.Struct({ ...Issue.fields, version: Schema.optionalKey(Schema.String) })),
  comment: Schema.optionalKey(Comment),
  warnings: Schema.Array(Warning)
})
export type Answer = typeof Answer.Type

/**
 * Where a key stands. `executed` is final. `unknown` means that a reply from Tasker got lost: the
 * write may or may not have been done, and recovery or the next call with the key settles which.
 * `in_progress` with its lease run out is the same, but that nobody lived to say so. `unresolved` is
 * what recovery has given up: its owner decides, or a call with the key that finds out.
 */
const KeyState = Schema.Literals(["in_progress", "unknown", "unresolved", "executed"])

/** The write behind one key of one agent. */
export const Operation = Schema.Struct({
  id: OperationId,
  agent_id: AgentId,
  key: Schema.String,
  tool: Schema.String,
  project_id: ProjectId,
  issue_id: Schema.NullOr(IssueId),
  fingerprint: Schema.String,
  state: KeyState,
  /** Rises by one each time that the lease changes hands; what was leased under a lower one may write no outcome. */
  fence: Schema.Int,
  lease_expired: Schema.Boolean,
  /** Whether it is so long done that its answer is kept no longer. */
  answer_expired: Schema.Boolean,
  answer: Schema.NullOr(Answer)
})
export type Operation = typeof Operation.Type

/** A key's meaning to a later call. `used`: its write was executed so long ago that only the key is kept. */
export type KeyHolder = Operation | "used"

/** The right to carry out one operation and to write down what came of it, until it runs out or is taken over. */
export interface Lease {
  readonly operationId: OperationId
  readonly fence: number
  /** What Tasker sees as `Idempotency-Key` and `external_id`. */
  readonly upstreamKey: string
  /**
   * Latest moment at which a request may be begun, so that it has left before the lease ends. By two clocks:
   * the monotonic one stands still while a machine is suspended, the other one can be set.
   */
  readonly sendUntil: { readonly nanos: bigint; readonly millis: number }
}

/** The earlier sendings of a write, by the database's clock. */
export interface Tries {
  /** When its key was reserved, in milliseconds since the epoch. */
  readonly firstAt: number
  /** Milliseconds since then. */
  readonly age: number
  /** Milliseconds until every request that was sent is assumed dead; 0 if that is so already. */
  readonly restless: number
  /** True if the key was used before for a write that was not executed, and released. */
  readonly reused: boolean
  /** True if an earlier holder may have sent it again: whoever took it over after the first holder may. */
  readonly resent: boolean
  /** True if an earlier holder sent a change again, or may have, after its card's `updated_at` had moved. */
  readonly moved: boolean
}

const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex")

/** These choose how a call is made, not what it changes, and so do not tell one write from another. */
const notFingerprinted = new Set(["idempotency_key", "dry_run", "allow_duplicate"])

/** SHA-256, in hex, over the canonical JSON (RFC 8785) of a tool's arguments, its name and its project. */
export const fingerprint = (tool: string, args: Readonly<Record<string, unknown>>): string => {
  const { project_id, ...rest } = args
  const counted = Object.fromEntries(Object.entries(rest).filter(([name]) => !notFingerprinted.has(name)))
  return sha256(canonicalJson([tool, project_id ?? null, counted]))
}

/**
 * One value for one agent and key, so that Tasker recognises a repeat and two agents never meet. The
 * agent's own key is not sent: what it wrote there is none of Tasker's business.
 */
export const upstreamKey = (agentId: AgentId, key: string): string =>
  sha256(`nodedc-agent-gateway\n${agentId}\n${key}`)

export const keyInProgress = (): IdempotencyRefused =>
  new IdempotencyRefused({
    reason: "in_progress",
    message:
      "A call with this idempotency_key is being carried out just now. Repeat the same call with the same key in a moment to be given its answer.",
    retryable: true,
    details: { retry_after_seconds: 1 }
  })

/** An owner settled the key's earlier write as not made, and a request of it can still arrive. */
export const keyResting = (millis: number): IdempotencyRefused =>
  new IdempotencyRefused({
    reason: "in_progress",
    message:
      "An earlier call with this idempotency_key was settled as not made, but its request may still be on its way to Tasker. Nothing was changed. Repeat the same call with the same key when it is assumed dead.",
    retryable: true,
    details: { retry_after_seconds: Math.max(1, Math.ceil(millis / 1000)) }
  })

const keyReused = (operation: Operation): IdempotencyRefused =>
  new IdempotencyRefused({
    reason: "key_reused",
    message: `This idempotency_key already stands for another call (${operation.tool}, with other arguments or another project). Nothing was changed. Use a new key for a new change, and the same key only to repeat the same one.`
  })

/** Refuses a key whose write was executed and whose response is not kept any more. */
export const keyExpired = (issueId: IssueId | null): IdempotencyRefused =>
  new IdempotencyRefused({
    reason: "key_expired",
    message: `This idempotency_key was used for a call that was carried out long ago, and its answer is kept no longer. Nothing was done again.${issueId === null ? "" : ` The card is ${issueId}.`} Use a new key for a new change.`,
    details: issueId === null ? {} : { issue_id: issueId }
  })

/** What a call finds behind its key. */
export type KeyVerdict =
  | { readonly _tag: "Replay"; readonly answer: Answer }
  | { readonly _tag: "Unsettled"; readonly operation: Operation }
  | { readonly _tag: "Refused"; readonly failure: IdempotencyRefused }

/** Judges a call by what its key stands for. Pure: the state diagram of `services/Idempotency.ts`, read by a caller. */
export const judgeKey = (operation: KeyHolder, fingerprint: string): KeyVerdict => {
  if (operation === "used") return { _tag: "Refused", failure: keyExpired(null) }
  if (operation.fingerprint !== fingerprint) return { _tag: "Refused", failure: keyReused(operation) }
  if (operation.answer_expired) return { _tag: "Refused", failure: keyExpired(operation.issue_id) }
  if (operation.answer !== null) return { _tag: "Replay", answer: operation.answer }
  return operation.state === "in_progress" && !operation.lease_expired
    ? { _tag: "Refused", failure: keyInProgress() }
    : { _tag: "Unsettled", operation }
}
