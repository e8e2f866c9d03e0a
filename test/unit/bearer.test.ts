import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import { fromBytes } from "../../src/domain/Token.ts"
import { agentToken, internalToken } from "../../src/http/Bearer.ts"

const request = (authorization?: string) =>
  HttpServerRequest.fromWeb(
    new Request("http://gateway/", authorization === undefined ? {} : { headers: { authorization } })
  )

const token = Redacted.value(fromBytes(new Uint8Array(32).fill(7)))
const other = token.slice(0, -1) + (token.endsWith("0") ? "1" : "0")

describe("an agent's bearer token", () => {
  it.effect("passes in any spelling of the scheme", () =>
    Effect.gen(function* () {
      for (const header of [`Bearer ${token}`, `bearer ${token}`, `BEARER  ${token}`]) {
        assert.strictEqual(Redacted.value(yield* agentToken(request(header))), token)
      }
    })
  )

  it.effect.each([
    [undefined, "missing"],
    [token, "malformed"],
    [`Basic ${token}`, "malformed"],
    ["Bearer", "malformed"],
    [`Bearer ${token}, Bearer ${token}`, "malformed"],
    [`Bearer ${token} ${token}`, "malformed"],
    [`Bearer ${other}`, "malformed"],
    [`Bearer ${token}0`, "malformed"],
    [`Bearer ${token.toUpperCase()}`, "malformed"],
    ["Bearer sk-something-else", "malformed"]
  ] as const)("sent as %s is %s", ([header, reason]) =>
    Effect.gen(function* () {
      const failure = yield* Effect.flip(agentToken(request(header)))
      assert.strictEqual(failure.reason, reason)
      assert.notInclude(failure.message, token)
      assert.notInclude(failure.message, other)
    })
  )
})

describe("the internal token", () => {
  const expected = [Redacted.make("an-internal-token-of-32-characters")]

  it.effect("passes, and nothing else does", () =>
    Effect.gen(function* () {
      yield* internalToken(request("Bearer an-internal-token-of-32-characters"), expected)
      const attempts = [
        [undefined, "missing"],
        ["Basic an-internal-token-of-32-characters", "malformed"],
        ["Bearer an-internal-token-of-32-character", "unknown"],
        ["Bearer an-internal-token-of-32-charactersx", "unknown"],
        [`Bearer ${token}`, "unknown"]
      ] as const
      for (const [header, reason] of attempts) {
        assert.strictEqual((yield* Effect.flip(internalToken(request(header), expected))).reason, reason)
      }
    })
  )

  it.effect("opens nothing where none is configured", () =>
    Effect.gen(function* () {
      const failure = yield* Effect.flip(internalToken(request("Bearer undefined"), []))
      assert.strictEqual(failure.reason, "unknown")
    })
  )
})
