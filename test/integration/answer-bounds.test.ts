import { randomUUID } from "node:crypto"
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { countTokens } from "gpt-tokenizer/encoding/o200k_base"
import { describe } from "../../src/domain/Failure.ts"
import type { ProjectId } from "../../src/domain/Ids.ts"
import { allScopes } from "../../src/domain/Scope.ts"
import { AgentRegistry } from "../../src/services/AgentRegistry.ts"
import { refusal } from "../support/evidence.ts"
import { owner, type SeededProject } from "../support/tasker.ts"
import { type Actor, act, call, grantTerms, World, layer as world } from "../support/world.ts"

/** Names as dense in tokens as people's are anywhere, each another. */
const cjk = (length: number, n: number): string =>
  Array.from({ length }, (_, at) => String.fromCodePoint(0x4e00 + ((n * 7919 + at * 104_729) % 20_000))).join(
    ""
  )

const fits = (answer: unknown) => assert.isAtMost(countTokens(JSON.stringify(answer)), 8000)

/** An agent that may do everything in a project with these labels and members. */
const inProject = Effect.fnUntraced(function* (seed: {
  readonly labels: ReadonlyArray<{ readonly name: string }>
  readonly members?: ReadonlyArray<{ readonly id: string; readonly display_name: string }>
}) {
  const { actor, tasker } = yield* World
  const registry = yield* AgentRegistry
  const agent = yield* actor()
  const project: SeededProject = yield* tasker.project({
    labels: seed.labels,
    members: [owner, ...(seed.members ?? [])]
  })
  yield* registry.grant(act, agent.agentId, grantTerms(project, allScopes))
  return { ...agent, project } satisfies Actor
}, Effect.orDie)

const answerOf = <A>(agent: Actor, tool: string, args: object) =>
  Effect.map(call(agent, tool, args), ({ structured }) => {
    fits(structured)
    return structured as unknown as A
  })

interface Part {
  readonly truncated?: true
}

layer(world, { timeout: "10 minutes", excludeTestServices: true })("no answer passes 8,000 tokens", (it) => {
  it.effect("of a project with 300 labels and 300 members, and it says that it left some out", () =>
    Effect.gen(function* () {
      const agent = yield* inProject({
        labels: Array.from({ length: 300 }, (_, n) => ({ name: cjk(12, n) })),
        members: Array.from({ length: 300 }, (_, n) => ({ id: `m-${n}`, display_name: cjk(8, n) }))
      })
      const context = yield* answerOf<Part & { labels: ReadonlyArray<{ name: string }> }>(
        agent,
        "tasker_get_project_context",
        {}
      )
      assert.isTrue(context.truncated)
      assert.isNotEmpty(context.labels)
      // One that is not listed is found all the same.
      const names = agent.project.labels.map(({ name }) => name)
      const unlisted = names.find((name) => !context.labels.some((label) => label.name === name))
      assert.isDefined(unlisted)
      const args = { name: "A card", labels: [unlisted], idempotency_key: "unlisted-label" }
      const { issue } = yield* answerOf<{ issue: { labels: ReadonlyArray<{ name: string }> } }>(
        agent,
        "tasker_create_issue",
        args
      )
      assert.strictEqual(issue.labels[0]?.name, unlisted)
    })
  )

  it.effect("where a label is none of 300 of 255 characters each", () =>
    Effect.gen(function* () {
      const agent = yield* inProject({
        labels: Array.from({ length: 300 }, (_, n) => ({ name: cjk(255, n) }))
      })
      const args = { name: "A card", labels: [cjk(255, 999)], idempotency_key: "no-such-label" }
      const failure = describe(yield* refusal(call(agent, "tasker_create_issue", args)))
      assert.strictEqual(failure.reason, "unknown_reference")
      assert.isNotEmpty(failure.choices)
      fits({ error: failure })
    })
  )

  it.effect("about a card with 50 labels of 255 characters each, and each says that it was cut", () =>
    Effect.gen(function* () {
      const { tasker } = yield* World
      const agent = yield* inProject({
        labels: Array.from({ length: 50 }, (_, n) => ({ name: cjk(255, n) }))
      })
      const labels = agent.project.labels.map(({ id }) => id)
      const asked = { name: cjk(255, 77), labels, description: cjk(2000, 5), idempotency_key: "fifty-labels" }
      const planned = yield* answerOf<Part>(agent, "tasker_create_issue", { ...asked, dry_run: true })
      assert.isTrue(planned.truncated)
      let issue_id = ""
      for (const replayed of [false, true]) {
        const made = yield* answerOf<
          Part & { replayed: boolean; issue: { id: string; labels: Array<unknown> } }
        >(agent, "tasker_create_issue", asked)
        assert.strictEqual(made.replayed, replayed)
        assert.isTrue(made.truncated)
        assert.lengthOf(made.issue.labels, 50)
        issue_id = made.issue.id
      }
      const got = yield* answerOf<Part & { issue: { labels: Array<unknown> } }>(agent, "tasker_get_issue", {
        issue_id
      })
      assert.isTrue(got.truncated)
      assert.lengthOf(got.issue.labels, 50)
      const listed = yield* answerOf<Part & { issues: Array<unknown> }>(agent, "tasker_list_issues", {})
      assert.lengthOf(listed.issues, 1)
      const { issue } = (yield* tasker.send("GET", `/issues/${issue_id}`)) as {
        issue: { updated_at: string }
      }
      const stale = { issue_id, labels: [], expected_updated_at: "2020-01-01T00:00:00.000001Z" }
      const conflict = yield* refusal(
        call(agent, "tasker_set_labels", { ...stale, idempotency_key: "stale-labels" })
      )
      assert.strictEqual(conflict.details.updated_at, issue.updated_at)
      fits({ error: describe(conflict) })
    })
  )

  it.effect("of a session with 150 grants, and it says that it left some out", () =>
    Effect.gen(function* () {
      const { actor } = yield* World
      const registry = yield* AgentRegistry
      const agent = yield* actor()
      yield* Effect.forEach(
        Array.from({ length: 150 }, () => randomUUID() as ProjectId),
        (id) => {
          const project = { ...agent.project.project, id }
          return registry.grant(act, agent.agentId, grantTerms({ ...agent.project, project }, allScopes))
        },
        { concurrency: 4 }
      ).pipe(Effect.orDie)
      const session = yield* answerOf<Part & { grants: Array<unknown> }>(agent, "tasker_get_session", {
        project_id: undefined
      })
      assert.isTrue(session.truncated)
      assert.isNotEmpty(session.grants)
    })
  )
})
