import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import fc from "fast-check"
import { BareTasker, board, external, pages } from "../support/tasker-board.ts"
import { type Profile, profiles } from "../tasker/Switches.ts"

const many = (count: number) => Array.from({ length: count }, (_, at) => at)

/** Seeds a card with comments among other cards. Returns all ids, in the order in which they were made. */
const filled = Effect.fnUntraced(function* (count: number) {
  const { tasker } = yield* BareTasker
  const place = yield* board(tasker)
  const cards: Array<string> = []
  for (const n of many(count)) cards.push((yield* place.create({ name: `Card ${n}` })).json.issue.id)
  const card = cards[0] ?? ""
  const remarks: Array<string> = []
  for (const _ of many(count)) remarks.push((yield* place.comment(card)).json.comment.id)
  return { place, card, cards, remarks }
})

for (const profile of Object.keys(profiles) as ReadonlyArray<Profile>) {
  layer(BareTasker.layer(profile), { timeout: "10 minutes", excludeTestServices: true })(
    `the reference Tasker as ${profile}`,
    (it) => {
      it.effect("the pages of a board that stands still hold every card once, under every limit", () =>
        Effect.gen(function* () {
          const { place, card, cards, remarks } = yield* filled(17)
          const hasComments = !profiles[profile].no_comments_listing
          yield* Effect.promise(() =>
            fc.assert(
              fc.asyncProperty(fc.integer({ min: 1, max: 20 }), async (limit) => {
                assert.deepStrictEqual(
                  await Effect.runPromise(pages(place.list, [limit])),
                  cards.toReversed()
                )
                if (!hasComments) return
                const listed = await Effect.runPromise(pages((query) => place.comments(card, query), [limit]))
                assert.deepStrictEqual(listed.toSorted(), remarks.toSorted())
              }),
              { numRuns: 12 }
            )
          )
        })
      )

      it.effect("an edit moves no card to another page", () =>
        Effect.gen(function* () {
          const { place, cards } = yield* filled(3)
          yield* place.change(cards[0] ?? "", { name: "Edited" })
          assert.deepStrictEqual(yield* pages(place.list, [2]), cards.toReversed())
        })
      )

      it.effect("healing sets every switch as the profile has it", () =>
        Effect.gen(function* () {
          const { tasker } = yield* BareTasker
          yield* tasker.switches({ dedupe_key: !profiles[profile].dedupe_key, plane_errors: true })
          yield* tasker.fault({ op: "create", fault: "refuse" })
          yield* tasker.heal
          assert.deepStrictEqual(yield* tasker.send("GET", "/faults"), {
            faults: [],
            switches: profiles[profile]
          })
        })
      )
    }
  )
}

layer(BareTasker.layer("seed"), { timeout: "10 minutes", excludeTestServices: true })(
  "the reference Tasker as seed",
  (it) => {
    it.effect("a listing knows no parameter but project_id", () =>
      Effect.gen(function* () {
        const { place, card, cards } = yield* filled(3)
        for (const query of [
          { issue_id: card },
          { external_id: "unknown" },
          { limit: "1" },
          { cursor: "neither of Tasker's" },
          { priority: "urgent" },
          { search: "nothing is called so" }
        ]) {
          const { json, status } = yield* place.list(query)
          assert.deepStrictEqual(
            [status, json.results.map(({ id }: { id: string }) => id), json.next_cursor],
            [200, cards.toReversed(), null]
          )
        }
      })
    )

    it.effect("a card has the fields of the contract and no others", () =>
      Effect.gen(function* () {
        const { place, card } = yield* filled(1)
        const fields =
          "assignee_ids created_at description_html id identifier label_ids name parent_id priority project_id " +
          "sequence_id start_date state_id target_date updated_at url"
        const listed = (yield* place.list()).json.results[0]
        const made = (yield* place.create(external("mine"))).json.issue
        assert.deepStrictEqual(Object.keys(listed).toSorted(), fields.split(" "))
        assert.deepStrictEqual(Object.keys(made).toSorted(), fields.split(" "))
        const { comment } = (yield* place.comment(card, external("mine"))).json
        assert.deepStrictEqual(Object.keys(comment).toSorted(), [
          "comment_html",
          "created_at",
          "id",
          "issue_id"
        ])
      })
    )

    it.effect("neither a key nor an external id nor an expected time means anything", () =>
      Effect.gen(function* () {
        const { place, card } = yield* filled(1)
        const key = "ab".repeat(32)
        const first = yield* place.create(external("one"), key)
        const second = yield* place.create(external("one"), key)
        assert.deepStrictEqual([first.status, second.status], [201, 201])
        assert.notStrictEqual(first.json.issue.id, second.json.issue.id)
        const late = yield* place.change(card, { name: "X", expected_updated_at: "2020-01-01T00:00:00Z" })
        assert.strictEqual(late.status, 200)
        assert.strictEqual((yield* place.comments(card)).status, 404)
      })
    )
  }
)

layer(BareTasker.layer("strict"), { timeout: "10 minutes", excludeTestServices: true })(
  "the reference Tasker as strict",
  (it) => {
    it.effect("cards and comments carry their external id unless that is switched off", () =>
      Effect.gen(function* () {
        const { tasker } = yield* BareTasker
        const place = yield* board(tasker)
        const { issue } = (yield* place.create(external("mine"))).json
        const { comment } = (yield* place.comment(issue.id, external("mine"))).json
        assert.deepStrictEqual([issue.external_id, comment.external_id], ["mine", "mine"])
        assert.strictEqual((yield* place.card(issue.id)).external_id, "mine")
        assert.strictEqual((yield* place.comments(issue.id)).json.results[0].external_id, "mine")
        yield* tasker.switches({ external_ids_shown: false })
        assert.notProperty(yield* place.card(issue.id), "external_id")
        assert.notProperty((yield* place.comments(issue.id)).json.results[0], "external_id")
        yield* tasker.heal
      })
    )

    it.effect("a cursor goes on where its page ended, also under another limit", () =>
      Effect.gen(function* () {
        const { place, card, cards, remarks } = yield* filled(9)
        assert.deepStrictEqual(yield* pages(place.list, [2, 3]), cards.toReversed())
        assert.deepStrictEqual(yield* pages((query) => place.comments(card, query), [2, 3]), remarks)
      })
    )

    it.effect("a page begins at its number times the limit of the request if that is switched on", () =>
      Effect.gen(function* () {
        const { tasker } = yield* BareTasker
        const { place, card, cards, remarks } = yield* filled(9)
        const newest = cards.toReversed()
        yield* tasker.switches({ page_by_request: true })
        assert.strictEqual((yield* place.list({ limit: "2" })).json.next_cursor, "2:1:0")
        assert.deepStrictEqual(yield* pages(place.list, [2, 3]), [...newest.slice(0, 2), ...newest.slice(3)])
        assert.deepStrictEqual(yield* pages(place.list, [4, 3]), [...newest.slice(0, 4), ...newest.slice(3)])
        assert.deepStrictEqual(yield* pages((query) => place.comments(card, query), [4, 3]), [
          ...remarks.slice(0, 4),
          ...remarks.slice(3)
        ])
        assert.strictEqual((yield* place.list({ cursor: "2:x:0" })).status, 400)
        yield* tasker.heal
      })
    )

    it.effect("comments are listed newest first if that is switched on, by either kind of cursor", () =>
      Effect.gen(function* () {
        const { tasker } = yield* BareTasker
        const { place, card, remarks } = yield* filled(5)
        const read = (query: Readonly<Record<string, string>>) => place.comments(card, query)
        yield* tasker.switches({ newest_comments_first: true })
        assert.deepStrictEqual(yield* pages(read, [2]), remarks.toReversed())
        yield* tasker.switches({ page_by_request: true })
        assert.deepStrictEqual(yield* pages(read, [2]), remarks.toReversed())
        yield* tasker.heal
      })
    )

    it.effect("an archived or draft card is found by its external id only, and can be changed", () =>
      Effect.gen(function* () {
        const { tasker } = yield* BareTasker
        const place = yield* board(tasker)
        for (const hidden of [{ archived: true }, { draft: true }]) {
          const id = Object.keys(hidden).join()
          const { issue } = (yield* place.create(external(id))).json
          yield* tasker.edit(issue.id, hidden)
          assert.isUndefined(yield* place.card(issue.id))
          assert.lengthOf((yield* place.list({ identifier: issue.identifier })).json.results, 0)
          assert.lengthOf((yield* place.list()).json.results, 0)
          const found = (yield* place.list({ external_id: id })).json.results
          assert.deepStrictEqual(
            found.map((card: { id: string }) => card.id),
            [issue.id]
          )
          const changed = yield* place.change(issue.id, { name: "Renamed" })
          assert.deepStrictEqual([changed.status, changed.json.issue.name], [200, "Renamed"])
          const again = yield* place.create(external(id))
          assert.deepStrictEqual([again.status, again.json.id], [409, issue.id])
        }
      })
    )
  }
)
