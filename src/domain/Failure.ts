import { Effect, Schema } from "effect"
import type { Principal } from "./Principal.ts"

/**
 * Every way a call can fail, as tagged errors with a `reason`. `<kind>.<reason>` is the code that
 * clients see; `message` says what happened, on what, and what to do next; `details` are the fields
 * beside them in the reply. None ever holds a secret or a stack. They are turned into words in two
 * places only: `mcp/` and `http/`.
 */
const failure = <const Reasons extends ReadonlyArray<string>>(reasons: Reasons) => ({
  reason: Schema.Literals(reasons),
  message: Schema.String,
  /** Whether this same call may succeed later. */
  retryable: Schema.Boolean.pipe(Schema.withConstructorDefault(Effect.succeed(false))),
  /** What a reply says beside kind, reason, message and retryable. JSON values only. */
  details: Schema.Record(Schema.String, Schema.Unknown).pipe(
    Schema.withConstructorDefault(Effect.succeed({}))
  )
})

const authFailure = failure(["missing", "malformed", "unknown", "expired", "revoked", "agent_disabled"])

/** Adds the holder of the token to the fields that a failure is made of. */
type Held<Fields extends Schema.Struct.Fields> = Schema.Struct<Fields>["~type.make.in"] & {
  readonly holder?: Principal | undefined
}

/** Sets `holder` so that no reply and no log line ever shows it: it is neither in the schema nor enumerable. */
const hold = (failure: object, holder: Principal | undefined) =>
  Object.defineProperty(failure, "holder", { value: holder })

/** The caller is unknown or may not be served. Always HTTP 401. */
export class AuthFailure extends Schema.TaggedError<AuthFailure>()("AuthFailure", authFailure) {
  readonly kind = "auth"
  /** Whose dead token it was, if the gateway issued it: for the audit trail. */
  declare readonly holder: Principal | undefined

  constructor({ holder, ...fields }: Held<typeof authFailure>, options?: Schema.MakeOptions) {
    super(fields, options)
    hold(this, holder)
  }
}

/** The agent is known, but what it asks is not granted. HTTP 403. */
export class GrantDenied extends Schema.TaggedError<GrantDenied>()(
  "GrantDenied",
  failure(["no_grant", "scope_missing", "grant_expired", "wrong_project", "owner_not_member"])
) {
  readonly kind = "grant"
}

/** The arguments are not such as can be carried out. HTTP 422. */
export class InputInvalid extends Schema.TaggedError<InputInvalid>()(
  "InputInvalid",
  failure(["invalid", "unknown_reference", "would_lose_content", "holds_secret"])
) {
  readonly kind = "input"
}

/** The idempotency key is missing, or stands for something else, or is being worked on. */
export class IdempotencyRefused extends Schema.TaggedError<IdempotencyRefused>()(
  "IdempotencyRefused",
  failure(["key_missing", "key_reused", "in_progress", "key_expired", "already_created"])
) {
  readonly kind = "idempotency"
}

/** The agent made the same card just now, under another key. HTTP 409. */
export class DuplicateRefused extends Schema.TaggedError<DuplicateRefused>()(
  "DuplicateRefused",
  failure(["possible_duplicate"])
) {
  readonly kind = "duplicate"
}

const limitReached = failure(["rate", "quota"])

/** A limit that the owner or the operator set was reached. HTTP 429. */
export class LimitReached extends Schema.TaggedError<LimitReached>()("LimitReached", limitReached) {
  readonly kind = "limit"
  /** Whose call it was, if that is known: for the audit trail, which then needs no statement to find it out. */
  declare readonly holder: Principal | undefined

  constructor({ holder, ...fields }: Held<typeof limitReached>, options?: Schema.MakeOptions) {
    super(fields, options)
    hold(this, holder)
  }
}

/** Tasker could not be asked, refused, or answered what the contract does not allow. */
export class TaskerFailure extends Schema.TaggedError<TaskerFailure>()(
  "TaskerFailure",
  failure([
    "unavailable",
    "timeout",
    "rejected",
    "not_found",
    "conflict",
    "rate_limited",
    "unauthorized",
    "contract",
    "unsupported",
    "outcome_unknown"
  ])
) {
  readonly kind = "tasker"
}

/** The request itself is not one that the gateway can read or serve: HTTP only, never a tool's failure. */
export class RequestRefused extends Schema.TaggedError<RequestRefused>()(
  "RequestRefused",
  failure([
    "malformed",
    "not_found",
    "method",
    "too_large",
    "media_type",
    "origin",
    "host",
    "address",
    "conflict"
  ])
) {
  readonly kind = "request"
}

/** A pairing code that connects nothing, or no more of them at a time. HTTP only. */
export class PairingRefused extends Schema.TaggedError<PairingRefused>()(
  "PairingRefused",
  failure(["unknown", "used", "expired", "cancelled", "locked", "agent_disabled", "too_many"])
) {
  readonly kind = "pairing"
}

/** The gateway's database can't be reached, or the gateway is being stopped: HTTP 503. Nothing was sent to Tasker. */
export class GatewayUnavailable extends Schema.TaggedError<GatewayUnavailable>()(
  "GatewayUnavailable",
  failure(["unavailable"])
) {
  readonly kind = "gateway"
}

/** Fails a call at any step before its answer, authentication included. A tool itself fails with all of these but `AuthFailure`. */
export type ToolFailure =
  | AuthFailure
  | GrantDenied
  | InputInvalid
  | IdempotencyRefused
  | DuplicateRefused
  | LimitReached
  | TaskerFailure

/** What a call can fail with once the gateway around the tool is counted in. */
export type CallFailure = ToolFailure | GatewayUnavailable

export type Failure = CallFailure | RequestRefused | PairingRefused

/** The code that clients, the audit trail and the documentation use: `<kind>.<reason>`. */
export const codeOf = (failure: Failure): string => `${failure.kind}.${failure.reason}`

/** The reply's fields, the same for MCP and HTTP. */
export const describe = (failure: Failure): Readonly<Record<string, unknown>> => ({
  kind: failure.kind,
  reason: failure.reason,
  message: failure.message,
  retryable: failure.retryable,
  ...failure.details
})

/** The database could not be asked, so this call changed nothing. */
export const gatewayUnavailable = (): GatewayUnavailable =>
  new GatewayUnavailable({
    reason: "unavailable",
    message:
      "The gateway's database can't be reached just now. This call changed nothing; repeat it shortly.",
    retryable: true,
    details: { retry_after_seconds: 2 }
  })

/** The database failed while it committed. `next` says how the caller finds out what became of it. */
export const mayHaveBeenDone = (next: string): GatewayUnavailable =>
  new GatewayUnavailable({
    reason: "unavailable",
    message: `The gateway's database failed while it saved this: it may have been done. ${next}`,
    retryable: true,
    details: { retry_after_seconds: 2 }
  })
