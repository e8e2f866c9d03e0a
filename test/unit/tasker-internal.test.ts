import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { codeOf } from "../../src/domain/Failure.ts"
import type { WriteFailed } from "../../src/domain/WriteFailed.ts"
import type { TaskerError } from "../../src/services/TaskerAdapter.ts"
import {
  bearer,
  bytes,
  closedPort,
  json,
  reply,
  type Script,
  scripted,
  silence,
  until,
  withAdapter
} from "../support/scripted-tasker.ts"
import { type ApiCall, agent, api, failureIn, upstreamKey, who } from "../support/tasker-api.ts"

/** A failure's code, whether a repeat may help, and the evidence that a write's failure carries. */
interface Verdict {
  readonly code: string
  readonly retryable: boolean
  readonly tag: WriteFailed["_tag"] | undefined
}

const verdict = (error: TaskerError | WriteFailed): Verdict => {
  const { retryable } = failureIn(error)
  return { code: codeOf(failureIn(error)), retryable, tag: "failure" in error ? error._tag : undefined }
}

const failureOf = (call: ApiCall, url: URL | undefined, timeoutMillis = 5000, logged: Array<string> = []) =>
  withAdapter(url, (tasker) => Effect.flip(call.attempt(tasker)), { timeoutMillis, logged })

/** Tasker's own document says that nothing was done. */
const refused =
  (code: string, retryable = false) =>
  (call: ApiCall): Verdict => ({ code, retryable, tag: call.write ? "Refused" : undefined })
/** Says nothing about a write, which may be asked about again with its key. */
const open =
  (reason: string, readRetryable: boolean) =>
  (call: ApiCall): Verdict => ({
    code: `tasker.${reason}`,
    retryable: call.write || readRetryable,
    tag: call.write ? "Ambiguous" : undefined
  })
/** A body that is no document of Tasker's: it decides what a read comes to, and nothing about a write. */
const undocumented =
  (code: string, retryable = false) =>
  (call: ApiCall): Verdict =>
    call.write ? breached(call) : { code, retryable, tag: undefined }
const breached = open("contract", false)
const brokenDown = open("unavailable", true)

interface Row {
  readonly when: string
  readonly script: Script
  readonly gives: (call: ApiCall) => Verdict
  readonly timeoutMillis?: number
  /** A read is asked again: the next answer may be another. */
  readonly passing?: true
}

const error = { error: "invalid", detail: "Why it is so.", fields: { name: ["Too long.", "Odd."] } }
const head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
const html = (status: number) => reply(status, "<h1>No</h1>", { "content-type": "text/html" })
const rows: ReadonlyArray<Row> = [
  ...[400, 413, 422].flatMap((status) => [
    { when: `status ${status}`, script: json(status, error), gives: refused("tasker.rejected") },
    {
      when: `a ${status} with an unknown code`,
      script: json(status, { error: "some_error" }),
      gives: undocumented("tasker.rejected")
    },
    { when: `a ${status} in HTML`, script: html(status), gives: undocumented("tasker.rejected") }
  ]),
  {
    when: "a 413 of Plane's",
    script: json(413, { error: "REQUEST_BODY_TOO_LARGE", detail: "Too large." }),
    gives: refused("tasker.rejected")
  },
  {
    when: "a 400 about no single field",
    script: json(400, { non_field_errors: ["Start date cannot exceed target date"] }),
    gives: refused("tasker.rejected")
  },
  {
    when: "a 400 about a field that was not sent",
    script: json(400, { colour: ["Unknown."] }),
    gives: undocumented("tasker.rejected")
  },
  { when: "status 401", script: json(401, error), gives: refused("tasker.unauthorized") },
  {
    when: "a 401 without a credential",
    script: json(401, { detail: "Authentication credentials were not provided." }),
    gives: refused("tasker.unauthorized")
  },
  { when: "a 401 in HTML", script: html(401), gives: undocumented("tasker.unauthorized") },
  {
    when: "a 403 that names the credential",
    script: json(403, { error: "unauthorized" }),
    gives: refused("tasker.unauthorized")
  },
  {
    when: "a 403 of Plane's to a bad key",
    script: json(403, { detail: "Given API token is not valid" }),
    gives: refused("tasker.unauthorized")
  },
  { when: "a 403", script: json(403, { error: "forbidden" }), gives: refused("tasker.rejected") },
  {
    when: "a 403 of Plane's to an account without access",
    script: json(403, { detail: "You do not have permission to perform this action." }),
    gives: refused("tasker.rejected")
  },
  {
    when: "a 403 with another sentence",
    script: json(403, { detail: "Blocked." }),
    gives: undocumented("tasker.rejected")
  },
  { when: "a 403 in HTML", script: html(403), gives: breached },
  {
    when: "an owner who is no member",
    script: json(403, { error: "owner_not_member" }),
    gives: refused("grant.owner_not_member")
  },
  { when: "a 404 with an error", script: json(404, error), gives: refused("tasker.not_found") },
  {
    when: "a 404 of Plane's",
    script: json(404, { error: "The requested resource does not exist." }),
    gives: refused("tasker.not_found")
  },
  {
    when: "a 404 of Plane's to a path that it lacks",
    script: json(404, { error: "Page not found." }),
    gives: refused("tasker.unsupported")
  },
  ...[404, 405].map((status) => ({
    when: `a ${status} without one`,
    script: html(status),
    gives: (call: ApiCall) =>
      call.name === "listComments" ? refused("tasker.unsupported")(call) : breached(call)
  })),
  { when: "a 405 with an error", script: json(405, error), gives: breached },
  {
    when: "a conflict",
    script: json(409, { error: "conflict" }),
    gives: (call) => (call.makes ? breached(call) : refused("tasker.conflict")(call))
  },
  {
    when: "a 409 in HTML",
    script: html(409),
    gives: breached
  },
  ...[{ error: "slow down" }, { error_code: 5900, error_message: "RATE_LIMIT_EXCEEDED" }].map((body) => ({
    when: `a 429 with ${JSON.stringify(body)}`,
    script: json(429, body, { "retry-after": "7" }),
    gives: refused("tasker.rate_limited", true)
  })),
  {
    when: "a 429 without a document",
    script: reply(429, "Too many requests", { "content-type": "text/plain", "retry-after": "7" }),
    gives: undocumented("tasker.rate_limited", true)
  },
  ...[500, 502, 503, 504, 599].map((status) => ({
    when: `status ${status}`,
    script: json(status, error),
    gives: brokenDown,
    passing: true as const
  })),
  ...[301, 302, 307, 308].map((status) => ({
    when: `a redirect ${status}`,
    script: json(status, error, { location: "/elsewhere" }),
    gives: breached
  })),
  ...[204, 304, 402, 410, 418, 451].map((status) => ({
    when: `status ${status}`,
    script: bytes(`HTTP/1.1 ${status} Any\r\nconnection: close\r\n\r\n`),
    gives: breached
  })),
  {
    when: "a success that is not JSON",
    script: reply(200, "{oops", { "content-type": "application/json" }),
    gives: breached
  },
  {
    when: "a success of another type",
    script: reply(200, "{}", { "content-type": "text/html" }),
    gives: breached
  },
  { when: "a success without a type", script: reply(200, "{}", {}), gives: breached },
  { when: "a success that is empty", script: reply(200, ""), gives: breached },
  { when: "a success of another form", script: json(200, { issue: null, results: {} }), gives: breached },
  {
    when: "a success in another charset",
    script: bytes(
      Buffer.concat([Buffer.from(`${head}connection: close\r\n\r\n"`), Buffer.from([0xff, 0xfe, 0x22])])
    ),
    gives: breached
  },
  { when: "what is no HTTP", script: bytes("220 mail.example.org ESMTP\r\n"), gives: breached },
  {
    when: "headers without end",
    script: bytes(`HTTP/1.1 200 OK\r\nx: ${"y".repeat(100_000)}`),
    gives: breached
  },
  {
    when: "a body over 8 MiB",
    script: bytes(`${head}connection: close\r\n\r\n"${" ".repeat(9 * 1024 * 1024)}"`),
    gives: (call) => (call.name === "listIssues" ? refused("tasker.unsupported") : breached)(call)
  },
  {
    when: "a connection cut without an answer",
    script: (socket) => socket.destroy(),
    gives: brokenDown,
    passing: true
  },
  {
    when: "a connection reset without an answer",
    script: (socket) => socket.resetAndDestroy(),
    gives: brokenDown,
    passing: true
  },
  {
    when: "a connection cut within the headers",
    script: bytes("HTTP/1.1 200 OK\r\ncontent-ty"),
    gives: brokenDown,
    passing: true
  },
  {
    when: "a connection cut within the body",
    script: bytes(`${head}content-length: 100\r\n\r\n{"issue"`),
    gives: brokenDown,
    passing: true
  },
  { when: "no answer in time", script: silence, gives: open("timeout", true), timeoutMillis: 300 },
  {
    when: "a body that does not end in time",
    script: (socket) => {
      socket.write(`${head}transfer-encoding: chunked\r\n\r\n`)
      const drip = setInterval(() => socket.write("1\r\n \r\n"), 20)
      socket.on("close", () => clearInterval(drip))
    },
    gives: open("timeout", true),
    timeoutMillis: 300
  }
]

describe.each(api)("TaskerInternal.$name", { concurrent: true }, (call) => {
  it.live("asks as the contract says and gives what it is answered", () =>
    Effect.gen(function* () {
      const tasker = yield* scripted({ now: json(call.good.status, call.good.body) })
      const value = yield* withAdapter(tasker.url, call.run)
      assert.deepStrictEqual(value, call.good.value)
      const [heard] = tasker.heard
      assert.strictEqual(tasker.heard.length, 1)
      assert.strictEqual(heard?.method, call.request.method)
      assert.strictEqual(heard?.path, `/api/internal/nodedc/agent${call.request.path}`)
      const { traceparent, "content-length": length, ...headers } = heard?.headers ?? {}
      const body = call.request.body
      assert.match(traceparent ?? "", /^00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]$/)
      assert.deepStrictEqual(headers, {
        host: tasker.url.host,
        connection: "keep-alive",
        accept: "application/json",
        authorization: `Bearer ${bearer}`,
        "x-request-id": who.requestId,
        "x-nodedc-agent-id": agent.id,
        "x-nodedc-owner-id": agent.owner_user_id,
        ...(call.write ? { "idempotency-key": upstreamKey } : {}),
        ...(body === undefined ? {} : { "content-type": "application/json" })
      })
      assert.strictEqual(
        length,
        body === undefined ? undefined : String(Buffer.byteLength(heard?.body ?? ""))
      )
      assert.deepStrictEqual(heard?.body === "" ? undefined : JSON.parse(heard?.body ?? ""), body)
    })
  )

  it.live.each(rows)("says what $when comes to, and sends a write once", (row) =>
    Effect.gen(function* () {
      const tasker = yield* scripted({ now: row.script })
      const logged: Array<string> = []
      const error = yield* failureOf(call, tasker.url, row.timeoutMillis, logged)
      const failure = failureIn(error)
      assert.deepStrictEqual(verdict(error), row.gives(call))
      assert.strictEqual(tasker.heard.length, row.passing === true && !call.write ? 3 : 1)
      const errors = logged.filter((line) => line.startsWith("Error "))
      assert.strictEqual(errors.length, failure.reason === "contract" ? 1 : 0)
      assert.isTrue(failure.message.length < 1500 && failure.message.endsWith("."), failure.message)
    })
  )

  it.live("refuses an answer to something else, and tells the operator", () =>
    Effect.gen(function* () {
      for (const astray of call.astray) {
        const tasker = yield* scripted({ now: json(call.good.status, astray) })
        const logged: Array<string> = []
        assert.deepStrictEqual(verdict(yield* failureOf(call, tasker.url, 5000, logged)), breached(call))
        assert.match(logged.join(), /^Error .*Unexpected response from Tasker/)
      }
    })
  )

  it.live(call.makes ? "takes a 409 with an id for done" : "takes a 409 for a conflict even with an id", () =>
    Effect.gen(function* () {
      const id = "77777777-7777-4777-8777-777777777777"
      const tasker = yield* scripted({ now: json(409, { error: "exists", id: id.toUpperCase() }) })
      if (call.makes) {
        assert.deepStrictEqual(yield* withAdapter(tasker.url, call.run), { _tag: "Existing", id })
        const odd = yield* scripted({ now: json(409, { error: "exists", id: "12" }) })
        assert.deepStrictEqual(verdict(yield* failureOf(call, odd.url)), breached(call))
      } else {
        assert.deepStrictEqual(verdict(yield* failureOf(call, tasker.url)), refused("tasker.conflict")(call))
      }
    })
  )

  it.live("was not done where nothing could be sent", () =>
    Effect.gen(function* () {
      const unsent = {
        code: "tasker.unavailable",
        retryable: true,
        tag: call.write ? "NotSent" : undefined
      } as const
      const nobody = yield* failureOf(call, new URL(`http://127.0.0.1:${yield* closedPort}`))
      assert.deepStrictEqual(verdict(nobody), unsent)
      assert.include(failureIn(nobody).message, "connection was refused")
      // TLS that never comes about: the connection stands, but nothing of the call has left.
      const mute = yield* scripted({ now: silence })
      const handshake = yield* failureOf(call, new URL(`https://${mute.url.host}`), 100)
      assert.deepStrictEqual(verdict(handshake), unsent)
      const unset = yield* failureOf(call, undefined)
      assert.deepStrictEqual(verdict(unset), { ...unsent, retryable: false })
      assert.include(failureIn(unset).message, "NODEDC_TASKER_INTERNAL_URL is not set; the operator")
    })
  )

  it.live("ends in time also where it can't be interrupted", () =>
    Effect.gen(function* () {
      const tasker = yield* scripted({ now: silence })
      let told: TaskerError | undefined
      const write = Effect.tap(failureOf(call, tasker.url, 300), (failure) =>
        Effect.sync(() => {
          told = failureIn(failure)
        })
      )
      const fiber = yield* Effect.forkChild(Effect.uninterruptible(write))
      yield* until(() => tasker.heard.length === 1)
      fiber.interruptUnsafe()
      yield* Fiber.await(fiber)
      assert.strictEqual(told?.reason, "timeout")
      yield* until(() => tasker.sockets.closed === 1)
    })
  )
})
