import { assert, layer } from "@effect/vitest"
import { Effect, Exit } from "effect"
import { eventually } from "../support/data-dirs.ts"
import { board, external, ReferencePlane } from "../support/plane.ts"

const internal = '{"error":"Something went wrong please try again later"}'

layer(ReferencePlane.layer(), { timeout: "10 minutes", excludeTestServices: true })(
  "the reference Plane",
  (it) => {
    /** Creates a card under a fault. Returns the response or `cut`, and how many cards stand afterwards. */
    const under = Effect.fnUntraced(function* (fault: string, more: object = {}) {
      const plane = yield* ReferencePlane
      const { cards, create, list } = yield* board(plane)
      yield* plane.fault({ op: "create", fault, ...more })
      const reply = yield* Effect.exit(create(external(fault)))
      yield* eventually(Effect.flatMap(plane.atRest, (is) => (is ? Effect.void : Effect.fail("in flight"))))
      const standing = (yield* list).length
      const again = yield* create(external(fault))
      yield* plane.heal
      return {
        said: Exit.isSuccess(reply) ? `${reply.value.status} ${reply.value.text}` : "cut",
        headers: Exit.isSuccess(reply) ? reply.value.headers : new Headers(),
        standing,
        again: again.status,
        cards
      }
    })

    for (const [fault, said, standing, more] of [
      ["refuse", '400 {"non_field_errors":["Refused on purpose"]}', 0, {}],
      ["unauthorized", '403 {"detail":"Given API token is not valid"}', 0, {}],
      ["server_error", `500 ${internal}`, 0, {}],
      ["server_error_after", `500 ${internal}`, 1, {}],
      ["rate_limit", '429 {"error_code":5900,"error_message":"RATE_LIMIT_EXCEEDED"}', 0, { retry_after: 7 }],
      ["proxied", '504 {"error":"gateway"}', 1, { status: 504, body: '{"error":"gateway"}' }],
      ["proxied", "200 <html>", 1, { status: 200, body: "<html>" }],
      ["cut_before", "cut", 0, {}],
      ["cut_after", "cut", 1, {}],
      ["cut_between", "cut", 1, {}]
    ] as const) {
      it.effect(
        `a create under the fault ${fault} is answered ${said.slice(0, 3)}, and ${standing} cards stand`,
        () =>
          Effect.gen(function* () {
            const came = yield* under(fault, more)
            assert.deepStrictEqual([came.said, came.standing], [said, standing])
            assert.strictEqual(came.again, standing === 0 ? 201 : 409)
            if (fault === "rate_limit") assert.strictEqual(came.headers.get("retry-after"), "7")
          })
      )
    }

    it.effect(
      "a create under the faults html, malformed, wrong_shape and huge is answered with no card to read",
      () =>
        Effect.gen(function* () {
          const html = yield* under("html")
          assert.match(html.said, /^502 <!doctype html>/)
          assert.strictEqual(html.standing, 0)
          const malformed = yield* under("malformed")
          assert.match(malformed.said, /^200 \{"id".*[^}]$/)
          assert.strictEqual(malformed.standing, 1)
          const wrong = yield* under("wrong_shape")
          assert.notInclude(wrong.said, '"name"')
          assert.strictEqual(wrong.standing, 1)
          const huge = yield* under("huge")
          assert.isAbove(huge.said.length, 8_000_000)
        })
    )

    it.effect("a server that dies between its commits leaves a card without labels and assignees", () =>
      Effect.gen(function* () {
        const plane = yield* ReferencePlane
        const { create, label, lookup, patch, person } = yield* board(plane)
        const sets = { labels: [label("bug")], assignees: [person("ivan")] }
        yield* plane.fault({ op: "create", fault: "cut_between" })
        assert.isTrue(Exit.isFailure(yield* Effect.exit(create({ ...sets, ...external("half") }))))
        const half = (yield* lookup("half")).json
        assert.deepStrictEqual([half.labels, half.assignees], [[], []])
        const mended = (yield* patch(half.id, sets)).json
        assert.deepStrictEqual([mended.labels, mended.assignees], [sets.labels, sets.assignees])
        yield* plane.fault({ op: "update", fault: "cut_between" })
        const change = { name: "Renamed", labels: [], assignees: [] }
        assert.isTrue(Exit.isFailure(yield* Effect.exit(patch(half.id, change))))
        const row = (yield* lookup("half")).json
        assert.deepStrictEqual(
          [row.name, row.labels, row.assignees],
          ["Renamed", sets.labels, sets.assignees]
        )
        const logged = (yield* plane.writes).filter(({ issue_id }) => issue_id === half.id)
        assert.deepStrictEqual(
          logged.map(({ op, whole }) => [op, whole]),
          [
            ["create", false],
            ["update", true],
            ["update", false]
          ]
        )
      })
    )

    it.effect("a create is all or nothing if its commits are together", () =>
      Effect.gen(function* () {
        const plane = yield* ReferencePlane
        const { create, lookup } = yield* board(plane)
        yield* plane.configure({ commits_apart: false })
        yield* plane.fault({ op: "create", fault: "cut_between" })
        assert.isTrue(Exit.isFailure(yield* Effect.exit(create(external("half")))))
        assert.strictEqual((yield* lookup("half")).status, 404)
        yield* plane.heal
      })
    )

    it.effect("labels, assignees and state don't take under the fault drop", () =>
      Effect.gen(function* () {
        const plane = yield* ReferencePlane
        const { create, label, person, state } = yield* board(plane)
        yield* plane.fault({ op: "create", fault: "drop" })
        const made = (yield* create({
          name: "Kept",
          labels: [label("bug")],
          assignees: [person("ivan")],
          state: state("Done")
        })).json
        assert.deepStrictEqual(
          [made.name, made.labels, made.assignees, made.state],
          ["Kept", [], [], state("Backlog")]
        )
      })
    )

    it.effect("a delayed create is carried out although its client has left", () =>
      Effect.gen(function* () {
        const plane = yield* ReferencePlane
        const { cards, list } = yield* board(plane)
        yield* plane.fault({ op: "create", fault: "delay", delay_ms: 300 })
        const left = yield* Effect.promise((signal) =>
          fetch(`${plane.url}${cards}`, {
            method: "POST",
            headers: { "x-api-key": plane.apiKey, "content-type": "application/json" },
            body: '{"name":"late"}',
            signal
          })
        ).pipe(Effect.timeoutOption(100))
        assert.isTrue(left._tag === "None")
        yield* eventually(
          Effect.flatMap(list, (found) => (found.length === 1 ? Effect.void : Effect.fail("not yet")))
        )
      })
    )

    it.effect("a fault strikes only requests that name its external id, as often as it says", () =>
      Effect.gen(function* () {
        const plane = yield* ReferencePlane
        const { create, lookup } = yield* board(plane)
        yield* create(external("healthy"))
        yield* plane.fault({ op: "lookup", fault: "server_error", external_id: "poisoned", times: 2 })
        const statuses = [
          (yield* lookup("poisoned")).status,
          (yield* lookup("healthy")).status,
          (yield* lookup("poisoned")).status,
          (yield* lookup("poisoned")).status
        ]
        assert.deepStrictEqual(statuses, [500, 200, 500, 404])
        yield* plane.fault({ op: "any", fault: "server_error", every: 2 })
        const all = yield* Effect.forEach([1, 2, 3, 4], () => lookup("healthy"))
        assert.deepStrictEqual(
          all.map(({ status }) => status),
          [200, 500, 200, 500]
        )
        yield* plane.heal
      })
    )

    it.effect("a foreign conflict names what the fault says", () =>
      Effect.gen(function* () {
        const plane = yield* ReferencePlane
        const { create, projectId } = yield* board(plane)
        const names = { [projectId]: "11111111-1111-4111-8111-111111111111" }
        yield* plane.fault({ op: "create", fault: "foreign", names })
        const reply = yield* create(external("x"))
        assert.deepStrictEqual([reply.status, reply.json.id], [409, names[projectId]])
        assert.lengthOf(yield* plane.requests, (yield* plane.requests).length)
      })
    )

    it.effect("the log of writes holds what was carried out, and the journal what was asked", () =>
      Effect.gen(function* () {
        const plane = yield* ReferencePlane
        const { comment, create, patch, projectId } = yield* board(plane)
        const before = (yield* plane.writes).length
        yield* plane.fault({ op: "create", fault: "server_error" })
        yield* create(external("one"))
        const card = (yield* create(external("one"))).json
        yield* create(external("one"))
        yield* patch(card.id, { name: "Changed" })
        const remark = (yield* comment(card.id, { comment_html: "<p>c</p>", ...external("two") })).json
        const logged = (yield* plane.writes).slice(before)
        const common = { project_id: projectId, issue_id: card.id, user_id: card.created_by }
        assert.deepStrictEqual(
          logged.map(({ at: _, body: __, n: ___, ...write }) => write),
          [
            {
              op: "create",
              comment_id: null,
              external_id: "one",
              idempotency_key: "one",
              whole: true,
              ...common
            },
            {
              op: "update",
              comment_id: null,
              external_id: "one",
              idempotency_key: "one",
              whole: true,
              ...common
            },
            {
              op: "comment",
              comment_id: remark.id,
              external_id: "two",
              idempotency_key: "two",
              whole: true,
              ...common
            }
          ]
        )
        assert.deepStrictEqual(logged[1]?.body, { name: "Changed" })
        const asked = (yield* plane.requests).slice(-5)
        assert.deepStrictEqual(
          asked.map(({ fault, op, status }) => [op, fault, status]),
          [
            ["create", "server_error", 500],
            ["create", null, 201],
            ["create", null, 409],
            ["update", null, 200],
            ["comment", null, 201]
          ]
        )
        assert.notInclude(JSON.stringify(yield* plane.requests), plane.apiKey)
      })
    )
  }
)
