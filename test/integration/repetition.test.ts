import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { describe as fieldsOf } from "../../src/domain/Failure.ts"
import { eventually, keyRow, outcome, refusal, trail, writesUnder } from "../support/evidence.ts"
import { type Actor, call, World, withVariables } from "../support/world.ts"

const repeated = "duplicate.possible_duplicate"

const create = (agent: Actor, name: string, key: string, more: object = {}) =>
  call(agent, "tasker_create_issue", { name, idempotency_key: key, ...more })

const issueOf = ({ structured }: { readonly structured: object }) =>
  (structured as { issue: { id: string; identifier: string; url: string } }).issue

layer(withVariables({ DUPLICATE_WINDOW_MINUTES: "15" }), {
  timeout: "10 minutes",
  excludeTestServices: true
})("the same card under another key", (it) => {
  it.effect("is refused, naming the card there is, and uses no key up", () =>
    Effect.gen(function* () {
      const { actor } = yield* World
      const agent = yield* actor()
      const made = issueOf(yield* create(agent, "Fix the login page", "first-key"))
      const failure = yield* refusal(create(agent, "Fix the login page", "second-key"))
      assert.strictEqual(`${failure.kind}.${failure.reason}`, repeated)
      assert.isFalse(failure.retryable)
      const { issue } = fieldsOf(failure) as { issue: { id: string; identifier: string; url: string } }
      assert.deepStrictEqual(issue, { id: made.id, identifier: made.identifier, url: made.url })
      assert.include(failure.message, made.identifier)
      assert.isUndefined(yield* keyRow(agent, "second-key"))
      assert.deepStrictEqual(yield* trail(agent, "second-key"), [`denied ${repeated}`])
      assert.strictEqual(yield* outcome(create(agent, "Fix the login page", "first-key")), "replayed")
    })
  )

  for (const [one, other] of [
    ["Fix the login page", "  fix   THE login-page! "],
    ["Ремонт входа", "РЕМОНТ ВХОДА."],
    ["ﬁx ① Straße", "fix 1 STRASSE"],
    ["!!!", "!!!"]
  ] as const) {
    it.effect(`is recognised in other words: "${one}" and "${other}"`, () =>
      Effect.gen(function* () {
        const { actor } = yield* World
        const agent = yield* actor()
        yield* create(agent, one, "first-key")
        assert.strictEqual(yield* outcome(create(agent, other, "second-key")), repeated)
      })
    )
  }

  it.effect("is another card where the words, the agent or the project differ", () =>
    Effect.gen(function* () {
      const { actor } = yield* World
      const agent = yield* actor()
      yield* create(agent, "Fix the login page", "first-key")
      assert.strictEqual(yield* outcome(create(agent, "Fix the login pages", "second-key")), "done")
      assert.strictEqual(yield* outcome(create(yield* actor(), "Fix the login page", "other-agent")), "done")
      assert.strictEqual(yield* outcome(create(agent, "!!!", "marks-one")), "done")
      assert.strictEqual(yield* outcome(create(agent, "???", "marks-two")), "done")
    })
  )

  it.effect("is made where its caller says that a second one is intended, which is on record", () =>
    Effect.gen(function* () {
      const { actor } = yield* World
      const agent = yield* actor()
      yield* create(agent, "Weekly report", "first-key")
      const second = issueOf(yield* create(agent, "Weekly report", "second-key", { allow_duplicate: true }))
      assert.deepStrictEqual(yield* trail(agent, "second-key"), ["executed duplicate.allowed"])
      const failure = yield* refusal(create(agent, "Weekly report", "third-key"))
      assert.deepInclude(fieldsOf(failure), { kind: "duplicate" })
      assert.strictEqual((fieldsOf(failure) as { issue: { id: string } }).issue.id, second.id)
    })
  )

  it.effect("is told by a dry run, which is as good as the call", () =>
    Effect.gen(function* () {
      const { actor } = yield* World
      const agent = yield* actor()
      yield* create(agent, "Weekly report", "first-key")
      const dry = { dry_run: true }
      assert.strictEqual(yield* outcome(create(agent, "weekly report", "second-key", dry)), repeated)
      const meant = { ...dry, allow_duplicate: true }
      assert.strictEqual(yield* outcome(create(agent, "weekly report", "second-key", meant)), "done")
    })
  )

  it.effect("of many at the same instant lets one through", () =>
    Effect.gen(function* () {
      const { actor, tasker } = yield* World
      const agent = yield* actor()
      const codes = yield* Effect.all(
        Array.from({ length: 12 }, (_, n) => outcome(create(agent, "At once", `at-once-${n}`))),
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual([...codes].sort(), ["done", ...Array(11).fill(repeated)])
      const writes = yield* tasker.writes
      assert.lengthOf(
        writes.filter(({ agent_id }) => agent_id === agent.agentId),
        1
      )
    })
  )

  it.effect("of one key at the same instant is that key's answer, not a repetition", () =>
    Effect.gen(function* () {
      const { actor } = yield* World
      const agent = yield* actor()
      const codes = yield* Effect.all(
        Array.from({ length: 8 }, () => outcome(create(agent, "One key", "the-one-key"))),
        { concurrency: "unbounded" }
      )
      for (const code of codes) assert.include(["done", "replayed", "idempotency.in_progress"], code)
      assert.lengthOf(yield* writesUnder(agent, "the-one-key"), 1)
    })
  )

  it.effect("says that the first is still under way, and to come again", () =>
    Effect.gen(function* () {
      const { actor, tasker } = yield* World
      const agent = yield* actor()
      yield* tasker.fault({ op: "create", fault: "cut_before" })
      assert.strictEqual(yield* outcome(create(agent, "In doubt", "first-key")), "tasker.outcome_unknown")
      const failure = yield* refusal(create(agent, "In doubt", "second-key"))
      assert.isTrue(failure.retryable)
      assert.deepInclude(fieldsOf(failure), { issue: null, kind: "duplicate" })
    })
  )

  it.effect("is free again once Tasker refused the first", () =>
    Effect.gen(function* () {
      const { actor, tasker } = yield* World
      const agent = yield* actor()
      yield* tasker.fault({ op: "create", fault: "refuse" })
      assert.strictEqual(yield* outcome(create(agent, "Refused", "first-key")), "tasker.rejected")
      assert.strictEqual(yield* outcome(create(agent, "Refused", "second-key")), "done")
    })
  )

  it.effect("is another card after the window", () =>
    Effect.gen(function* () {
      const { actor, database } = yield* World
      const agent = yield* actor()
      yield* create(agent, "Every day", "first-key")
      const age = (minutes: number) => database`
          update recent_titles set reserved_at = now() - ${minutes}::integer * interval '1 minute'
          where agent_id = ${agent.agentId}`
      yield* age(14)
      assert.strictEqual(yield* outcome(create(agent, "Every day", "second-key")), repeated)
      yield* age(15)
      assert.strictEqual(yield* outcome(create(agent, "Every day", "third-key")), "done")
    })
  )

  it.effect("leaves no title behind for a key that turned out to be taken", () =>
    Effect.gen(function* () {
      const { actor, database } = yield* World
      const agent = yield* actor()
      const codes = yield* Effect.all(
        Array.from({ length: 8 }, (_, n) => outcome(create(agent, `Title ${n}`, "one-key-for-all"))),
        { concurrency: "unbounded" }
      )
      assert.lengthOf(
        codes.filter((code) => code === "done"),
        1
      )
      yield* eventually(
        "one title is taken",
        Effect.map(
          database`select from recent_titles where agent_id = ${agent.agentId}`,
          (rows) => rows.length === 1
        )
      )
    })
  )
})
