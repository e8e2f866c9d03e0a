import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { query } from "../support/database.ts"
import { eventually } from "../support/evidence.ts"
import { logIn, newClient, newRequest, opens, refreshed } from "../support/oauth.ts"
import { Browser } from "../support/oauth-browser.ts"
import { newPairingCode } from "../support/pairing.ts"
import { Served, start, withoutTasker } from "../support/served.ts"

/** Reaps, as every instance does when it starts, until something is gone. */
const reaping = (what: string, gone: ReturnType<typeof query>) =>
  Effect.scoped(
    Effect.gen(function* () {
      const { databaseUrl, internalToken } = yield* Served
      yield* start({ DATABASE_URL: databaseUrl, NODEDC_AGENT_GATEWAY_INTERNAL_TOKEN: internalToken })
      yield* eventually(
        what,
        Effect.map(gone, (rows) => rows.length === 0)
      )
    })
  )

layer(withoutTasker, { timeout: "10 minutes", excludeTestServices: true })("of logins", (it) => {
  it.effect("a registration that no login came of is forgotten after a week; one with a login is not", () =>
    Effect.gen(function* () {
      const { client } = yield* logIn()
      const unused = yield* newClient()
      yield* query`update oauth_clients set created_at = now() - interval '8 days'`
      yield* reaping(
        "the unused registration is gone",
        query`select from oauth_clients where id = ${unused.id}::uuid`
      )
      const left = yield* query`select id::text from oauth_clients`
      assert.deepStrictEqual(left, [{ id: client.id }])
      const page = yield* new Browser().open((yield* newRequest(unused)).url)
      assert.strictEqual(page.status, 400)
    })
  )

  it.effect("secrets, codes and consents are let go of once they could matter no more, and no earlier", () =>
    Effect.gen(function* () {
      const login = yield* logIn()
      yield* refreshed(login)
      const { code } = yield* newPairingCode(login.agent.id)
      const browser = new Browser()
      const first = yield* browser.open((yield* newRequest(login.client)).url)
      yield* browser.press(first, "continue", { code })
      yield* query`update oauth_consents set expires_at = now()`
      yield* query`update oauth_codes set expires_at = now() - interval '25 hours'`
      yield* query`
        update oauth_secrets set expires_at = now() - interval '25 hours' where kind = 'access' and turn = 1`
      yield* query`
        update oauth_secrets set exchanged_at = now() - interval '2 minutes' where exchanged_at is not null`
      yield* reaping(
        "what has had its time is gone",
        query`
          select 1 as there from oauth_consents union all select 2 from oauth_codes
          union all select 3 from oauth_secrets where kind = 'access' and turn = 1 and token_id in (
            select id from tokens where agent_id = ${login.agent.id}::uuid
          )
          union all select 4 from oauth_secrets where sealed_answer is not null`
      )
      assert.strictEqual(yield* opens(login.access), "auth.unknown")
      assert.strictEqual((yield* refreshed(login)).status, 200)
    })
  )
})
