import { existsSync } from "node:fs"
import { stat } from "node:fs/promises"
import { join } from "node:path"
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { inChromium, withoutChromium } from "../support/chromium.ts"
import { query } from "../support/database.ts"
import { administer, Served } from "../support/served.ts"
import { freshCodex, ready, setupOf } from "./Codex.ts"
import { address, loginPlace, typed } from "./Login.ts"
import { allow, allowWithout, atLogin, copy, deny } from "./Person.ts"
import { newcomer, pairing, writesOf } from "./Place.ts"
import { nothing, oneCard } from "./scripts.ts"

/** What it asks its user to open after a refusal. */
const secondAddress = /Retrying without scopes…[\s\S]*?(http:\/\/\S+\/oauth\/authorize\?\S+)\s/

/** Where Codex keeps what a login gave it. */
const credentials = ".credentials.json"

layer(loginPlace(), { timeout: "60 seconds", excludeTestServices: true })(
  `Codex that logs in ${inChromium}`,
  (it) => {
    const test = it.effect.skipIf(withoutChromium)

    test("by its one command makes a card at once, no token ever copied", () =>
      Effect.gen(function* () {
        const { adding, agent, code, codex, project } = yield* typed
        const last = yield* atLogin(yield* adding.until(address), code, allow)
        assert.include(last, "Authentication complete.")
        const added = yield* codex.ended(adding)
        assert.strictEqual(added.how, 0, added.said)
        assert.include(added.said, "Successfully logged in.")
        const { mode } = yield* Effect.promise(() => stat(join(codex.home, credentials)))
        assert.strictEqual(mode & 0o777, 0o600)
        const listed = yield* codex.run(["codex", "mcp", "list"])
        assert.match(listed.said, /tasker .*\/mcp .*enabled .*OAuth/)

        const { how, said } = yield* codex.exec("Make a card.", oneCard(project.id), ready)
        assert.strictEqual(how, 0, said)
        assert.include(said, `Made ${project.identifier}-1.`)
        assert.notMatch(said + added.said + (yield* codex.config), /nd(cat|cao|car)_/)
        assert.strictEqual((yield* writesOf(agent.id)).length, 1)
      }))

    // Whatever a server's refusal, Codex asks once more before it believes it.
    test("and is denied, twice since it asks twice, says so and keeps nothing", () =>
      Effect.gen(function* () {
        const { adding, code, codex } = yield* typed
        yield* atLogin(yield* adding.until(address), code, deny)
        // Who denies has used no code up.
        const last = yield* atLogin(yield* adding.until(secondAddress), code, deny)
        assert.include(last, "access_denied")
        const { how, said } = yield* codex.ended(adding)
        assert.notStrictEqual(how, 0, said)
        assert.include(said, "access_denied")
        assert.isFalse(existsSync(join(codex.home, credentials)))
      }))

    test("is offered what its owner left ticked, and nothing else", () =>
      Effect.gen(function* () {
        const { adding, agent, code, codex, project } = yield* typed
        yield* atLogin(yield* adding.until(address), code, allowWithout("issue:create"))
        assert.strictEqual((yield* codex.ended(adding)).how, 0)
        const { how, said } = yield* codex.exec(
          "Make a card.",
          (hands) =>
            Effect.gen(function* () {
              const offered = yield* hands.tools
              assert.include(offered, "tasker_move_issue")
              assert.notInclude(offered, "tasker_create_issue")
              return yield* oneCard(project.id)(hands)
            }),
          ready
        )
        assert.strictEqual(how, 0, said)
        assert.include(said, "There is no card")
        assert.deepStrictEqual(yield* writesOf(agent.id), [])
      }))

    test("from a machine without a browser is given what the last page says to paste", () =>
      Effect.gen(function* () {
        const { agent, project } = yield* newcomer
        const codex = yield* freshCodex
        const { clients } = yield* setupOf(agent)
        yield* codex.addToConfig(clients.codex.login.files[0]?.text ?? "")
        const { pairing_code: code } = yield* pairing(agent.id)
        const login = yield* codex.start(["codex", "mcp", "login", "tasker", "--no-browser"])
        let shown = ""
        yield* atLogin(
          yield* login.until(address),
          code,
          copy((callback) => {
            shown = callback
          })
        )
        yield* login.type(`${shown}\n`)
        const { how, said } = yield* codex.ended(login)
        assert.strictEqual(how, 0, said)
        assert.include(said, "Successfully logged in")
        const worked = yield* codex.exec("Make a card.", oneCard(project.id), ready)
        assert.strictEqual(worked.how, 0, worked.said)
        assert.include(worked.said, `Made ${project.identifier}-1.`)
      }))

    test("cannot work before it has, and says so", () =>
      Effect.gen(function* () {
        const { url } = yield* Served
        const { agent } = yield* newcomer
        const codex = yield* freshCodex
        const { clients } = yield* setupOf(agent)
        yield* codex.addToConfig(clients.codex.login.files[0]?.text ?? "")
        const { how, said } = yield* codex.exec("Make a card.", nothing)
        assert.strictEqual(how, 1, said)
        assert.include(said, "required MCP servers failed to initialize: tasker")
        const listed = yield* codex.run(["codex", "mcp", "list"])
        assert.include(listed.said, `${url}/mcp`)
        assert.include(listed.said, "Not logged in")
      }))
    test("goes on without a word where its access token is refused before its time", () =>
      Effect.gen(function* () {
        const { adding, agent, code, codex, project } = yield* typed
        yield* atLogin(yield* adding.until(address), code, allow)
        assert.strictEqual((yield* codex.ended(adding)).how, 0)
        const { how, said } = yield* codex.exec(
          "Make a card.",
          (hands) =>
            Effect.gen(function* () {
              yield* hands.use("tasker_get_session")
              yield* query`
            update oauth_secrets s set expires_at = now() - interval '1 second'
            from tokens t where t.id = s.token_id and t.agent_id = ${agent.id} and s.kind = 'access'`
              return yield* oneCard(project.id)(hands)
            }),
          ready
        )
        assert.strictEqual(how, 0, said)
        assert.include(said, `Made ${project.identifier}-1.`)
      }))

    test("and is revoked while it works writes nothing any more, until it has logged in again", () =>
      Effect.gen(function* () {
        const { adding, agent, code, codex, project } = yield* typed
        yield* atLogin(yield* adding.until(address), code, allow)
        assert.strictEqual((yield* codex.ended(adding)).how, 0)
        const path = `/api/v1/agents/${agent.id}/tokens`
        const { tokens } = yield* administer(path)
        const { id } =
          (tokens as ReadonlyArray<{ readonly id: string; readonly kind: string }>).find(
            ({ kind }) => kind === "oauth"
          ) ?? assert.fail("no login")
        const { how, said } = yield* codex.exec(
          "Make a card.",
          (hands) =>
            Effect.gen(function* () {
              yield* hands.use("tasker_get_session")
              yield* administer(`${path}/${id}`, { method: "DELETE" })
              return yield* oneCard(project.id)(hands)
            }),
          ready
        )
        assert.strictEqual(how, 0, said)
        assert.include(said, "mcp: tasker/tasker_create_issue (failed)")
        assert.include(said, "There is no card: Authentication required")
        assert.deepStrictEqual(yield* writesOf(agent.id), [])

        const later = yield* codex.exec("Make a card.", nothing, ready)
        assert.include(later.said, "was revoked")
        const { pairing_code: next } = yield* pairing(agent.id)
        const login = yield* codex.start(["codex", "mcp", "login", "tasker"])
        yield* atLogin(yield* login.until(address), next, allow)
        assert.strictEqual((yield* codex.ended(login)).how, 0)
        const worked = yield* codex.exec("Make a card.", oneCard(project.id), ready)
        assert.include(worked.said, `Made ${project.identifier}-1.`)
      }))
  }
)
