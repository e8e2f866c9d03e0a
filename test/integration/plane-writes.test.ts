import { randomUUID } from "node:crypto"
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { codeOf } from "../../src/domain/Failure.ts"
import type { CommentId, IssueId } from "../../src/domain/Ids.ts"
import type { TaskerIssue } from "../../src/domain/Tasker.ts"
import type { WriteFailed } from "../../src/domain/WriteFailed.ts"
import type { Existing, Made } from "../../src/services/TaskerAdapter.ts"
import { bench, neighbour } from "../support/plane-adapter.ts"
import { planeWorld } from "../support/plane-world.ts"

const evidenceOf = <A>(write: Effect.Effect<A, WriteFailed>) =>
  Effect.match(write, {
    onFailure: (failed) => `${failed._tag} ${codeOf(failed.failure)}`,
    onSuccess: () => "sent"
  })

const made = <A>(sent: Made<A> | Existing): A => {
  if (sent._tag === "Existing") throw new Error(`It existed: ${sent.id}`)
  return sent.value
}

layer(planeWorld(), { timeout: "10 minutes", excludeTestServices: true })("a card made on Plane", (it) => {
  it.effect("has what was asked, its key as external id, and the owner as its author", () =>
    Effect.gen(function* () {
      const { create, label, path, person, plane, state, tasker, ticket } = yield* bench()
      const key = randomUUID()
      const card = made(
        yield* tasker.createIssue(
          ticket(key),
          create({
            priority: "high",
            state_id: state("Todo"),
            label_ids: [label("bug")],
            assignee_ids: [person("fedor")],
            target_date: "2026-12-31"
          })
        )
      )
      const { json } = yield* plane.request(`${path}/issues/${card.id}/`)
      assert.deepStrictEqual(
        [json.name, json.description_html, json.priority, json.state, json.labels, json.assignees],
        ["A card", "<p>text</p>", "high", state("Todo"), [label("bug")], [person("fedor")]]
      )
      assert.deepStrictEqual(
        [json.created_by, json.external_source, json.external_id, json.target_date],
        [person("ivan"), "nodedc-agent-gateway", key, "2026-12-31"]
      )
      assert.strictEqual(card.external_id, key)
    })
  )

  it.effect("takes the default state and no text if none are asked for", () =>
    Effect.gen(function* () {
      const { create, state, tasker, ticket } = yield* bench()
      const card = made(yield* tasker.createIssue(ticket(), create({ description_html: "" })))
      assert.deepStrictEqual([card.state_id, card.description_html], [state("Backlog"), "<p></p>"])
    })
  )

  it.effect("shows the project's default assignee if nobody was asked for", () =>
    Effect.gen(function* () {
      const { create, person, tasker, ticket } = yield* bench({ default_assignee: "fedor@example.test" })
      const card = made(yield* tasker.createIssue(ticket(), create()))
      assert.deepStrictEqual(card.assignee_ids, [person("fedor")])
    })
  )

  it.effect("is named by its id when it is made again under its key, archived or not", () =>
    Effect.gen(function* () {
      const { create, plane, tasker, ticket } = yield* bench()
      const same = ticket()
      const card = made(yield* tasker.createIssue(same, create()))
      const again = tasker.createIssue(same, create({ name: "Another name" }))
      assert.deepStrictEqual(yield* again, { _tag: "Existing", id: card.id })
      yield* plane.edit(card.id, { archived: true })
      assert.deepStrictEqual(yield* again, { _tag: "Existing", id: card.id })
    })
  )

  it.effect("is completed by the labels and assignees that were lost, and none is removed", () =>
    Effect.gen(function* () {
      const { create, label, person, plane, projectId, requestsOf, tasker, ticket, who } = yield* bench()
      const same = ticket()
      const write = create({ label_ids: [label("bug")], assignee_ids: [person("ivan")] })
      yield* plane.fault({ op: "create", fault: "cut_between" })
      assert.strictEqual(yield* evidenceOf(tasker.createIssue(same, write)), "Ambiguous tasker.unavailable")
      const found = yield* tasker.findIssue(who("settle"), {
        project_id: projectId,
        external_id: same.upstreamKey
      })
      if (found._tag !== "Found") throw new Error(found._tag)
      assert.deepStrictEqual([found.value.label_ids, found.value.assignee_ids], [[], []])
      // Meanwhile a person labels the card.
      yield* plane.edit(found.value.id, { labels: [label("backend")] })
      const labelled: TaskerIssue = { ...found.value, label_ids: [label("backend")] }
      const complete = yield* tasker.completeIssue(same, write, labelled)
      assert.sameMembers([...complete.label_ids], [label("backend"), label("bug")])
      assert.deepStrictEqual(complete.assignee_ids, [person("ivan")])
      assert.lengthOf(yield* requestsOf(tasker.completeIssue(same, write, complete)), 0)
    })
  )
})

layer(planeWorld(), { timeout: "10 minutes", excludeTestServices: true })("a change on Plane", (it) => {
  it.effect("sets only the fields that it touches, and answers with the card", () =>
    Effect.gen(function* () {
      const { card, label, person, state, target, tasker, ticket } = yield* bench()
      const issue_id = yield* card({ labels: [label("bug")], priority: "low", target_date: "2026-12-31" })
      const on = target(issue_id)
      const parent_id = yield* card()
      const updated = yield* tasker.updateIssue(ticket(), {
        _tag: "UpdateIssue",
        ...on,
        fields: { name: "Renamed", description_html: "", target_date: null, parent_id }
      })
      assert.deepStrictEqual(
        [updated.name, updated.description_html, updated.target_date, updated.parent_id, updated.priority],
        ["Renamed", "<p></p>", null, parent_id, "low"]
      )
      const moved = yield* tasker.moveIssue(ticket(), {
        _tag: "MoveIssue",
        ...on,
        state_id: state("Done")
      })
      assert.deepStrictEqual([moved.state_id, moved.label_ids], [state("Done"), [label("bug")]])
      const labelled = yield* tasker.setLabels(ticket(), { _tag: "SetLabels", ...on, label_ids: [] })
      assert.deepStrictEqual([labelled.label_ids, labelled.state_id], [[], state("Done")])
      const assigned = yield* tasker.setAssignees(ticket(), {
        _tag: "SetAssignees",
        ...on,
        assignee_ids: [person("fedor")]
      })
      assert.deepStrictEqual([assigned.assignee_ids, assigned.name], [[person("fedor")], "Renamed"])
    })
  )

  it.effect("of a card in another project is refused by Plane", () =>
    Effect.gen(function* () {
      const { plane, slug, state, target, tasker, ticket } = yield* bench()
      const other = yield* neighbour(slug)
      const foreign = yield* plane.request(
        `/api/v1/workspaces/${slug}/projects/${other.project.id}/issues/`,
        { body: { name: "Elsewhere" } }
      )
      const moved = tasker.moveIssue(ticket(), {
        _tag: "MoveIssue",
        ...target(foreign.json.id),
        state_id: state("Done")
      })
      assert.strictEqual(yield* evidenceOf(moved), "Refused tasker.not_found")
    })
  )

  it.effect("with an id that Plane does not know is refused with the field's name", () =>
    Effect.gen(function* () {
      const { card, target, tasker, ticket } = yield* bench()
      const failed = yield* Effect.flip(
        tasker.setLabels(ticket(), {
          _tag: "SetLabels",
          ...target(yield* card()),
          label_ids: ["00000000-0000-4000-8000-000000000000"]
        })
      )
      assert.strictEqual(`${failed._tag} ${codeOf(failed.failure)}`, "Refused tasker.rejected")
      assert.match(failed.failure.message, /labels: Invalid pk/)
    })
  )

  it.effect("that Plane answers with 500 after it was executed is in doubt", () =>
    Effect.gen(function* () {
      const { card, path, plane, state, target, tasker, ticket } = yield* bench()
      const issue_id = yield* card()
      yield* plane.fault({ op: "update", fault: "server_error_after" })
      const moved = tasker.moveIssue(ticket(), {
        _tag: "MoveIssue",
        ...target(issue_id),
        state_id: state("Done")
      })
      assert.strictEqual(yield* evidenceOf(moved), "Ambiguous tasker.unavailable")
      assert.strictEqual((yield* plane.request(`${path}/issues/${issue_id}/`)).json.state, state("Done"))
    })
  )

  for (const { body, content_type, status } of [
    { status: 502, content_type: "text/html", body: "<html>Bad Gateway</html>" },
    { status: 404, content_type: "text/html", body: "<html>Not Found</html>" },
    { status: 403, content_type: "application/json", body: '{"message":"Forbidden"}' },
    { status: 400, content_type: "application/json", body: '{"error":"Bad Request"}' }
  ]) {
    it.effect(`that a proxy answers with ${status} after it was executed is in doubt`, () =>
      Effect.gen(function* () {
        const { card, plane, state, target, tasker, ticket } = yield* bench()
        const issue_id = yield* card()
        yield* plane.fault({ op: "update", fault: "proxied", status, body, content_type })
        const moved = tasker.moveIssue(ticket(), {
          _tag: "MoveIssue",
          ...target(issue_id),
          state_id: state("Done")
        })
        assert.match(yield* evidenceOf(moved), /^Ambiguous /)
      })
    )
  }

  it.effect("under a key that Plane does not accept is refused, and names the setting to check", () =>
    Effect.gen(function* () {
      const { card, plane, state, target, tasker, ticket, who, projectId } = yield* bench()
      const issue_id = yield* card()
      yield* tasker.recentContext(who(), projectId)
      yield* plane.fault({ op: "update", fault: "unauthorized" })
      const failed = yield* Effect.flip(
        tasker.moveIssue(ticket(), { _tag: "MoveIssue", ...target(issue_id), state_id: state("Done") })
      )
      assert.strictEqual(`${failed._tag} ${codeOf(failed.failure)}`, "Refused tasker.unauthorized")
      assert.include(failed.failure.message, "PLANE_API_KEYS")
    })
  )
})

layer(planeWorld(), { timeout: "10 minutes", excludeTestServices: true })("a comment on Plane", (it) => {
  const comment = Effect.fnUntraced(function* () {
    const at = yield* bench()
    const issue_id = yield* at.card()
    const write = {
      _tag: "AddComment",
      project_id: at.projectId,
      issue_id,
      comment_html: "<p>Done</p>"
    } as const
    return { ...at, issue_id, write }
  })

  it.effect("is the owner's, ends with a line that names the agent, and is answered without that line", () =>
    Effect.gen(function* () {
      const { issue_id, path, person, plane, tasker, ticket, write } = yield* comment()
      const key = randomUUID()
      const said = made(yield* tasker.addComment(ticket(key), write))
      const { json } = yield* plane.request(`${path}/issues/${issue_id}/comments/${said.id}/`)
      assert.deepStrictEqual(
        [json.comment_html, json.created_by, json.external_source, json.external_id],
        ["<p>Done</p><p>via Агент 007</p>", person("ivan"), "nodedc-agent-gateway", key]
      )
      assert.deepStrictEqual([said.comment_html, said.issue_id], ["<p>Done</p>", issue_id])
    })
  )

  it.effect("is named by its id when it is made again, and is not taken for one on another card", () =>
    Effect.gen(function* () {
      const { card, issue_id, projectId, tasker, ticket, who, write } = yield* comment()
      const same = ticket()
      const said = made(yield* tasker.addComment(same, write))
      const other = yield* card()
      // Plane keeps the external ids of comments unique in the whole project.
      const existing = yield* tasker.addComment(same, { ...write, issue_id: other })
      assert.deepStrictEqual(existing, { _tag: "Existing", id: said.id })
      const look = (issue_id: IssueId, comment_id: CommentId) =>
        tasker.comment(who("settle"), { project_id: projectId, issue_id, comment_id })
      assert.strictEqual((yield* look(other, said.id))._tag, "Absent")
      assert.strictEqual((yield* look(issue_id, said.id))._tag, "Found")
    })
  )
})

layer(planeWorld({ variables: { PLANE_VIA_LINE: "false" } }), {
  timeout: "10 minutes",
  excludeTestServices: true
})("a comment on Plane with PLANE_VIA_LINE=false", (it) => {
  it.effect("is sent and shown as it is", () =>
    Effect.gen(function* () {
      const { card, path, plane, projectId, tasker, ticket, who } = yield* bench()
      const issue_id = yield* card()
      const comment_html = "<p>Done</p><p>via mail</p>"
      const write = { _tag: "AddComment", project_id: projectId, issue_id, comment_html } as const
      const said = made(yield* tasker.addComment(ticket(), write))
      assert.strictEqual(said.comment_html, comment_html)
      const { json } = yield* plane.request(`${path}/issues/${issue_id}/comments/${said.id}/`)
      assert.strictEqual(json.comment_html, comment_html)
      const { results } = yield* tasker.listComments(who(), { project_id: projectId, issue_id })
      assert.deepStrictEqual(
        results.map((one) => one.comment_html),
        [comment_html]
      )
    })
  )
})
