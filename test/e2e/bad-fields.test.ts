import { randomUUID } from "node:crypto"
import { assert, layer } from "@effect/vitest"
import { Context, Effect, Layer, Redacted } from "effect"
import { fromBytes } from "../../src/domain/Token.ts"
import { type Agent, administer, newAgent, operate, withoutTasker } from "../support/served.ts"

/** Agents, grants and tokens that can't be: each is refused by the field at fault, and nothing is changed. */

class Target extends Context.Service<Target, Agent>()("test/Target") {}

const stage = Layer.effect(Target, newAgent([])).pipe(Layer.provideMerge(withoutTasker))

const secret = Redacted.value(fromBytes(new Uint8Array(32).fill(9)))
const leak = "input.holds_secret"

const person = { owner_user_id: "o", owner_email: "o@example.test", display_name: "Codex" }
const terms = { project_id: randomUUID(), workspace_slug: "nodedc", scopes: ["issue:read"] }

/** What is asked, by the last part of its path; what the message then has to say, and the failure's code. */
const field = (path: string, why: string, body: object, says: RegExp, code = "input.invalid") => ({
  ...{ path, why, body, says, code }
})
const agent = (why: string, change: object, says: RegExp, code?: string) =>
  field("agents", why, { ...person, ...change }, says, code)
const grant = (why: string, change: object, says: RegExp, code?: string) =>
  field("grants", why, { ...terms, ...change }, says, code)

const rows = [
  agent("a field that there is not", { admin: true }, /admin: There is no such field/),
  agent("no owner", { owner_user_id: undefined }, /owner_user_id: /),
  agent("an owner of 129 characters", { owner_user_id: "o".repeat(129) }, /owner_user_id: /),
  agent("no e-mail address", { owner_email: "o at example" }, /owner_email: Expected an e-mail/),
  agent("an empty name", { display_name: "" }, /display_name: Expected 1 to 128/),
  agent("a name of 129 characters", { display_name: "n".repeat(129) }, /display_name: Expected 1 to 128/),
  agent("a name with a line break", { display_name: "a\nb" }, /display_name: Expected text on one line/),
  agent("a name that runs backwards", { display_name: "a\u202Eb" }, /display_name: /),
  agent("a token in its name", { display_name: secret }, /^display_name holds/, leak),
  agent("a token in its owner", { owner_user_id: secret }, /^owner_user_id holds/, leak),
  grant("no scope", { scopes: [] }, /scopes: Expected one scope or more/),
  grant("a scope to delete", { scopes: ["issue:delete"] }, /scopes\.0: /),
  grant("a project that is no UUID", { project_id: "OPS" }, /project_id: /),
  grant("an empty workspace", { workspace_slug: "" }, /workspace_slug: /),
  grant("an end that has passed", { expires_at: "2020-01-01T00:00:00Z" }, /expires_at: /),
  grant(
    "an end that does not exist",
    { expires_at: "2099-02-30T00:00:00Z" },
    /expires_at: Expected an instant/
  ),
  grant("no writes a day", { max_writes_per_day: 0 }, /max_writes_per_day: /),
  field("tokens", "no name", {}, /name: Expected a value/),
  field("tokens", "a token in its name", { name: `for ${secret}` }, /^name holds/, leak),
  field(
    "tokens",
    "an end without an offset",
    { name: "t", expires_at: "2099-01-01T00:00:00" },
    /expires_at: Expected an instant/
  ),
  field("", "nothing to change", {}, /Expected display_name, status or both/),
  field("", "a status that there is not", { status: "deleted" }, /status: /),
  field("", "an owner to change", { owner_user_id: "other" }, /owner_user_id: There is no such field/)
]

const all = (id: string) =>
  Effect.all([administer("/api/v1/agents?limit=100"), administer(`/api/v1/agents/${id}`)])

layer(stage, { timeout: "10 minutes", excludeTestServices: true })("the lifecycle API", (it) => {
  it.effect.each(rows)("refuses $why to be posted to $path", ({ path, body, says, code }) =>
    Effect.gen(function* () {
      const { id } = yield* Target
      const before = yield* all(id)
      const own = path === "" ? `/api/v1/agents/${id}` : `/api/v1/agents/${id}/${path}`
      const reply = yield* operate(path === "agents" ? "/api/v1/agents" : own, {
        body,
        method: path === "" ? "PATCH" : "POST"
      })
      assert.strictEqual(reply.status, 422)
      assert.strictEqual(reply.json.code, code)
      assert.match(reply.json.detail, says)
      assert.notInclude(reply.text, secret)
      assert.deepStrictEqual(yield* all(id), before)
    })
  )

  it.effect.each(["two words", "ж", "k".repeat(129), secret])("refuses %s as an idempotency key", (key) =>
    Effect.gen(function* () {
      const { id } = yield* Target
      const before = yield* all(id)
      const reply = yield* operate(`/api/v1/agents/${id}/grants`, {
        body: terms,
        headers: { "idempotency-key": Buffer.from(key).toString("latin1") }
      })
      assert.strictEqual(reply.status, 422)
      assert.strictEqual(reply.json.code, key === secret ? leak : "input.invalid")
      assert.notInclude(reply.text, secret)
      assert.deepStrictEqual(yield* all(id), before)
    })
  )
})
