import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { codeOf, describe } from "../../src/domain/Failure.ts"
import type { Scope } from "../../src/domain/Scope.ts"
import { AgentRegistry } from "../../src/services/AgentRegistry.ts"
import { outcome, refusal } from "../support/evidence.ts"
import { owner } from "../support/tasker.ts"
import { type Actor, act, call, grantTerms, World, layer as world } from "../support/world.ts"
import { card, writeRows } from "../support/writes.ts"

/** What people write into cards here, and nobody else: an answer that holds it has shown their work. */
const mark = "Zinnober"

interface Answered {
  readonly replayed: boolean
  readonly issue: Readonly<Record<string, unknown>>
  readonly warnings: ReadonlyArray<{ readonly field: string; readonly message: string }>
}

const change = (agent: Actor, tool: string, args: object) =>
  Effect.map(call(agent, tool, args), ({ structured }) => structured as unknown as Answered)

/** An agent that may do this and no more, on a project where a card stands already. */
const writer = Effect.fnUntraced(function* (scopes: ReadonlyArray<Scope>) {
  const { actor } = yield* World
  const registry = yield* AgentRegistry
  const agent = yield* actor()
  const issueId = yield* card(agent)
  yield* registry.grant(act, agent.agentId, grantTerms(agent.project, scopes))
  return { agent, issueId }
}, Effect.orDie)

const edit = (issueId: string, fields: object) =>
  Effect.flatMap(World, ({ tasker }) => tasker.send("PATCH", `/issues/${issueId}`, fields))

const madeBy = Effect.fnUntraced(function* (agent: Actor) {
  const { tasker } = yield* World
  const made = (yield* tasker.writes).findLast(({ agent_id }) => agent_id === agent.agentId)
  return made?.issue_id ?? (yield* Effect.die(new Error("Nothing was written")))
})

layer(world, { timeout: "10 minutes", excludeTestServices: true })("without issue:read", (it) => {
  it.effect("a card settled after a person edited it is shown without that person's work", () =>
    Effect.gen(function* () {
      const { tasker } = yield* World
      const { agent } = yield* writer(["issue:create"])
      const { label } = (yield* tasker.send("POST", "/labels", {
        project_id: agent.project.project.id,
        name: `${mark}-label`
      })) as { label: { id: string } }
      const asked = {
        name: "Our card",
        description: "Our text",
        priority: "low",
        labels: ["bug"],
        assignees: ["ivan"],
        target_date: "2027-01-01",
        idempotency_key: "lost-create"
      }
      yield* tasker.fault({ op: "create", fault: "cut_after" })
      assert.strictEqual(yield* outcome(call(agent, "tasker_create_issue", asked)), "tasker.outcome_unknown")
      yield* edit(yield* madeBy(agent), {
        name: `Our card <${mark}>`,
        description_html: `<p>${mark} wrote this</p>`,
        priority: "urgent",
        label_ids: [label.id],
        assignee_ids: [owner.id],
        target_date: "2027-02-03"
      })
      for (const replayed of [false, true]) {
        const shown = yield* change(agent, "tasker_create_issue", asked)
        assert.strictEqual(shown.replayed, replayed)
        assert.sameMembers(Object.keys(shown.issue), ["id", "identifier", "updated_at", "url"])
        assert.sameMembers(
          shown.warnings.map(({ field }) => field),
          ["name", "description", "priority", "labels", "assignees", "target_date"]
        )
        const text = JSON.stringify(shown)
        for (const theirs of [mark, label.id, "urgent", owner.id, "2027-02-03"]) {
          assert.notInclude(text, theirs)
        }
      }
    })
  )

  it.effect("what still stands of such a card as it was asked is shown", () =>
    Effect.gen(function* () {
      const { tasker } = yield* World
      const { agent } = yield* writer(["issue:create"])
      const asked = { name: "Our card", description: "Our text", idempotency_key: "lost-create" }
      yield* tasker.fault({ op: "create", fault: "cut_after" })
      yield* outcome(call(agent, "tasker_create_issue", asked))
      yield* edit(yield* madeBy(agent), { description_html: `<p>${mark}</p>`, parent_id: null })
      const shown = yield* change(agent, "tasker_create_issue", asked)
      assert.strictEqual(shown.issue.name, "Our card")
      assert.notProperty(shown.issue, "description")
      assert.deepStrictEqual(
        shown.warnings.map(({ field }) => field),
        ["description"]
      )
    })
  )

  it.effect("who may read cards is shown what a person made of it all the same", () =>
    Effect.gen(function* () {
      const { tasker } = yield* World
      const { agent } = yield* writer(["issue:create", "issue:read"])
      const asked = { name: "Our card", description: "Our text", idempotency_key: "lost-create" }
      yield* tasker.fault({ op: "create", fault: "cut_after" })
      yield* outcome(call(agent, "tasker_create_issue", asked))
      yield* edit(yield* madeBy(agent), { description_html: `<p>${mark}</p>` })
      const shown = yield* change(agent, "tasker_create_issue", asked)
      assert.strictEqual(shown.issue.description, mark)
    })
  )

  for (const [op, scope] of [
    ["update", "issue:update"],
    ["move", "issue:move"],
    ["labels", "label:set"],
    ["assignees", "assignee:set"]
  ] as const) {
    const row = writeRows.find((each) => each.op === op)
    it.effect(`${op}, settled after a person edited other fields, shows none of these`, () =>
      Effect.gen(function* () {
        const { tasker } = yield* World
        const { agent, issueId } = yield* writer([scope])
        assert.isDefined(row)
        const asked = { ...row.args(issueId), idempotency_key: `lost-${op}` }
        yield* tasker.fault({ op, fault: "cut_after" })
        assert.strictEqual(yield* outcome(call(agent, row.tool, asked)), "tasker.outcome_unknown")
        yield* edit(issueId, {
          target_date: "2027-02-03",
          ...(op === "update" ? {} : { name: mark, description_html: `<p>${mark}</p>` })
        })
        for (const replayed of [false, true]) {
          const shown = yield* change(agent, row.tool, asked)
          assert.strictEqual(shown.replayed, replayed)
          const wrote = Object.keys(row.args(issueId)).filter((field) => field !== "issue_id")
          assert.sameMembers(Object.keys(shown.issue), ["id", "identifier", "updated_at", "url", ...wrote])
          assert.deepStrictEqual(shown.warnings, [])
          assert.notInclude(JSON.stringify(shown), mark)
          assert.notInclude(JSON.stringify(shown), "2027-02-03")
        }
      })
    )
  }

  it.effect("labels that Tasker kept are not named to who set others", () =>
    Effect.gen(function* () {
      const { tasker } = yield* World
      const { agent, issueId } = yield* writer(["label:set"])
      yield* tasker.fault({ op: "labels", fault: "drop" })
      const asked = { issue_id: issueId, labels: ["bug"], idempotency_key: "kept-labels" }
      for (const replayed of [false, true]) {
        const shown = yield* change(agent, "tasker_set_labels", asked)
        assert.strictEqual(shown.replayed, replayed)
        assert.notProperty(shown.issue, "labels")
        const kept = agent.project.labels.find(({ name }) => name === "backend")
        assert.isDefined(kept)
        assert.notInclude(JSON.stringify(shown), kept.id)
        assert.notInclude(JSON.stringify(shown), "backend")
      }
    })
  )

  it.effect("one date that is out of order with the card's other is refused without naming that", () =>
    Effect.gen(function* () {
      const blind = yield* writer(["issue:update"])
      const seeing = yield* writer(["issue:update", "issue:read"])
      for (const [field, value] of [
        ["start_date", "2027-02-03"],
        ["target_date", "2026-01-01"]
      ] as const) {
        const refused = ({ agent, issueId }: typeof blind) =>
          Effect.gen(function* () {
            yield* edit(issueId, { start_date: "2026-11-11", target_date: "2027-01-17" })
            const args = { issue_id: issueId, [field]: value, idempotency_key: `dates-${field}` }
            const failure = yield* refusal(call(agent, "tasker_update_issue", args))
            assert.strictEqual(codeOf(failure), "input.invalid")
            return JSON.stringify(describe(failure))
          })
        const text = yield* refused(blind)
        assert.notInclude(text, "2026-11-11")
        assert.notInclude(text, "2027-01-17")
        assert.match(yield* refused(seeing), /2026-11-11|2027-01-17/)
      }
    })
  )

  it.effect("a text that Markdown can't carry is refused without saying what it holds", () =>
    Effect.gen(function* () {
      const text = '<p>Look: <img src="https://e.test/i.png"> <mention-component></mention-component></p>'
      const refused = ({ agent, issueId }: { agent: Actor; issueId: string }) =>
        Effect.gen(function* () {
          yield* edit(issueId, { description_html: text })
          const args = { issue_id: issueId, description: "New", idempotency_key: "would-lose" }
          return describe(yield* refusal(call(agent, "tasker_update_issue", args)))
        })
      const blind = yield* refused(yield* writer(["issue:update"]))
      assert.strictEqual(blind.reason, "would_lose_content")
      assert.notProperty(blind, "content")
      assert.notMatch(String(blind.message), /image|mention/)
      const seeing = yield* refused(yield* writer(["issue:update", "issue:read"]))
      assert.deepStrictEqual(seeing.content, ["image", "mention"])
    })
  )
})
