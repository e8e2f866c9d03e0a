import { GrantDenied, TaskerFailure } from "../../domain/Failure.ts"
import type { TaskerError } from "../../services/TaskerAdapter.ts"
import type { NotAsked } from "./TaskerGate.ts"
import type { Broken, Reply } from "./TaskerHttp.ts"
import { type ErrorBody, retryAfterSeconds } from "./taskerAnswers.ts"
import { isWrite, type Outgoing } from "./taskerCalls.ts"

const again = (call: Outgoing): string =>
  isWrite(call) ? "repeat the same call with the same idempotency_key" : "repeat the same call"

const inDoubt =
  "It may or may not have been done. Repeat the same call with the same idempotency_key: that settles which, and never does it twice."

/** A failure that leaves it open whether a write was carried out; of a read it leaves nothing open. */
const open = (
  call: Outgoing,
  fields: {
    readonly reason: "unavailable" | "timeout" | "contract"
    readonly what: string
    readonly retryable: boolean
    readonly afterRead: string
    readonly details?: Record<string, unknown>
  }
): TaskerFailure =>
  new TaskerFailure({
    reason: fields.reason,
    message: `${call.doing}: ${fields.what} ${isWrite(call) ? inDoubt : fields.afterRead}`,
    retryable: isWrite(call) || fields.retryable,
    ambiguous: isWrite(call),
    details: fields.details ?? {}
  })

/** Tasker answered, but not what the contract says. Its own words are not passed on. */
export const breach = (call: Outgoing, what: string): TaskerFailure =>
  open(call, {
    reason: "contract",
    what: `Tasker answered otherwise than agreed: ${what}.`,
    retryable: false,
    afterRead: "That is a fault of Tasker's that its operator has to fix; repeating the call will not help."
  })

export const unconfigured = (call: Outgoing, variable: string): TaskerFailure =>
  new TaskerFailure({
    reason: "unavailable",
    message: `${call.doing}: this gateway has no Tasker to ask, since ${variable} is not set; the operator has to set it. Nothing was sent, so nothing was changed.`
  })

/** The gateway itself did not ask: definite, whatever the call. */
const notAsked = (call: Outgoing, { because, millis }: NotAsked): TaskerFailure => {
  const seconds = Math.min(longestAdviceSeconds, Math.max(1, Math.ceil(millis / 1000)))
  return new TaskerFailure({
    reason: "unavailable",
    message: `${call.doing}: ${whyNotAsked[because]} Nothing was sent, so nothing was changed. In ${seconds} s, ${again(call)}.`,
    retryable: true,
    details: { retry_after_seconds: seconds }
  })
}

const longestAdviceSeconds = 60

const whyNotAsked: Record<NotAsked["because"], string> = {
  failing: "Tasker has been failing, so it is left alone for a while.",
  held: "Tasker has asked to be left alone for a while.",
  busy: "more calls wait for Tasker than it can answer in time.",
  agent_busy: "this agent has more calls waiting for Tasker than can be answered in time; make fewer at once."
}

/** No answer came. `timeoutMillis` is what the call had for its answer. */
export const ofBroken = (call: Outgoing, broken: Broken | NotAsked, timeoutMillis: number): TaskerFailure => {
  switch (broken._tag) {
    case "NotAsked":
      return notAsked(call, broken)
    case "NotSent":
      return new TaskerFailure({
        reason: "unavailable",
        message: `${call.doing}: Tasker can't be reached (${broken.because}). Nothing was sent, so nothing was changed. In a few seconds, ${again(call)}.`,
        retryable: true
      })
    case "TimedOut":
      return open(call, {
        reason: "timeout",
        what: `Tasker did not answer within ${timeoutMillis / 1000} s.`,
        retryable: true,
        afterRead: "Repeat the same call; where it is a list, a smaller limit helps."
      })
    case "Cut":
      return open(call, {
        reason: "unavailable",
        what: "the connection to Tasker broke before its answer came.",
        retryable: true,
        afterRead: "Repeat the same call."
      })
    case "Unreadable":
      return breach(call, broken.because)
  }
}

/** A definite refusal: Tasker did nothing. */
const refusal = (
  call: Outgoing,
  reason: "rejected" | "not_found" | "conflict" | "unauthorized",
  what: string,
  next: string,
  body: ErrorBody | undefined
): TaskerFailure =>
  new TaskerFailure({
    reason,
    message: `${call.doing}: ${what}${body === undefined ? "" : ` (Tasker says: ${body.text})`}.${isWrite(call) ? " Nothing was changed." : ""} ${next}`,
    details: body === undefined ? {} : { tasker: body.said }
  })

/** What an answer other than a success comes to. `nowMillis` is the time that a `Retry-After` date is held against. */
export const ofStatus = (
  call: Outgoing,
  reply: Reply,
  body: ErrorBody | undefined,
  nowMillis: number
): TaskerError => {
  const { status } = reply
  switch (status) {
    case 400:
    case 422:
      return refusal(
        call,
        "rejected",
        "Tasker refused it",
        "Correct the arguments before calling again.",
        body
      )
    case 401:
      return refusal(
        call,
        "unauthorized",
        "Tasker does not accept the gateway's own credential",
        "The operator has to check NODEDC_INTERNAL_ACCESS_TOKEN; until then, don't repeat the call.",
        undefined
      )
    case 403:
      return body?.code === "owner_not_member" ? ownerNotMember(call) : forbidden(call, body)
    case 404:
      if (body !== undefined) {
        return refusal(
          call,
          "not_found",
          "Tasker finds no such thing",
          "It may have been deleted or its id be mistaken: look it up again before calling again.",
          body
        )
      }
      break
    case 409:
      // To the making of something it may have been meant to say that it exists: unread, it decides nothing.
      if (body !== undefined) {
        return refusal(
          call,
          "conflict",
          "it conflicts with the current state in Tasker",
          "Read the card again and decide anew on what it says.",
          body
        )
      }
      break
    case 413:
      return refusal(
        call,
        "rejected",
        "it is too large for Tasker",
        "Make it shorter before calling again.",
        body
      )
    case 429: {
      const seconds = retryAfterSeconds(reply, nowMillis) ?? defaultRetrySeconds
      return new TaskerFailure({
        reason: "rate_limited",
        message: `${call.doing}: Tasker takes no more calls just now.${isWrite(call) ? " Nothing was changed." : ""} In ${seconds} s, ${again(call)}.`,
        retryable: true,
        details: { retry_after_seconds: seconds }
      })
    }
  }
  if ((status === 404 || status === 405) && call.newer === true && body === undefined) {
    return new TaskerFailure({
      reason: "unsupported",
      message: `${call.doing}: this Tasker does not have that call yet. Go on without it; only a newer Tasker will answer it.`
    })
  }
  if (status >= 500) return failed(call, reply, nowMillis)
  if (status >= 300 && status < 400) {
    return breach(call, `it redirects (status ${status}), which is never followed`)
  }
  return breach(call, `status ${status}${body === undefined ? " without the JSON of an error" : ""}`)
}

const defaultRetrySeconds = 10

const forbidden = (call: Outgoing, body: ErrorBody | undefined): TaskerFailure =>
  refusal(
    call,
    "unauthorized",
    "Tasker does not let the agent's owner do that",
    "The owner needs the rights for it in Tasker; until then, don't repeat the call.",
    body
  )

const ownerNotMember = (call: Outgoing): GrantDenied => {
  const project = call.projectId === undefined ? "this project" : `project ${call.projectId}`
  return new GrantDenied({
    reason: "owner_not_member",
    message: `${call.doing}: the agent's owner is no member of ${project} in Tasker any more, and an agent may do nothing that its owner may not.${isWrite(call) ? " Nothing was changed." : ""} The owner has to be let into ${project} in Tasker again (by one of its admins); until then, don't repeat the call.`,
    details: {
      owner_user_id: call.who.agent.owner_user_id,
      ...(call.projectId === undefined ? {} : { project_id: call.projectId })
    }
  })
}

const failed = (call: Outgoing, reply: Reply, nowMillis: number): TaskerFailure => {
  const seconds = retryAfterSeconds(reply, nowMillis)
  return open(call, {
    reason: "unavailable",
    what: `Tasker failed (status ${reply.status}).`,
    retryable: true,
    afterRead: `Repeat the same call ${seconds === undefined ? "shortly" : `in ${seconds} s`}.`,
    ...(seconds === undefined ? {} : { details: { retry_after_seconds: seconds } })
  })
}
