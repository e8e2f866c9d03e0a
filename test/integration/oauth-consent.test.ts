import { randomUUID } from "node:crypto"
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { allScopes } from "../../src/domain/Scope.ts"
import { query } from "../support/database.ts"
import { locationOf, newClient, newOwned, newRequest, type Request } from "../support/oauth.ts"
import { Browser, formOf, type Shown } from "../support/oauth-browser.ts"
import { fromAnywhere, newAddress, newPairingCode, shown } from "../support/pairing.ts"
import { administer, auditOf, newAgent, ReferenceTasker, Served, sendTo, served } from "../support/served.ts"

/** What no page may lead to by itself: a token of any kind, or a code. */
const nothingGiven = (agentId: string) =>
  Effect.map(
    query`
      select
        (select count(*)::integer from tokens where agent_id = ${agentId}::uuid and kind = 'oauth') as logins,
        (select count(*)::integer from oauth_codes c join pairing_codes p on p.id = c.pairing_id
          where p.agent_id = ${agentId}::uuid) as codes`,
    ([row]) => assert.deepStrictEqual(row, { logins: 0, codes: 0 })
  )

/** A browser at the second page of a new agent's login. */
const atConsent = Effect.gen(function* () {
  const client = yield* newClient()
  const agent = yield* newOwned()
  const made = yield* newPairingCode(agent.id)
  const request = yield* newRequest(client)
  const browser = new Browser()
  const first = yield* browser.open(request.url)
  const second = yield* browser.press(first, "continue", { code: made.code })
  return { client, agent, made, request, browser, first, second }
})

const isPage = (page: Shown, status: number) => {
  assert.strictEqual(page.status, status, page.text.slice(0, 400))
  assert.match(String(page.headers["content-type"]), /^text\/html/)
  assert.isUndefined(page.headers.location)
}

const titleOf = ({ text }: Shown) => /<h1>([^<]*)/.exec(text)?.[1]

layer(served({ ...fromAnywhere, TASKER_TIMEOUT_MS: "9000", CALL_DEADLINE_MS: "20000" }), {
  timeout: "10 minutes",
  excludeTestServices: true
})("a consent", (it) => {
  it.effect("shows who asks, for whom, and the projects by the names that Tasker knows", () =>
    Effect.gen(function* () {
      const tasker = yield* ReferenceTasker
      const { project } = yield* tasker.project()
      const agent = yield* newAgent([
        {
          project_id: project.id,
          workspace_slug: project.workspace_slug,
          scopes: ["issue:read", "issue:move"]
        },
        { project_id: randomUUID(), workspace_slug: "nodedc", scopes: ["issue:read"] },
        { project_id: randomUUID(), workspace_slug: "nodedc", scopes: ["label:set"] }
      ])
      const { code } = yield* newPairingCode(agent.id)
      const request = yield* newRequest(yield* newClient(), { scope: "issue:read issue:move issue:create" })
      const browser = new Browser()
      const page = yield* browser.press(yield* browser.open(request.url), "continue", { code })
      isPage(page, 200)
      for (const text of ["Test Codex", project.name, "127.0.0.1"]) assert.include(page.text, text)
      assert.strictEqual(page.text.match(/<li>\s*<strong><bdi>/g)?.length, 2)
      assert.deepStrictEqual(formOf(page).ticks, [
        { value: "issue:read", ticked: true },
        { value: "issue:move", ticked: true }
      ])
    })
  )

  it.effect("does not wait for a Tasker that is slow: projects are then shown by their ids", () =>
    Effect.gen(function* () {
      const tasker = yield* ReferenceTasker
      const { project } = yield* tasker.project()
      const agent = yield* newAgent([
        { project_id: project.id, workspace_slug: project.workspace_slug, scopes: ["issue:read"] }
      ])
      const { code } = yield* newPairingCode(agent.id)
      const request = yield* newRequest(yield* newClient())
      const browser = new Browser()
      const first = yield* browser.open(request.url)
      yield* tasker.fault({ op: "resolve", fault: "delay_after", until_removed: true })
      const page = yield* browser.press(first, "continue", { code })
      // Tasker has not answered yet.
      assert.isFalse(yield* tasker.atRest)
      yield* tasker.heal
      isPage(page, 200)
      assert.include(page.text, project.id)
      assert.notInclude(page.text, project.name)
    })
  )

  it.effect("keeps nothing before a good code was typed", () =>
    Effect.gen(function* () {
      const request = yield* newRequest(yield* newClient())
      const rows = query`select count(*)::integer as n from oauth_consents`
      const before = yield* rows
      const browser = new Browser({ "x-forwarded-for": newAddress() })
      const page = yield* browser.open(request.url)
      for (const [code, status] of [
        ["", 422],
        ["AEIO-UAEI-OUAE", 422],
        ["BBBB-BBBB-BBBB", 404]
      ] as const) {
        const answer = yield* browser.press(page, "continue", { code })
        isPage(answer, status)
        assert.include(answer.text, 'aria-invalid="true"')
      }
      assert.deepStrictEqual(yield* rows, before)
    })
  )

  it.effect("gives its browser cookies that no script and no other site can use", () =>
    Effect.gen(function* () {
      const { second, first } = yield* atConsent
      const [login] = first.headers["set-cookie"] ?? []
      const [consent] = second.headers["set-cookie"] ?? []
      // Over plain HTTP on one's own machine, browsers take neither the prefix nor Secure.
      assert.match(String(login), /^ndc-login=[\w-]{43}; Path=\/; Max-Age=3600; HttpOnly; SameSite=Lax$/)
      assert.match(
        String(consent),
        /^ndc-consent-[0-9a-f-]{36}=[\w-]{43}; Path=\/; Max-Age=600; HttpOnly; SameSite=Strict$/
      )
      const keys = [login, consent].map((line) => /=([\w-]{43})/.exec(String(line))?.[1])
      assert.notStrictEqual(keys[0], keys[1])
    })
  )

  it.effect("is not answered without its cookie, from another browser, or with another form's proof", () =>
    Effect.gen(function* () {
      const { agent, browser, made, second } = yield* atConsent
      const other = yield* atConsent
      const failed = Effect.map(
        query`select failed_confirmations as n from pairing_codes where id = ${made.id}::uuid`,
        ([row]) => row?.n
      )
      isPage(yield* new Browser().press(second, "allow"), 400)
      assert.strictEqual(yield* failed, 1)
      const stranger = new Browser()
      for (const name of browser.cookies.keys()) stranger.cookies.set(name, "A".repeat(43))
      isPage(yield* stranger.press(second, "allow"), 403)
      assert.strictEqual(yield* failed, 2)
      isPage(yield* browser.press(second, "allow", { proof: formOf(other.second).hidden.proof ?? "" }), 403)
      isPage(yield* browser.press(second, "allow", { proof: "" }), 403)
      assert.strictEqual(yield* failed, 4)
      yield* nothingGiven(agent.id)
      // Four are forgiven: it is still the owner's to answer.
      assert.strictEqual((yield* browser.press(second, "allow")).status, 303)
    })
  )

  it.effect("locks its code at the fifth wrong confirmation, on record", () =>
    Effect.gen(function* () {
      const { agent, browser, made, second } = yield* atConsent
      for (const _ of Array(5)) isPage(yield* browser.press(second, "allow", { proof: "x" }), 403)
      isPage(yield* browser.press(second, "allow"), 410)
      assert.strictEqual((yield* shown(made))?.status, "locked")
      yield* nothingGiven(agent.id)
      const acts = (yield* auditOf(agent.id)).map(({ action }) => action)
      assert.include(acts, "pairing_code.locked")
    })
  )

  it.effect("holds for the request that was shown, and no other", () =>
    Effect.gen(function* () {
      const { agent, browser, client, second } = yield* atConsent
      const another = yield* newRequest(client)
      const { url } = yield* Served
      const query = another.url.slice(another.url.indexOf("?"))
      const moved = {
        ...second,
        text: second.text.replace(/action="\?[^"]*"/, `action="${query.replaceAll("&", "&amp;")}"`)
      }
      assert.strictEqual(formOf(moved).action, query)
      isPage(yield* browser.press({ ...moved, url: `${url}/oauth/authorize` }, "allow"), 403)
      yield* nothingGiven(agent.id)
    })
  )

  it.effect("counts once, however often and fast it is answered, and each answer leads to its one code", () =>
    Effect.gen(function* () {
      const { agent, browser, second } = yield* atConsent
      const cookies = new Map(browser.cookies)
      const answers = yield* Effect.forEach(
        [...Array(6).keys()],
        () => {
          const same = new Browser()
          for (const [name, value] of cookies) same.cookies.set(name, value)
          return same.press(second, "allow")
        },
        { concurrency: 6 }
      )
      for (const { status } of answers) assert.strictEqual(status, 303)
      assert.lengthOf(new Set(answers.map(({ headers }) => headers.location)), 1)
      const [row] = yield* query`
        select count(*)::integer as logins from tokens where agent_id = ${agent.id}::uuid and kind = 'oauth'`
      assert.strictEqual(row?.logins, 1)
    })
  )

  it.effect("that is denied twice sends the browser back both times", () =>
    Effect.gen(function* () {
      const { browser, second } = yield* atConsent
      const cookies = new Map(browser.cookies)
      const first = yield* browser.press(second, "deny")
      for (const [name, value] of cookies) browser.cookies.set(name, value)
      const again = yield* browser.press(second, "deny")
      assert.deepStrictEqual([first.status, again.status], [303, 303])
      assert.strictEqual(again.headers.location, first.headers.location)
      assert.include(again.headers.location, "error=access_denied")
    })
  )

  it.effect("is one of several for one code, of which the first answer counts", () =>
    Effect.gen(function* () {
      const { browser, first, made, second } = yield* atConsent
      const twin = yield* browser.press(first, "continue", { code: made.code })
      assert.strictEqual((yield* browser.press(second, "allow")).status, 303)
      isPage(yield* browser.press(twin, "allow"), 409)
    })
  )

  it.effect("ends with its code, at the latest after ten minutes", () =>
    Effect.gen(function* () {
      const { browser, made, second } = yield* atConsent
      const [row] = yield* query`
        select (c.expires_at = p.expires_at) as same from oauth_consents c join pairing_codes p on p.id = c.pairing_id
        where p.id = ${made.id}::uuid`
      assert.isTrue(row?.same)
      yield* query`update oauth_consents set expires_at = now() where pairing_id = ${made.id}::uuid`
      isPage(yield* browser.press(second, "allow"), 410)
    })
  )

  it.effect("gives nothing once its code was cancelled or its agent disabled", () =>
    Effect.gen(function* () {
      const cancelled = yield* atConsent
      yield* administer(`${cancelled.made.path}/${cancelled.made.id}`, { method: "DELETE" })
      isPage(yield* cancelled.browser.press(cancelled.second, "allow"), 410)
      yield* nothingGiven(cancelled.agent.id)
      const disabled = yield* atConsent
      yield* administer(`/api/v1/agents/${disabled.agent.id}`, {
        method: "PATCH",
        body: { status: "disabled" }
      })
      isPage(yield* disabled.browser.press(disabled.second, "allow"), 409)
      yield* nothingGiven(disabled.agent.id)
    })
  )

  it.effect("of nothing is none: the page says so, be it not ticked, not granted or ended", () =>
    Effect.gen(function* () {
      const { agent, browser, second } = yield* atConsent
      const unticked = yield* browser.press(second, "allow", { scope: [] })
      isPage(unticked, 422)
      assert.isTrue(formOf(unticked).ticks.every(({ ticked }) => !ticked))
      const foreign = yield* browser.press(second, "allow", { scope: ["admin", "issue:delete"] })
      isPage(foreign, 422)
      yield* nothingGiven(agent.id)
      const empty = yield* newAgent([])
      const { code } = yield* newPairingCode(empty.id)
      const another = new Browser()
      const request = yield* newRequest(yield* newClient())
      isPage(yield* another.press(yield* another.open(request.url), "continue", { code }), 403)
    })
  )

  it.effect("is shown again in the other language, with what was ticked, and counts nothing", () =>
    Effect.gen(function* () {
      const { browser, first, made, second } = yield* atConsent
      const typed = yield* browser.press(first, "lang:ru", { code: "BBBB" })
      isPage(typed, 200)
      assert.include(typed.text, '<html lang="ru">')
      assert.include(typed.text, 'value="BBBB"')
      const russian = yield* browser.press(second, "lang:ru", { scope: ["issue:read"] })
      isPage(russian, 200)
      assert.include(russian.text, '<html lang="ru">')
      assert.notStrictEqual(titleOf(russian), titleOf(second))
      assert.deepStrictEqual(
        formOf(russian)
          .ticks.filter(({ ticked }) => ticked)
          .map(({ value }) => value),
        ["issue:read"]
      )
      assert.strictEqual((yield* shown(made))?.status, "pending")
      assert.strictEqual((yield* browser.press(russian, "allow")).status, 303)
    })
  )

  it.effect("has a first page that is not answered without its cookie or from another page", () =>
    Effect.gen(function* () {
      const { code } = yield* newPairingCode((yield* newOwned()).id)
      const client = yield* newClient()
      const browser = new Browser()
      const page = yield* browser.open((yield* newRequest(client)).url)
      const other = yield* browser.open((yield* newRequest(client)).url)
      isPage(yield* new Browser().press(page, "continue", { code }), 400)
      // Of another request, in the same browser.
      const proof = formOf(other).hidden.proof ?? ""
      isPage(yield* browser.press(page, "continue", { code, proof }), 403)
      const foreign = yield* sendTo(page.url, {
        method: "POST",
        body: "action=continue",
        headers: { "content-type": "application/x-www-form-urlencoded", origin: "https://elsewhere.example" }
      })
      assert.deepStrictEqual(
        [foreign.status, foreign.headers["content-type"]],
        [403, "text/html; charset=utf-8"]
      )
      isPage(yield* browser.press(page, "continue", { code }), 200)
    })
  )

  it.effect("goes on in two tabs side by side", () =>
    Effect.gen(function* () {
      const client = yield* newClient()
      const browser = new Browser()
      const tab = (request: Request) =>
        Effect.gen(function* () {
          const { code } = yield* newPairingCode((yield* newOwned()).id)
          return { code, page: yield* browser.open(request.url) }
        })
      const tabs = [yield* tab(yield* newRequest(client)), yield* tab(yield* newRequest(client))]
      const seconds = yield* Effect.forEach(tabs, ({ code, page }) =>
        browser.press(page, "continue", { code })
      )
      for (const second of seconds) {
        assert.strictEqual((yield* browser.press(second, "allow")).status, 303)
      }
    })
  )
})

layer(served(), { timeout: "10 minutes", excludeTestServices: true })("an authorization request", (it) => {
  it.effect.each([
    ["no client", { client_id: undefined }, 400],
    ["a client that nobody knows", { client_id: randomUUID() }, 400],
    ["a client whose document is of no named host", { client_id: "https://elsewhere.example/c.json" }, 400],
    ["no redirect URI", { redirect_uri: undefined }, 400],
    ["another path", { redirect_uri: "http://127.0.0.1:51789/callback/" }, 400],
    ["another loopback host", { redirect_uri: "http://localhost:51789/callback" }, 400],
    ["a host of a stranger's", { redirect_uri: "https://evil.example/callback" }, 400],
    ["userinfo", { redirect_uri: "http://127.0.0.1:51789@evil.example/callback" }, 400],
    ["a fragment", { redirect_uri: "http://127.0.0.1:51789/callback#x" }, 400],
    ["a percent-encoded path", { redirect_uri: "http://127.0.0.1:51789/c%61llback" }, 400]
  ] as const)("with %s is told to the person, never sent anywhere", ([, wrong, status]) =>
    Effect.gen(function* () {
      const request = yield* newRequest(yield* newClient(), wrong)
      isPage(yield* new Browser().open(request.url), status)
    })
  )

  it.effect("with a parameter twice is told to the person", () =>
    Effect.gen(function* () {
      const request = yield* newRequest(yield* newClient())
      for (const again of ["client_id=x", "redirect_uri=x", "scope=issue:read&scope=issue:read", "state=x"]) {
        isPage(yield* new Browser().open(`${request.url}&${again}`), 400)
      }
    })
  )

  it.effect.each([
    ["no challenge", { code_challenge: undefined }, "invalid_request"],
    ["a challenge that is plain", { code_challenge_method: "plain" }, "invalid_request"],
    ["a challenge without its method", { code_challenge_method: undefined }, "invalid_request"],
    ["a challenge that is too short", { code_challenge: "a".repeat(42) }, "invalid_request"],
    ["no response type", { response_type: undefined }, "invalid_request"],
    ["an implicit response type", { response_type: "token" }, "unsupported_response_type"],
    ["an answer in the fragment", { response_mode: "fragment" }, "invalid_request"],
    ["another resource", { resource: "https://elsewhere.example/mcp" }, "invalid_target"],
    ["scopes that are none", { scope: "admin everything" }, "invalid_scope"],
    ["a request object", { request: "e30.e30." }, "request_not_supported"],
    ["a request object elsewhere", { request_uri: "https://evil.example" }, "request_uri_not_supported"]
  ] as const)("with %s is told to its client, with the issuer", ([, wrong, error]) =>
    Effect.gen(function* () {
      const { url } = yield* Served
      const request = yield* newRequest(yield* newClient(), wrong)
      const answer = yield* new Browser().open(request.url)
      assert.strictEqual(answer.status, 303)
      const { searchParams } = locationOf(answer)
      assert.deepStrictEqual(
        [searchParams.get("error"), searchParams.get("state"), searchParams.get("iss")],
        [error, request.state, url]
      )
    })
  )

  it.effect("may leave resource, scope and state out", () =>
    Effect.gen(function* () {
      const request = yield* newRequest(yield* newClient(), {
        resource: undefined,
        scope: undefined,
        state: undefined
      })
      const { code } = yield* newPairingCode((yield* newOwned()).id)
      const browser = new Browser()
      const second = yield* browser.press(yield* browser.open(request.url), "continue", { code })
      assert.lengthOf(formOf(second).ticks, allScopes.length)
      assert.isFalse(locationOf(yield* browser.press(second, "allow")).searchParams.has("state"))
    })
  )

  it.effect("names our resource in any spelling that stands for the same", () =>
    Effect.gen(function* () {
      const { url } = yield* Served
      const client = yield* newClient()
      for (const resource of [url, `${url}/`, `${url}/mcp`, `${url}/mcp/`, url.replace("http", "HTTP")]) {
        isPage(yield* new Browser().open((yield* newRequest(client, { resource })).url), 200)
      }
      for (const resource of [`${url}/mcp?x=1`, `${url}/mcp#x`, `${url}/other`, "mcp"]) {
        const answer = yield* new Browser().open((yield* newRequest(client, { resource })).url)
        assert.strictEqual(locationOf(answer).searchParams.get("error"), "invalid_target", resource)
      }
    })
  )
})
