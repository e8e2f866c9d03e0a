import { assert, layer } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { fromBytes } from "../../src/domain/Token.ts"
import { problems } from "../../src/http/Problem.ts"
import { tools } from "../../src/tools/registry.ts"
import { ReferenceTasker, send } from "../support/served.ts"
import { Stage, layer as stage } from "../support/stage.ts"
import { call, doors } from "../support/tool-calls.ts"
import { argsOf } from "../support/tool-rows.ts"

/** Well-formed requests that ask for what can't be: each is refused by name, and nothing is changed. */

const secret = Redacted.value(fromBytes(new Uint8Array(32).fill(9)))

/** What is changed about a call that would succeed, what the message then has to say, and the failure's code. */
const row = (tool: string, why: string, change: object, says: RegExp, code = "input.invalid") => ({
  ...{ tool, why, change, says, code }
})
const leak = "input.holds_secret"

const create = "tasker_create_issue"
const update = "tasker_update_issue"
const comment = "tasker_add_comment"
const list = "tasker_list_issues"
const get = "tasker_get_issue"

const rows = [
  row(create, "a field that there is not", { colour: "red" }, /colour: There is no such field/),
  row(create, "a name that is a number", { name: 5 }, /name: Expected string/),
  row(create, "labels that are no list", { labels: "bug" }, /labels: Expected array/),
  row(create, "a dry_run that is a text", { dry_run: "true" }, /dry_run: Expected boolean/),
  row(create, "a name of 256 characters", { name: "ж".repeat(256) }, /name: .*255/),
  row(create, "an empty name", { name: "" }, /name: /),
  row(create, "a blank name", { name: " \t " }, /name: /),
  row(create, "a name on two lines", { name: "one\ntwo" }, /name: Expected one line/),
  row(
    create,
    "a date that does not exist",
    { start_date: "2026-02-30" },
    /start_date: Expected a date that exists/
  ),
  row(create, "a date with a time", { target_date: "2026-02-03T00:00:00Z" }, /target_date: Expected a date/),
  row(
    create,
    "a start after its target",
    { start_date: "2026-03-02", target_date: "2026-03-01" },
    /start_date: 2026-03-02 is after/
  ),
  row(create, "a priority that there is not", { priority: "critical" }, /priority: Expected .*urgent/),
  row(create, "51 labels", { labels: Array.from({ length: 51 }, (_, n) => `l${n}`) }, /labels: .*50/),
  row(create, "a project that is no UUID", { project_id: "OPS" }, /project_id: /),
  row(create, "a parent that is no UUID", { parent_id: "OPS-1" }, /parent_id: /),
  row(
    create,
    "a key of seven characters",
    { idempotency_key: "seven77" },
    /idempotency_key: Expected 8 to 128/
  ),
  row(create, "a key with a space", { idempotency_key: "two words" }, /idempotency_key: Expected 8 to 128/),
  row(
    create,
    "a key of 129 characters",
    { idempotency_key: "k".repeat(129) },
    /idempotency_key: Expected 8 to 128/
  ),
  row(create, "a key that is null", { idempotency_key: null }, /idempotency_key: /),
  row(
    create,
    "no key",
    { idempotency_key: undefined },
    /needs an idempotency_key/,
    "idempotency.key_missing"
  ),
  row(create, "a token in its name", { name: `See ${secret}` }, /^name holds an agent token/, leak),
  row(create, "a token in its text", { description: `\n${secret}!` }, /^description holds/, leak),
  row(create, "a token as its key", { idempotency_key: secret }, /^idempotency_key holds/, leak),
  row(create, "a token among its labels", { labels: ["bug", secret] }, /^labels\.1 holds/, leak),
  row(create, "a token as a field's name", { [secret]: 1 }, /holds an agent token/, leak),
  row(
    update,
    "nothing to change",
    { priority: undefined, parent_id: undefined },
    /at least one of name, description/
  ),
  row(
    update,
    "a start after its own new target",
    { start_date: "2026-03-02", target_date: "2026-03-01" },
    /start_date: /
  ),
  row(update, "an issue that is no UUID", { issue_id: "OPS-1" }, /issue_id: /),
  row(
    update,
    "an expected_updated_at that is a number",
    { expected_updated_at: 5 },
    /expected_updated_at: Expected string/
  ),
  row(comment, "a blank comment", { comment: " \n" }, /comment: Expected text that is not blank/),
  row(comment, "a token in its comment", { comment: secret }, /^comment holds/, leak),
  row("tasker_move_issue", "an empty state", { state: "" }, /state: /),
  row("tasker_set_labels", "labels that are null", { labels: null }, /labels: Expected array/),
  row(list, "a limit of 101", { limit: 101 }, /limit: .*100/),
  row(list, "a limit of 1.5", { limit: 1.5 }, /limit: Expected an integer/),
  row(
    list,
    "an instant that does not exist",
    { updated_after: "2026-02-30T00:00:00Z" },
    /updated_after: Expected an instant/
  ),
  row(list, "a token as its search", { search: secret }, /^search holds/, leak),
  row(get, "neither id nor identifier", { issue_id: undefined }, /either issue_id or identifier/),
  row(get, "an offset below zero", { description_offset: -1 }, /description_offset: /),
  row("tasker_get_session", "an argument", { verbose: true }, /verbose: There is no such field/),
  row("tasker_resolve_project", "two ways to name one project", { name: "Operations" }, /exactly one of/)
]

const writes = Effect.flatMap(ReferenceTasker, (tasker) => tasker.writes)

layer(stage, { timeout: "10 minutes", excludeTestServices: true })("a request", (it) => {
  it.effect.each(doors.flatMap((via) => rows.map((row) => ({ ...row, via }))))(
    "of $tool with $why is refused over $via",
    ({ via, tool: name, change, code, says }) =>
      Effect.gen(function* () {
        const { scene, agent } = yield* Stage
        const before = yield* writes
        const tool = tools.find((candidate) => candidate.name === name)
        if (tool === undefined) return yield* Effect.die(name)
        const outcome = yield* call(via, agent.token, name, { ...argsOf(tool, scene), ...change })
        assert.strictEqual(outcome.code, code)
        assert.strictEqual(
          outcome.status,
          via === "mcp" ? 200 : problems[code as keyof typeof problems].status
        )
        assert.match(via === "mcp" ? outcome.error.message : outcome.error.detail, says)
        assert.isFalse(outcome.error.retryable)
        assert.notInclude(outcome.reply.text, secret)
        assert.deepStrictEqual(yield* writes, before)
      })
  )

  it.effect.each(doors)("whose arguments are no object is refused over %s", (via) =>
    Effect.gen(function* () {
      const { agent } = yield* Stage
      // Over MCP, arguments that are null are none.
      for (const args of [[], "text", 5, true, ...(via === "rest" ? [null] : [])]) {
        for (const { name } of tools) {
          const outcome = yield* call(via, agent.token, name, args)
          assert.isDefined(outcome.code, `${name} ${JSON.stringify(args)}`)
          assert.include(["input.invalid", "rpc.-32602"], outcome.code)
        }
      }
    })
  )

  it.effect("with two idempotency keys that differ is refused, and with two that agree is taken", () =>
    Effect.gen(function* () {
      const { scene, agent } = yield* Stage
      const args = { project_id: scene.projectId, name: "Two keys", idempotency_key: "in-the-body" }
      const differ = yield* call("rest", agent.token, create, args, { "idempotency-key": "in-the-header" })
      assert.strictEqual(differ.status, 400)
      assert.strictEqual(differ.code, "request.malformed")
      const agree = yield* call("rest", agent.token, create, args, { "idempotency-key": "in-the-body" })
      assert.strictEqual(agree.status, 200)
      const { idempotency_key: _, ...rest } = args
      const again = yield* call("rest", agent.token, create, rest, { "idempotency-key": "in-the-body" })
      assert.isTrue(again.content.replayed)
      assert.strictEqual(again.reply.headers["idempotent-replayed"], "true")
    })
  )

  it.effect("leaves the gateway healthy", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* send("/healthz")).status, 200)
      assert.strictEqual((yield* send("/readyz")).json.status, "ready")
    })
  )
})
