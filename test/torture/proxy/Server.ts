import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import { Cause, Effect, Fiber, Schema } from "effect"
import { HttpRouter, type HttpServerRequest, HttpServerResponse } from "effect/http"
import { internal } from "../../plane/Denial.ts"
import { Fault, Faults } from "../../plane/Faults.ts"
import { strike } from "../../plane/Strike.ts"
import { type Answer, answer } from "../../tasker/Answer.ts"
import { type Reply, respond } from "../../tasker/Strike.ts"
import type { Written } from "../counterparts/Counterpart.ts"
import { writeOf } from "../counterparts/plane.ts"
import { makeHolds } from "./Holds.ts"
import { Journal, type Shown } from "./Journal.ts"
import { type Outgoing, Plane, type PlaneReply } from "./Plane.ts"

const Switches = Schema.Struct({
  /** A write is done, and answered with Plane's 500 `broker_ms` later. */
  broker_out: Schema.optionalKey(Schema.Boolean),
  broker_ms: Schema.optionalKey(Schema.Int),
  /** A create or comment that is held up goes on its way together with its resend. */
  with_resend: Schema.optionalKey(Schema.Boolean)
})

const decodeFault = Schema.decodeUnknownEffect(Schema.fromJsonString(Fault))
const decodeSwitches = Schema.decodeUnknownEffect(Schema.fromJsonString(Switches))

type Request = HttpServerRequest.HttpServerRequest
type Op = Fault["op"]

interface Received {
  readonly outgoing: Outgoing
  readonly project: string
  readonly write: Written | undefined
}

const jsonIn = (text: string): Readonly<Record<string, unknown>> => {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === "object" && value !== null && !Array.isArray(value) ? { ...value } : {}
  } catch {
    return {}
  }
}

const textIn = (value: unknown) => (typeof value === "string" ? value : undefined)

/** The card in a response that shows one whole. */
const cardIn = ({ body, status }: PlaneReply): Shown | undefined => {
  if (status >= 300) return undefined
  const { assignees, id, labels, name, state } = jsonIn(body)
  return typeof id === "string" &&
    typeof name === "string" &&
    typeof state === "string" &&
    Array.isArray(labels) &&
    Array.isArray(assignees)
    ? { id, name, state, labels, assignees }
    : undefined
}

/** Takes away what Plane then does not carry out: a card's sets, and its state too if they are dropped. */
const without = ({ outgoing, write, ...rest }: Received, fault: Fault["fault"] | undefined): Received => {
  if (write === undefined || (fault !== "drop" && fault !== "cut_between"))
    return { outgoing, write, ...rest }
  const { assignees: _, labels: __, ...kept } = write.body
  const { state: ___, ...left } = kept
  const body = fault === "drop" ? left : kept
  return { ...rest, outgoing: { ...outgoing, body: JSON.stringify(body) }, write: { ...write, body } }
}

/** Serves a gateway in front of a real Plane: every request is passed on to its end, or struck by a fault. */
export const proxyRoutes = HttpRouter.use(
  Effect.fnUntraced(function* (router) {
    const faults = yield* Faults
    const journal = yield* Journal
    const plane = yield* Plane
    const scope = yield* Effect.scope
    const holds = makeHolds()
    let switches: typeof Switches.Type = {}

    /** Asks Plane, and puts on record what was asked for and what came. */
    const ask = Effect.fnUntraced(function* ({ outgoing, write }: Received) {
      const send = journal.nextSend()
      if (write !== undefined) journal.add({ at: Date.now(), ev: "forwarded", send, ...write })
      const reply = yield* plane.ask(outgoing)
      const { id } = jsonIn(reply.body)
      if (write !== undefined) {
        const replied = { status: reply.status, id: textIn(id) ?? null }
        journal.add({ at: Date.now(), ev: "replied", send, ...replied })
      }
      const card = cardIn(reply)
      if (card !== undefined) journal.add({ at: Date.now(), ev: "shown", card })
      return reply
    })

    const passOn = (received: Received) =>
      Effect.gen(function* () {
        const { broker_ms = 0, broker_out = false } = switches
        const reply = yield* ask(received)
        if (!broker_out || received.write === undefined || reply.status >= 300) return reply
        yield* Effect.sleep(broker_ms)
        return { ...reply, status: internal.status, body: internal.body }
      })

    const whole = ({ body, headers, status }: PlaneReply): Reply =>
      status === 204
        ? HttpServerResponse.empty({ status, headers })
        : HttpServerResponse.text(body, {
            status,
            headers,
            contentType: headers["content-type"] ?? "application/json"
          })

    /** Carries a request out as the fault has it that is due for it. */
    const carryOut = Effect.fnUntraced(function* (received: Received) {
      const { project, write } = received
      if (write === undefined) return whole(yield* passOn(received))
      const externalId = textIn(write.body.external_id)
      if (externalId !== undefined && (yield* holds.release(externalId)))
        return whole(yield* passOn(received))
      const fault = yield* faults.take(write.op as Exclude<Op, "any">, externalId)
      if (fault === undefined) return whole(yield* passOn(received))
      if (fault.fault === "delay" && switches.with_resend === true && externalId !== undefined) {
        yield* holds.hold(externalId, fault.delay_ms ?? 0)
        return whole(yield* passOn(received))
      }
      const execute = Effect.map(
        passOn(without(received, fault.fault)),
        ({ body, status }): Answer => ({ body, status })
      )
      if (fault.fault === "cut_between") return yield* Effect.as(execute, "cut" as const)
      return yield* strike(fault, project, execute)
    })

    const broken = (cause: Cause.Cause<unknown>): Effect.Effect<Reply> =>
      Cause.hasInterrupts(cause)
        ? Effect.interrupt
        : Effect.as(
            Effect.logError("Plane broke a request off", cause),
            HttpServerResponse.text("Bad Gateway", { status: 502, contentType: "text/html" })
          )

    const exchange = Effect.fnUntraced(function* (request: Request) {
      const body = yield* request.text
      const { headers, method, url } = request
      const write = writeOf({ method, path: url, body: jsonIn(body) })
      const [, project = ""] = /\/projects\/([^/]+)\//.exec(url) ?? []
      return yield* carryOut({ outgoing: { method, path: url, headers, body }, project, write })
    })

    yield* router.add("GET", "/control/requests", respond(answer(200, {})))
    yield* router.add("POST", "/control/faults", (request) =>
      request.text.pipe(
        Effect.flatMap(decodeFault),
        Effect.flatMap(faults.queue),
        Effect.as(respond(answer(200, {})))
      )
    )
    yield* router.add(
      "DELETE",
      "/control/faults/queue",
      Effect.map(faults.clear, () => {
        switches = {}
        return HttpServerResponse.empty()
      })
    )
    yield* router.add("PUT", "/control/switches", (request) =>
      request.text.pipe(
        Effect.flatMap(decodeSwitches),
        Effect.map((given) => {
          switches = { ...switches, ...given }
          return respond(answer(200, {}))
        })
      )
    )

    /** Runs each request on a fiber of its own, to its end even if the gateway is gone. */
    yield* router.add("*", "*", (request) =>
      Effect.gen(function* () {
        const fiber = yield* Effect.forkIn(Effect.catchCause(exchange(request), broken), scope)
        const reply = yield* Fiber.join(fiber)
        if (reply !== "cut") return reply
        NodeHttpServerRequest.toIncomingMessage(request).socket.destroy()
        // The fiber of a request is interrupted once its socket has closed.
        return yield* Effect.never
      })
    )
  })
)
