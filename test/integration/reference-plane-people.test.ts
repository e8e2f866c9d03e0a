import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { board, external, ReferencePlane } from "../support/plane.ts"

const forbidden = [403, '{"detail":"You do not have permission to perform this action."}']

layer(ReferencePlane.layer(), { timeout: "10 minutes", excludeTestServices: true })(
  "the reference Plane",
  (it) => {
    it.effect("a public project shows itself to the whole workspace, and its cards only to members", () =>
      Effect.gen(function* () {
        const plane = yield* ReferencePlane
        const hidden = yield* board(plane, { network: 0, key_role: null })
        const shown = yield* board(plane, { network: 2, key_role: null })
        const own = yield* board(plane)
        const { json } = yield* plane.request(`${shown.project}/`)
        assert.deepStrictEqual([json.is_member, json.member_role, json.network], [false, null, 2])
        assert.strictEqual((yield* plane.request(`${hidden.project}/`)).status, 404)
        for (const path of ["issues", "states"]) {
          const refused = yield* plane.request(`${shown.project}/${path}/`)
          assert.deepStrictEqual([refused.status, refused.text], forbidden)
        }
        assert.strictEqual((yield* plane.request(`${shown.project}/labels/`)).json.total_count, 0)
        assert.isAbove((yield* plane.request(`${shown.project}/members/`)).json.length, 0)
        const listed = (yield* plane.request(`${own.workspace}/projects/?per_page=1000`)).json.results
        const seen = (id: string) =>
          listed.find((each: { readonly id: string }) => each.id === id)?.is_member as boolean | undefined
        assert.deepStrictEqual(
          [hidden, shown, own].map(({ projectId }) => seen(projectId)),
          [undefined, false, true]
        )
      })
    )

    it.effect(
      "a guest reads and comments, and may neither write cards nor list the workspace's members",
      () =>
        Effect.gen(function* () {
          const plane = yield* ReferencePlane
          const { cards, create, projectId, workspace } = yield* board(plane)
          yield* plane.member(projectId, { email: "guest@example.test", api_key: "guests" })
          const key = "guests"
          const { id } = (yield* create({})).json
          assert.strictEqual((yield* plane.request(`${cards}${id}/`, { key })).status, 200)
          const body = { comment_html: "<p>g</p>" }
          assert.strictEqual((yield* plane.request(`${cards}${id}/comments/`, { key, body })).status, 201)
          for (const refused of [
            yield* plane.request(cards, { key, body: { name: "x" } }),
            yield* plane.request(`${cards}${id}/`, { key, method: "PATCH", body: { name: "x" } }),
            yield* plane.request(`${workspace}/members/`, { key })
          ]) {
            assert.deepStrictEqual([refused.status, refused.text], forbidden)
          }
        })
    )

    it.effect("a member changes the cards of others and deletes only their own", () =>
      Effect.gen(function* () {
        const plane = yield* ReferencePlane
        const { cards, create, projectId } = yield* board(plane)
        yield* plane.member(projectId, { email: "ivan@example.test", api_key: "ivans" })
        const key = "ivans"
        const { id } = (yield* create({})).json
        const changed = yield* plane.request(`${cards}${id}/`, { key, method: "PATCH", body: { name: "x" } })
        assert.strictEqual(changed.status, 200)
        const refused = yield* plane.request(`${cards}${id}/`, { key, method: "DELETE" })
        assert.deepStrictEqual(
          [refused.status, refused.text],
          [403, '{"error":"Only admin or creator can delete the work item"}']
        )
        const own = (yield* plane.request(cards, { key, body: { name: "mine" } })).json
        assert.strictEqual(
          (yield* plane.request(`${cards}${own.id}/`, { key, method: "DELETE" })).status,
          204
        )
      })
    )

    it.effect(
      "a removed member stays in the project's list, and only their own key tells that they are gone",
      () =>
        Effect.gen(function* () {
          const plane = yield* ReferencePlane
          const { cards, project, projectId, workspace } = yield* board(plane)
          yield* plane.member(projectId, { email: "ivan@example.test", api_key: "ivans", active: true })
          const member = Effect.map(
            plane.request(`${project}/`, { key: "ivans" }),
            ({ json }) => json.is_member
          )
          const names = Effect.map(plane.request(`${project}/members/`), ({ json }) =>
            json.map(({ display_name }: { readonly display_name: string }) => display_name)
          )
          assert.isTrue(yield* member)
          yield* plane.member(projectId, { email: "ivan@example.test", active: false })
          assert.isFalse(yield* member)
          assert.strictEqual((yield* plane.request(cards, { key: "ivans" })).status, 403)
          assert.deepStrictEqual(yield* names, ["olga", "guest", "fedor", "ivan", "agents"])
          const listed = (yield* plane.request(`${workspace}/members/`)).json
          const ivan = listed.find(
            ({ display_name }: { readonly display_name: string }) => display_name === "ivan"
          )
          assert.strictEqual(ivan.role, 15)
          yield* plane.configure({ list_removed: false })
          assert.deepStrictEqual(yield* names, ["guest", "fedor", "agents"])
          yield* plane.heal
        })
    )

    it.effect("a revoked key is a 403 as an unknown one", () =>
      Effect.gen(function* () {
        const plane = yield* ReferencePlane
        const { cards, projectId } = yield* board(plane)
        yield* plane.member(projectId, { email: "fedor@example.test", api_key: "fedors" })
        assert.strictEqual((yield* plane.request(cards, { key: "fedors" })).status, 200)
        yield* plane.revoke("fedors")
        const refused = yield* plane.request(cards, { key: "fedors" })
        assert.deepStrictEqual(
          [refused.status, refused.text],
          [403, '{"detail":"Given API token is not valid"}']
        )
      })
    )

    it.effect("an older server has no path with work-items", () =>
      Effect.gen(function* () {
        const plane = yield* ReferencePlane
        const { create, identifier, project, workspace } = yield* board(plane)
        yield* create({})
        const statuses = Effect.forEach(
          [`${project}/work-items/`, `${project}/issues/`, `${workspace}/issues/${identifier}-1/`],
          (path) => Effect.map(plane.request(path), ({ status }) => status)
        )
        assert.deepStrictEqual(yield* statuses, [200, 200, 200])
        yield* plane.configure({ work_items: false })
        assert.deepStrictEqual(yield* statuses, [404, 200, 200])
        yield* plane.heal
      })
    )

    it.effect(
      "a person's edits, archiving, deletion and twin show in the API, and not in the log of writes",
      () =>
        Effect.gen(function* () {
          const plane = yield* ReferencePlane
          const { cards, create, get, label, lookup, person } = yield* board(plane)
          const { id } = (yield* create(external("mine"))).json
          const before = (yield* plane.writes).length
          yield* plane.edit(id, {
            name: "Theirs",
            description_html: '<div data-block-type="callout-component">x</div>',
            labels: [label("bug")],
            assignees: [person("ivan")]
          })
          const read = (yield* get(id)).json
          assert.deepStrictEqual(
            [read.name, read.description_html, read.labels, read.assignees],
            ["Theirs", '<div data-block-type="callout-component">x</div>', [label("bug")], [person("ivan")]]
          )
          yield* plane.remark(id, person("ivan"), "<p>seen</p>")
          const [remark] = (yield* plane.request(`${cards}${id}/comments/?expand=actor`)).json.results
          assert.deepStrictEqual([remark.actor.first_name, remark.external_id], ["Ivan", null])
          const twin = yield* plane.twin(id)
          assert.strictEqual((yield* lookup("mine")).status, 500)
          yield* plane.edit(twin, { deleted: true })
          assert.strictEqual((yield* lookup("mine")).json.id, id)
          yield* plane.edit(id, { archived: true })
          assert.strictEqual((yield* get(id)).status, 404)
          assert.isNotNull((yield* plane.card(id)).archived_at)
          yield* plane.edit(id, { archived: false, draft: true })
          assert.strictEqual((yield* get(id)).status, 404)
          yield* plane.edit(id, { draft: false })
          assert.strictEqual((yield* get(id)).status, 200)
          assert.lengthOf(yield* plane.writes, before)
        })
    )

    it.effect("every measured behaviour can be switched to what a client would hope for", () =>
      Effect.gen(function* () {
        const plane = yield* ReferencePlane
        const one = yield* board(plane, { default_assignee: "fedor@example.test" })
        const other = yield* board(plane)
        const { comment, create, get, patch, person } = one
        const card = (yield* create({ description_html: "<p>a</p><p>b</p>", created_by: person("ivan") }))
          .json
        assert.deepStrictEqual(
          [card.description_html, card.assignees, (yield* get(card.id)).json.created_by],
          ["<div><p>a</p><p>b</p></div>", [person("fedor")], person("ivan")]
        )
        yield* plane.configure({
          accept_own_parent: false,
          change_hidden: false,
          comment_anywhere: false,
          comment_ids_by_project: false,
          default_assignee: false,
          honour_created_by: false,
          refuse_empty_html: false,
          respell_html: false
        })
        const better = (yield* create({ description_html: "<p>a</p><p>b</p>", created_by: person("ivan") }))
          .json
        assert.deepStrictEqual(
          [better.description_html, better.assignees, (yield* get(better.id)).json.created_by],
          ["<p>a</p><p>b</p>", [], better.created_by]
        )
        assert.strictEqual((yield* create({ description_html: "" })).status, 201)
        assert.strictEqual((yield* create({ description_html: null })).json.description_html, "<p></p>")
        assert.strictEqual((yield* patch(card.id, { parent: card.id })).status, 400)
        const stray = (yield* other.create({})).json
        assert.strictEqual((yield* comment(stray.id, { comment_html: "x" })).status, 400)
        const remark = { comment_html: "x", ...external("c") }
        assert.strictEqual((yield* comment(card.id, remark)).status, 201)
        assert.strictEqual((yield* comment(better.id, remark)).status, 201)
        assert.strictEqual((yield* comment(better.id, remark)).status, 409)
        yield* plane.edit(card.id, { archived: true })
        assert.strictEqual((yield* patch(card.id, { name: "x" })).status, 404)
        yield* plane.heal
        assert.strictEqual((yield* patch(card.id, { name: "x" })).status, 200)
      })
    )
  }
)
