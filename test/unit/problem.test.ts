import { inspect } from "node:util"
import { assert, describe, it } from "@effect/vitest"
import * as failures from "../../src/domain/Failure.ts"
import { rateReached } from "../../src/domain/Rate.ts"
import { type Code, headersOf, internal, problem, problems, statusOf } from "../../src/http/Problem.ts"
import { principalOf } from "../support/principals.ts"

const classes = [
  failures.AuthFailure,
  failures.RequestRefused,
  failures.GrantDenied,
  failures.InputInvalid,
  failures.IdempotencyRefused,
  failures.DuplicateRefused,
  failures.LimitReached,
  failures.TaskerFailure,
  failures.PairingRefused,
  failures.GatewayUnavailable
]

/** Every failure that the domain's schemas allow. */
const all = classes.flatMap((failure) =>
  failure.fields.reason.literals.map(
    (reason) =>
      // biome-ignore lint/suspicious/noExplicitAny: each class takes the reasons of its own schema
      new (failure as any)({ reason, message: "What happened.", details: { hint: 1 } }) as failures.Failure
  )
)

const bodyOf = (response: ReturnType<typeof problem>) =>
  response.body._tag === "Uint8Array" ? JSON.parse(new TextDecoder().decode(response.body.body)) : undefined

describe("problem documents", () => {
  it("know every failure there is, and none that there is not", () => {
    assert.sameMembers([...all.map(failures.codeOf), "gateway.internal"], Object.keys(problems))
  })

  it.each(all.map((failure) => [failures.codeOf(failure), failure] as const))(
    "tell %s whole",
    (code, failure) => {
      const response = problem(failure, "request-1")
      const { status, title } = problems[code as Code]
      assert.strictEqual(response.status, status)
      assert.strictEqual(statusOf(failure), status)
      assert.strictEqual(response.headers["content-type"], "application/problem+json")
      assert.deepStrictEqual(bodyOf(response), {
        type: `tag:nodedc.ru,2026:tasker-codex-api:${code}`,
        title,
        status,
        detail: "What happened.",
        code,
        request_id: "request-1",
        retryable: false,
        hint: 1
      })
    }
  )

  it("speak of no change in a title that a read can be given", () => {
    const ofWrites =
      /^(idempotency|duplicate)\.|^input\.would_lose_content$|^tasker\.(conflict|outcome_unknown)$/
    const titles = Object.entries(problems).filter(([code]) => !ofWrites.test(code))
    assert.deepStrictEqual(
      titles.filter(([, { title }]) => /change/i.test(title)),
      []
    )
  })

  it("keep to the statuses that the contract names", () => {
    const statuses = (kind: string) =>
      Object.fromEntries(
        Object.entries(problems)
          .filter(([code]) => code.startsWith(`${kind}.`))
          .map(([code, { status }]) => [code.slice(kind.length + 1), status])
      )
    assert.deepStrictEqual(new Set(Object.values(statuses("auth"))), new Set([401]))
    assert.deepStrictEqual(new Set(Object.values(statuses("grant"))), new Set([403]))
    assert.deepStrictEqual(new Set(Object.values(statuses("input"))), new Set([422]))
    assert.deepStrictEqual(new Set(Object.values(statuses("limit"))), new Set([429]))
    assert.deepStrictEqual(statuses("request"), {
      malformed: 400,
      not_found: 404,
      method: 405,
      too_large: 413,
      media_type: 415,
      origin: 403,
      host: 403,
      address: 403,
      conflict: 409
    })
    assert.deepStrictEqual(statuses("idempotency"), {
      key_missing: 400,
      key_reused: 422,
      in_progress: 409,
      key_expired: 410,
      already_created: 409
    })
    assert.deepStrictEqual(statuses("pairing"), {
      unknown: 404,
      used: 409,
      expired: 410,
      cancelled: 410,
      locked: 410,
      agent_disabled: 409,
      too_many: 409
    })
    assert.deepStrictEqual(statuses("tasker"), {
      unavailable: 503,
      timeout: 504,
      rejected: 422,
      not_found: 404,
      conflict: 409,
      rate_limited: 503,
      unauthorized: 502,
      contract: 502,
      unsupported: 501,
      outcome_unknown: 504
    })
  })

  it("cannot be made to lie about themselves by a failure's details", () => {
    const failure = new failures.TaskerFailure({
      reason: "rejected",
      message: "No.",
      details: { status: 200, code: "fine", type: "x", request_id: "y" }
    })
    assert.include(bodyOf(problem(failure, "request-1")), {
      status: 422,
      code: "tasker.rejected",
      request_id: "request-1"
    })
  })

  it("challenge for a bearer token, and say so where the one that came was not good", () => {
    const challenge = (reason: failures.AuthFailure["reason"]) =>
      headersOf(new failures.AuthFailure({ reason, message: "" }))["www-authenticate"] ?? ""
    assert.strictEqual(challenge("missing"), 'Bearer realm="tasker-codex-api"')
    assert.include(challenge("expired"), 'error="invalid_token"')
  })

  it("say nothing of whose dead token it was, which the failure carries for the audit trail alone", () => {
    const holder = principalOf([])
    const failure = new failures.AuthFailure({ reason: "revoked", message: "", holder })
    assert.strictEqual(failure.holder, holder)
    for (const shown of [
      failure,
      { ...failure },
      bodyOf(problem(failure, "r")),
      failures.describe(failure)
    ]) {
      assert.notInclude(JSON.stringify(shown), holder.agent.id)
      assert.notInclude(inspect(shown, { depth: 9 }), holder.agent.id)
    }
  })

  it("say when to come back, in whole seconds, and which methods there are", () => {
    const limit = new failures.LimitReached({
      reason: "rate",
      message: "",
      details: { retry_after_seconds: 1.2 }
    })
    assert.strictEqual(problem(limit, "r").headers["retry-after"], "2")
    const method = new failures.RequestRefused({
      reason: "method",
      message: "",
      details: { allow: ["GET", "HEAD"] }
    })
    assert.strictEqual(problem(method, "r").headers.allow, "GET, HEAD")
  })

  it("say of a rate what it is and what is left of it, as the draft of the RateLimit fields has it", () => {
    const { headers } = problem(rateReached("writes", 120, 17), "r")
    assert.include(headers, {
      "retry-after": "17",
      "ratelimit-policy": '"writes";q=120;w=60',
      ratelimit: '"writes";r=0;t=17'
    })
    // What `/mcp` answers in a tool's result says the same.
    assert.include(failures.describe(rateReached("reads", 600, 5)), {
      retry_after_seconds: 5,
      retryable: true
    })
  })

  it("say nothing of a rate where none was reached, or where its name would not stand in a header", () => {
    const limit = { policy: 'a";b', quota: 1, window_seconds: 60, remaining: 0 }
    for (const failure of [
      new failures.LimitReached({ reason: "rate", message: "", details: { limit, retry_after_seconds: 1 } }),
      new failures.LimitReached({ reason: "quota", message: "", details: { retry_after_seconds: 9 } }),
      failures.gatewayUnavailable()
    ]) {
      const { headers } = problem(failure, "r")
      assert.notProperty(headers, "ratelimit")
      assert.notProperty(headers, "ratelimit-policy")
      assert.property(headers, "retry-after")
    }
  })

  it("never send a client away for more than a day, whatever they were told", () => {
    const wait = (seconds: number) =>
      problem(
        new failures.TaskerFailure({
          reason: "rate_limited",
          message: "",
          details: { retry_after_seconds: seconds }
        }),
        "r"
      ).headers["retry-after"]
    assert.deepStrictEqual([86_400, 86_401, 1e300, Number.POSITIVE_INFINITY, -5, Number.NaN].map(wait), [
      "86400",
      "86400",
      "86400",
      "86400",
      "1",
      undefined
    ])
  })

  it("show nothing of a defect", () => {
    assert.include(bodyOf(internal("request-1")), {
      status: 500,
      code: "gateway.internal",
      request_id: "request-1"
    })
  })
})
