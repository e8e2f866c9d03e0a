import { assert, describe, layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import type { Page as Tab } from "playwright-core"
import type { Language } from "../../src/domain/Language.ts"
import { allScopes } from "../../src/domain/Scope.ts"
import { phrases } from "../../src/http/pages/phrases.ts"
import { button, focused, press, tabTo } from "../pages/keyboard.ts"
import { listener } from "../pages/Served.ts"
import { Chromium, inChromium, sizes, visit, withoutChromium } from "../support/chromium.ts"
import { query } from "../support/database.ts"
import { newClient, newRequest, opens, post } from "../support/oauth.ts"
import { newPairingCode, shown } from "../support/pairing.ts"
import { newAgent, ReferenceTasker, Served, served } from "../support/served.ts"
import { owner } from "../support/tasker.ts"

/** A person in front of a real browser, with a real gateway and the reference Tasker behind it. */

const locales = { en: "en-GB", ru: "ru-RU" } as const

/** A program that waits for its answer, an agent with a project, and a code for it. */
const stage = Effect.gen(function* () {
  const { url } = yield* Served
  const tasker = yield* ReferenceTasker
  const { project } = yield* tasker.project()
  const agent = yield* newAgent([
    { project_id: project.id, workspace_slug: project.workspace_slug, scopes: allScopes }
  ])
  const pairing = yield* newPairingCode(agent.id)
  const program = yield* listener
  const redirectUri = `${program.origin}/callback`
  const client = yield* newClient({ client_name: "Codex" })
  const request = yield* newRequest(client, { redirect_uri: redirectUri })
  /** What the answer's code is exchanged for. */
  const exchanged = (answer: URLSearchParams) =>
    Effect.map(
      post("/oauth/token", {
        grant_type: "authorization_code",
        code: answer.get("code") ?? "",
        client_id: client.id,
        redirect_uri: redirectUri,
        code_verifier: request.verifier,
        resource: `${url}/mcp`
      }),
      ({ json, status, text }) => {
        assert.strictEqual(status, 200, text)
        return json as { readonly access_token: string; readonly scope: string }
      }
    )
  const status = Effect.map(shown(pairing), (info) => info?.status)
  return { url, project, pairing, program, redirectUri, request, exchanged, status }
})

/** What the program was told, once. */
const answerIn = (visited: ReadonlyArray<string>): URLSearchParams => {
  const callbacks = visited.filter((path) => path.startsWith("/callback"))
  assert.lengthOf(callbacks, 1)
  return new URL(callbacks[0] ?? "", "http://program").searchParams
}

const heading = (tab: Tab, text: string) => tab.getByRole("heading", { level: 1, name: text }).waitFor()

const typeCode = async (tab: Tab, language: Language, code: string) => {
  await tab.getByLabel(phrases[language].code.label, { exact: true }).fill(code)
  await tab.locator(button("continue")).click()
}

const consentHeading = {
  en: "Let Codex work on your boards?",
  ru: "Разрешить программе Codex работать с вашими досками?"
}

describe.skipIf(withoutChromium)(`a person who logs a program in, ${inChromium}`, () => {
  layer(Layer.merge(served(), Chromium.layer), { timeout: "10 minutes", excludeTestServices: true })((it) => {
    for (const language of ["en", "ru"] as const) {
      const words = phrases[language]

      it.effect(
        `is told everything, unticks what is not to be, and allows, without JavaScript: ${language}`,
        () =>
          Effect.gen(function* () {
            const { exchanged, pairing, program, project, request, status, url } = yield* stage
            yield* visit(
              { locale: locales[language], javaScriptEnabled: false, viewport: sizes.phone },
              async (tab) => {
                await tab.goto(request.url)
                await heading(tab, words.code.title)
                await typeCode(tab, language, "BCDF")
                await tab.getByText(words.code.errors.malformed).waitFor()
                await typeCode(tab, language, pairing.code.toLowerCase().replaceAll("-", " "))
                await heading(tab, consentHeading[language])
                const said = (await tab.locator("main").textContent()) ?? ""
                for (const fact of [
                  ...[
                    "Codex",
                    words.consent.ownWord,
                    words.consent.thisComputer,
                    new URL(program.origin).host
                  ],
                  ...[
                    owner.email,
                    "Test Codex",
                    project.name,
                    `${project.workspace_slug} / ${project.identifier}`
                  ],
                  ...[...Object.values(words.consent.scopes), ...words.consent.never, words.consent.until(90)]
                ]) {
                  assert.include(said, fact)
                }
                await tab.getByLabel(words.consent.scopes["issue:move"]).uncheck()
                await tab.getByRole("button", { name: words.consent.allow, exact: true }).click()
                await tab.waitForURL(`${program.origin}/callback?*`)
              }
            )
            const answer = answerIn(program.visited)
            assert.strictEqual(answer.get("state"), request.state)
            assert.strictEqual(answer.get("iss"), url)
            const tokens = yield* exchanged(answer)
            assert.strictEqual(tokens.scope, allScopes.filter((scope) => scope !== "issue:move").join(" "))
            assert.strictEqual(yield* opens(tokens.access_token), "good")
            assert.strictEqual(yield* status, "used")
          })
      )

      it.effect(`presses Allow twice, and is led back to the program all the same: ${language}`, () =>
        Effect.gen(function* () {
          const { exchanged, pairing, program, request } = yield* stage
          yield* visit({ locale: locales[language], javaScriptEnabled: false }, async (tab) => {
            await tab.goto(request.url)
            await typeCode(tab, language, pairing.code)
            await heading(tab, consentHeading[language])
            await tab.locator(button("allow")).dblclick({ noWaitAfter: true })
            await tab.waitForURL(`${program.origin}/callback?*`)
          })
          const [path = ""] = program.visited.filter((path) => path.startsWith("/callback"))
          const tokens = yield* exchanged(new URL(path, program.origin).searchParams)
          assert.strictEqual(yield* opens(tokens.access_token), "good")
        })
      )

      it.effect(`denies on either page with one press, and the code stays good: ${language}`, () =>
        Effect.gen(function* () {
          const { pairing, program, request, status, url } = yield* stage
          yield* visit({ locale: locales[language] }, async (tab) => {
            await tab.goto(request.url)
            await tab.getByRole("button", { name: words.code.cancel }).click()
            await tab.waitForURL(`${program.origin}/callback?*`)
            await tab.goto(request.url)
            await typeCode(tab, language, pairing.code)
            await heading(tab, consentHeading[language])
            await tab.getByRole("button", { name: words.consent.deny, exact: true }).click()
            await tab.waitForURL(`${program.origin}/callback?*`)
          })
          const answers = program.visited.filter((path) => path.startsWith("/callback"))
          assert.lengthOf(answers, 2)
          for (const path of answers) {
            const answer = new URL(path, program.origin).searchParams
            assert.deepStrictEqual(
              [answer.get("error"), answer.get("state"), answer.get("iss"), answer.get("code")],
              ["access_denied", request.state, url, null]
            )
          }
          assert.strictEqual(yield* status, "pending")
        })
      )

      it.effect(
        `is told what to do about a wrong code, one that has run out, and one that runs out meanwhile: ${language}`,
        () =>
          Effect.gen(function* () {
            const { pairing, program, request } = yield* stage
            const expire = query`update pairing_codes set expires_at = now() where id = ${pairing.id}::uuid`
            const context = yield* Effect.context<Served>()
            yield* visit({ locale: locales[language] }, async (tab) => {
              await tab.goto(request.url)
              await typeCode(tab, language, "BCDF-GHJK-LMNP")
              await tab.getByText(words.code.errors.unknown).waitFor()
              await typeCode(tab, language, pairing.code)
              await heading(tab, consentHeading[language])
              await Effect.runPromiseWith(context)(expire)
              await tab.getByRole("button", { name: words.consent.allow, exact: true }).click()
              await heading(tab, words.failure.kinds.code_expired.title)
              await tab.getByText(words.failure.next).waitFor()
              await tab.getByRole("link", { name: words.failure.again }).click()
              await heading(tab, words.code.title)
              await typeCode(tab, language, pairing.code)
              await tab.getByText(words.code.errors.expired).waitFor()
            })
            assert.deepStrictEqual(program.visited, [])
          })
      )
    }

    it.effect("does all of it with the keyboard alone", () =>
      Effect.gen(function* () {
        const { exchanged, pairing, program, request } = yield* stage
        yield* visit({ locale: locales.en }, async (tab) => {
          await tab.goto(request.url)
          await focused(tab, "#code")
          await tab.keyboard.type(pairing.code)
          await press(tab, "Enter")
          await heading(tab, consentHeading.en)
          await tabTo(tab, 'input[value="assignee:set"]')
          await tab.keyboard.press("Space")
          // Enter on a tick allows nothing: the page comes again, as it was left.
          await press(tab, "Enter")
          assert.isFalse(await tab.locator('input[value="assignee:set"]').isChecked())
          assert.deepStrictEqual(program.visited, [])
          await tabTo(tab, button("allow"))
          await tab.keyboard.press("Enter")
          await tab.waitForURL(`${program.origin}/callback?*`)
        })
        const { scope } = yield* exchanged(answerIn(program.visited))
        assert.strictEqual(scope, allScopes.filter((one) => one !== "assignee:set").join(" "))
      })
    )

    it.effect("changes the language on the way, and nothing that was filled in is lost or counted", () =>
      Effect.gen(function* () {
        const { exchanged, pairing, program, request } = yield* stage
        yield* visit({ locale: locales.en, javaScriptEnabled: false }, async (tab) => {
          await tab.goto(request.url)
          await tab.getByLabel("Code", { exact: true }).fill(pairing.code)
          await tab.getByRole("button", { name: "Русский" }).click()
          await heading(tab, phrases.ru.code.title)
          assert.strictEqual(await tab.locator("#code").inputValue(), pairing.code)
          await tab.locator(button("continue")).click()
          await heading(tab, consentHeading.ru)
          await tab.getByLabel(phrases.ru.consent.scopes["issue:create"]).uncheck()
          await tab.getByRole("button", { name: "English" }).click()
          await heading(tab, consentHeading.en)
          // What fails from here on fails in that language, whatever the browser is set to.
          assert.include(await tab.locator("form").getAttribute("action"), "lang=en")
          assert.isFalse(await tab.getByLabel(phrases.en.consent.scopes["issue:create"]).isChecked())
          await tab.getByRole("button", { name: "Allow", exact: true }).click()
          await tab.waitForURL(`${program.origin}/callback?*`)
        })
        const { scope } = yield* exchanged(answerIn(program.visited))
        assert.notInclude(scope, "issue:create")
      })
    )

    it.effect("is shown what to paste for a program on another computer, and that is taken", () =>
      Effect.gen(function* () {
        const { exchanged, pairing, program, redirectUri, request } = yield* stage
        const pasted = yield* visit({ locale: locales.en, javaScriptEnabled: false }, async (tab) => {
          await tab.goto(request.url)
          await typeCode(tab, "en", pairing.code)
          await heading(tab, consentHeading.en)
          await tab.getByText(phrases.en.consent.elsewhereTitle).click()
          await tab.getByRole("button", { name: phrases.en.consent.paste }).click()
          await heading(tab, phrases.en.done.title)
          assert.notInclude(tab.url(), "code=")
          return tab.getByLabel(phrases.en.done.label).inputValue()
        })
        assert.isTrue(pasted.startsWith(`${redirectUri}?`))
        assert.deepStrictEqual(program.visited, [])
        const { access_token } = yield* exchanged(new URL(pasted).searchParams)
        assert.strictEqual(yield* opens(access_token), "good")
      })
    )

    it.effect("who ticks nothing is asked again, and nothing is given", () =>
      Effect.gen(function* () {
        const { pairing, program, request, status } = yield* stage
        yield* visit({ locale: locales.en, javaScriptEnabled: false }, async (tab) => {
          await tab.goto(request.url)
          await typeCode(tab, "en", pairing.code)
          await heading(tab, consentHeading.en)
          for (const tick of await tab.getByRole("checkbox").all()) await tick.uncheck()
          await tab.getByRole("button", { name: "Allow", exact: true }).click()
          await tab.getByRole("alert").getByText(phrases.en.consent.nothingTicked).waitFor()
        })
        assert.deepStrictEqual(program.visited, [])
        assert.strictEqual(yield* status, "pending")
      })
    )

    it.effect(
      "is told on a page, and sent nowhere, where the program is unknown or the answer would go astray",
      () =>
        Effect.gen(function* () {
          const { program, request } = yield* stage
          const changed = (name: string, value: string) => {
            const url = new URL(request.url)
            url.searchParams.set(name, value)
            return url.href
          }
          yield* visit({ locale: locales.ru }, async (tab) => {
            await tab.goto(changed("client_id", "nobody"))
            await heading(tab, phrases.ru.failure.kinds.client_unknown.title)
            await tab.getByRole("link", { name: "English" }).click()
            await heading(tab, phrases.en.failure.kinds.client_unknown.title)
            await tab.goto(changed("redirect_uri", "https://codex.example/callback"))
            await heading(tab, phrases.ru.failure.kinds.redirect_refused.title)
            assert.include((await tab.locator("main").textContent()) ?? "", "https://codex.example/callback")
          })
          assert.deepStrictEqual(program.visited, [])
        })
    )
  })
})
