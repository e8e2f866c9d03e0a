import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { eventually, outcome, refusal } from "../support/evidence.ts"
import { keyState, madeUnder, requestsDuring } from "../support/plane-evidence.ts"
import { type PlaneActor, PlaneWorld, planeWorld } from "../support/plane-world.ts"
import { call, shortTimeout } from "../support/world.ts"
import { writeRows } from "../support/writes.ts"

const options = { timeout: "10 minutes", excludeTestServices: true } as const

/** The calls of Plane's that carry a tool's write. */
const opOf = (op: string) => (op === "create" || op === "comment" ? op : "update")

const card = Effect.fnUntraced(function* (actor: PlaneActor, body: object = {}) {
  const { plane } = yield* PlaneWorld
  const { id, workspace_slug } = actor.seeded.project
  const made = yield* plane.request(`/api/v1/workspaces/${workspace_slug}/projects/${id}/issues/`, {
    body: { name: "A card", ...body }
  })
  return made.json.id as string
})

const warningsOf = (structured: unknown) =>
  (structured as { warnings: ReadonlyArray<{ field: string; message: string }> }).warnings

/** Faults after which a write is in doubt. `done`: Plane executed it. */
const faults = [
  { fault: "cut_before", done: false },
  { fault: "cut_after", done: true },
  { fault: "server_error", done: false },
  { fault: "server_error_after", done: true },
  { fault: "malformed", done: true },
  { fault: "wrong_shape", done: true },
  { fault: "html", done: false }
] as const

layer(planeWorld(), options)("a write to Plane whose reply is lost", (it) => {
  for (const { args, op, tool } of writeRows) {
    for (const { done, fault } of faults) {
      it.effect(`${tool} after ${fault} is settled by its repeat and executed once`, () =>
        Effect.gen(function* () {
          const { actor, plane } = yield* PlaneWorld
          const agent = yield* actor()
          const issueId = yield* card(agent)
          const writes = Effect.map(plane.writes, (all) =>
            all.filter(({ project_id }) => project_id === agent.seeded.project.id)
          )
          const before = (yield* writes).length
          yield* plane.fault({ op: opOf(op), fault })
          const key = `lost-${op}-${fault}`
          const run = call(agent, tool, { ...args(issueId), idempotency_key: key })
          assert.strictEqual(yield* outcome(run), "tasker.outcome_unknown")
          assert.lengthOf(yield* writes, before + (done ? 1 : 0))
          const settled = yield* run
          assert.deepStrictEqual(warningsOf(settled.structured), [])
          assert.strictEqual(yield* outcome(run), "replayed")
          assert.lengthOf(yield* writes, before + 1)
          assert.strictEqual(yield* keyState(agent, key), "executed")
        })
      )
    }
  }

  it.effect("a create that lost its labels and assignees is completed when it is settled", () =>
    Effect.gen(function* () {
      const { actor, plane } = yield* PlaneWorld
      const agent = yield* actor()
      yield* plane.fault({ op: "create", fault: "cut_between" })
      const args = { name: "Cut", labels: ["bug"], assignees: ["fedor"], idempotency_key: "cut-between" }
      const run = call(agent, "tasker_create_issue", args)
      assert.strictEqual(yield* outcome(run), "tasker.outcome_unknown")
      const { structured } = yield* run
      const { issue } = structured as { issue: { labels: unknown[]; assignees: unknown[] } }
      assert.deepStrictEqual([issue.labels.length, issue.assignees.length], [1, 1])
      assert.deepStrictEqual(warningsOf(structured), [])
      assert.lengthOf(
        (yield* madeUnder(agent, "cut-between")).filter((write) => write.op === "create"),
        1
      )
    })
  )
})

// Recovery looks first when a call of Tasker's has ended for certain.
const recovering = planeWorld({
  recovering: true,
  variables: { TASKER_TIMEOUT_MS: String(shortTimeout), CALL_DEADLINE_MS: String(2 * shortTimeout) }
})

layer(recovering, options)("a write to Plane that nobody repeats", (it) => {
  it.effect("is settled by recovery, and executed once", () =>
    Effect.gen(function* () {
      const { actor, plane } = yield* PlaneWorld
      const agent = yield* actor()
      for (const [key, fault] of [
        ["unasked-before", "cut_before"],
        ["unasked-after", "cut_after"]
      ] as const) {
        yield* plane.fault({ op: "create", fault })
        const create = call(agent, "tasker_create_issue", { name: key, idempotency_key: key })
        assert.strictEqual(yield* outcome(create), "tasker.outcome_unknown")
        yield* eventually(
          `${key} is executed`,
          Effect.map(keyState(agent, key), (state) => state === "executed")
        )
        assert.lengthOf(yield* madeUnder(agent, key), 1)
      }
    })
  )
})

layer(planeWorld(), options)("updated_at, which Plane moves by itself after every write", (it) => {
  it.effect("makes no conflict for an agent that alone changes a card, ten times under its version", () =>
    Effect.gen(function* () {
      const { actor } = yield* PlaneWorld
      const agent = yield* actor()
      const issue_id = yield* card(agent)
      const first = yield* call(agent, "tasker_get_issue", { issue_id })
      let { version } = (first.structured as { issue: { version: string } }).issue
      for (let n = 0; n < 10; n++) {
        const updated = yield* call(agent, "tasker_update_issue", {
          issue_id,
          description: `| a | b |\n| :-: | -: |\n| ${n} | [link](https://example.test/путь) |`,
          expected_version: version,
          idempotency_key: `update-${n}-in-a-row`
        })
        assert.deepStrictEqual(warningsOf(updated.structured), [])
        version = (updated.structured as { issue: { version: string } }).issue.version
      }
    })
  )
})

layer(planeWorld(), options)("whoever owns an agent", (it) => {
  const isRefused = Effect.fnUntraced(function* (agent: PlaneActor, tool: string, args: object, key: string) {
    const { requests, value } = yield* requestsDuring(
      refusal(call(agent, tool, { ...args, idempotency_key: key }, key))
    )
    assert.strictEqual(`${value.kind}.${value.reason}`, "grant.owner_not_member")
    assert.deepStrictEqual(
      requests.filter(({ method }) => method !== "GET"),
      []
    )
    assert.strictEqual(yield* keyState(agent, key), undefined)
    return value.message
  })

  it.effect("an agent of a guest reads, and every write is refused before its key is taken", () =>
    Effect.gen(function* () {
      const { actor } = yield* PlaneWorld
      const agent = yield* actor({ owner: { email: "GUEST@example.test" } })
      const issueId = yield* card(agent)
      assert.strictEqual(yield* outcome(call(agent, "tasker_get_issue", { issue_id: issueId })), "done")
      for (const { args, op, tool } of writeRows) {
        assert.match(yield* isRefused(agent, tool, args(issueId), `by-guest-${op}`), /guest/)
      }
    })
  )

  it.effect("an agent of somebody who is not in the workspace does neither", () =>
    Effect.gen(function* () {
      const { actor } = yield* PlaneWorld
      const agent = yield* actor({ owner: { email: "stranger@example.test" } })
      const issueId = yield* card(agent)
      const read = yield* refusal(call(agent, "tasker_get_issue", { issue_id: issueId }))
      assert.strictEqual(`${read.kind}.${read.reason}`, "grant.owner_not_member")
      for (const { args, op, tool } of writeRows) {
        yield* isRefused(agent, tool, args(issueId), `by-stranger-${op}`)
      }
    })
  )

  it.effect("cards and comments are in the owner's name, found by e-mail", () =>
    Effect.gen(function* () {
      const { actor, plane } = yield* PlaneWorld
      const agent = yield* actor({ owner: { email: "Fedor@Example.test" }, agentName: "Codex" })
      const fedor = agent.seeded.members.find(({ email }) => email.startsWith("fedor@"))?.id
      yield* call(agent, "tasker_create_issue", { name: "By Fedor", idempotency_key: "by-fedor-card" })
      const [made] = yield* madeUnder(agent, "by-fedor-card")
      const issue_id = made?.issue_id ?? ""
      assert.strictEqual((yield* plane.card(issue_id)).created_by, fedor)
      const said = { issue_id, comment: "Done", idempotency_key: "by-fedor-comment" }
      assert.deepStrictEqual(warningsOf((yield* call(agent, "tasker_add_comment", said)).structured), [])
      const listed = yield* call(agent, "tasker_list_comments", { issue_id })
      const { comments } = listed.structured as {
        comments: ReadonlyArray<{ comment: string; author: { id: string } }>
      }
      assert.deepStrictEqual(
        comments.map(({ author, comment }) => [comment, author.id]),
        [["Done", fedor]]
      )
    })
  )
})

layer(planeWorld(), options)("what Plane does by itself with a card", (it) => {
  it.effect("a default assignee is told by name", () =>
    Effect.gen(function* () {
      const { actor } = yield* PlaneWorld
      const agent = yield* actor({ project: { default_assignee: "fedor@example.test" } })
      const made = yield* call(agent, "tasker_create_issue", {
        name: "Bare",
        idempotency_key: "default-assignee"
      })
      const [warning] = warningsOf(made.structured)
      assert.match(warning?.message ?? "", /fedor/)
    })
  )

  it.effect("an assignee whom Plane drops is told by name, with those who stood before", () =>
    Effect.gen(function* () {
      const { actor } = yield* PlaneWorld
      const agent = yield* actor()
      const ivan = agent.seeded.members.find(({ email }) => email.startsWith("ivan@"))?.id
      const issue_id = yield* card(agent, { assignees: [ivan] })
      // Olga was removed from the project, which Plane's lists don't show.
      const args = { issue_id, assignees: ["olga"], idempotency_key: "assign-removed" }
      const changed = yield* call(agent, "tasker_set_assignees", args)
      const [warning] = warningsOf(changed.structured)
      assert.match(warning?.message ?? "", /^Now assigned: nobody\. Before: "ivan"\. .*"olga"/)
    })
  )

  it.effect("a card that is archived can't be changed", () =>
    Effect.gen(function* () {
      const { actor, plane } = yield* PlaneWorld
      const agent = yield* actor()
      const issue_id = yield* card(agent)
      yield* plane.edit(issue_id, { archived: true })
      for (const { args, op, tool } of writeRows.filter(({ op }) => op !== "create")) {
        const key = `archived-${op}`
        const { requests, value } = yield* requestsDuring(
          outcome(call(agent, tool, { ...args(issue_id), idempotency_key: key }, key))
        )
        assert.strictEqual(value, "grant.wrong_project")
        assert.deepStrictEqual(
          requests.filter(({ method }) => method !== "GET"),
          []
        )
      }
    })
  )
})

layer(planeWorld({ plane: { comment_anywhere: false } }), options)("a comment on Plane", (it) => {
  it.effect("on a card that is gone when it arrives is told as not found, and its key is free", () =>
    Effect.gen(function* () {
      const { actor, plane } = yield* PlaneWorld
      const agent = yield* actor()
      const issue_id = yield* card(agent)
      yield* plane.fault({ op: "comment", fault: "delay", delay_ms: 500 })
      const { requests, value } = yield* requestsDuring(
        Effect.all(
          [
            outcome(
              call(agent, "tasker_add_comment", {
                issue_id,
                comment: "Late",
                idempotency_key: "gone-meanwhile"
              })
            ),
            Effect.andThen(
              eventually(
                "the comment is under way",
                Effect.map(plane.requests, (all) =>
                  all.some(({ method, path }) => method === "POST" && path.includes(`${issue_id}/comments`))
                )
              ),
              plane.edit(issue_id, { deleted: true })
            )
          ],
          { concurrency: 2 }
        )
      )
      assert.strictEqual(requests.find(({ method }) => method === "POST")?.status, 400)
      assert.strictEqual(value[0], "tasker.not_found")
      assert.isUndefined(yield* keyState(agent, "gone-meanwhile"))
    })
  )
})
