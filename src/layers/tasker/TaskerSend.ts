import { Cause, Clock, Effect, Exit, type Fiber, Option, Random } from "effect"
import { type Gate, monotonicMillis, type NotAsked } from "./TaskerGate.ts"
import type { Broken, Reply, Request, Transport } from "./TaskerHttp.ts"
import { retryAfter } from "./taskerAnswers.ts"
import { isWrite, kindOf, type Outgoing, upstreamKeyOf } from "./taskerCalls.ts"
import type { Unconfigured } from "./taskerFailures.ts"
import { headerValue, traceparent } from "./taskerHeaders.ts"

/** Sends one call and returns its response, or fails with the reason why there is none. A write is sent at most once. */
export type Send = (call: Outgoing) => Effect.Effect<Reply, Broken | NotAsked | Unconfigured>

/** What one try is sent with. */
export interface Admission {
  readonly headers: Readonly<Record<string, string>>
  /** Called once, when the try is over. */
  readonly end: (exit: Outcome) => Effect.Effect<void>
}

/** Admits one try of a call, which has so many milliseconds left. */
export type Admit = (call: Outgoing, millis: number) => Effect.Effect<Admission, NotAsked | Unconfigured>

/** Tries of one call, the first included. */
const readTries = 3
const writeTries = 2
/** Before the second try, doubled before the third; by half more or less. */
const pauseMillis = 100
/** A `Retry-After` beyond this is left to the caller. */
const longestRetryAfterMillis = 2000
/** With less of its time than this a try would fail for want of it, and look as if Tasker had failed. */
const leastShare = 0.25

/**
 * `Send` through the gate, all tries of a call within one timeout.
 *
 * A read is repeated where its answer may be another the next time: no connection, a cut, 5xx, and 429
 * with a `Retry-After` that is short. A timeout is not: it has used the time up. A write is repeated
 * only where nothing of it left. That is certain (`TaskerHttp` says how) and is what its failure tells
 * the caller, who may then do the very same; everything else is for those to settle who know what was
 * asked. What the gate refuses is not tried again: the try before it is answered instead, if there was one.
 */
export const make = (
  { exchange }: Pick<Transport, "exchange">,
  gate: Gate,
  options: { readonly path: string; readonly admit: Admit; readonly timeoutMillis: number }
): Send => {
  const { admit, path, timeoutMillis } = options
  return (call) =>
    Effect.withFiber((fiber) => {
      const started = monotonicMillis(fiber)
      const request = unsignedRequest(call, path, fiber)
      const asking = { agent: call.who.agent.id, kind: kindOf(call) }

      /** Makes one try within `millis`. */
      const tryOnce = (millis: number, goesOn: (exit: Outcome) => boolean) => {
        const begun = monotonicMillis(fiber)
        return Effect.uninterruptibleMask((restore) =>
          Effect.flatMap(restore(admit(call, millis)), ({ end, headers }) => {
            const left = Math.floor(millis - (monotonicMillis(fiber) - begun))
            const admitted = { ...request, headers: { ...request.headers, ...headers } }
            return Effect.onExit(
              restore(gate.pass(asking, left, (rest) => exchange(admitted, rest), goesOn)),
              end
            )
          })
        )
      }

      const attempt = (tries: number, millis: number, before?: Tried): ReturnType<Send> => {
        let next: { readonly pause: number; readonly millis: number } | undefined
        const goesOn = (exit: Outcome): boolean => {
          const tried = triedOf(exit)
          const pause = tried === undefined ? undefined : pauseAfter(call, tried, tries, fiber)
          if (pause === undefined) return false
          const left = Math.floor(timeoutMillis - (monotonicMillis(fiber) - started) - pause)
          if (left < timeoutMillis * leastShare) return false
          next = { pause, millis: left }
          return true
        }
        const judge = (tried: Tried): ReturnType<Send> => {
          if (tried._tag === "NotAsked" && before !== undefined) return finish(before)
          const then = next
          if (then === undefined) return finish(tried)
          return Effect.andThen(
            Effect.sleep(then.pause),
            Effect.suspend(() => attempt(tries + 1, then.millis, tried))
          )
        }
        return Effect.matchEffect(tryOnce(millis, goesOn), {
          onSuccess: (reply) =>
            reply.status < 429 ? Effect.succeed(reply) : judge({ _tag: "Answered", reply }),
          onFailure: judge
        })
      }

      const finish = (tried: Tried): ReturnType<Send> =>
        tried._tag === "Answered" ? Effect.succeed(tried.reply) : Effect.fail(tried)

      return attempt(1, timeoutMillis)
    })
}

/** The end of one try. */
type Outcome = Exit.Exit<Reply, Broken | NotAsked>

/** What one try came to. */
type Tried = { readonly _tag: "Answered"; readonly reply: Reply } | Broken | NotAsked | Unconfigured

const triedOf = (exit: Outcome): Tried | undefined =>
  Exit.isSuccess(exit)
    ? { _tag: "Answered", reply: exit.value }
    : Option.getOrUndefined(Cause.findErrorOption(exit.cause))

/** Milliseconds before the next try; undefined if there is none. */
const pauseAfter = (
  call: Outgoing,
  tried: Tried,
  tries: number,
  fiber: Fiber.Fiber<unknown, unknown>
): number | undefined => {
  const write = isWrite(call)
  if (tries >= (write ? writeTries : readTries)) return undefined
  if (write && tried._tag !== "NotSent") return undefined
  const pause = pauseMillis * 2 ** (tries - 1) * (0.5 + fiber.getRef(Random.Random).nextDoubleUnsafe())
  switch (tried._tag) {
    case "NotSent":
    case "Cut":
      return pause
    case "Answered": {
      const { status } = tried.reply
      // A look-up that fails may fail for what it looks for: what to make of it is decided by another call.
      if ((status !== 429 && status < 500) || (status >= 500 && call.lookUp === true)) return undefined
      const seconds = retryAfter(tried.reply, fiber.getRef(Clock.Clock).currentTimeMillisUnsafe())
      if (seconds === undefined) return status === 429 ? undefined : pause
      const asked = seconds * 1000
      return asked > longestRetryAfterMillis ? undefined : asked + pause
    }
    default:
      return undefined
  }
}

/** Admits every call, with the bearer token of Tasker's internal API and on whose account it is made. */
export const bearing =
  (token: string): Admit =>
  (call) =>
    Effect.succeed({
      headers: { authorization: `Bearer ${token}`, ...headersOf(call) },
      end: () => Effect.void
    })

/** The request of a call without credentials. */
const unsignedRequest = (call: Outgoing, path: string, fiber: Fiber.Fiber<unknown, unknown>): Request => ({
  method: call.method,
  path: path + call.path,
  headers: {
    accept: "application/json",
    traceparent: traceparent(fiber),
    ...(call.body === undefined ? {} : { "content-type": "application/json" })
  },
  body: call.body === undefined ? undefined : JSON.stringify(call.body)
})

/** The request of a call to Tasker's internal API. `path` is the API's base path. */
export const requestOf = (
  call: Outgoing,
  { path, token }: { readonly path: string; readonly token: string },
  fiber: Fiber.Fiber<unknown, unknown>
): Request => {
  const request = unsignedRequest(call, path, fiber)
  return {
    ...request,
    headers: { ...request.headers, authorization: `Bearer ${token}`, ...headersOf(call) }
  }
}

const headersOf = (call: Outgoing): Record<string, string> => {
  const { agent, requestId } = call.who
  const headers: Record<string, string> = {
    "x-request-id": headerValue(requestId),
    "x-nodedc-agent-id": headerValue(agent.id),
    "x-nodedc-owner-id": headerValue(agent.owner_user_id)
  }
  const key = upstreamKeyOf(call)
  if (key !== undefined) headers["idempotency-key"] = headerValue(key)
  return headers
}
