import { assert, describe, it } from "@effect/vitest"
import { Redacted, Schema } from "effect"
import * as fc from "fast-check"
import { ClientClaims, claimsIn } from "../../src/domain/ClientClaims.ts"
import { fromBytes, holdsSecret } from "../../src/domain/Token.ts"
import { decode } from "../../src/mcp/decode.ts"
import { stripInvisible } from "../../src/text/PlainText.ts"

/** As Codex sends it (0.169.0). */
const codexMeta = {
  callId: "call_8f2",
  itemId: "fc_01",
  threadId: "0199a213-81c0-7800-8aa1-bbab2a035a53",
  "x-codex-turn-metadata": {
    session_id: "0199a213-81c0-7800-8aa1-bbab2a035a50",
    thread_id: "0199a213-81c0-7800-8aa1-bbab2a035a53",
    turn_id: "0199a214-0000-7000-8000-000000000001",
    model: "gpt-5.3-codex",
    codex_version: "0.169.0"
  }
}

const token = Redacted.value(fromBytes(new Uint8Array(32).fill(7)))

const callOf = (_meta: unknown) =>
  decode(
    { jsonrpc: "2.0", id: 1, method: "tools/call", params: { name: "tasker_get_session", _meta } },
    { revision: "2025-06-18", method: undefined, name: undefined }
  )

describe("the claims of a client", () => {
  it("are what Codex says of the conversation, the turn and itself", () => {
    assert.deepStrictEqual(claimsIn(codexMeta), {
      session_id: "0199a213-81c0-7800-8aa1-bbab2a035a50",
      thread_id: "0199a213-81c0-7800-8aa1-bbab2a035a53",
      turn_id: "0199a214-0000-7000-8000-000000000001",
      call_id: "call_8f2",
      item_id: "fc_01",
      model: "gpt-5.3-codex",
      codex_version: "0.169.0"
    })
  })

  it("name the thread also where only the call itself does", () => {
    assert.deepStrictEqual(claimsIn({ threadId: "thread-1" }), { thread_id: "thread-1" })
    const twoThreads = { threadId: "outer", "x-codex-turn-metadata": { thread_id: "inner" } }
    assert.deepStrictEqual(claimsIn(twoThreads), { thread_id: "inner" })
  })

  it("are none where nothing is said, whatever stands there instead", () => {
    for (const meta of [
      undefined,
      null,
      "x",
      7,
      true,
      [],
      [codexMeta],
      {},
      { "x-codex-turn-metadata": "text" }
    ]) {
      assert.isUndefined(claimsIn(meta))
    }
  })

  it("leave out what is no short line that can be seen whole, and keep the rest", () => {
    const unfit = [
      "",
      "   ",
      "x".repeat(129),
      "two\nlines",
      "a\ttab",
      "bell\u0007",
      "turned\u202earound",
      "zero\u200bwidth",
      "tag\u{e0041}",
      "half \ud800 a pair",
      `Bearer ${token}`,
      token,
      7,
      null,
      {},
      ["t"],
      { toString: () => "t" }
    ]
    for (const turn_id of unfit) {
      const claims = claimsIn({ callId: "call_1", "x-codex-turn-metadata": { turn_id, model: "m" } })
      assert.deepStrictEqual(claims, { call_id: "call_1", model: "m" })
    }
    assert.deepStrictEqual(claimsIn({ callId: "x".repeat(128) }), { call_id: "x".repeat(128) })
  })

  it("are never more than these names, never long, hidden or secret, whatever is sent", () => {
    const value = fc.oneof(
      fc.jsonValue({ maxDepth: 1 }),
      fc.string({ unit: "binary", maxLength: 200 }),
      fc.constant(token)
    )
    const turn = fc.dictionary(
      fc.constantFrom("session_id", "turn_id", "model", "other", "constructor"),
      value
    )
    const meta = fc.record(
      { callId: value, itemId: value, threadId: value, progressToken: value, "x-codex-turn-metadata": turn },
      { requiredKeys: [] }
    )
    const isClaims = Schema.is(ClientClaims)
    fc.assert(
      fc.property(fc.oneof(meta, fc.jsonValue({ maxDepth: 2 })), (sent) => {
        const claims = claimsIn(sent)
        if (claims === undefined) return
        assert.isTrue(isClaims(claims))
        for (const [name, claim] of Object.entries(claims)) {
          assert.property(ClientClaims.fields, name)
          assert.isAtMost(claim.length, 128)
          assert.strictEqual(stripInvisible(claim), claim)
          assert.isFalse(holdsSecret(claim))
        }
      })
    )
  })

  it("come with a call over /mcp, and a call without them is the same call", () => {
    const message = callOf(codexMeta)
    assert.strictEqual(message.kind, "request")
    if (message.kind !== "request" || message.asked.method !== "tools/call") return assert.fail("no call")
    assert.strictEqual(message.asked.client?.turn_id, "0199a214-0000-7000-8000-000000000001")
    for (const meta of [undefined, null, "hostile", { "x-codex-turn-metadata": [1, 2] }]) {
      assert.deepStrictEqual(callOf(meta), {
        kind: "request",
        id: 1,
        era: "handshake",
        asked: { method: "tools/call", name: "tasker_get_session", args: {} }
      })
    }
  })
})
