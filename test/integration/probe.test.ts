import { layer } from "@effect/vitest"
import { Effect } from "effect"
import { call, layer as world, World } from "../support/world.ts"

layer(world, { timeout: "60 seconds", excludeTestServices: true })("probe", (it) => {
  it.effect("all tools", () =>
    Effect.gen(function* () {
      const { actor, tasker } = yield* World
      const a = yield* actor(undefined, { maxWrites: 30 })
      const b = yield* actor()
      const show = (name: string, args: object, as = a) =>
        call(as, name, args).pipe(
          Effect.match({ onFailure: (f) => ({ code: `${f.kind}.${f.reason}`, m: f.message, d: f.details }), onSuccess: (r) => r.structured }),
          Effect.tap((r) => Effect.sync(() => console.log(name, JSON.stringify(args).slice(0, 100), "→", JSON.stringify(r).slice(0, 700))))
        )
      const c = (yield* show("tasker_create_issue", { name: "One", description: "# Hi\n\n- [ ] a\n- [x] b", priority: "high", idempotency_key: "k-create-1", start_date: "2026-01-01" })) as any
      const id = c.issue.id
      yield* show("tasker_create_issue", { name: "Two", idempotency_key: "k-create-1" })
      yield* show("tasker_create_issue", { name: "One", description: "# Hi", idempotency_key: "k-create-2", dry_run: true, state: "nope" })
      yield* show("tasker_create_issue", { name: "One", assignees: ["guest"], idempotency_key: "k-create-2" })
      yield* show("tasker_create_issue", { name: "One", parent_id: id, idempotency_key: "k-create-2", dry_run: true, state: "todo" })
      yield* show("tasker_get_issue", { issue_id: id })
      yield* show("tasker_get_issue", { identifier: c.issue.identifier })
      yield* show("tasker_get_issue", { identifier: "OPS-999" })
      yield* show("tasker_update_issue", { issue_id: id, name: "Uno", target_date: "2025-01-01", idempotency_key: "k-update-1" })
      yield* show("tasker_update_issue", { issue_id: id, name: "Uno", description: "x", idempotency_key: "k-update-1", dry_run: true })
      yield* show("tasker_update_issue", { issue_id: id, idempotency_key: "k-update-1" })
      yield* show("tasker_update_issue", { issue_id: id, name: "Uno", expected_updated_at: "2020", idempotency_key: "k-update-1" })
      yield* show("tasker_update_issue", { issue_id: id, name: "Uno", parent_id: null, idempotency_key: "k-update-1" })
      yield* show("tasker_move_issue", { issue_id: id, state: "In Progress", idempotency_key: "k-move-01" })
      yield* show("tasker_set_labels", { issue_id: id, labels: ["BUG", "backend"], idempotency_key: "k-labels-1" })
      yield* show("tasker_set_assignees", { issue_id: id, assignees: ["ivan"], idempotency_key: "k-assign-1" })
      yield* show("tasker_add_comment", { issue_id: id, comment: "Looks **good**", idempotency_key: "k-comment-1" })
      yield* show("tasker_list_comments", { issue_id: id })
      yield* show("tasker_list_issues", { state: "in progress", label: "bug", assignee: "Ivan Developer", limit: 5 })
      yield* show("tasker_get_project_context", {})
      yield* show("tasker_get_session", { project_id: undefined })
      yield* show("tasker_resolve_project", { project_id: undefined, identifier: a.project.project.identifier })
      yield* show("tasker_resolve_project", { project_id: b.project.project.id })
      yield* show("tasker_list_issues", { project_id: b.project.project.id })
      yield* show("tasker_move_issue", { issue_id: id, state: "Done", idempotency_key: "k-move-99" }, b)
      yield* tasker.fault({ op: "labels", fault: "drop" })
      yield* show("tasker_set_labels", { issue_id: id, labels: [], idempotency_key: "k-labels-2" })
    })
  )
})
