import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { board, external, ReferencePlane } from "../support/plane.ts"

layer(ReferencePlane.layer({ rate_limit: 60 }), { timeout: "10 minutes", excludeTestServices: true })(
  "the reference Plane",
  (it) => {
    it.effect("60 requests a minute pass and say how many are left; the 61st is a 429 with Retry-After", () =>
      Effect.gen(function* () {
        const plane = yield* ReferencePlane
        const { cards, project } = yield* board(plane)
        const left: Array<string | null> = []
        for (let n = 0; n < 60; n++) {
          const reply = yield* plane.request(`${project}/states/?per_page=1`)
          assert.strictEqual(reply.status, 200)
          left.push(reply.headers.get("x-ratelimit-remaining"))
          const reset = Number(reply.headers.get("x-ratelimit-reset")) - Date.now() / 1000
          assert.isTrue(reset > 58 && reset <= 61, `it resets in ${reset} s`)
        }
        assert.deepStrictEqual(
          left,
          Array.from({ length: 60 }, (_, n) => String(59 - n))
        )
        for (const request of [{}, { body: { name: "x" } }]) {
          const refused = yield* plane.request(cards, request)
          assert.deepStrictEqual(
            [refused.status, refused.text],
            [429, '{"error_code":5900,"error_message":"RATE_LIMIT_EXCEEDED"}']
          )
          const seconds = Number(refused.headers.get("retry-after"))
          assert.isTrue(seconds > 0 && seconds <= 60, `it may be asked again in ${seconds} s`)
          assert.isFalse(refused.headers.has("x-ratelimit-remaining"))
        }
        assert.lengthOf(yield* plane.writes, 0)
        yield* plane.heal
      })
    )

    it.effect("the limit is looked at after key, path and permission, and is by key", () =>
      Effect.gen(function* () {
        const plane = yield* ReferencePlane
        const { cards, projectId } = yield* board(plane)
        yield* plane.member(projectId, { email: "ivan@example.test", api_key: "ivans" })
        const secret = yield* board(plane, { network: 0, key_role: null })
        yield* plane.configure({ rate_limit: 1 })
        assert.strictEqual((yield* plane.request(cards)).status, 200)
        assert.strictEqual((yield* plane.request(cards)).status, 429)
        assert.strictEqual((yield* plane.request(cards, { key: "nobody's" })).status, 403)
        assert.strictEqual((yield* plane.request(secret.cards)).status, 403)
        assert.strictEqual((yield* plane.request("/api/v1/nothing/")).status, 404)
        assert.strictEqual((yield* plane.request(cards, { key: "ivans" })).status, 200)
        yield* plane.heal
      })
    )

    it.effect("a request passes again once the window has moved, for a throttled one does not count", () =>
      Effect.gen(function* () {
        const plane = yield* ReferencePlane
        const { cards } = yield* board(plane)
        yield* plane.configure({ rate_limit: 1, rate_window_ms: 1000 })
        assert.strictEqual((yield* plane.request(cards)).status, 200)
        let throttled = 0
        while ((yield* plane.request(cards)).status === 429) throttled++
        assert.isAbove(throttled, 0)
        yield* plane.heal
      })
    )

    it.effect("without the message broker a write is done and then a 500, and a read is late", () =>
      Effect.gen(function* () {
        const plane = yield* ReferencePlane
        const { cards, comment, create, get, lookup, patch } = yield* board(plane)
        const card = (yield* create(external("before"))).json
        yield* plane.configure({ broker_out: true, broker_ms: 300 })
        const from = Date.now()
        for (const lost of [
          yield* create({ name: "Made", ...external("out") }),
          yield* patch(card.id, { name: "Changed" }),
          yield* comment(card.id, { comment_html: "<p>c</p>", ...external("c") })
        ]) {
          assert.deepStrictEqual(
            [lost.status, lost.text],
            [500, '{"error":"Something went wrong please try again later"}']
          )
        }
        assert.isAtLeast(Date.now() - from, 900)
        assert.strictEqual((yield* create(external("out"))).status, 409)
        assert.isAtLeast(Date.now() - from, 1050)
        yield* plane.configure({ broker_out: false })
        assert.strictEqual((yield* lookup("out")).json.name, "Made")
        assert.strictEqual((yield* get(card.id)).json.name, "Changed")
        assert.strictEqual((yield* plane.request(`${cards}${card.id}/comments/`)).json.total_count, 1)
        assert.strictEqual(
          (yield* comment(card.id, { comment_html: "<p>c</p>", ...external("c") })).status,
          409
        )
        yield* plane.heal
      })
    )
  }
)
