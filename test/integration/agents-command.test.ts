import { randomBytes, randomUUID } from "node:crypto"
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { agents, agentsDo } from "../support/agents-command.ts"
import { config, machine } from "../support/connect.ts"
import { auditOf, operate, send, withoutTasker } from "../support/served.ts"

const project = "3f0c1c9e-5a0b-4b8e-9d57-6a4f0c0e1a2b"

const olga = ["--owner-id", "olga", "--owner-email", "olga@example.test"] as const

const uuid = /[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/

/** A new agent with a name that no other has. */
const made = Effect.gen(function* () {
  const name = `Codex ${randomUUID()}`
  const id = JSON.parse(yield* agentsDo("create", name, ...olga, "--json")).agent.id as string
  return { id, name, path: `/api/v1/agents/${id}` }
})

layer(withoutTasker, { timeout: "10 minutes", excludeTestServices: true })("the agents command", (it) => {
  it.effect(
    "leads from nothing to a paired Codex in three commands and the line that the last one prints",
    () =>
      Effect.gen(function* () {
        assert.match(yield* agentsDo("list"), /^No agents\. Make one: npm run agents -- create /)

        assert.match(
          yield* agentsDo("create", "Local Codex", ...olga),
          /^Created the agent Local Codex of olga@/
        )
        const granted = yield* agentsDo(
          ...["grant", "Local Codex", "--workspace", "nodedc", "--project", project, "--scopes", "write"]
        )
        assert.match(granted, new RegExp(`^Granted write on project ${project} in nodedc, until 20`))
        const paired = yield* agentsDo("pair", "Local Codex")
        assert.match(
          paired,
          /^Pairing code: [B-Z]{4}-[B-Z]{4}-[B-Z]{4}\nValid once, until \d\d:\d\d:\d\d UTC\.\n/
        )
        assert.match(paired, /\n {2}codex mcp add tasker --url http:\S+\/mcp\n/)

        const laptop = yield* machine("dash", { codex: true })
        const ran = yield* laptop.run(/^ {2}curl .+$/m.exec(paired)?.[0] ?? "exit 9")
        assert.strictEqual(ran.status, 0, ran.err)
        const token = /ndcat_\w+/.exec(laptop.read(config) ?? "")?.[0]
        const { json: session } = yield* send("/api/v1/agent-session", { token })
        assert.strictEqual(session.agent.display_name, "Local Codex")
        assert.strictEqual(session.grants[0].scopes.length, 8)

        const shown = yield* agentsDo("show", "Local Codex")
        assert.match(shown, /^Local Codex \(active\)\nid {7}\S+\nowner {4}olga <olga@example\.test>\n/)
        assert.match(shown, new RegExp(`\n\\S+ {2}nodedc/${project} {2}write {3}any {5}20\\d\\d-`))
        assert.match(shown, /\nPairing codes\n.+\n\S+ {2}used {4}\S+ \S+ {2}.+127\.0\.0\.1\n$/)

        const disabled = yield* agentsDo("disable", "Local Codex", "--yes")
        assert.match(disabled, /^Disabled Local Codex\./)
        assert.strictEqual((yield* send("/api/v1/agent-session", { token })).json.code, "auth.agent_disabled")
        assert.strictEqual(yield* agentsDo("enable", "Local Codex"), "Enabled Local Codex.\n")
        assert.strictEqual((yield* send("/api/v1/agent-session", { token })).status, 200)

        const revoked = yield* agentsDo("revoke", "Local Codex", "--token", session.token.id)
        assert.match(revoked, /^Revoked the token .+\.\n$/)
        assert.strictEqual((yield* send("/api/v1/agent-session", { token })).json.code, "auth.revoked")
      })
  )

  it.effect("--json prints the API's response to the letter", () =>
    Effect.gen(function* () {
      const { id, name, path } = yield* made
      const listed = yield* agentsDo("list", "--limit", "1", "--json")
      assert.strictEqual(listed, `${(yield* operate("/api/v1/agents?limit=1")).text}\n`)
      assert.strictEqual(yield* agentsDo("--json", "show", id), `${(yield* operate(path)).text}\n`)
      assert.strictEqual(JSON.parse(yield* agentsDo("enable", name, "--json")).agent.id, id)
      const { grant } = JSON.parse(
        yield* agentsDo(
          ...["grant", id, "--workspace", "ops", "--project", project, "--json"],
          ...["--scopes", "read,comment:create", "--expires", "never", "--max-writes-per-day", "7"]
        )
      )
      assert.deepStrictEqual(grant.scopes, ["project:read", "issue:read", "comment:create"])
      assert.deepInclude(grant, { expires_at: null, max_writes_per_day: 7, workspace_slug: "ops" })
      const gone = JSON.parse(yield* agentsDo("revoke", id, "--grant", grant.id, "--json"))
      assert.isString(gone.grant.revoked_at)
    })
  )

  it.effect("a grant ends after the duration, at the instant, or in seven days", () =>
    Effect.gen(function* () {
      const { id } = yield* made
      const started = Date.now()
      const hoursOf = (...expires: ReadonlyArray<string>) =>
        Effect.map(
          agentsDo(
            ...["grant", id, "--workspace", "ops", "--project", project, "--scopes", "read", "--json"],
            ...expires
          ),
          (text) => (Date.parse(JSON.parse(text).grant.expires_at) - started) / 3_600_000
        )
      assert.closeTo(yield* hoursOf(), 168, 0.05)
      assert.closeTo(yield* hoursOf("--expires", "12h"), 12, 0.05)
      const instant = new Date(started + 5 * 3_600_000).toISOString()
      assert.strictEqual(yield* hoursOf("--expires", instant), 5)
    })
  )

  it.effect("a list is a table in columns, and says how to get the next page", () =>
    Effect.gen(function* () {
      const owner = `owner ${randomUUID()}`
      for (const [name, email] of [
        ["Codex", "a@example.test"],
        ["日本語のCodex", "someone@example.test"],
        ["Third", "b@example.test"]
      ] as const) {
        yield* agentsDo("create", name, "--owner-id", owner, "--owner-email", email)
      }
      const all = yield* agentsDo("list", "--owner-id", owner)
      assert.strictEqual(
        all.replaceAll(new RegExp(uuid, "g"), "<------------- an id -------------->"),
        [
          "ID                                    NAME           OWNER                 STATUS",
          "<------------- an id -------------->  Third          b@example.test        active",
          "<------------- an id -------------->  日本語のCodex  someone@example.test  active",
          "<------------- an id -------------->  Codex          a@example.test        active",
          ""
        ].join("\n")
      )
      const page = yield* agentsDo("list", "--owner-id", owner, "--limit", "2")
      const cursor = /\nMore: npm run agents -- list --cursor (\S+)\n$/.exec(page)?.[1] ?? ""
      const rest = yield* agentsDo("list", "--owner-id", owner, "--limit", "2", "--cursor", cursor)
      assert.match(rest, /^ID .+\n\S+ {2}Codex {2}a@example\.test {2}active\n$/)
    })
  )

  it.effect("a display name stands for its agent while only one has it, and an id always does", () =>
    Effect.gen(function* () {
      const { id, name } = yield* made
      const twin = JSON.parse(yield* agentsDo("create", name, ...olga, "--json")).agent.id as string
      const refused = yield* agents("disable", name, "--yes")
      assert.strictEqual(refused.code, 1)
      assert.match(refused.stderr, /^2 agents have the display name "Codex .+"\. Name one by its id:\n/)
      assert.include(refused.stderr, `  ${id}  olga@example.test  active\n`)
      assert.include(refused.stderr, `  ${twin}  olga@example.test  active\n`)
      assert.match(yield* agentsDo("disable", twin.toUpperCase(), "--yes"), /^Disabled Codex /)
      const { json } = yield* operate(`/api/v1/agents/${id}`)
      assert.strictEqual(json.agent.status, "active")
    })
  )

  it.effect(
    "a pairing code that is revoked connects nothing, and one that was used is told with its token",
    () =>
      Effect.gen(function* () {
        const { id } = yield* made
        const paired = JSON.parse(yield* agentsDo("pair", id, "--json"))
        const revoked = yield* agentsDo("revoke", id, "--code", paired.id)
        assert.strictEqual(revoked, "The pairing code is cancelled.\n")
        const redeem = (code: string) =>
          send("/api/v1/pairing/redeem", {
            body: { code, client_name: "Laptop", nonce: randomBytes(32).toString("base64url") }
          })
        assert.strictEqual((yield* redeem(paired.pairing_code)).json.code, "pairing.cancelled")

        const used = JSON.parse(yield* agentsDo("pair", id, "--json"))
        const { token_info } = (yield* redeem(used.pairing_code)).json
        const late = yield* agents("revoke", id, "--code", used.id)
        assert.deepStrictEqual(late, {
          code: 1,
          stdout: "",
          stderr: [
            "The pairing code was used already, by Laptop from 127.0.0.1.",
            `Revoke the token that it gave: npm run agents -- revoke ${id} --token ${token_info.id}\n`
          ].join("\n")
        })
        const acts = (yield* auditOf(id)).map(({ action }) => action)
        assert.includeMembers(acts, ["agent.created", "pairing_code.created", "pairing_code.cancelled"])
      })
  )
})
