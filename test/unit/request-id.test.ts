import { assert, describe, it } from "@effect/vitest"
import { Redacted } from "effect"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import { fromBytes } from "../../src/domain/Token.ts"
import { choose, requestId } from "../../src/http/RequestId.ts"

const fresh = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/

describe("a request id", () => {
  it("is the caller's where that is sane", () => {
    for (const id of ["a", "req_1.2:3-4", "x".repeat(64)]) assert.strictEqual(choose(id), id)
  })

  it("is a new one where the caller sent none, or one that is not sane", () => {
    for (const id of [undefined, "", "x".repeat(65), "a b", "a\nb", "é", '"a"', "a,b"])
      assert.match(choose(id), fresh)
  })

  it("is a new one where the caller's holds a token", () => {
    const token = Redacted.value(fromBytes(new Uint8Array(32).fill(1)))
    assert.match(choose(token), fresh)
    assert.match(choose(`id:${token}`), fresh)
  })

  it("stays the same through all views of one request", () => {
    const request = HttpServerRequest.fromWeb(new Request("http://gateway/"))
    const id = requestId(request)
    assert.strictEqual(requestId(request.modify({ url: "/elsewhere" })), id)
    assert.notStrictEqual(requestId(HttpServerRequest.fromWeb(new Request("http://gateway/"))), id)
  })
})
