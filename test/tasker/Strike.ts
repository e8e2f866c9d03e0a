import { Effect } from "effect"
import { HttpServerResponse } from "effect/http"
import { type Answer, answer } from "./Answer.ts"
import type { Fault, Striking } from "./Faults.ts"
import {
  alreadyExists,
  type ErrorStyle,
  failed,
  type Refusal,
  rateLimited,
  refusedOnPurpose,
  wrongBearer
} from "./Refusal.ts"

/** What the client gets: an answer, or a socket that is destroyed. */
export type Reply = HttpServerResponse.HttpServerResponse | "cut"

export const respond = ({ status, body }: Answer) =>
  HttpServerResponse.text(body, { status, contentType: "application/json" })

const page = (status: number, title: string) =>
  HttpServerResponse.text(
    `<!doctype html><html><head><title>${title}</title></head><body>${title}</body></html>`,
    {
      status,
      contentType: "text/html"
    }
  )

export const htmlNotFound = page(404, "Not Found")

const eightMegabytes = 8 * 1024 * 1024

/** The call that a fault strikes. */
export interface Struck {
  readonly project: string
  readonly reads: boolean
  readonly kind: "Issue" | "Work item comment"
  readonly style: ErrorStyle
}

const brokerMillis = 12_000

/**
 * Carries out a call as `fault` has it. `execute` is told nothing of the fault: it is run before, not at
 * all, or its answer is spoilt.
 */
export const strike = <E, R>(
  fault: Striking | undefined,
  struck: Struck,
  execute: Effect.Effect<Answer, E, R>
): Effect.Effect<Reply, E, R> => {
  if (fault === undefined) return Effect.map(execute, respond)
  if (fault.fault === "broker_lost") {
    const wait = fault.delay_ms ?? brokerMillis
    return Effect.flatMap(execute, (whole) =>
      struck.reads || whole.status >= 400
        ? Effect.as(Effect.sleep(wait / 2), respond(whole))
        : Effect.as(Effect.sleep(wait), respond(failed.answerIn(struck.style)))
    )
  }
  const { wait } = fault
  return fault.fault === "delay_after"
    ? Effect.tap(Effect.map(execute, respond), () => wait)
    : Effect.andThen(wait, spoil(fault, struck, execute))
}

const spoil = <E, R>(
  fault: Fault,
  struck: Struck,
  execute: Effect.Effect<Answer, E, R>
): Effect.Effect<Reply, E, R> => {
  const refuse = (refusal: Refusal) => respond(refusal.answerIn(struck.style))
  switch (fault.fault) {
    case "refuse":
      return Effect.succeed(refuse(refusedOnPurpose))
    case "cut_before":
      return Effect.succeed("cut")
    case "cut_after":
      return Effect.as(execute, "cut")
    case "malformed":
      return Effect.map(execute, ({ body }) => respond({ status: 200, body: body.slice(0, -1) }))
    case "wrong_shape":
      return Effect.map(execute, (whole) =>
        // A refusal has nothing that it could lack.
        respond(whole.status < 400 ? answer(whole.status, onlyIds(JSON.parse(whole.body))) : whole)
      )
    case "rate_limit":
      return Effect.succeed(
        HttpServerResponse.setHeader(refuse(rateLimited), "retry-after", String(fault.retry_after ?? 1))
      )
    case "server_error":
      return Effect.succeed(refuse(failed))
    case "server_error_after":
      return Effect.as(execute, refuse(failed))
    case "unauthorized":
      return Effect.succeed(refuse(wrongBearer))
    case "html":
      return Effect.succeed(page(502, "Bad Gateway"))
    case "huge":
      return Effect.map(execute, ({ status, body }) =>
        respond(answer(status, { padding: "x".repeat(eightMegabytes), ...JSON.parse(body) }))
      )
    case "foreign":
      return Effect.succeed(refuse(alreadyExists(struck.kind, fault.names?.[struck.project])))
    case "proxied": {
      const { body = "", carried_out = false, content_type = "text/html", status = 502 } = fault
      const reply = HttpServerResponse.text(body, { status, contentType: content_type })
      return carried_out ? Effect.as(execute, reply) : Effect.succeed(reply)
    }
    default:
      return Effect.map(execute, respond)
  }
}

/** The envelope of an answer, its objects with nothing but their ids and no paging. */
const onlyIds = (envelope: Readonly<Record<string, unknown>>) => {
  const bare = (value: unknown) =>
    typeof value === "object" && value !== null && "id" in value ? { id: value.id } : value
  return Object.fromEntries(
    Object.entries(envelope)
      .filter(([, value]) => typeof value === "object" && value !== null)
      .map(([name, value]) => [name, Array.isArray(value) ? value.map(bare) : bare(value)])
  )
}
