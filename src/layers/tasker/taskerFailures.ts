import { GrantDenied, TaskerFailure } from "../../domain/Failure.ts"
import { Ambiguous, NotSent, Refused, type WriteFailed } from "../../domain/WriteFailed.ts"
import type { Meaning } from "./errorTable.ts"
import type { NotAsked } from "./TaskerGate.ts"
import type { Broken, Reply } from "./TaskerHttp.ts"
import { retryAfterSeconds, type Spoken } from "./taskerAnswers.ts"
import { isWrite, type Outgoing } from "./taskerCalls.ts"

/**
 * Failures of calls to Tasker. Each is made with its evidence (`WriteFailed`), which also chooses its words;
 * a read drops the tag. The transport alone makes `NotSent`, the closed table alone `Refused`; everything
 * else is `Ambiguous`.
 */

type Reason = TaskerFailure["reason"]

/** Tasker answered with 5xx: it may have failed at this one request only. */
export class ServerError extends Ambiguous {}

const again = (call: Outgoing): string =>
  isWrite(call) ? "repeat the same call with the same idempotency_key" : "repeat the same call"

const inDoubt =
  "It may or may not have been done. Repeat the same call with the same idempotency_key: that settles which, and never does it twice."

const notSent = (
  call: Outgoing,
  fields: {
    readonly reason: "unavailable" | "rate_limited"
    readonly what: string
    readonly next?: string
    readonly seconds?: number
  }
): NotSent =>
  new NotSent({
    failure: new TaskerFailure({
      reason: fields.reason,
      message: `${call.doing}: ${fields.what} Nothing was sent, so nothing was changed.${fields.next === undefined ? "" : ` ${fields.next}`}`,
      retryable: fields.next !== undefined,
      details: fields.seconds === undefined ? {} : { retry_after_seconds: fields.seconds }
    })
  })

interface Doubt {
  readonly reason: "unavailable" | "timeout" | "contract"
  readonly what: string
  readonly retryable: boolean
  readonly afterRead: string
  readonly details?: Record<string, unknown>
}

const doubtful = (call: Outgoing, doubt: Doubt): TaskerFailure =>
  new TaskerFailure({
    reason: doubt.reason,
    message: `${call.doing}: ${doubt.what} ${isWrite(call) ? inDoubt : doubt.afterRead}`,
    retryable: isWrite(call) || doubt.retryable,
    details: doubt.details ?? {}
  })

const ambiguous = (call: Outgoing, doubt: Doubt, sentAt: bigint): Ambiguous =>
  new Ambiguous({ failure: doubtful(call, doubt), sentAt })

const refused = (
  call: Outgoing,
  fields: {
    readonly reason: Reason
    readonly what: string
    readonly next: string
    readonly spoken?: Spoken | undefined
    readonly retryable?: boolean
    readonly details?: Record<string, unknown>
  }
): Refused => {
  const { spoken } = fields
  return new Refused({
    failure: new TaskerFailure({
      reason: fields.reason,
      message: `${call.doing}: ${fields.what}${spoken === undefined ? "" : ` (Tasker says: ${JSON.stringify(spoken.text)})`}.${isWrite(call) ? " Nothing was changed." : ""} ${fields.next}`,
      retryable: fields.retryable ?? false,
      details: fields.details ?? (spoken === undefined ? {} : { tasker: spoken.said })
    })
  })
}

/** Tasker's response violates the contract. Its own words are not passed on. */
export const breach = (call: Outgoing, what: string, sentAt: bigint): Ambiguous =>
  ambiguous(
    call,
    {
      reason: "contract",
      what: `Unexpected response from Tasker: ${what}.`,
      retryable: false,
      afterRead: "Tasker's operator has to fix that; repeating the call will not help."
    },
    sentAt
  )

/** A setting that leaves the gateway without an address or a credential for Tasker. */
export interface Unconfigured {
  readonly _tag: "Unconfigured"
  readonly variable: string
  /** Left out: it is not set. */
  readonly fault?: string
}

const longestAdviceSeconds = 60

const ofNotAsked = (call: Outgoing, { because, millis }: NotAsked): NotSent => {
  const seconds = Math.min(longestAdviceSeconds, Math.max(1, Math.ceil(millis / 1000)))
  const next = `In ${seconds} s, ${again(call)}.`
  return notSent(call, {
    reason: because === "held" || because === "budget" ? "rate_limited" : "unavailable",
    what: whyNotAsked[because],
    next,
    seconds
  })
}

const whyNotAsked: Record<NotAsked["because"], string> = {
  failing: "the circuit breaker is open because Tasker calls are failing.",
  held: "Tasker sent Retry-After, so the gateway pauses all calls to it.",
  busy: "more calls wait for Tasker than it can answer in time.",
  budget: "the requests that Tasker accepts from the gateway in a minute are used up.",
  uncounted: "the gateway's database, which counts the requests to Tasker, can't be reached.",
  agent_busy: "this agent has more calls waiting for Tasker than can be answered in time; make fewer at once."
}

/** The failure of a call to which no response came. */
export const ofBroken = (call: Outgoing, broken: Broken | NotAsked | Unconfigured): WriteFailed => {
  switch (broken._tag) {
    case "Unconfigured":
      return notSent(call, {
        reason: "unavailable",
        what: `this gateway has no Tasker to ask, since ${broken.variable} ${broken.fault ?? "is not set"}; the operator has to set it.`
      })
    case "NotAsked":
      return ofNotAsked(call, broken)
    case "NotSent":
      return notSent(call, {
        reason: "unavailable",
        what: `Tasker can't be reached (${broken.because}).`,
        next: `In a few seconds, ${again(call)}.`
      })
    case "TimedOut":
      return ambiguous(
        call,
        {
          reason: "timeout",
          what: `Tasker did not answer within ${broken.afterMillis / 1000} s.`,
          retryable: true,
          afterRead: "Repeat the same call; if it is a list, a smaller limit helps."
        },
        broken.sentAt
      )
    case "Cut":
      return ambiguous(
        call,
        {
          reason: "unavailable",
          what: "the connection to Tasker broke before its response was complete.",
          retryable: true,
          afterRead: "Repeat the same call."
        },
        broken.sentAt
      )
    case "TooLong":
      return call.listsCards === true
        ? new Ambiguous({ failure: listTooLong(call, "a reply of more than 8 MiB"), sentAt: broken.sentAt })
        : breach(call, "it is longer than 8 MiB", broken.sentAt)
    case "Unreadable":
      return breach(call, broken.because, broken.sentAt)
  }
}

/** Tasker's list of cards is longer than the gateway reads at once, and can't be had in parts. */
export const listTooLong = ({ doing }: Pick<Outgoing, "doing">, what: string): TaskerFailure =>
  new TaskerFailure({
    reason: "unsupported",
    message: `${doing}: Tasker lists the project's cards as ${what}. The gateway reads at most ${mostCards} cards and 8 MiB at once. Try a smaller limit; a Tasker that ignores \`limit\`, \`cursor\` and \`issue_id\` of GET /issues can't be used for a project of this size.`,
    details: {
      most_cards: mostCards,
      most_bytes: 8 * 1024 * 1024,
      missing_parameters: ["limit", "cursor", "issue_id"]
    }
  })

/** Cards that are read at once of a Tasker that lists all of them or can't find one. */
export const mostCards = 2000

/** A response that is no success, read. */
export interface Answered {
  readonly reply: Reply
  /** Meaning by the closed table of error documents; undefined if the body is none of Tasker's. */
  readonly means: Exclude<Meaning, "exists"> | undefined
  readonly spoken: Spoken | undefined
  /** Name of the setting that holds the gateway's credential. */
  readonly credential: string
  /** Name of the setting that holds Tasker's address. */
  readonly address: string
  /** A `Retry-After` date is compared with it. */
  readonly nowMillis: number
}

/** The failure of a call that Tasker, or a proxy before it, answered with anything but a success. */
export const ofAnswered = (call: Outgoing, answered: Answered): WriteFailed => {
  const { means, reply, spoken } = answered
  // A read executes nothing: for it the status may decide.
  const taken = means ?? (isWrite(call) ? undefined : ofRead(reply.status, spoken !== undefined))
  if (taken !== undefined) return ofMeaning(call, taken, answered)
  const { sentAt, status } = reply
  if ((status === 404 || status === 405) && call.newer === true && spoken === undefined)
    return noSuchCall(call, answered)
  if (status >= 500) return ofServerError(call, answered)
  return status >= 300 && status < 400
    ? breach(call, `it redirects (status ${status}), which is never followed`, sentAt)
    : breach(call, `status ${status} without an error document of Tasker's`, sentAt)
}

const ofRead = (status: number, speaks: boolean): Exclude<Meaning, "exists"> | undefined => {
  switch (status) {
    case 400:
    case 413:
    case 422:
      return "rejected"
    case 401:
      return "unauthorized"
    case 403:
      return speaks ? "no_access" : undefined
    case 404:
      return speaks ? "not_found" : undefined
    case 409:
      return speaks ? "conflict" : undefined
    case 429:
      return "rate_limited"
    default:
      return undefined
  }
}

const ofMeaning = (
  call: Outgoing,
  means: Exclude<Meaning, "exists">,
  answered: Answered
): Refused | Ambiguous => {
  const { credential, nowMillis, reply, spoken } = answered
  switch (means) {
    case "rejected":
      return reply.status === 413
        ? refused(call, {
            reason: "rejected",
            what: "it is too large for Tasker",
            next: "Make it shorter before calling again.",
            spoken
          })
        : refused(call, {
            reason: "rejected",
            what: "Tasker refused it",
            next: "Correct the arguments before calling again.",
            spoken
          })
    case "unauthorized":
      return refused(call, {
        reason: "unauthorized",
        what: "Tasker does not accept the gateway's own credential",
        next: `The operator has to check ${credential}; until then, don't repeat the call.`
      })
    case "no_access":
      return refused(call, {
        reason: "rejected",
        what: "the gateway's account has no access to this project in Tasker, or no right to do this there",
        next: "Somebody who administers the project in Tasker has to give it access; until then, don't repeat the call.",
        spoken
      })
    case "owner_not_member":
      return new Refused({ failure: ownerNotMember(call) })
    case "not_found":
      return refused(call, {
        reason: "not_found",
        what: "Tasker finds no such thing",
        next: "It may have been deleted or its id be mistaken: look it up again before calling again.",
        spoken
      })
    case "no_such_call":
      return noSuchCall(call, answered)
    case "conflict":
      return refused(call, {
        reason: "conflict",
        what: "it conflicts with the current state in Tasker",
        next: "Read the card again and decide anew on what it says.",
        spoken
      })
    case "unclear":
      return new Ambiguous({
        failure: doubtful(call, {
          reason: "unavailable",
          what: "Tasker does not say if it executed it.",
          retryable: true,
          afterRead: "Repeat the same call."
        }),
        sentAt: reply.sentAt,
        isOver: true
      })
    case "rate_limited": {
      const seconds = retryAfterSeconds(reply, nowMillis) ?? defaultRetrySeconds
      return refused(call, {
        reason: "rate_limited",
        what: "Tasker takes no more calls just now",
        next: `In ${seconds} s, ${again(call)}.`,
        retryable: true,
        details: { retry_after_seconds: seconds }
      })
    }
  }
}

const defaultRetrySeconds = 10

const noSuchCall = (call: Outgoing, { address }: Answered): Refused =>
  refused(call, {
    reason: "unsupported",
    what: "this Tasker does not have that call",
    next: `Go on without it; only a newer Tasker, or another ${address}, will answer it.`
  })

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

const ofServerError = (call: Outgoing, { nowMillis, reply }: Answered): ServerError => {
  const seconds = retryAfterSeconds(reply, nowMillis)
  const failure = doubtful(call, {
    reason: "unavailable",
    what: `Tasker failed (status ${reply.status}).`,
    retryable: true,
    afterRead: `Repeat the same call ${seconds === undefined ? "shortly" : `in ${seconds} s`}.`,
    ...(seconds === undefined ? {} : { details: { retry_after_seconds: seconds } })
  })
  return new ServerError({ failure, sentAt: reply.sentAt })
}
