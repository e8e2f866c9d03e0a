import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { inChromium, withoutChromium } from "../support/chromium.ts"
import { query } from "../support/database.ts"
import { administer, auditOf } from "../support/served.ts"
import { until } from "../torture/crash/until.ts"
import { ready } from "./Codex.ts"
import { address, loginPlace, typed } from "./Login.ts"
import { allow, atLogin } from "./Person.ts"
import { writesOf } from "./Place.ts"
import { oneCard } from "./scripts.ts"

/** Whether every access token that an agent was given has run out, by the database's clock. */
const areSpent = (agentId: string) =>
  Effect.map(
    query`
      select count(*)::integer as live from oauth_secrets s join tokens t on t.id = s.token_id
      where t.agent_id = ${agentId} and s.kind = 'access' and s.expires_at > now()`,
    ([row]) => row?.live === 0
  )

const stage = loginPlace({ OAUTH_ACCESS_TOKEN_SECONDS: "4" })

layer(stage, { timeout: "60 seconds", excludeTestServices: true })(`Codex ${inChromium}`, (it) => {
  const test = it.effect.skipIf(withoutChromium)

  test("whose access token runs out while it works goes on without a word, and so does the next one", () =>
    Effect.gen(function* () {
      const { adding, agent, code, codex, project } = yield* typed
      yield* atLogin(yield* adding.until(address), code, allow)
      assert.strictEqual((yield* codex.ended(adding)).how, 0)
      const { how, said } = yield* codex.exec(
        "Make a card.",
        (hands) =>
          Effect.gen(function* () {
            yield* hands.use("tasker_get_session")
            yield* until("its access token has run out", areSpent(agent.id))
            return yield* oneCard(project.id)(hands)
          }),
        ready
      )
      assert.strictEqual(how, 0, said)
      assert.include(said, `Made ${project.identifier}-1.`)
      assert.notMatch(said, /\(failed\)|ERROR|[Ll]og ?in|[Aa]uth/)

      yield* until("its access token has run out", areSpent(agent.id))
      const later = yield* codex.exec("Make the card again.", oneCard(project.id), ready)
      assert.strictEqual(later.how, 0, later.said)
      assert.include(later.said, `Made ${project.identifier}-1.`)

      assert.strictEqual((yield* writesOf(agent.id)).length, 1)
      // One login through it all, for which its owner was asked once.
      const { tokens } = yield* administer(`/api/v1/agents/${agent.id}/tokens`)
      const logins = (tokens as ReadonlyArray<{ readonly kind: string }>).filter(
        ({ kind }) => kind === "oauth"
      )
      assert.strictEqual(logins.length, 1)
      const denied = (yield* auditOf(agent.id)).filter(({ outcome }) => outcome === "denied")
      assert.deepStrictEqual(denied, [])
    }))
})
