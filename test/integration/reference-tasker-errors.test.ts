import { randomUUID } from "node:crypto"
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { owner } from "../support/tasker.ts"
import { BareTasker, board, external, request, type TaskerReply } from "../support/tasker-board.ts"

const said = ({ json, status }: TaskerReply) => [status, json]

layer(BareTasker.layer("strict"), { timeout: "10 minutes", excludeTestServices: true })(
  "the errors of the reference Tasker",
  (it) => {
    it.effect("those of Plane have the statuses and bodies that were measured", () =>
      Effect.gen(function* () {
        const { tasker } = yield* BareTasker
        const place = yield* board(tasker)
        yield* tasker.switches({ plane_errors: true })
        const { id } = (yield* place.create(external("card"))).json.issue
        const remark = (yield* place.comment(id, external("remark"))).json.comment.id
        const context = (options: { readonly bearer: string | null }) =>
          request(tasker, "GET", `/projects/${place.projectId}/context`, options)
        const denied = { detail: "You do not have permission to perform this action." }
        const missing = { error: "The requested resource does not exist." }

        assert.deepStrictEqual(said(yield* context({ bearer: "wrong" })), [
          403,
          { detail: "Given API token is not valid" }
        ])
        assert.deepStrictEqual(said(yield* context({ bearer: null })), [
          401,
          { detail: "Authentication credentials were not provided." }
        ])
        assert.deepStrictEqual(said(yield* request(tasker, "GET", `/projects/${randomUUID()}/context`)), [
          403,
          denied
        ])
        assert.deepStrictEqual(said(yield* place.list({ project_id: randomUUID() })), [403, denied])
        assert.deepStrictEqual(said(yield* place.create({ project_id: randomUUID() })), [403, denied])
        assert.deepStrictEqual(said(yield* place.change(randomUUID(), { name: "x" })), [404, missing])
        assert.deepStrictEqual(said(yield* place.create({ name: " " })), [
          400,
          { name: ["This field may not be blank."] }
        ])
        assert.deepStrictEqual(said(yield* place.create({ parent_id: randomUUID() })), [
          400,
          { non_field_errors: ["Parent is not valid issue_id please pass a valid issue_id"] }
        ])
        assert.deepStrictEqual(said(yield* place.create(external("card"))), [
          409,
          { error: "Issue with the same external id and external source already exists", id }
        ])
        assert.deepStrictEqual(said(yield* place.comment(id, external("remark"))), [
          409,
          {
            error: "Work item comment with the same external id and external source already exists",
            id: remark
          }
        ])
        assert.deepStrictEqual(said(yield* request(tasker, "GET", "/nothing")), [
          404,
          { error: "Page not found." }
        ])

        yield* tasker.fault({ op: "create", fault: "rate_limit", retry_after: 57 })
        const limited = yield* place.create()
        assert.deepStrictEqual(said(limited), [
          429,
          { error_code: 5900, error_message: "RATE_LIMIT_EXCEEDED" }
        ])
        assert.strictEqual(limited.headers.get("retry-after"), "57")
        yield* tasker.fault({ op: "create", fault: "server_error" })
        assert.deepStrictEqual(said(yield* place.create()), [
          500,
          { error: "Something went wrong please try again later" }
        ])

        yield* tasker.send("POST", "/members", { project_id: place.projectId, id: owner.id, active: false })
        const { json, status } = yield* place.create()
        assert.deepStrictEqual([status, json.error], [403, "owner_not_member"])
        yield* tasker.heal
      })
    )

    it.effect("those of the contract name a code", () =>
      Effect.gen(function* () {
        const { tasker } = yield* BareTasker
        const place = yield* board(tasker)
        yield* place.create(external("card"))
        const replies = [
          yield* request(tasker, "GET", `/projects/${place.projectId}/context`, { bearer: "wrong" }),
          yield* place.list({ project_id: randomUUID() }),
          yield* place.change(randomUUID(), { name: "x" }),
          yield* place.create({ name: " " }),
          yield* place.create(external("card"))
        ]
        assert.deepStrictEqual(
          replies.map(({ json, status }) => [status, json.error]),
          [
            [401, "unauthorized"],
            [404, "not_found"],
            [404, "not_found"],
            [400, "invalid"],
            [409, "already_exists"]
          ]
        )
      })
    )

    it.effect("a lost broker is a 500 after the write was done, and slows reads", () =>
      Effect.gen(function* () {
        const { tasker } = yield* BareTasker
        const place = yield* board(tasker)
        yield* tasker.switches({ bump_updated_at: true })
        yield* tasker.fault({ op: "any", fault: "broker_lost", times: "forever", delay_ms: 300 })
        const began = performance.now()
        assert.strictEqual((yield* place.create(external("lost"))).status, 500)
        assert.isAtLeast(performance.now() - began, 295)
        const read = performance.now()
        const [card] = (yield* place.list({ external_id: "lost" })).json.results
        assert.isAtLeast(performance.now() - read, 145)
        assert.strictEqual(card.external_id, "lost")
        assert.strictEqual((yield* place.create(external("lost"))).status, 409)
        // Without a broker no job runs.
        assert.isTrue(yield* tasker.atRest)
        yield* tasker.heal
      })
    )

    it.effect("a fault for one external id strikes its calls only", () =>
      Effect.gen(function* () {
        const { tasker } = yield* BareTasker
        const place = yield* board(tasker)
        yield* tasker.fault({ op: "any", fault: "server_error", times: "forever", external_id: "poisoned" })
        assert.strictEqual((yield* place.create(external("poisoned"))).status, 500)
        assert.strictEqual((yield* place.list({ external_id: "poisoned" })).status, 500)
        assert.strictEqual((yield* place.create(external("other"))).status, 201)
        assert.strictEqual((yield* place.list({ external_id: "other" })).status, 200)
        assert.strictEqual((yield* place.list()).status, 200)
        yield* tasker.heal
      })
    )

    it.effect("a proxy answers as it is told, whether the write was carried out or not", () =>
      Effect.gen(function* () {
        const { tasker } = yield* BareTasker
        const place = yield* board(tasker)
        for (const carried_out of [true, false]) {
          const proxied = { op: "create", fault: "proxied", carried_out, status: 403, body: "<h1>no</h1>" }
          yield* tasker.fault({ ...proxied, content_type: "text/html; charset=utf-8" })
          const reply = yield* place.create(external(String(carried_out)))
          assert.deepStrictEqual([reply.status, reply.text], [403, "<h1>no</h1>"])
          assert.match(reply.headers.get("content-type") ?? "", /^text\/html/)
          const { json } = yield* place.list({ external_id: String(carried_out) })
          assert.lengthOf(json.results, carried_out ? 1 : 0)
        }
      })
    )
  }
)
