import { randomUUID } from "node:crypto"
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { owner } from "../support/tasker.ts"
import { BareTasker, board, request, type TaskerReply } from "../support/tasker-board.ts"
import type { Switches } from "../tasker/Switches.ts"

const said = ({ json, status }: TaskerReply) => [status, json]
const noObject = (id: string) => `Invalid pk "${id}" - object does not exist.`
const together = (message: string) => [400, { non_field_errors: [message] }]

/** Provides two boards with some switches set, and resets them afterwards. */
const under = <A, E, R>(
  switches: Partial<Switches>,
  run: (
    place: Effect.Success<ReturnType<typeof board>>,
    other: Effect.Success<ReturnType<typeof board>>
  ) => Effect.Effect<A, E, R>
) =>
  Effect.gen(function* () {
    const { tasker } = yield* BareTasker
    const [place, other] = [yield* board(tasker), yield* board(tasker)]
    yield* tasker.switches(switches)
    return yield* run(place, other).pipe(Effect.ensuring(tasker.heal))
  })

layer(BareTasker.layer("strict"), { timeout: "10 minutes", excludeTestServices: true })(
  "what the reference Tasker makes of references",
  (it) => {
    it.effect(
      "labels and assignees that no project has are refused if that is switched on, else dropped",
      () =>
        under({ plane_errors: true }, ({ change, create, labels }) =>
          Effect.gen(function* () {
            const { tasker } = yield* BareTasker
            const [label, nowhere] = [labels[0]?.id ?? "", randomUUID()]
            const asked = { label_ids: [label, nowhere], assignee_ids: ["nobody", owner.id] }
            const { id, label_ids, assignee_ids } = (yield* create(asked)).json.issue
            assert.deepStrictEqual([label_ids, assignee_ids], [[label], [owner.id]])
            yield* tasker.switches({ refuse_unknown_ids: true })
            const refused = [
              400,
              { label_ids: { 1: [noObject(nowhere)] }, assignee_ids: { 0: [noObject("nobody")] } }
            ]
            assert.deepStrictEqual(said(yield* create(asked)), refused)
            assert.deepStrictEqual(said(yield* change(id, asked)), refused)
            for (const field of ["state_id", "parent_id"]) {
              assert.deepStrictEqual(said(yield* create({ [field]: nowhere })), [
                400,
                { [field]: [noObject(nowhere)] }
              ])
            }
          })
        )
    )

    it.effect("labels of another project are dropped, its states and cards are refused", () =>
      under({ plane_errors: true, refuse_unknown_ids: true }, ({ create }, other) =>
        Effect.gen(function* () {
          const made = yield* create({ label_ids: [other.labels[0]?.id] })
          assert.deepStrictEqual([made.status, made.json.issue.label_ids], [201, []])
          assert.deepStrictEqual(
            said(yield* create({ state_id: other.states[0]?.id })),
            together("State is not valid please pass a valid state_id")
          )
          assert.deepStrictEqual(
            said(yield* create({ parent_id: (yield* other.create()).json.issue.id })),
            together("Parent is not valid issue_id please pass a valid issue_id")
          )
        })
      )
    )

    it.effect("two dates are compared as the card would have them unless only those of the request are", () =>
      under({ plane_errors: true }, ({ change, create }) =>
        Effect.gen(function* () {
          const { tasker } = yield* BareTasker
          const { id } = (yield* create({ start_date: "2026-12-05" })).json.issue
          const early = { target_date: "2026-12-01" }
          const refused = together("Start date cannot exceed target date")
          assert.deepStrictEqual(said(yield* change(id, early)), refused)
          yield* tasker.switches({ dates_by_request: true })
          const changed = yield* change(id, early)
          assert.deepStrictEqual([changed.status, changed.json.issue.target_date], [200, "2026-12-01"])
          const both = { ...early, start_date: "2026-12-05" }
          assert.deepStrictEqual(said(yield* change(id, both)), refused)
          assert.deepStrictEqual(said(yield* create(both)), refused)
        })
      )
    )

    it.effect(
      "a comment is added to a card of another project if its card is not looked for, else refused",
      () =>
        under({}, ({ comment, comments }, other) =>
          Effect.gen(function* () {
            const { tasker } = yield* BareTasker
            const { id } = (yield* other.create()).json.issue
            const nowhere = randomUUID()
            for (const card of [id, nowhere]) {
              assert.strictEqual((yield* comment(card)).status, 404)
              assert.strictEqual((yield* comments(card)).status, 404)
            }
            yield* tasker.switches({ comments_unbound: true, plane_errors: true })
            assert.strictEqual((yield* comment(id)).status, 201)
            assert.lengthOf((yield* other.comments(id)).json.results, 1)
            for (const card of [id, nowhere]) {
              assert.deepStrictEqual(said(yield* comments(card)), [200, { results: [], next_cursor: null }])
            }
            assert.deepStrictEqual(said(yield* comment(nowhere)), [
              400,
              { error: "The payload is not valid" }
            ])
          })
        )
    )

    it.effect("Plane's errors name each field of the request, and the position in a list", () =>
      under({ plane_errors: true, refuse_empty_html: true }, ({ create, projectId }) =>
        Effect.gen(function* () {
          const { tasker } = yield* BareTasker
          for (const [body, fields] of [
            [{ name: " " }, { name: ["This field may not be blank."] }],
            [{ name: null }, { name: ["This field may not be null."] }],
            [{ name: "x".repeat(256) }, { name: ["Ensure this field has no more than 255 characters."] }],
            [{ description_html: null }, { description_html: ["This field may not be null."] }],
            [{ label_ids: null }, { label_ids: ["This field may not be null."] }],
            [
              { target_date: "01.12.2026" },
              { target_date: ["Date has wrong format. Use one of these formats instead: YYYY-MM-DD."] }
            ],
            [
              { name: "", label_ids: [randomUUID(), "bug"] },
              { name: ["This field may not be blank."], label_ids: { 1: ["Expected a UUID"] } }
            ]
          ] as const) {
            assert.deepStrictEqual(said(yield* create(body)), [400, fields])
          }
          const bare = request(tasker, "POST", "/issues", { body: { project_id: projectId } })
          assert.deepStrictEqual(said(yield* bare), [400, { actor: ["This field is required."] }])
        })
      )
    )
  }
)
