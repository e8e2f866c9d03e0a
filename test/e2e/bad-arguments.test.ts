import { randomUUID } from "node:crypto"
import { assert, layer } from "@effect/vitest"
import { Context, Effect, Layer, Redacted } from "effect"
import { allScopes } from "../../src/domain/Scope.ts"
import { fromBytes } from "../../src/domain/Token.ts"
import { problems } from "../../src/http/Problem.ts"
import { tools } from "../../src/tools/registry.ts"
import {
  type Agent,
  administer,
  newAgent,
  operate,
  ReferenceTasker,
  send,
  served
} from "../support/served.ts"
import { call, doors } from "../support/tool-calls.ts"
import { argsOf, makeScene, type Scene, termsOf } from "../support/tool-rows.ts"

/** Well-formed requests that ask for what can't be: each is refused by name, and nothing is changed. */

class Stage extends Context.Service<Stage, { readonly scene: Scene; readonly agent: Agent }>()(
  "test/Stage"
) {}

const stage = Layer.effect(
  Stage,
  Effect.gen(function* () {
    const scene = yield* makeScene
    return Stage.of({ scene, agent: yield* newAgent([termsOf(scene, allScopes)]) })
  })
).pipe(Layer.provideMerge(served()))

const secret = Redacted.value(fromBytes(new Uint8Array(32).fill(9)))

interface Row {
  readonly tool: string
  readonly why: string
  readonly change: object
  readonly code?: string
  /** What the message has to say. */
  readonly says: RegExp
}

const create = "tasker_create_issue"
const update = "tasker_update_issue"

const rows: ReadonlyArray<Row> = [
  {
    tool: create,
    why: "a field that there is not",
    change: { colour: "red" },
    says: /colour: There is no such field/
  },
  { tool: create, why: "a name that is a number", change: { name: 5 }, says: /name: Expected string/ },
  { tool: create, why: "labels that are no list", change: { labels: "bug" }, says: /labels: Expected array/ },
  {
    tool: create,
    why: "a dry_run that is a text",
    change: { dry_run: "true" },
    says: /dry_run: Expected boolean/
  },
  { tool: create, why: "a name of 256 characters", change: { name: "ж".repeat(256) }, says: /name: .*255/ },
  { tool: create, why: "an empty name", change: { name: "" }, says: /name: / },
  { tool: create, why: "a blank name", change: { name: " \t " }, says: /name: / },
  { tool: create, why: "a name on two lines", change: { name: "one\ntwo" }, says: /name: Expected one line/ },
  {
    tool: create,
    why: "a date that does not exist",
    change: { start_date: "2026-02-30" },
    says: /start_date: Expected a date that exists/
  },
  {
    tool: create,
    why: "a date with a time",
    change: { target_date: "2026-02-03T00:00:00Z" },
    says: /target_date: Expected a date/
  },
  {
    tool: create,
    why: "a start after its target",
    change: { start_date: "2026-03-02", target_date: "2026-03-01" },
    says: /start_date: 2026-03-02 is after/
  },
  {
    tool: create,
    why: "a priority that there is not",
    change: { priority: "critical" },
    says: /priority: Expected .*urgent/
  },
  {
    tool: create,
    why: "51 labels",
    change: { labels: Array.from({ length: 51 }, (_, n) => `l${n}`) },
    says: /labels: .*50/
  },
  { tool: create, why: "a project that is no UUID", change: { project_id: "OPS" }, says: /project_id: / },
  { tool: create, why: "a parent that is no UUID", change: { parent_id: "OPS-1" }, says: /parent_id: / },
  {
    tool: create,
    why: "a key of seven characters",
    change: { idempotency_key: "seven77" },
    says: /idempotency_key: Expected 8 to 128/
  },
  {
    tool: create,
    why: "a key with a space",
    change: { idempotency_key: "two words" },
    says: /idempotency_key: Expected 8 to 128/
  },
  {
    tool: create,
    why: "a key of 129 characters",
    change: { idempotency_key: "k".repeat(129) },
    says: /idempotency_key: Expected 8 to 128/
  },
  { tool: create, why: "a key that is null", change: { idempotency_key: null }, says: /idempotency_key: / },
  {
    tool: create,
    why: "no key",
    change: { idempotency_key: undefined },
    code: "idempotency.key_missing",
    says: /needs an idempotency_key/
  },
  {
    tool: create,
    why: "a token in its name",
    change: { name: `See ${secret}` },
    code: "input.holds_secret",
    says: /^name holds an agent token/
  },
  {
    tool: create,
    why: "a token in its text",
    change: { description: `\n${secret}!` },
    code: "input.holds_secret",
    says: /^description holds/
  },
  {
    tool: create,
    why: "a token as its key",
    change: { idempotency_key: secret },
    code: "input.holds_secret",
    says: /^idempotency_key holds/
  },
  {
    tool: create,
    why: "a token among its labels",
    change: { labels: ["bug", secret] },
    code: "input.holds_secret",
    says: /^labels\.1 holds/
  },
  {
    tool: create,
    why: "a token as a field's name",
    change: { [secret]: 1 },
    code: "input.holds_secret",
    says: /holds an agent token/
  },
  {
    tool: update,
    why: "nothing to change",
    change: { priority: undefined, parent_id: undefined },
    says: /at least one of name, description/
  },
  {
    tool: update,
    why: "a start after its own new target",
    change: { start_date: "2026-03-02", target_date: "2026-03-01" },
    says: /start_date: /
  },
  { tool: update, why: "an issue that is no UUID", change: { issue_id: "OPS-1" }, says: /issue_id: / },
  {
    tool: update,
    why: "an expected_updated_at that is a number",
    change: { expected_updated_at: 5 },
    says: /expected_updated_at: Expected string/
  },
  {
    tool: "tasker_add_comment",
    why: "a blank comment",
    change: { comment: " \n" },
    says: /comment: Expected text that is not blank/
  },
  {
    tool: "tasker_add_comment",
    why: "a token in its comment",
    change: { comment: secret },
    code: "input.holds_secret",
    says: /^comment holds/
  },
  { tool: "tasker_move_issue", why: "an empty state", change: { state: "" }, says: /state: / },
  {
    tool: "tasker_set_labels",
    why: "labels that are null",
    change: { labels: null },
    says: /labels: Expected array/
  },
  { tool: "tasker_list_issues", why: "a limit of 101", change: { limit: 101 }, says: /limit: .*100/ },
  {
    tool: "tasker_list_issues",
    why: "a limit of 1.5",
    change: { limit: 1.5 },
    says: /limit: Expected an integer/
  },
  {
    tool: "tasker_list_issues",
    why: "an instant that does not exist",
    change: { updated_after: "2026-02-30T00:00:00Z" },
    says: /updated_after: Expected an instant/
  },
  {
    tool: "tasker_list_issues",
    why: "a token as its search",
    change: { search: secret },
    code: "input.holds_secret",
    says: /^search holds/
  },
  {
    tool: "tasker_get_issue",
    why: "neither id nor identifier",
    change: { issue_id: undefined },
    says: /either issue_id or identifier/
  },
  {
    tool: "tasker_get_issue",
    why: "an offset below zero",
    change: { description_offset: -1 },
    says: /description_offset: /
  },
  {
    tool: "tasker_get_session",
    why: "an argument",
    change: { verbose: true },
    says: /verbose: There is no such field/
  },
  {
    tool: "tasker_resolve_project",
    why: "two ways to name one project",
    change: { name: "Operations" },
    says: /exactly one of/
  }
]

const agents = Effect.map(administer("/api/v1/agents?limit=100"), ({ agents }) => agents)
const writes = Effect.flatMap(ReferenceTasker, (tasker) => tasker.writes)

layer(stage, { timeout: "60 seconds", excludeTestServices: true })("a request", (it) => {
  it.effect.each(doors.flatMap((via) => rows.map((row) => ({ ...row, via }))))(
    "of $tool with $why is refused over $via",
    ({ via, tool: name, change, code = "input.invalid", says }) =>
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

  const terms = () => ({ project_id: randomUUID(), workspace_slug: "nodedc", scopes: ["issue:read"] })
  const person = { owner_user_id: "o", owner_email: "o@example.test", display_name: "Codex" }

  it.effect.each([
    {
      path: "agents",
      why: "a field that there is not",
      body: { ...person, admin: true },
      says: /admin: There is no such field/
    },
    {
      path: "agents",
      why: "no owner",
      body: { ...person, owner_user_id: undefined },
      says: /owner_user_id: /
    },
    {
      path: "agents",
      why: "an owner of 129 characters",
      body: { ...person, owner_user_id: "o".repeat(129) },
      says: /owner_user_id: /
    },
    {
      path: "agents",
      why: "no e-mail address",
      body: { ...person, owner_email: "o at example" },
      says: /owner_email: Expected an e-mail/
    },
    {
      path: "agents",
      why: "an empty name",
      body: { ...person, display_name: "" },
      says: /display_name: Expected 1 to 128/
    },
    {
      path: "agents",
      why: "a name of 129 characters",
      body: { ...person, display_name: "n".repeat(129) },
      says: /display_name: Expected 1 to 128/
    },
    {
      path: "agents",
      why: "a name with a line break",
      body: { ...person, display_name: "a\nb" },
      says: /display_name: Expected text on one line/
    },
    {
      path: "agents",
      why: "a name that runs backwards",
      body: { ...person, display_name: "a\u202Eb" },
      says: /display_name: /
    },
    {
      path: "agents",
      why: "a token in its name",
      body: { ...person, display_name: secret },
      code: "input.holds_secret",
      says: /^display_name holds/
    },
    {
      path: "agents",
      why: "a token in its owner",
      body: { ...person, owner_user_id: secret },
      code: "input.holds_secret",
      says: /^owner_user_id holds/
    },
    {
      path: "grants",
      why: "no scope",
      body: { ...terms(), scopes: [] },
      says: /scopes: Expected one scope or more/
    },
    {
      path: "grants",
      why: "a scope to delete",
      body: { ...terms(), scopes: ["issue:delete"] },
      says: /scopes\.0: /
    },
    {
      path: "grants",
      why: "a project that is no UUID",
      body: { ...terms(), project_id: "OPS" },
      says: /project_id: /
    },
    {
      path: "grants",
      why: "an empty workspace",
      body: { ...terms(), workspace_slug: "" },
      says: /workspace_slug: /
    },
    {
      path: "grants",
      why: "an end that has passed",
      body: { ...terms(), expires_at: "2020-01-01T00:00:00Z" },
      says: /expires_at: /
    },
    {
      path: "grants",
      why: "an end that does not exist",
      body: { ...terms(), expires_at: "2099-02-30T00:00:00Z" },
      says: /expires_at: Expected an instant/
    },
    {
      path: "grants",
      why: "no writes a day",
      body: { ...terms(), max_writes_per_day: 0 },
      says: /max_writes_per_day: /
    },
    { path: "tokens", why: "no name", body: {}, says: /name: Expected a value/ },
    {
      path: "tokens",
      why: "a token in its name",
      body: { name: `for ${secret}` },
      code: "input.holds_secret",
      says: /^name holds/
    },
    {
      path: "tokens",
      why: "an end without an offset",
      body: { name: "t", expires_at: "2099-01-01T00:00:00" },
      says: /expires_at: Expected an instant/
    },
    { path: "", why: "nothing to change", body: {}, says: /Expected display_name, status or both/ },
    { path: "", why: "a status that there is not", body: { status: "deleted" }, says: /status: / },
    {
      path: "",
      why: "an owner to change",
      body: { owner_user_id: "other" },
      says: /owner_user_id: There is no such field/
    }
  ])("of the lifecycle API's $path with $why is refused", (row) =>
    Effect.gen(function* () {
      const { agent } = yield* Stage
      const before = [yield* agents, yield* administer(`/api/v1/agents/${agent.id}`)]
      const path =
        row.path === "agents" ? "/api/v1/agents" : `/api/v1/agents/${agent.id}/${row.path}`.replace(/\/$/, "")
      const reply = yield* operate(path, { body: row.body, method: row.path === "" ? "PATCH" : "POST" })
      assert.strictEqual(reply.status, 422)
      assert.strictEqual(reply.json.code, row.code ?? "input.invalid")
      assert.match(reply.json.detail, row.says)
      assert.notInclude(reply.text, secret)
      assert.deepStrictEqual([yield* agents, yield* administer(`/api/v1/agents/${agent.id}`)], before)
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
