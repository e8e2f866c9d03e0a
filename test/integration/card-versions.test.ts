import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { codeOf } from "../../src/domain/Failure.ts"
import { versionOf } from "../../src/domain/IssueVersion.ts"
import { allScopes } from "../../src/domain/Scope.ts"
import type { TaskerIssue } from "../../src/domain/Tasker.ts"
import { meanwhile, outcome, refusal, writesUnder } from "../support/evidence.ts"
import { type Actor, call, strict, World, layer as world } from "../support/world.ts"
import { card } from "../support/writes.ts"

interface Shown {
  readonly version: string
  readonly updated_at: string
  readonly name: string
}

const read = (agent: Actor, issue_id: string) =>
  Effect.map(
    call(agent, "tasker_get_issue", { issue_id }),
    ({ structured }) => (structured as { issue: Shown }).issue
  )

/** Moves `updated_at` and nothing else, as Plane's worker does. */
const bump = (issueId: string) =>
  Effect.flatMap(World, ({ tasker }) => tasker.send("PATCH", `/issues/${issueId}`, {}))

const edit = (issueId: string, change: object) =>
  Effect.flatMap(World, ({ tasker }) => tasker.send("PATCH", `/issues/${issueId}`, change))

const rename = (agent: Actor, issue_id: string, key: string, expected: object) =>
  call(agent, "tasker_update_issue", { issue_id, name: "Renamed", idempotency_key: key, ...expected })

layer(world, { timeout: "10 minutes", excludeTestServices: true })("a card's version", (it) => {
  it.effect("stays if updated_at moves by itself, and a change under it is made", () =>
    Effect.gen(function* () {
      const agent = yield* (yield* World).actor()
      const issueId = yield* card(agent)
      const before = yield* read(agent, issueId)
      yield* bump(issueId)
      const after = yield* read(agent, issueId)
      assert.notStrictEqual(after.updated_at, before.updated_at)
      assert.strictEqual(after.version, before.version)
      assert.strictEqual(
        yield* outcome(rename(agent, issueId, "under-the-version", { expected_version: before.version })),
        "done"
      )
    })
  )

  it.effect("differs if another hand changed the content: the change is refused and names the fields", () =>
    Effect.gen(function* () {
      const agent = yield* (yield* World).actor()
      const issueId = yield* card(agent)
      const { version } = yield* read(agent, issueId)
      yield* edit(issueId, { priority: "urgent", description_html: "<p>Another text</p>" })
      const failure = yield* refusal(
        rename(agent, issueId, "under-an-old-version", { expected_version: version })
      )
      assert.strictEqual(codeOf(failure), "tasker.conflict")
      assert.deepStrictEqual(failure.details.changed, ["description", "priority"])
      assert.deepStrictEqual(failure.details.differs, ["name"])
      assert.lengthOf(yield* writesUnder(agent, "under-an-old-version"), 0)
    })
  )

  it.effect("is in the answer of every write to a card, and not in lists", () =>
    Effect.gen(function* () {
      const agent = yield* (yield* World).actor()
      const issueId = yield* card(agent)
      const moved = yield* call(agent, "tasker_move_issue", {
        issue_id: issueId,
        state: "Done",
        idempotency_key: "moved-for-its-version"
      })
      const { issue } = moved.structured as { issue: Shown }
      assert.strictEqual(issue.version, (yield* read(agent, issueId)).version)
      const listed = yield* call(agent, "tasker_list_issues", {})
      const { issues } = listed.structured as { issues: ReadonlyArray<object> }
      assert.isAbove(issues.length, 0)
      for (const each of issues) assert.notProperty(each, "version")
    })
  )

  it.effect("is not shown to a writer without issue:read, nor are the fields that differ from a guess", () =>
    Effect.gen(function* () {
      const { actor } = yield* World
      const agent = yield* actor(allScopes.filter((scope) => scope !== "issue:read"))
      const made = yield* call(agent, "tasker_create_issue", {
        name: "Unread",
        idempotency_key: "made-unread"
      })
      const { issue } = made.structured as { issue: Shown & { readonly id: string } }
      assert.notProperty(issue, "version")
      const failure = yield* refusal(
        rename(agent, issue.id, "under-a-guess", { expected_updated_at: "2020-01-01T00:00:00.000000Z" })
      )
      assert.strictEqual(codeOf(failure), "tasker.conflict")
      assert.notProperty(failure.details, "changed")
      assert.notProperty(failure.details, "differs")
      assert.notProperty(failure.details, "issue")
    })
  )

  it.effect("tells a writer without issue:read nothing: a right guess is refused as a wrong one is", () =>
    Effect.gen(function* () {
      const { actor } = yield* World
      const agent = yield* actor(allScopes.filter((scope) => scope !== "issue:read"))
      const issueId = yield* card(agent)
      const { tasker } = yield* World
      const { issue } = (yield* tasker.send("GET", `/issues/${issueId}`)) as { issue: TaskerIssue }
      const guess = (key: string, expected_version: string, dry_run: boolean) =>
        Effect.map(
          refusal(rename(agent, issueId, key, { expected_version, dry_run })),
          (failure) => `${codeOf(failure)} ${failure.message}`
        )
      for (const dryRun of [true, false]) {
        const right = yield* guess(`right-${dryRun}`, versionOf(issue), dryRun)
        assert.strictEqual(right, yield* guess(`wrong-${dryRun}`, "A".repeat(48), dryRun))
      }
    })
  )

  it.effect("that is malformed is refused as input and changes nothing", () =>
    Effect.gen(function* () {
      const agent = yield* (yield* World).actor()
      const issueId = yield* card(agent)
      for (const expected_version of ["", "short", "*".repeat(48)]) {
        assert.strictEqual(
          yield* outcome(rename(agent, issueId, "under-no-version", { expected_version })),
          "input.invalid"
        )
      }
    })
  )
})

layer(world, { timeout: "10 minutes", excludeTestServices: true })("expected_updated_at", (it) => {
  it.effect("of an answer to this agent passes if only updated_at moved since", () =>
    Effect.gen(function* () {
      const agent = yield* (yield* World).actor()
      const issueId = yield* card(agent)
      let { updated_at } = yield* read(agent, issueId)
      for (let round = 0; round < 5; round++) {
        const { structured } = yield* call(agent, "tasker_update_issue", {
          issue_id: issueId,
          name: `Round ${round}`,
          expected_updated_at: updated_at,
          idempotency_key: `round-number-${round}`
        })
        updated_at = (structured as { issue: Shown }).issue.updated_at
        yield* bump(issueId)
      }
    })
  )

  it.effect("of an answer to this agent is refused if the content was changed since", () =>
    Effect.gen(function* () {
      const agent = yield* (yield* World).actor()
      const issueId = yield* card(agent)
      const { structured } = yield* rename(agent, issueId, "answered-before", {})
      const { updated_at } = (structured as { issue: Shown }).issue
      yield* edit(issueId, { priority: "urgent" })
      const failure = yield* refusal(
        call(agent, "tasker_move_issue", {
          issue_id: issueId,
          state: "Done",
          expected_updated_at: updated_at,
          idempotency_key: "after-an-edit"
        })
      )
      assert.strictEqual(codeOf(failure), "tasker.conflict")
      assert.deepStrictEqual(failure.details.changed, ["priority"])
    })
  )

  it.effect("of an answer that is kept no longer is a conflict, before the answer is deleted too", () =>
    Effect.gen(function* () {
      const { actor, database } = yield* World
      const agent = yield* actor()
      const issueId = yield* card(agent)
      const { structured } = yield* call(agent, "tasker_update_issue", {
        issue_id: issueId,
        name: "Long ago",
        idempotency_key: "answered-long-ago"
      })
      const { updated_at } = (structured as { issue: Shown }).issue
      yield* bump(issueId)
      yield* database`
        update idempotency_keys set settled_at = now() - interval '73 hours'
        where agent_id = ${agent.agentId}`
      assert.strictEqual(
        yield* outcome(rename(agent, issueId, "expects-the-old", { expected_updated_at: updated_at })),
        "tasker.conflict"
      )
    })
  )

  it.effect("that was never answered to this agent is a conflict that recommends expected_version", () =>
    Effect.gen(function* () {
      const { actor } = yield* World
      const agent = yield* actor()
      const issueId = yield* card(agent)
      yield* bump(issueId)
      const { updated_at } = yield* read(agent, issueId)
      yield* bump(issueId)
      const failure = yield* refusal(
        rename(agent, issueId, "read-not-answered", { expected_updated_at: updated_at })
      )
      assert.strictEqual(codeOf(failure), "tasker.conflict")
      assert.include(failure.message, "expected_version")
    })
  )
})

layer(world, { timeout: "10 minutes", excludeTestServices: true })(
  "a change without an expectation",
  (it) => {
    it.effect("is sent again if only updated_at moved between plan and sending", () =>
      Effect.gen(function* () {
        const agent = yield* (yield* World).actor()
        const issueId = yield* card(agent)
        const [code] = yield* meanwhile(
          "update",
          outcome(rename(agent, issueId, "bumped-in-flight", {})),
          bump(issueId)
        )
        assert.strictEqual(code, "done")
        assert.lengthOf(yield* writesUnder(agent, "bumped-in-flight"), 1)
      })
    )

    it.effect("is settled as not sent, and sent again, if updated_at moved before it arrived", () =>
      Effect.gen(function* () {
        const { actor, database, tasker } = yield* World
        const agent = yield* actor()
        const issueId = yield* card(agent)
        yield* tasker.fault({ op: "update", fault: "cut_before" })
        const again = outcome(rename(agent, issueId, "cut-then-bumped", {}))
        assert.strictEqual(yield* again, "tasker.outcome_unknown")
        yield* bump(issueId)
        assert.strictEqual(yield* again, "done")
        const rows = yield* database<{ reason: string | null }>`
        select reason from audit_events where agent_id = ${agent.agentId}
          and idempotency_key = 'cut-then-bumped' and outcome = 'executed'`
        assert.deepStrictEqual(rows, [{ reason: "operation.resent" }])
      })
    )
  }
)

layer(strict.layer, { timeout: "10 minutes", excludeTestServices: true })(
  "between its plan and its sending to a Tasker that checks expected_updated_at, a change",
  (it) => {
    it.effect("under an expected version is refused if another field changes in that moment", () =>
      Effect.gen(function* () {
        const agent = yield* (yield* World).actor()
        const issueId = yield* card(agent)
        const { version } = yield* read(agent, issueId)
        const [code] = yield* meanwhile(
          "update",
          outcome(rename(agent, issueId, "raced-under-a-version", { expected_version: version })),
          edit(issueId, { priority: "urgent" })
        )
        assert.strictEqual(code, "tasker.conflict")
      })
    )

    it.effect("without an expectation is refused if the field that it touches changes in that moment", () =>
      Effect.gen(function* () {
        const agent = yield* (yield* World).actor()
        const issueId = yield* card(agent)
        const [code] = yield* meanwhile(
          "update",
          outcome(rename(agent, issueId, "overtaken-in-flight", {})),
          edit(issueId, { name: "A person's name" })
        )
        assert.strictEqual(code, "tasker.conflict")
        assert.strictEqual((yield* read(agent, issueId)).name, "A person's name")
      })
    )
  }
)
