import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { documentOf, errorCodes, errorTable } from "../../src/layers/tasker/errorTable.ts"
import { proxyReplies } from "../support/proxy-replies.ts"
import { reply, scripted, withAdapter } from "../support/scripted-tasker.ts"
import { api } from "../support/tasker-api.ts"

const asked = { fields: ["name", "labels"], makes: false }
const making = { ...asked, makes: true }
const writes = api.filter(({ write }) => write)
const errorStatuses = [400, 401, 403, 404, 409, 413, 422, 429, 500, 502, 503, 504]

describe("the table of Tasker's error documents", () => {
  it("each row's example is read as that row says, under each of its statuses", () => {
    for (const { calls, example, means, statuses } of errorTable) {
      for (const status of statuses) {
        const read = documentOf(status, example, calls === "make" ? making : asked)
        assert.strictEqual(read?.means, means, `${status} ${JSON.stringify(example)}`)
      }
    }
  })

  it("no example is a document under a status that the table does not name", () => {
    for (const { example } of errorTable) {
      for (const status of [200, 302, 402, 405, 408, 410, 418, 500, 502, 503, 504]) {
        assert.isUndefined(documentOf(status, example, asked))
        assert.isUndefined(documentOf(status, example, making))
      }
    }
  })

  it("codes are compared to the letter", () => {
    for (const code of errorCodes) {
      assert.isDefined(documentOf(400, { error: code }, asked))
      assert.isUndefined(documentOf(400, { error: `${code} ` }, asked))
      assert.isUndefined(documentOf(400, { error: code.toUpperCase() }, asked))
      assert.isUndefined(documentOf(400, { error: { code } }, asked))
    }
  })

  it.each([
    [{ name: ["Too long."] }, true],
    [{ name: ["Too long."], labels: { "0": ["Odd."] }, non_field_errors: ["No."] }, true],
    [{ name: ["Too long."], colour: ["Odd."] }, false],
    [{ name: "Bad Request" }, false],
    [{ name: null }, false],
    [{}, false],
    [[], false],
    [["name"], false],
    [null, false]
  ])("a 400 with %j is a document only if every key is a field that was sent", (body, isDocument) => {
    assert.strictEqual(documentOf(400, body, asked)?.means, isDocument ? "rejected" : undefined)
    assert.isUndefined(documentOf(422, body, asked))
  })

  /** As they were measured, whatever the table says. */
  it.each([
    [400, { error: "The payload is not valid" }, making, "unclear"],
    [400, { error: "The payload is not valid" }, asked, undefined],
    [413, { error: "REQUEST_BODY_TOO_LARGE", detail: "Too large." }, asked, "rejected"],
    [401, { detail: "Given API token is not valid" }, asked, "unauthorized"],
    [403, { detail: "Given API token is not valid" }, asked, "unauthorized"],
    [401, { detail: "Authentication credentials were not provided." }, asked, "unauthorized"],
    [403, { detail: "You do not have permission to perform this action." }, asked, "no_access"],
    [404, { error: "The requested resource does not exist." }, asked, "not_found"],
    [404, { error: "Page not found." }, asked, "no_such_call"],
    [429, { error_code: 5900, error_message: "RATE_LIMIT_EXCEEDED" }, asked, "rate_limited"]
  ] as const)("Plane's reply %i %j is read as measured", (status, body, request, means) =>
    assert.strictEqual(documentOf(status, body, request)?.means, means)
  )

  it("a 409 to a create or a comment is a document only with the UUID of what exists", () => {
    const id = "33333333-3333-4333-8333-33333333333A"
    assert.deepStrictEqual(documentOf(409, { error: "x", id }, making), {
      means: "exists",
      id: id.toLowerCase()
    })
    for (const body of [{ error: "x" }, { error: "x", id: "12" }, { id }]) {
      assert.isUndefined(documentOf(409, body, making))
    }
  })
})

describe("an error that a proxy sends in Tasker's place", () => {
  it.live.each(writes.map((write) => [write.name, write] as const))(
    "leaves the outcome of %s open under every status",
    ([, write]) =>
      Effect.gen(function* () {
        for (const { body, by, type } of proxyReplies) {
          for (const status of errorStatuses) {
            const tasker = yield* scripted({ now: reply(status, body, { "content-type": type }) })
            const failed = yield* withAdapter(tasker.url, (adapter) => Effect.flip(write.attempt(adapter)))
            assert.strictEqual(failed._tag, "Ambiguous", `${status} of ${by}`)
          }
        }
      })
  )
})
