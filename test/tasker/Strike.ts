import { Effect } from "effect"
import { HttpServerResponse } from "effect/http"
import { type Answer, answer } from "./Answer.ts"
import type { Fault } from "./Faults.ts"

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

/**
 * Carries out a call on a project as `fault` has it. `execute` is told nothing of the fault: it is run before, not at
 * all, or its answer is spoilt.
 */
export const strike = <E, R>(
  fault: Fault | undefined,
  project: string,
  execute: Effect.Effect<Answer, E, R>
): Effect.Effect<Reply, E, R> => {
  if (fault === undefined) return Effect.map(execute, respond)
  const wait = Effect.sleep(fault.delay_ms ?? 0)
  return fault.fault === "delay_after"
    ? Effect.tap(Effect.map(execute, respond), () => wait)
    : Effect.andThen(wait, spoil(fault, project, execute))
}

const spoil = <E, R>(
  fault: Fault,
  project: string,
  execute: Effect.Effect<Answer, E, R>
): Effect.Effect<Reply, E, R> => {
  switch (fault.fault) {
    case "refuse":
      return Effect.succeed(respond(answer(422, { error: "refused", detail: "Refused on purpose." })))
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
        HttpServerResponse.setHeader(
          respond(answer(429, { error: "rate_limited" })),
          "retry-after",
          String(fault.retry_after ?? 1)
        )
      )
    case "server_error":
      return Effect.succeed(serverError)
    case "server_error_after":
      return Effect.as(execute, serverError)
    case "unauthorized":
      return Effect.succeed(respond(answer(401, { error: "unauthorized" })))
    case "html":
      return Effect.succeed(page(502, "Bad Gateway"))
    case "huge":
      return Effect.map(execute, ({ status, body }) =>
        respond(answer(status, { padding: "x".repeat(eightMegabytes), ...JSON.parse(body) }))
      )
    case "foreign":
      return Effect.succeed(respond(answer(409, { error: "already_exists", id: fault.names?.[project] })))
    default:
      return Effect.map(execute, respond)
  }
}

export const serverError = respond(answer(500, { error: "server_error" }))

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
