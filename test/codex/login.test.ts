import { existsSync } from "node:fs"
import { stat } from "node:fs/promises"
import { join } from "node:path"
import { assert, layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { Chromium, inChromium, withoutChromium } from "../support/chromium.ts"
import { Served } from "../support/served.ts"
import { freshCodex, setupOf } from "./Codex.ts"
import { allow, allowWithout, atLogin, copy, deny } from "./Person.ts"
import { newcomer, pairing, place, writesOf } from "./Place.ts"
import { oneCard } from "./scripts.ts"

/** What Codex asks its user to open. */
const address = /(http:\/\/\S+\/oauth\/authorize\?\S+)\s/
const secondAddress = /Retrying without scopes…[^]*?(http:\/\/\S+\/oauth\/authorize\?\S+)\s/

/** Where Codex keeps what a login gave it. */
const credentials = ".credentials.json"

/** A new Codex in which its user types the one command that the owner was shown. */
const typed = Effect.gen(function* () {
  const { agent, project } = yield* newcomer
  const { connect, pairing_code: code } = yield* pairing(agent.id)
  const codex = yield* freshCodex
  const adding = yield* codex.start(["sh", "-c", `exec ${connect.codex[0]}`])
  return { agent, project, code, codex, adding }
})

const stage = Layer.mergeAll(
  // The document in which Codex says who it is stands in the open net: here it registers itself.
  place({ OAUTH_CIMD_HOSTS: "none" }),
  Layer.suspend(() => Chromium.layer)
)

layer(stage, { timeout: "60 seconds", excludeTestServices: true })(
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

        const { how, said } = yield* codex.exec("Make a card.", oneCard(project.id))
        assert.strictEqual(how, 0, said)
        assert.include(said, `Made ${project.identifier}-1.`)
        assert.notMatch(said + added.said + (yield* codex.config), /nd(cat|cao|car)_/)
        assert.strictEqual((yield* writesOf(agent.id)).length, 1)
      }))

    // Whatever a server's refusal, Codex asks once more before it believes it.
    test("and is denied, twice since it asks twice, says so and keeps nothing", () =>
      Effect.gen(function* () {
        const { adding, agent, code, codex } = yield* typed
        yield* atLogin(yield* adding.until(address), code, deny)
        yield* atLogin(yield* adding.until(secondAddress), (yield* pairing(agent.id)).pairing_code, deny)
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
        const { how, said } = yield* codex.exec("Make a card.", (hands) =>
          Effect.gen(function* () {
            const offered = yield* hands.tools
            assert.include(offered, "tasker_move_issue")
            assert.notInclude(offered, "tasker_create_issue")
            return yield* oneCard(project.id)(hands)
          })
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
        const worked = yield* codex.exec("Make a card.", oneCard(project.id))
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
        const { how, said } = yield* codex.exec("Make a card.", () => Effect.succeed("Nothing to do."))
        assert.strictEqual(how, 1, said)
        assert.include(said, "required MCP servers failed to initialize: tasker")
        const listed = yield* codex.run(["codex", "mcp", "list"])
        assert.include(listed.said, `${url}/mcp`)
        assert.include(listed.said, "Not logged in")
      }))
  }
)
