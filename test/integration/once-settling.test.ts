import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { AgentRegistry } from "../../src/services/AgentRegistry.ts"
import { keyRow, taskerAtRest, trail, trailOutcomes, writesUnder } from "../support/evidence.ts"
import { lose } from "../support/lost.ts"
import { owner } from "../support/tasker.ts"
import { act, call, strict, World, layer as world } from "../support/world.ts"
import { writeRows } from "../support/writes.ts"
import type { Switches } from "../tasker/Switches.ts"

const unknown = "tasker.outcome_unknown"

/** Loses a change that a person then overtakes: it ends unresolved, and the card stays as the person left it. */
const personFirst = Effect.fnUntraced(function* (op: string, switches: Partial<Switches> = {}) {
  const { actor, tasker } = yield* World
  const agent = yield* actor()
  yield* tasker.switches(switches)
  const { again, issueId, key } = yield* lose(agent, op, "cut_before")
  const [done] = agent.project.states.filter(({ name }) => name === "Done")
  yield* tasker.send("PATCH", `/issues/${issueId}`, {
    name: "A person's name",
    state_id: done?.id,
    label_ids: [],
    assignee_ids: [owner.id]
  })
  yield* taskerAtRest
  const edited = yield* tasker.send("GET", `/issues/${issueId}`)
  assert.strictEqual(yield* again, unknown)
  assert.strictEqual(yield* again, unknown)
  assert.strictEqual((yield* keyRow(agent, key))?.state, "unresolved")
  assert.lengthOf(yield* writesUnder(agent, key), 0)
  assert.deepStrictEqual(yield* tasker.send("GET", `/issues/${issueId}`), edited)
  yield* tasker.heal
})

layer(world, { timeout: "10 minutes", excludeTestServices: true })("settling a write in doubt", (it) => {
  for (const { op } of writeRows) {
    // What one has to ask before the write is sent once more.
    const look = op === "comment" ? "list_comments" : "list"

    it.effect(`decides nothing about ${op} while Tasker is out`, () =>
      Effect.gen(function* () {
        const { actor, tasker } = yield* World
        const { again, key } = yield* lose(yield* actor(), op, "cut_after").pipe(
          // A look is tried three times.
          Effect.tap(() => tasker.fault({ op: "any", fault: "cut_before", times: 3 })),
          Effect.tap(({ again }) => Effect.map(again, (code) => assert.strictEqual(code, unknown))),
          Effect.map(({ again, key }) => ({ again, key }))
        )
        assert.strictEqual(yield* again, "done")
        assert.strictEqual(yield* again, "replayed")
        assert.isString(key)
      })
    )

    for (const fault of ["rate_limit", "unauthorized"]) {
      it.effect(
        `keeps the key of ${op} where ${fault} meets the repeat, which says nothing of the first try`,
        () =>
          Effect.gen(function* () {
            const { actor, tasker } = yield* World
            const agent = yield* actor()
            const { again, key } = yield* lose(agent, op, "cut_before")
            yield* tasker.fault({ op, fault, retry_after: 0 })
            assert.strictEqual(yield* again, unknown)
            assert.strictEqual((yield* keyRow(agent, key))?.state, "unknown")
            // A look that is told to come back soon does so, twice.
            const times = fault === "rate_limit" ? 3 : 1
            yield* tasker.fault({ op: look, fault, times, retry_after: 0 })
            assert.strictEqual(yield* again, unknown)
            assert.strictEqual(yield* again, "done")
            assert.lengthOf(yield* writesUnder(agent, key), 1)
            assert.deepStrictEqual(yield* trailOutcomes(agent, key), [
              `unknown ${unknown}`,
              `unknown ${unknown}`,
              `unknown ${unknown}`,
              "executed"
            ])
          })
      )
    }

    it.effect(`keeps the key of ${op} while the owner has no seat in the project`, () =>
      Effect.gen(function* () {
        const { actor, tasker } = yield* World
        const agent = yield* actor()
        const { again, key } = yield* lose(agent, op, "cut_after")
        const seat = (active: boolean) =>
          tasker.send("POST", "/members", { ...owner, project_id: agent.project.project.id, active })
        yield* seat(false)
        assert.strictEqual(yield* again, unknown)
        yield* seat(true)
        assert.strictEqual(yield* again, "done")
        assert.lengthOf(yield* writesUnder(agent, key), 1)
      })
    )

    it.effect(
      `frees the key of ${op} where Tasker shows nothing of it and refuses the repeat for what it is`,
      () =>
        Effect.gen(function* () {
          const { actor, tasker } = yield* World
          const agent = yield* actor()
          const { again, key } = yield* lose(agent, op, "cut_before")
          yield* tasker.fault({ op, fault: "refuse" })
          assert.strictEqual(yield* again, "tasker.rejected")
          assert.isUndefined(yield* keyRow(agent, key))
          assert.deepStrictEqual(yield* trail(agent, key), [`unknown ${unknown}`, "failed tasker.rejected"])
          assert.strictEqual(yield* again, "done")
          assert.lengthOf(yield* writesUnder(agent, key), 1)
        })
    )
  }

  it.effect("keeps the key of a comment that Tasker can't show, whatever the repeat is refused for", () =>
    Effect.gen(function* () {
      const { actor, tasker } = yield* World
      const agent = yield* actor()
      yield* tasker.switches({ no_comments_listing: true })
      const { again, key } = yield* lose(agent, "comment", "cut_after")
      yield* tasker.fault({ op: "comment", fault: "refuse" })
      assert.strictEqual(yield* again, unknown)
      assert.strictEqual(yield* again, "done")
      assert.lengthOf(yield* writesUnder(agent, key), 1)
      yield* tasker.heal
    })
  )

  it.effect("says of a comment that Tasker names but can't show that its text was not compared", () =>
    Effect.gen(function* () {
      const { actor, tasker } = yield* World
      const agent = yield* actor()
      yield* tasker.switches({ no_comments_listing: true, dedupe_key: false })
      const { row, asked, key } = yield* lose(agent, "comment", "cut_after")
      const { structured } = yield* call(agent, row.tool, asked)
      const [write] = yield* writesUnder(agent, key)
      const shown = structured as {
        comment: { id: string; comment: string }
        warnings: Array<{ field: string }>
      }
      assert.strictEqual(shown.comment.id, write?.comment_id)
      assert.include(shown.comment.comment, "Looks **good**")
      assert.deepStrictEqual(
        shown.warnings.map(({ field }) => field),
        ["comment"]
      )
      yield* tasker.heal
    })
  )

  for (const { op } of writeRows.filter(({ op }) => !["create", "comment"].includes(op))) {
    it.effect(`never lets ${op} undo what a person did meanwhile`, () => personFirst(op))

    it.effect(
      `takes ${op} for done where the card holds it, also after a person changed something else`,
      () =>
        Effect.gen(function* () {
          const { actor, tasker } = yield* World
          const agent = yield* actor()
          const { again, issueId, key } = yield* lose(agent, op, "cut_after")
          yield* tasker.send("PATCH", `/issues/${issueId}`, { target_date: "2027-01-01" })
          assert.strictEqual(yield* again, "done")
          assert.lengthOf(yield* writesUnder(agent, key), 1)
        })
    )

    it.effect(`leaves ${op} undecided where the card is gone`, () =>
      Effect.gen(function* () {
        const { actor, tasker } = yield* World
        const agent = yield* actor()
        const { again, issueId } = yield* lose(agent, op, "cut_after")
        yield* tasker.send("DELETE", `/issues/${issueId}`)
        assert.strictEqual(yield* again, unknown)
      })
    )
  }

  it.effect("asks nobody for an agent that may not write there any more", () =>
    Effect.gen(function* () {
      const { actor, tasker } = yield* World
      const registry = yield* AgentRegistry
      const agent = yield* actor()
      const { again, key } = yield* lose(agent, "create", "cut_after")
      const [grant] = (yield* registry.standing(undefined, agent.agentId)).grants
      assert.isDefined(grant)
      yield* registry.revokeGrant(act, agent.agentId, grant.id)
      const asked = (yield* tasker.requests).length
      assert.strictEqual(yield* again, "grant.no_grant")
      assert.lengthOf(yield* tasker.requests, asked)
      assert.strictEqual((yield* keyRow(agent, key))?.state, "unknown")
    })
  )
})

layer(strict.layer, { timeout: "10 minutes", excludeTestServices: true })(
  "settling a change in doubt before a strict Tasker",
  (it) => {
    for (const { op } of writeRows.filter(({ op }) => !["create", "comment"].includes(op))) {
      for (const switches of [{}, { dedupe_key: false }, { dedupe_key: false, ignore_expected: true }]) {
        it.effect(
          `never lets ${op} undo what a person did meanwhile (switched to ${JSON.stringify(switches)})`,
          () => personFirst(op, switches)
        )
      }
    }
  }
)
