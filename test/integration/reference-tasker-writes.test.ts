import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { eventually } from "../support/data-dirs.ts"
import { owner } from "../support/tasker.ts"
import { BareTasker, board, external, heldBeforeWriting } from "../support/tasker-board.ts"
import type { Switches } from "../tasker/Switches.ts"

/** Provides a board with some switches set, and resets them afterwards. */
const under = <A, E, R>(
  switches: Partial<Switches>,
  run: (place: Effect.Success<ReturnType<typeof board>>) => Effect.Effect<A, E, R>
) =>
  Effect.gen(function* () {
    const { tasker } = yield* BareTasker
    const place = yield* board(tasker, {
      default_assignee: owner.id,
      members: [owner, { id: "ivan" }, { id: "olga", active: false }]
    })
    yield* tasker.switches(switches)
    return yield* run(place).pipe(Effect.ensuring(tasker.heal))
  })

const rested = Effect.flatMap(BareTasker, ({ tasker }) =>
  eventually(Effect.flatMap(tasker.atRest, (rest) => (rest ? Effect.void : Effect.fail("not yet"))))
)

const statuses = (replies: ReadonlyArray<{ readonly status: number }>) =>
  replies.map(({ status }) => status).toSorted()

layer(BareTasker.layer("strict"), { timeout: "10 minutes", excludeTestServices: true })(
  "the reference Tasker",
  (it) => {
    it.effect(
      "updated_at moves by itself after a create, a change and a comment if that is switched on",
      () =>
        under({ bump_updated_at: true }, ({ card, change, comment, create }) =>
          Effect.gen(function* () {
            const moved = (id: string, from: string) =>
              eventually(
                Effect.flatMap(card(id), ({ updated_at }) =>
                  updated_at > from ? Effect.succeed<string>(updated_at) : Effect.fail("not yet")
                )
              )
            const { id, updated_at } = (yield* create()).json.issue
            const afterCreate = yield* moved(id, updated_at)
            const passed = Date.parse(afterCreate) - Date.parse(updated_at)
            // Timers and truncation take a millisecond or two.
            assert.isAtLeast(passed, 15)
            const changed = (yield* change(id, { name: "Card" })).json.issue.updated_at
            const afterChange = yield* moved(id, changed)
            yield* comment(id)
            const afterComment = yield* moved(id, afterChange)
            const { tasker } = yield* BareTasker
            assert.isTrue(yield* tasker.atRest)
            assert.strictEqual((yield* card(id)).updated_at, afterComment)
          })
        )
    )

    it.effect("updated_at stays as the response to the write has it if that is switched off", () =>
      under({}, ({ card, comment, create }) =>
        Effect.gen(function* () {
          const { tasker } = yield* BareTasker
          const still = (yield* create()).json.issue
          yield* comment(still.id)
          yield* tasker.switches({ bump_updated_at: true })
          yield* create()
          // The job of the later card has run, so that of the earlier one would have.
          yield* rested
          assert.strictEqual((yield* card(still.id)).updated_at, still.updated_at)
        })
      )
    )

    for (const [race, expected] of [
      [true, [201, 201, 201]],
      [false, [201, 409, 409]]
    ] as const) {
      it.effect(`three creates at once with one external id end as ${expected} if race is ${race}`, () =>
        under({ race_external_ids: race }, ({ create, list }) =>
          Effect.gen(function* () {
            const { database } = yield* BareTasker
            const one = create(external("race"))
            const replies = yield* heldBeforeWriting(database, "issues", [one, one, one])
            assert.deepStrictEqual(statuses(replies), [...expected])
            const made = expected.filter((status) => status === 201).length
            assert.lengthOf((yield* list()).json.results, made)
          })
        )
      )

      it.effect(`three comments at once with one external id end as ${expected} if race is ${race}`, () =>
        under({ race_external_ids: race }, ({ comment, create }) =>
          Effect.gen(function* () {
            const { database } = yield* BareTasker
            const { id } = (yield* create()).json.issue
            const one = comment(id, external("race"))
            const replies = yield* heldBeforeWriting(database, "comments", [one, one, one])
            assert.deepStrictEqual(statuses(replies), [...expected])
          })
        )
      )

      it.effect(`of two changes of different fields at once ${race ? "one is lost" : "none is lost"}`, () =>
        under({ race_changes: race, ignore_expected: true }, ({ card, change, create }) =>
          Effect.gen(function* () {
            const { database } = yield* BareTasker
            const { id } = (yield* create()).json.issue
            const replies = yield* heldBeforeWriting(database, "issues", [
              change(id, { name: "Renamed" }),
              change(id, { priority: "urgent" })
            ])
            assert.deepStrictEqual(statuses(replies), [200, 200])
            const { name, priority } = yield* card(id)
            const kept = [name === "Renamed", priority === "urgent"].filter((held) => held).length
            assert.strictEqual(kept, race ? 1 : 2)
          })
        )
      )
    }

    it.effect("a doubled external id is a 500 to its look-up for ever, and 409 names the newest", () =>
      under({ dedupe_external: false }, ({ create, list }) =>
        Effect.gen(function* () {
          const { tasker } = yield* BareTasker
          yield* create(external("twin"))
          const newest = (yield* create(external("twin"))).json.issue.id
          assert.lengthOf((yield* list({ external_id: "twin" })).json.results, 2)
          yield* tasker.switches({ fail_doubled_lookup: true, dedupe_external: true })
          for (const limit of ["1", "50"]) {
            const { status, text } = yield* list({ external_id: "twin", limit })
            assert.deepStrictEqual(
              [status, text],
              [500, '{"error":"Something went wrong please try again later"}']
            )
          }
          assert.strictEqual((yield* list({ external_id: "other" })).status, 200)
          assert.strictEqual((yield* create(external("twin"))).json.id, newest)
        })
      )
    )

    it.effect(
      "a comment's external id is taken in the whole project if that is switched on, else on its card",
      () =>
        under({}, ({ comment, create }) =>
          Effect.gen(function* () {
            const { tasker } = yield* BareTasker
            const [one, other, third] = [yield* create(), yield* create(), yield* create()].map(
              ({ json }) => json.issue.id
            )
            yield* comment(one, external("c"))
            const there = yield* comment(other, external("c"))
            assert.strictEqual(there.status, 201)
            yield* tasker.switches({ comment_ids_by_project: true })
            const refused = yield* comment(third, external("c"))
            assert.deepStrictEqual([refused.status, refused.json.id], [409, there.json.comment.id])
          })
        )
    )

    it.effect("an empty description is refused if that is switched on, and one that is left out is not", () =>
      under({ refuse_empty_html: true }, ({ change, create }) =>
        Effect.gen(function* () {
          const { tasker } = yield* BareTasker
          const { id } = (yield* create()).json.issue
          for (const description_html of ["", null, " ", "<!-- x -->"]) {
            assert.strictEqual((yield* create({ description_html })).status, 400)
            assert.strictEqual((yield* change(id, { description_html })).status, 400)
          }
          yield* tasker.switches({ plane_errors: true })
          assert.deepStrictEqual((yield* create({ description_html: "" })).json, {
            non_field_errors: ["Invalid HTML passed"]
          })
          assert.strictEqual(
            (yield* create({ description_html: "<p></p>" })).json.issue.description_html,
            "<p></p>"
          )
          assert.strictEqual((yield* create()).json.issue.description_html, "<p></p>")
          yield* tasker.switches({ refuse_empty_html: false })
          assert.strictEqual((yield* change(id, { description_html: null })).status, 200)
        })
      )
    )

    it.effect(
      "a description is respelled as Plane does if that is switched on, else it is sanitised only",
      () =>
        under({}, ({ create }) =>
          Effect.gen(function* () {
            const { tasker } = yield* BareTasker
            const stored = (description_html: string) =>
              Effect.map(create({ description_html }), ({ json }) => json.issue.description_html as string)
            const two = "<p>a</p><p>b</p>"
            const link = '<p><a href="https://example.test/путь">x</a></p>'
            assert.strictEqual(yield* stored(two), two)
            assert.include(yield* stored(link), "путь")
            yield* tasker.switches({ respell_html: true })
            for (const [sent, spelled] of [
              [two, "<div><p>a</p><p>b</p></div>"],
              ["bare", "<span>bare</span>"],
              [
                link,
                '<p><a href="https://example.test/%D0%BF%D1%83%D1%82%D1%8C" rel="noopener noreferrer">x</a></p>'
              ],
              [
                '<table><tbody><tr><td align="left">1</td></tr></tbody></table>',
                "<table><tbody><tr><td>1</td></tr></tbody></table>"
              ],
              [
                '<ul><li><input type="checkbox" checked> done</li></ul>',
                '<ul><li><input type="checkbox" checked=""> done</li></ul>'
              ],
              [
                '<p>a<attachment-component id="1"></attachment-component><issue-embed-component id="2"></issue-embed-component></p>',
                "<p>a</p>"
              ]
            ] as const) {
              assert.strictEqual(yield* stored(sent), spelled)
            }
          })
        )
    )

    it.effect("a comment is stored as it is sent if that is switched on, else sanitised", () =>
      under({}, ({ comment, create }) =>
        Effect.gen(function* () {
          const { tasker } = yield* BareTasker
          const { id } = (yield* create()).json.issue
          const comment_html = '<p onclick="x()">a</p><script>alert(1)</script>'
          const stored = Effect.map(
            comment(id, { comment_html }),
            ({ json }) => json.comment.comment_html as string
          )
          assert.strictEqual(yield* stored, "<p>a</p>")
          yield* tasker.switches({ comments_verbatim: true })
          assert.strictEqual(yield* stored, comment_html)
        })
      )
    )

    it.effect("a create without assignees gets the project's default assignee if that is switched on", () =>
      under({}, ({ create }) =>
        Effect.gen(function* () {
          const { tasker } = yield* BareTasker
          const assigned = (body = {}) =>
            Effect.map(create(body), ({ json }) => json.issue.assignee_ids as ReadonlyArray<string>)
          assert.deepStrictEqual(yield* assigned(), [])
          yield* tasker.switches({ default_assignee: true })
          assert.deepStrictEqual(yield* assigned(), [owner.id])
          assert.deepStrictEqual(yield* assigned({ assignee_ids: [] }), [owner.id])
          assert.deepStrictEqual(yield* assigned({ assignee_ids: ["olga"] }), [owner.id])
          assert.deepStrictEqual(yield* assigned({ assignee_ids: ["ivan"] }), ["ivan"])
        })
      )
    )

    it.effect(
      "a removed member is listed without a role if switched on, and assigning one empties the set",
      () =>
        under({}, ({ assign, context, create }) =>
          Effect.gen(function* () {
            const { tasker } = yield* BareTasker
            const listed = Effect.map(context, ({ json }) =>
              json.members.map(({ id, role }: { id: string; role?: number }) => [id, role])
            )
            const seated = [
              ["ivan", 15],
              [owner.id, 20]
            ]
            assert.sameDeepMembers(yield* listed, seated)
            yield* tasker.switches({ list_removed: true })
            assert.sameDeepMembers(yield* listed, [...seated, ["olga", undefined]])
            const { id } = (yield* create({ assignee_ids: ["ivan"] })).json.issue
            const assigned = yield* assign(id, ["olga"])
            assert.deepStrictEqual([assigned.status, assigned.json.issue.assignee_ids], [200, []])
          })
        )
    )

    it.effect("a card can be its own parent if that is switched on", () =>
      under({}, ({ change, create }) =>
        Effect.gen(function* () {
          const { tasker } = yield* BareTasker
          const { id } = (yield* create()).json.issue
          assert.strictEqual((yield* change(id, { parent_id: id })).status, 400)
          yield* tasker.switches({ accept_own_parent: true })
          const changed = yield* change(id, { parent_id: id })
          assert.deepStrictEqual([changed.status, changed.json.issue.parent_id], [200, id])
        })
      )
    )

    it.effect(
      "the created_at of a create's response is some ms before the card's if that is switched on",
      () =>
        under({}, ({ card, create }) =>
          Effect.gen(function* () {
            const { tasker } = yield* BareTasker
            const plain = (yield* create()).json.issue
            assert.strictEqual((yield* card(plain.id)).created_at, plain.created_at)
            yield* tasker.switches({ early_created_at: true })
            const early = (yield* create()).json.issue
            const stood = (yield* card(early.id)).created_at
            const millis = Date.parse(stood) - Date.parse(early.created_at)
            assert.isTrue(millis > 0 && millis < 200, `${millis} ms`)
            assert.match(early.created_at, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/)
          })
        )
    )
  }
)
