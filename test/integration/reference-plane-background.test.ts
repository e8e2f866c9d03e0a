import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { eventually } from "../support/data-dirs.ts"
import { board, external, type PlaneReply, ReferencePlane } from "../support/plane.ts"

const movedFrom = (updatedAt: string, read: Effect.Effect<PlaneReply>) =>
  eventually(
    Effect.flatMap(read, ({ json }) =>
      json.updated_at > updatedAt ? Effect.succeed(json) : Effect.fail("not yet")
    )
  )

const eight = Array.from({ length: 8 }, (_, at) => at)
const together = <A, E, R>(run: (at: number) => Effect.Effect<A, E, R>) =>
  Effect.forEach(eight, run, { concurrency: "unbounded" })

layer(ReferencePlane.layer(), { timeout: "10 minutes", excludeTestServices: true })(
  "the reference Plane",
  (it) => {
    it.effect("updated_at moves by itself after a create, a change and a comment", () =>
      Effect.gen(function* () {
        const plane = yield* ReferencePlane
        const { comment, create, get, patch } = yield* board(plane)
        const made = (yield* create({})).json
        const afterCreate = yield* movedFrom(made.updated_at, get(made.id))
        assert.strictEqual(afterCreate.name, "Card")
        const changed = (yield* patch(made.id, { name: "Card" })).json
        assert.isTrue(changed.updated_at > afterCreate.updated_at)
        const afterChange = yield* movedFrom(changed.updated_at, get(made.id))
        assert.strictEqual((yield* comment(made.id, { comment_html: "<p>c</p>" })).status, 201)
        yield* movedFrom(afterChange.updated_at, get(made.id))
      })
    )

    it.effect("updated_at moves within the set bounds, and not before the lower one", () =>
      Effect.gen(function* () {
        const plane = yield* ReferencePlane
        yield* plane.configure({ bump_min_ms: 300, bump_max_ms: 300 })
        const { create, get } = yield* board(plane)
        const made = (yield* create({})).json
        const later = yield* movedFrom(made.updated_at, get(made.id))
        assert.isAtLeast(Date.parse(later.updated_at) - Date.parse(made.updated_at), 300)
        yield* plane.heal
      })
    )

    it.effect("updated_at stays if the background job is switched off", () =>
      Effect.gen(function* () {
        const plane = yield* ReferencePlane
        const { create, get } = yield* board(plane)
        yield* plane.configure({ bump_updated_at: false, bump_min_ms: 0, bump_max_ms: 0 })
        const still = (yield* create({})).json
        yield* plane.configure({ bump_updated_at: true })
        const moving = (yield* create({})).json
        // The job of the later card has run, so that of the earlier one would have.
        yield* movedFrom(moving.updated_at, get(moving.id))
        assert.strictEqual((yield* get(still.id)).json.updated_at, still.updated_at)
        yield* plane.heal
      })
    )

    it.effect("the created_at of a create's response is earlier than the stored one", () =>
      Effect.gen(function* () {
        const plane = yield* ReferencePlane
        const { create, get } = yield* board(plane)
        const made = (yield* create({})).json
        assert.isTrue(made.created_at < (yield* get(made.id)).json.created_at)
        yield* plane.configure({ early_created_at: false })
        const other = (yield* create({})).json
        assert.strictEqual((yield* get(other.id)).json.created_at, other.created_at)
        yield* plane.heal
      })
    )

    it.effect("eight creates at once with one external id make eight cards, and its look-up is a 500", () =>
      Effect.gen(function* () {
        const plane = yield* ReferencePlane
        const { create, list, lookup } = yield* board(plane)
        yield* plane.configure({ gap_ms: 500 })
        const replies = yield* together(() => create(external("race")))
        assert.deepStrictEqual(
          replies.map(({ status }) => status),
          eight.map(() => 201)
        )
        assert.lengthOf(yield* list, 8)
        const found = yield* lookup("race")
        assert.deepStrictEqual(
          [found.status, found.text],
          [500, '{"error":"Something went wrong please try again later"}']
        )
        const again = yield* create(external("race"))
        const newest = (yield* list)[0]
        assert.deepStrictEqual([again.status, again.json.id], [409, newest?.id])
        yield* plane.configure({ fail_doubled_lookup: false })
        assert.strictEqual((yield* lookup("race")).json.id, newest?.id)
        yield* plane.heal
      })
    )

    it.effect("eight creates at once make one card if external ids take turns", () =>
      Effect.gen(function* () {
        const plane = yield* ReferencePlane
        const { create, list } = yield* board(plane)
        yield* plane.configure({ race_external_ids: false, gap_ms: 20 })
        const replies = yield* together(() => create(external("turns")))
        const [card] = yield* list
        assert.deepStrictEqual(replies.map(({ status }) => status).toSorted(), [
          201,
          ...eight.slice(1).map(() => 409)
        ])
        assert.isTrue(replies.every(({ json }) => json.id === card?.id))
        assert.lengthOf(yield* list, 1)
        yield* plane.heal
      })
    )

    it.effect("comments at once with one external id are doubled, unless they take turns", () =>
      Effect.gen(function* () {
        const plane = yield* ReferencePlane
        const { cards, comment, create } = yield* board(plane)
        const { id } = (yield* create({})).json
        const count = Effect.map(
          plane.request(`${cards}${id}/comments/?per_page=1`),
          ({ json }) => json.total_count as number
        )
        yield* plane.configure({ gap_ms: 500 })
        yield* together(() => comment(id, { comment_html: "<p>c</p>", ...external("doubled") }))
        assert.strictEqual(yield* count, 8)
        yield* plane.configure({ race_external_ids: false, gap_ms: 20 })
        yield* together(() => comment(id, { comment_html: "<p>c</p>", ...external("single") }))
        assert.strictEqual(yield* count, 9)
        yield* plane.heal
      })
    )

    it.effect("a change writes the whole row, so one of two changes at once is lost", () =>
      Effect.gen(function* () {
        const plane = yield* ReferencePlane
        const { create, get, patch } = yield* board(plane)
        yield* plane.configure({ gap_ms: 500 })
        const both = Effect.fnUntraced(function* () {
          const { id } = (yield* create({})).json
          const replies = yield* Effect.all(
            [patch(id, { name: "Renamed" }), patch(id, { priority: "high" })],
            {
              concurrency: 2
            }
          )
          assert.deepStrictEqual(
            replies.map(({ status }) => status),
            [200, 200]
          )
          const { name, priority } = (yield* get(id)).json
          return [name === "Renamed", priority === "high"].filter(Boolean).length
        })
        assert.strictEqual(yield* both(), 1)
        yield* plane.configure({ race_changes: false })
        assert.strictEqual(yield* both(), 2)
        yield* plane.heal
      })
    )

    it.effect("numbers of cards have no gaps and no doubles under a race", () =>
      Effect.gen(function* () {
        const plane = yield* ReferencePlane
        const { create } = yield* board(plane)
        const replies = yield* together((at) => create({ name: `Card ${at}` }))
        assert.deepStrictEqual(
          replies.map(({ json }) => json.sequence_id).toSorted((one, other) => one - other),
          eight.map((at) => at + 1)
        )
      })
    )

    it.effect("a page of a list that moves loses cards: pages are numbers", () =>
      Effect.gen(function* () {
        const plane = yield* ReferencePlane
        const { cards, create, list } = yield* board(plane)
        yield* Effect.forEach(eight, (at) => create({ name: `Card ${at}` }))
        const page = (at: number) =>
          Effect.map(plane.request(`${cards}?fields=id&per_page=4&cursor=4:${at}:0`), ({ json }) =>
            json.results.map(({ id }: { readonly id: string }) => id)
          )
        const all = (yield* list).map(({ id }) => id)
        const first = yield* page(0)
        yield* plane.edit(first[0], { deleted: true })
        const second = yield* page(1)
        const read = new Set([...first, ...second])
        assert.lengthOf(
          all.filter((id) => !read.has(id)),
          1
        )
      })
    )

    it.effect("a cursor under another per_page begins elsewhere, unless pages follow the cursor", () =>
      Effect.gen(function* () {
        const plane = yield* ReferencePlane
        const { cards, create } = yield* board(plane)
        yield* Effect.forEach(eight, (at) => create({ name: `Card ${at}` }))
        const names = Effect.map(plane.request(`${cards}?fields=name&per_page=4&cursor=2:1:0`), ({ json }) =>
          json.results.map(({ name }: { readonly name: string }) => name)
        )
        assert.deepStrictEqual(yield* names, ["Card 3", "Card 2", "Card 1", "Card 0"])
        yield* plane.configure({ page_by_request: false })
        assert.deepStrictEqual(yield* names, ["Card 5", "Card 4", "Card 3", "Card 2"])
        yield* plane.heal
      })
    )
  }
)
