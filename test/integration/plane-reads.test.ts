import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { codeOf } from "../../src/domain/Failure.ts"
import { ProjectId } from "../../src/domain/Ids.ts"
import type { TaskerError } from "../../src/services/TaskerAdapter.ts"
import { bench, neighbour, unknownIssue } from "../support/plane-adapter.ts"
import { planeWorld } from "../support/plane-world.ts"

const failureOf = <A>(effect: Effect.Effect<A, TaskerError>) => Effect.map(Effect.flip(effect), codeOf)

layer(planeWorld(), { timeout: "10 minutes", excludeTestServices: true })("Plane's projects", (it) => {
  it.effect("a project is found by its id, by its identifier in any case and by its name", () =>
    Effect.gen(function* () {
      const { projectId, seeded, slug, tasker, who } = yield* bench({ name: "Основной проект" })
      const query = { workspace_slug: slug }
      const project = { ...seeded.project }
      for (const by of [
        { project_id: projectId },
        { identifier: seeded.project.identifier.toLowerCase() },
        { name: "основной ПРОЕКТ" }
      ]) {
        assert.deepStrictEqual({ ...(yield* tasker.resolveProject(who(), { ...query, ...by })) }, project)
      }
    })
  )

  it.effect("a project that is newer than the cached list is found, for one request", () =>
    Effect.gen(function* () {
      const { projectId, requestsOf, slug, tasker, who } = yield* bench()
      yield* tasker.recentContext(who(), projectId)
      const newer = ProjectId.make((yield* neighbour(slug)).project.id)
      const resolved = tasker.resolveProject(who(), { workspace_slug: slug, project_id: newer })
      const requests = yield* requestsOf(Effect.map(resolved, ({ id }) => assert.strictEqual(id, newer)))
      assert.deepStrictEqual(
        requests.map(({ op }) => op),
        ["projects", "members"]
      )
    })
  )

  it.effect(
    "projects that do not exist cost one request in five seconds, however often they are asked for",
    () =>
      Effect.gen(function* () {
        const { projectId, requestsOf, slug, tasker, who } = yield* bench()
        yield* tasker.recentContext(who(), projectId)
        const unknown = failureOf(
          tasker.resolveProject(who(), { workspace_slug: slug, name: "There is none" })
        )
        const asked = yield* requestsOf(
          Effect.map(Effect.all(Array.from({ length: 5 }, () => unknown)), (codes) =>
            assert.deepStrictEqual(codes, Array(5).fill("tasker.not_found"))
          )
        )
        assert.lengthOf(asked, 1)
      })
  )

  it.effect("a public project that the gateway's account is no member of is not found", () =>
    Effect.gen(function* () {
      const { slug, tasker, who } = yield* bench()
      const foreign = yield* neighbour(slug, { key_role: null, network: 2 })
      const projectId = ProjectId.make(foreign.project.id)
      const resolved = tasker.resolveProject(who(), { workspace_slug: slug, project_id: projectId })
      assert.strictEqual(yield* failureOf(resolved), "tasker.not_found")
      assert.strictEqual(yield* failureOf(tasker.projectContext(who(), projectId)), "tasker.not_found")
      const listed = tasker.listIssues(who(), { project_id: projectId })
      assert.strictEqual(yield* failureOf(listed), "tasker.not_found")
    })
  )

  it.effect("a project's members have the workspace's role, and none if they left the workspace", () =>
    Effect.gen(function* () {
      const { person, projectId, seeded, tasker, who } = yield* bench()
      const { labels, members, project, states } = yield* tasker.projectContext(who(), projectId)
      assert.deepStrictEqual({ ...project }, { ...seeded.project })
      assert.deepStrictEqual(
        states.map(({ group, name }) => `${name} ${group}`),
        seeded.states.map(({ group, name }) => `${name} ${group}`)
      )
      assert.sameMembers(
        labels.map(({ name }) => name),
        ["bug", "backend"]
      )
      const roles = new Map(members.map(({ id, role }) => [id, role]))
      assert.strictEqual(roles.get(person("ivan")), 15)
      assert.strictEqual(roles.get(person("guest")), 5)
      // Plane lists people who were removed from the project, and can't tell them from the others.
      assert.strictEqual(roles.get(person("olga")), 15)
    })
  )

  it.effect("what is known of a project is not asked again, and concurrent calls share one request", () =>
    Effect.gen(function* () {
      const { projectId, requestsOf, tasker, who } = yield* bench()
      const context = tasker.recentContext(who(), projectId)
      const first = yield* requestsOf(Effect.all([context, context, context], { concurrency: "unbounded" }))
      assert.deepStrictEqual(first.map(({ op }) => op).sort(), [
        "labels",
        "members",
        "projects",
        "states",
        "workspace_members"
      ])
      assert.lengthOf(yield* requestsOf(context), 0)
      assert.lengthOf(yield* requestsOf(tasker.projectContext(who(), projectId)), 0)
    })
  )
})

layer(planeWorld(), { timeout: "10 minutes", excludeTestServices: true })("Plane's cards", (it) => {
  it.effect("a card is read in the gateway's terms", () =>
    Effect.gen(function* () {
      const { card, label, path, person, plane, projectId, seeded, slug, state, tasker, who } = yield* bench()
      const id = yield* card({
        description_html: "<p>text</p>",
        priority: "high",
        state: state("Todo"),
        labels: [label("bug")],
        assignees: [person("fedor")],
        start_date: "2026-12-01"
      })
      yield* Effect.forEach(["a", "b"], () => card({ parent: id }))
      const read = yield* tasker.issue(who(), { project_id: projectId, issue_id: id })
      const { json } = yield* plane.request(`${path}/issues/${id}/`)
      const identifier = `${seeded.project.identifier}-${json.sequence_id}`
      assert.deepStrictEqual(read, {
        id,
        project_id: projectId,
        sequence_id: json.sequence_id,
        identifier,
        name: "A card",
        description_html: "<p>text</p>",
        priority: "high",
        state_id: state("Todo"),
        label_ids: [label("bug")],
        assignee_ids: [person("fedor")],
        start_date: "2026-12-01",
        target_date: null,
        parent_id: null,
        created_at: json.created_at,
        updated_at: read?.updated_at ?? "",
        url: `https://plane.example.test/${slug}/browse/${identifier}/`,
        external_id: null
      })
    })
  )

  it.effect("a card is read by its identifier in any case, and another project's identifier names none", () =>
    Effect.gen(function* () {
      const { card, projectId, requestsOf, seeded, slug, tasker, who } = yield* bench()
      const id = yield* card()
      const other = yield* neighbour(slug)
      const prefix = seeded.project.identifier
      const named = (identifier: string) =>
        Effect.map(tasker.issue(who(), { project_id: projectId, identifier }), (found) => found?.id)
      assert.strictEqual(yield* named(`${prefix}-1`), id)
      assert.strictEqual(yield* named(`${prefix.toLowerCase()}-1`), id)
      assert.strictEqual(yield* named(`${prefix}-999`), undefined)
      const foreign = [
        `${other.project.identifier}-1`,
        `${prefix}-x`,
        `${prefix}-99999999999`,
        prefix,
        "-1",
        ""
      ]
      const asked = yield* requestsOf(
        Effect.forEach(foreign, (identifier) =>
          Effect.map(named(identifier), (found) => assert.strictEqual(found, undefined, identifier))
        )
      )
      assert.lengthOf(asked, 0)
    })
  )

  it.effect("an unknown, archived, draft or deleted card and one of another project are not shown", () =>
    Effect.gen(function* () {
      const { card, plane, projectId, slug, tasker, who } = yield* bench()
      const hidden = yield* Effect.forEach([{ archived: true }, { draft: true }, { deleted: true }], (edit) =>
        Effect.tap(card(), (id) => plane.edit(id, edit))
      )
      const other = yield* neighbour(slug)
      const foreign = yield* plane.request(
        `/api/v1/workspaces/${slug}/projects/${other.project.id}/issues/`,
        { body: { name: "Elsewhere" } }
      )
      for (const issue_id of [unknownIssue, foreign.json.id, ...hidden]) {
        assert.strictEqual(yield* tasker.issue(who(), { project_id: projectId, issue_id }), undefined)
      }
    })
  )

  it.effect("cards are listed newest first, page by page, until Plane says that there are no more", () =>
    Effect.gen(function* () {
      const { card, projectId, tasker, who } = yield* bench()
      const ids = yield* Effect.forEach(Array.from({ length: 5 }), () =>
        card({ description_html: "<p>a</p>" })
      )
      const first = yield* tasker.listIssues(who(), { project_id: projectId, limit: 2 })
      assert.deepStrictEqual(
        [first.results.map(({ id }) => id), first.next_cursor, first.total_count],
        [[ids[4], ids[3]], "2:1:0", 5]
      )
      // Texts would make a page of cards many times as long.
      assert.deepStrictEqual(
        [...new Set(first.results.map(({ description_html }) => description_html))],
        [null]
      )
      const cursor = first.next_cursor ?? ""
      const second = yield* tasker.listIssues(who(), { project_id: projectId, limit: 2, cursor })
      const last = yield* tasker.listIssues(who(), {
        project_id: projectId,
        limit: 2,
        cursor: second.next_cursor ?? ""
      })
      assert.deepStrictEqual(
        [second.results.map(({ id }) => id), last.results.map(({ id }) => id), last.next_cursor],
        [[ids[2], ids[1]], [ids[0]], null]
      )
    })
  )

  it.effect("a cursor is followed under the limit under which Plane gave it", () =>
    Effect.gen(function* () {
      const { card, projectId, tasker, who } = yield* bench()
      const ids = yield* Effect.forEach(Array.from({ length: 5 }), () => card())
      const listed = yield* tasker.listIssues(who(), { project_id: projectId, limit: 50, cursor: "2:1:0" })
      assert.deepStrictEqual(
        listed.results.map(({ id }) => id),
        [ids[2], ids[1]]
      )
    })
  )

  it.effect("a cursor that Plane can't have given is refused without a request", () =>
    Effect.gen(function* () {
      const { projectId, requestsOf, tasker, who } = yield* bench()
      yield* tasker.recentContext(who(), projectId)
      for (const cursor of ["", "abc", "0:1:0", "2000:1:0", "2:-1:0", "2:1:1"]) {
        const listed = tasker.listIssues(who(), { project_id: projectId, cursor })
        assert.strictEqual(yield* failureOf(listed), "tasker.rejected", cursor)
        assert.lengthOf(yield* requestsOf(listed), 0)
      }
    })
  )

  it.effect("a filter, which Plane ignores, leaves the number of cards unknown", () =>
    Effect.gen(function* () {
      const { card, projectId, tasker, who } = yield* bench()
      yield* card({ description_html: "<p>needle</p>" })
      const listed = yield* tasker.listIssues(who(), { project_id: projectId, search: "needle", limit: 10 })
      assert.strictEqual(listed.total_count, null)
      // A search reads texts.
      assert.deepStrictEqual(
        listed.results.map(({ description_html }) => description_html),
        ["<p>needle</p>"]
      )
      assert.strictEqual((yield* tasker.capabilities).filters, "no")
    })
  )

  it.effect("comments name the person who wrote them, not the account of the key", () =>
    Effect.gen(function* () {
      const { card, person, plane, projectId, tasker, ticket, who } = yield* bench()
      const issue_id = yield* card()
      yield* plane.remark(issue_id, person("fedor"), "<p>via mail</p>")
      yield* tasker.addComment(ticket("key-of-ours"), {
        _tag: "AddComment",
        project_id: projectId,
        issue_id,
        comment_html: "<p>Done</p>"
      })
      const { next_cursor, results } = yield* tasker.listComments(who(), { project_id: projectId, issue_id })
      assert.deepStrictEqual(
        results.map(({ author, comment_html, external_id }) => [author, comment_html, external_id]),
        [
          [{ id: person("ivan"), display_name: "ivan" }, "<p>Done</p>", "key-of-ours"],
          [{ id: person("fedor"), display_name: "fedor" }, "<p>via mail</p>", null]
        ]
      )
      assert.strictEqual(next_cursor, null)
    })
  )
})

layer(planeWorld({ plane: { work_items: false } }), { timeout: "10 minutes", excludeTestServices: true })(
  "a Plane that knows cards as issues only",
  (it) => {
    it.effect("is asked once for the other spelling, by a write as well, and then only for its own", () =>
      Effect.gen(function* () {
        const { create, projectId, requestsOf, tasker, ticket, who } = yield* bench()
        yield* tasker.recentContext(who(), projectId)
        const made = yield* requestsOf(tasker.createIssue(ticket(), create()))
        assert.deepStrictEqual(
          made.map(({ method, path, status }) => [method, path.split("/").at(-2), status]),
          [
            ["POST", "work-items", 404],
            ["POST", "issues", 201]
          ]
        )
        const listed = yield* requestsOf(tasker.listIssues(who(), { project_id: projectId }))
        assert.deepStrictEqual(
          listed.map(({ status }) => status),
          [200]
        )
      })
    )
  }
)
