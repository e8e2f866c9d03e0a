import { Effect } from "effect"
import { HttpServerResponse } from "effect/http"
import { type Answer, answer } from "../tasker/Answer.ts"
import { contractStyle } from "../tasker/Refusal.ts"
import { type Reply, respond, strike as strikeAny } from "../tasker/Strike.ts"
import { badKey, type Denial, internal, rule } from "./Denial.ts"
import type { Fault } from "./Faults.ts"

export const throttled = (seconds: number) =>
  HttpServerResponse.setHeader(
    respond(answer(429, { error_code: 5900, error_message: "RATE_LIMIT_EXCEEDED" })),
    "retry-after",
    String(seconds)
  )

const reply = (done: Answer) =>
  done.status === 204 ? HttpServerResponse.empty({ status: 204 }) : respond(done)

/** No fault that is passed on depends on it. */
const anyCall = { reads: false, kind: "Issue", style: contractStyle } as const

const refuse = (denial: Denial) => Effect.succeed(respond(denial))

/** Carries out a call on a project, with what `fault` does to it before, instead or after. */
export const strike = <E, R>(
  fault: Fault | undefined,
  project: string,
  execute: Effect.Effect<Answer, E, R>
): Effect.Effect<Reply, E, R> => {
  if (fault === undefined) return Effect.map(execute, reply)
  const { delay_ms = 0 } = fault
  switch (fault.fault) {
    case "delay":
    case "delay_after":
    case "cut_before":
    case "cut_after":
    case "malformed":
    case "wrong_shape":
    case "huge":
    case "html":
      return strikeAny(
        { op: "any", fault: fault.fault, wait: Effect.sleep(delay_ms) },
        { ...anyCall, project },
        execute
      )
    default:
      return Effect.andThen(Effect.sleep(delay_ms), spoil(fault, project, execute))
  }
}

const spoil = <E, R>(
  fault: Fault,
  project: string,
  execute: Effect.Effect<Answer, E, R>
): Effect.Effect<Reply, E, R> => {
  switch (fault.fault) {
    case "refuse":
      return refuse(rule("Refused on purpose"))
    case "unauthorized":
      return refuse(badKey)
    case "rate_limit":
      return Effect.succeed(throttled(fault.retry_after ?? 1))
    case "server_error":
      return refuse(internal)
    case "server_error_after":
      return Effect.andThen(execute, refuse(internal))
    case "foreign":
      return Effect.succeed(respond(answer(409, { error: "already exists", id: fault.names?.[project] })))
    case "proxied":
      return Effect.as(
        execute,
        HttpServerResponse.text(fault.body ?? "", {
          status: fault.status ?? 504,
          contentType: fault.content_type ?? "text/html"
        })
      )
    default:
      return Effect.map(execute, reply)
  }
}
