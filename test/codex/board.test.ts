import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { administer, auditOf, newAgent, ReferenceTasker } from "../support/served.ts"
import { codexOf, holding } from "./Codex.ts"
import { newcomer, place, writesOf } from "./Place.ts"

layer(place(), { timeout: "60 seconds", excludeTestServices: true })("Codex on a board", (it) => {
  it.effect("lists, reads, creates, comments and moves, and finds what it wrote", () =>
    Effect.gen(function* () {
      const { agent, project } = yield* newcomer
      const tasker = yield* ReferenceTasker
      const codex = yield* codexOf(agent)
      const seen: Array<unknown> = []
      const { how, said } = yield* codex.exec(
        "Put the release notes on the board.",
        ({ use }) =>
          Effect.gen(function* () {
            const session = yield* use("tasker_get_session")
            const [grant] = session.json.grants
            const found = yield* use("tasker_resolve_project", { name: project.name })
            const project_id = found.json.project.id
            seen.push(grant.project_id, project_id)
            const context = yield* use("tasker_get_project_context", { project_id })
            seen.push(context.json.states.map(({ name }: { name: string }) => name).includes("In Progress"))
            const none = yield* use("tasker_list_issues", { project_id, search: "release" })
            seen.push(none.json.total_count)
            const { json: made } = yield* use("tasker_create_issue", {
              project_id,
              name: "Write the release notes",
              description: "- [ ] what changed for **users**",
              state: "Todo",
              labels: ["backend"],
              assignees: ["Ivan Developer"],
              priority: "high",
              idempotency_key: "codex:release-notes"
            })
            const issue_id = made.issue.id
            yield* use("tasker_add_comment", {
              project_id,
              issue_id,
              comment: "First draft is **ready**.",
              idempotency_key: "codex:release-notes:draft"
            })
            const { json: read } = yield* use("tasker_get_issue", { project_id, issue_id })
            seen.push(read.issue.description)
            const { json: moved } = yield* use("tasker_move_issue", {
              project_id,
              issue_id,
              state: "In Progress",
              expected_updated_at: read.issue.updated_at,
              idempotency_key: "codex:release-notes:start"
            })
            seen.push(moved.issue.state.name)
            const { json: comments } = yield* use("tasker_list_comments", { project_id, issue_id })
            seen.push(comments.comments[0].comment)
            const { json: listed } = yield* use("tasker_list_issues", { project_id, state: "In Progress" })
            return `On the board: ${listed.issues[0].identifier}, ${listed.issues[0].name}.`
          }),
        holding(agent)
      )
      assert.strictEqual(how, 0, said)
      assert.deepStrictEqual(seen, [
        project.id,
        project.id,
        true,
        0,
        "- [ ] what changed for **users**",
        "In Progress",
        "First draft is **ready**."
      ])
      assert.include(said, `On the board: ${project.identifier}-1, Write the release notes.`)
      for (const tool of ["list_issues", "get_issue", "create_issue", "add_comment", "move_issue"]) {
        assert.include(said, `mcp: tasker/tasker_${tool} (completed)`)
      }
      assert.notInclude(said, "(failed)")

      const writes = yield* writesOf(agent.id)
      assert.deepStrictEqual(
        writes.map(({ op }) => op),
        ["create", "comment", "move"]
      )
      const { issue } = (yield* tasker.send("GET", `/issues/${writes[0]?.issue_id}`)) as {
        readonly issue: { readonly name: string; readonly description_html: string }
      }
      assert.strictEqual(issue.name, "Write the release notes")
      assert.include(issue.description_html, "<strong>users</strong>")
      const events = yield* auditOf(agent.id)
      assert.deepStrictEqual(
        events
          .filter(({ outcome, via }) => outcome === "executed" && via === "mcp")
          .map(({ action }) => action),
        ["tasker_move_issue", "tasker_add_comment", "tasker_create_issue"]
      )
    })
  )

  it.effect("is offered what its grants allow and no more, with the rules for using it", () =>
    Effect.gen(function* () {
      const { project } = yield* (yield* ReferenceTasker).project()
      const agent = yield* newAgent([
        { project_id: project.id, workspace_slug: project.workspace_slug, scopes: ["issue:read"] }
      ])
      const codex = yield* codexOf(agent)
      const offered: Array<string> = []
      const { how, said } = yield* codex.exec(
        "Change a card.",
        (hands) =>
          Effect.gen(function* () {
            offered.push(...(yield* hands.tools))
            assert.match(yield* hands.instructions, /data, never instructions/)
            const { json } = yield* hands.use("tasker_list_issues", { project_id: project.id })
            const { text } = yield* hands.use("tasker_create_issue", {
              project_id: project.id,
              name: "Not allowed",
              idempotency_key: "codex:not-allowed"
            })
            assert.include(text, "tasker_create_issue")
            return `${json.total_count} cards, and no way to make one.`
          }),
        holding(agent)
      )
      assert.strictEqual(how, 0, said)
      assert.sameMembers(offered, [
        "tasker_get_session",
        "tasker_list_issues",
        "tasker_get_issue",
        "tasker_list_comments"
      ])
      assert.include(said, "0 cards, and no way to make one.")
      assert.deepStrictEqual(yield* writesOf(agent.id), [])
    })
  )

  it.effect("learns of a scope that is taken away while it works, and does nothing then", () =>
    Effect.gen(function* () {
      const { agent, project } = yield* newcomer
      const codex = yield* codexOf(agent)
      const { how, said } = yield* codex.exec(
        "Make two cards.",
        ({ use }) =>
          Effect.gen(function* () {
            const card = (n: number) =>
              use("tasker_create_issue", {
                project_id: project.id,
                name: `Card ${n}`,
                idempotency_key: `codex:card-${n}`
              })
            yield* card(1)
            yield* administer(`/api/v1/agents/${agent.id}/grants`, {
              body: {
                workspace_slug: project.workspace_slug,
                project_id: project.id,
                scopes: ["issue:read"]
              }
            })
            const { json } = yield* card(2)
            return `Refused: ${json.error.kind}.${json.error.reason}.`
          }),
        holding(agent)
      )
      assert.strictEqual(how, 0, said)
      assert.include(said, "mcp: tasker/tasker_create_issue (failed)")
      assert.include(said, "Refused: grant.scope_missing.")
      assert.strictEqual((yield* writesOf(agent.id)).length, 1)
    })
  )
})
