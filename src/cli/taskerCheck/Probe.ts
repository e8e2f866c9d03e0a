import { createHash } from "node:crypto"
import { Clock, Context, Duration, Effect, Redacted, Result, Schema } from "effect"
import { Agent } from "../../domain/Principal.ts"
import { documentOf, type Meaning } from "../../layers/tasker/errorTable.ts"
import * as TaskerHttp from "../../layers/tasker/TaskerHttp.ts"
import { requestOf } from "../../layers/tasker/TaskerSend.ts"
import { readJson, retryAfter } from "../../layers/tasker/taskerAnswers.ts"
import { apiPath, type EndpointName } from "../../layers/tasker/taskerApi.ts"
import type { Call } from "../../layers/tasker/taskerCalls.ts"
import type { OnBehalf, WriteTicket } from "../../services/TaskerAdapter.ts"
import type { Owner, Place } from "./Place.ts"

/** One request with its response, as it is shown: without the bearer. */
export interface Exchange {
  readonly call: EndpointName
  /** The part of the check that sent it. */
  readonly purpose: string
  readonly method: string
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: unknown
  readonly status: number | null
  readonly type: string | null
  readonly response: string
  readonly millis: number
}

/** What a request came to, read as the gateway reads it. */
export type Outcome<A> =
  | { readonly _tag: "Done"; readonly value: A; readonly status: number }
  /** A 409 with the id of what exists. */
  | { readonly _tag: "Exists"; readonly id: string; readonly status: number }
  /** An error document of the closed table. */
  | { readonly _tag: "Refused"; readonly means: Exclude<Meaning, "exists">; readonly status: number }
  /** Not what the gateway can read. */
  | { readonly _tag: "Astray"; readonly because: string; readonly status: number }
  | { readonly _tag: "Broken"; readonly because: string; readonly sent: boolean }

export interface Sent<A> {
  readonly outcome: Outcome<A>
  readonly exchange: Exchange
}

export interface Sending {
  /** In place of Tasker's own. */
  readonly token?: string
  /** Gives the response up after this time, as a gateway that lost it. */
  readonly loseAfterMillis?: number
}

/** Sends calls one by one, without the gateway's retries, and keeps every exchange. */
export class Probe extends Context.Service<
  Probe,
  {
    readonly send: <A>(call: Call<A>, purpose: string, sending?: Sending) => Effect.Effect<Sent<A>>
    /** An agent of the owner, made up for this run. */
    readonly onBehalf: (owner: Owner) => OnBehalf
    /** The ticket of one write. Equal names are one write. */
    readonly ticket: (owner: Owner, name: string) => WriteTicket
    /** Distinguishes the cards of this run. */
    readonly run: string
    readonly exchanges: ReadonlyArray<Exchange>
  }
>()("tasker-codex-api/cli/taskerCheck/Probe") {}

const connections = 8
/** A 429 is waited out so often, so long at most each time. */
const waits = 3
const longestWait = 70
const withheld = "(withheld)"

export const make = Effect.fnUntraced(function* (
  place: Place,
  run: string,
  waiting: (seconds: number) => Effect.Effect<void>
) {
  const { origin, pathname } = place.url
  const path = pathname.replace(/\/+$/, "") + apiPath
  const token = Redacted.value(place.token)
  const timeoutMillis = Duration.toMillis(place.timeout)
  const transport = yield* TaskerHttp.make(origin, { connections, connectTimeoutMillis: timeoutMillis })
  const exchanges: Array<Exchange> = []
  const hash = (text: string) => createHash("sha256").update(`${run} ${text}`).digest("hex")

  const send = Effect.fnUntraced(function* <A>(call: Call<A>, purpose: string, sending: Sending = {}) {
    const bearer = sending.token ?? token
    const hide = (text: string) => text.replaceAll(bearer, withheld).replaceAll(token, withheld)
    let waited = 0
    for (;;) {
      const started = yield* Clock.currentTimeMillis
      const request = yield* Effect.withFiber((fiber) =>
        Effect.succeed(requestOf(call, { path, token: bearer }, fiber))
      )
      const result = yield* Effect.result(
        transport.exchange(request, sending.loseAfterMillis ?? timeoutMillis)
      )
      const now = yield* Clock.currentTimeMillis
      const reply = Result.getOrUndefined(result)
      const outcome = Result.isSuccess(result) ? outcomeOf(call, result.success) : brokenOf(result.failure)
      const exchange: Exchange = {
        call: call.name as EndpointName,
        purpose,
        method: request.method,
        path: request.path,
        headers: Object.fromEntries(
          Object.entries(request.headers).map(([name, value]) => [name, hide(value)])
        ),
        body: call.body,
        status: reply?.status ?? null,
        type: typeof reply?.headers["content-type"] === "string" ? reply.headers["content-type"] : null,
        response: hide(reply === undefined ? whyNot(outcome) : Buffer.from(reply.body).toString("utf8")),
        millis: now - started
      }
      exchanges.push(exchange)
      const seconds = reply?.status === 429 ? Math.ceil(retryAfter(reply, now) ?? 1) : undefined
      if (seconds === undefined || waited >= waits || seconds > longestWait) return { outcome, exchange }
      waited++
      yield* waiting(seconds)
      yield* Effect.sleep(Duration.seconds(seconds))
    }
  })

  const onBehalf = (owner: Owner): OnBehalf => ({
    agent: decodeAgent({
      id: hash("agent").replace(/^(.{8})(.{4}).(.{3}).(.{3})(.{12}).*$/, "$1-$2-4$3-8$4-$5"),
      owner_user_id: owner.id,
      owner_email: owner.email,
      display_name: "tasker:check",
      status: "active",
      disabled_reason: null,
      created_at: "2026-01-01T00:00:00Z",
      updated_at: "2026-01-01T00:00:00Z"
    }),
    requestId: `tasker-check-${run}`,
    workspaceSlug: place.workspaceSlug
  })

  return Probe.of({
    send,
    onBehalf,
    ticket: (owner, name) => ({ ...onBehalf(owner), upstreamKey: hash(name) }),
    run,
    exchanges
  })
})

const decodeAgent = Schema.decodeUnknownSync(Agent)

const outcomeOf = <A>(call: Call<A>, reply: TaskerHttp.Reply): Outcome<A> => {
  const { status } = reply
  const json = readJson(reply)
  if (status >= 200 && status < 300) {
    const answer = Result.flatMap(json, call.decode)
    if (Result.isFailure(answer)) return { _tag: "Astray", because: answer.failure, status }
    const stray = call.strays(answer.success)
    return stray === undefined
      ? { _tag: "Done", value: answer.success, status }
      : { _tag: "Astray", because: stray, status }
  }
  const asked = { fields: Object.keys(call.body ?? {}), makes: call.makes === true }
  const document = documentOf(status, Result.getOrUndefined(json), asked)
  if (document === undefined) {
    const because = `status ${status} without an error document`
    return { _tag: "Astray", because, status }
  }
  if (document.means === "unclear") {
    const because = `status ${status} with a document that does not say if it was executed`
    return { _tag: "Astray", because, status }
  }
  return document.means === "exists"
    ? { _tag: "Exists", id: document.id, status }
    : { _tag: "Refused", means: document.means, status }
}

const brokenOf = (broken: TaskerHttp.Broken): Outcome<never> => {
  switch (broken._tag) {
    case "NotSent":
      return { _tag: "Broken", because: broken.because, sent: false }
    case "TimedOut":
      return { _tag: "Broken", because: `no response within ${broken.afterMillis / 1000} s`, sent: true }
    case "Cut":
      return { _tag: "Broken", because: "the connection broke before the response", sent: true }
    case "TooLong":
      return { _tag: "Broken", because: "the response is longer than 8 MiB", sent: true }
    case "Unreadable":
      return { _tag: "Broken", because: broken.because, sent: true }
  }
}

const whyNot = (outcome: Outcome<unknown>): string =>
  outcome._tag === "Broken" ? `(none: ${outcome.because})` : ""

/** An outcome in words, as a finding ends. */
export const told = (outcome: Outcome<unknown>): string => {
  switch (outcome._tag) {
    case "Done":
      return `status ${outcome.status}`
    case "Exists":
      return `status ${outcome.status} with the id of what exists`
    case "Refused":
      return `status ${outcome.status}, which means ${outcome.means}`
    case "Astray":
    case "Broken":
      return outcome.because
  }
}

/** True if a write was certainly not executed. */
export const refused = (outcome: Outcome<unknown>): boolean =>
  outcome._tag === "Refused" || (outcome._tag === "Broken" && !outcome.sent)
