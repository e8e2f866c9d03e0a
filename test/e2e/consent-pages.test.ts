import { readFileSync } from "node:fs"
import { createRequire } from "node:module"
import { networkInterfaces } from "node:os"
import { assert, describe, layer } from "@effect/vitest"
import { Effect } from "effect"
import * as Headers from "effect/http/Headers"
import type { Page as Tab } from "playwright-core"
import { allScopes, type Scope } from "../../src/domain/Scope.ts"
import { rules } from "../../src/http/Hosts.ts"
import { codePage } from "../../src/http/pages/codePage.ts"
import { consentPage } from "../../src/http/pages/consentPage.ts"
import { button, focused, press, tabTo } from "../pages/keyboard.ts"
import { allPages, asking, callback, codeModel, consentModel, languages, project } from "../pages/models.ts"
import { listener, listenerOn, servePages } from "../pages/Served.ts"
import { Chromium, inChromium, sizes, visit, withoutChromium } from "../support/chromium.ts"

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8")

/** What axe-core finds wrong, as its rule and where. */
const findings = async (tab: Tab): Promise<ReadonlyArray<string>> => {
  await tab.evaluate(axe)
  return tab.evaluate(async () => {
    // biome-ignore lint/suspicious/noExplicitAny: axe puts itself there
    const { violations } = await (globalThis as any).axe.run(document, {
      runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
    })
    return violations.flatMap((violation: { id: string; nodes: ReadonlyArray<{ html: string }> }) =>
      violation.nodes.map(({ html }) => `${violation.id}: ${html}`)
    )
  })
}

/** What a thumb can't hit: controls below 44 pixels either way. A tick is hit by all of its line. */
const small = (tab: Tab): Promise<ReadonlyArray<string>> =>
  tab.evaluate(() =>
    [...document.querySelectorAll("button, a, input[type=text], textarea, summary, label.tick")]
      .filter((element) => element.checkVisibility())
      .filter((element) => {
        const { height, width } = element.getBoundingClientRect()
        return height < 44 || width < 44
      })
      .map(({ outerHTML }) => outerHTML)
  )

const overflows = (tab: Tab): Promise<boolean> =>
  tab.evaluate(() => document.documentElement.scrollWidth > document.documentElement.clientWidth)

/** What the browser complains of: a policy that is broken, above all. */
const complaints = (tab: Tab): ReadonlyArray<string> => {
  const heard: Array<string> = []
  tab.on("console", (message) => heard.push(message.text()))
  tab.on("pageerror", ({ message }) => heard.push(message))
  return heard
}

/** The pages that differ in more than words. */
const shapes = [
  ..."code code-dubious code-unknown consent consent-dubious consent-nothing consent-many done".split(" "),
  "failure-redirect_refused",
  "failure-too_many"
]

/** Some machines have none, not even to themselves. */
const hasIPv6 = Object.values(networkInterfaces()).some((addresses) =>
  addresses?.some(({ address }) => address === "::1")
)

const combinations = languages.flatMap((language) =>
  (["light", "dark"] as const).flatMap((colorScheme) =>
    Object.entries(sizes).map(([size, viewport]) => ({ language, colorScheme, size, viewport }))
  )
)

describe.skipIf(withoutChromium)(`the pages of a login ${inChromium}`, () => {
  layer(Chromium.layer, { excludeTestServices: true })((it) => {
    for (const { colorScheme, language, size, viewport } of combinations) {
      it.effect(
        `show nothing that axe-core finds, that a thumb misses or that is cut off: ${language}, ${colorScheme}, ${size}`,
        () =>
          Effect.gen(function* () {
            const pages = allPages(language)
            // Pages that differ in their words alone are looked at once.
            const names = colorScheme === "light" && size === "phone" ? Object.keys(pages) : shapes
            const { origin } = yield* servePages(
              () => pages,
              () => "/"
            )
            yield* visit({ viewport, colorScheme }, async (tab) => {
              const heard = complaints(tab)
              for (const name of names) {
                await tab.goto(`${origin}/${name}`)
                // That a page was answered with a failure's status is not one of its faults.
                const broken = heard.filter((line) => !line.startsWith("Failed to load resource"))
                assert.deepStrictEqual([name, ...broken], [name])
                assert.deepStrictEqual([name, ...(await findings(tab))], [name])
                assert.deepStrictEqual([name, ...(await small(tab))], [name])
                assert.isFalse(await overflows(tab), name)
              }
            })
          })
      )
    }

    it.effect("take a code with the keyboard alone: type, Enter; or Tab to cancel", () =>
      Effect.gen(function* () {
        const { origin, posted } = yield* servePages(
          () => ({ code: codePage(codeModel("en")) }),
          () => codePage(codeModel("en", { error: "unknown", typed: "bcdfghjklmnp" }))
        )
        yield* visit({}, async (tab) => {
          await tab.goto(`${origin}/code`)
          await focused(tab, "#code")
          await tab.keyboard.type("bcdf ghjk lmnp")
          await press(tab, "Enter")
          assert.strictEqual(await tab.title(), "Error: Enter the code from Tasker · NODE.DC Tasker")
          await focused(tab, "#code")
          assert.strictEqual(await tab.locator("#code").inputValue(), "bcdfghjklmnp")
          await tabTo(tab, button("deny"))
          await press(tab, "Enter")
        })
        assert.deepStrictEqual(
          posted.map(({ fields }) => [...fields]),
          [
            [
              ["csrf", "k3s"],
              ["lang", "en"],
              ["code", "bcdf ghjk lmnp"],
              ["action", "continue"]
            ],
            [
              ["csrf", "k3s"],
              ["lang", "en"],
              ["code", "bcdfghjklmnp"],
              ["action", "deny"]
            ]
          ]
        )
      })
    )

    it.effect("tell a screen reader what is wrong with a code, and where", () =>
      Effect.gen(function* () {
        const { origin } = yield* servePages(
          () => ({ code: codePage(codeModel("en", { error: "unknown", typed: "BCDF-GHJK-LMNQ" })) }),
          () => "/"
        )
        yield* visit({}, async (tab) => {
          await tab.goto(`${origin}/code`)
          const field = tab.getByRole("textbox", { name: "Code" })
          assert.strictEqual(await field.getAttribute("aria-invalid"), "true")
          const described = await tab.locator("#code").evaluate((element) =>
            (element.getAttribute("aria-describedby") ?? "")
              .split(" ")
              .map((id) => document.getElementById(id)?.textContent ?? "missing")
              .join(" ")
          )
          assert.include(described, "There is no such code.")
          assert.include(described, "Twelve letters")
          assert.include((await tab.getByRole("alert").textContent()) ?? "", "There is no such code.")
        })
      })
    )

    it.effect("give with the keyboard alone what is left ticked, and Enter on a tick gives nothing", () =>
      Effect.gen(function* () {
        const { origin, posted } = yield* servePages(
          () => ({ consent: consentPage(consentModel("en")) }),
          () => consentPage(consentModel("en"))
        )
        yield* visit({}, async (tab) => {
          await tab.goto(`${origin}/consent`)
          await tabTo(tab, 'input[value="issue:move"]')
          await tab.keyboard.press("Space")
          await press(tab, "Enter")
          await tabTo(tab, 'input[value="issue:move"]')
          await tab.keyboard.press("Space")
          await tabTo(tab, button("allow"))
          await press(tab, "Enter")
          await tabTo(tab, "summary")
          await tab.keyboard.press("Enter")
          await tabTo(tab, button("paste"))
          await press(tab, "Space")
        })
        const [entered, allowed, pasted] = posted.map(({ fields }) => fields)
        assert.deepStrictEqual(entered?.getAll("action"), ["lang:en"])
        assert.deepStrictEqual(allowed?.getAll("action"), ["allow"])
        assert.deepStrictEqual(
          allowed?.getAll("scope"),
          allScopes.filter((scope) => scope !== "issue:move")
        )
        assert.deepStrictEqual(pasted?.getAll("action"), ["paste"])
        assert.deepStrictEqual(pasted?.getAll("scope"), [...allScopes])
      })
    )

    it.effect("show where the keyboard is", () =>
      Effect.gen(function* () {
        const { origin } = yield* servePages(
          () => ({ consent: consentPage(consentModel("en")) }),
          () => "/"
        )
        yield* visit({}, async (tab) => {
          await tab.goto(`${origin}/consent`)
          for (const selector of ['input[value="issue:read"]', button("allow"), button("deny"), "summary"]) {
            await tabTo(tab, selector)
            const outline = await tab.locator(selector).evaluate((element) => {
              const { outlineStyle, outlineWidth } = getComputedStyle(element)
              return `${outlineStyle} ${outlineWidth}`
            })
            assert.strictEqual(outline, "solid 3px", selector)
          }
        })
      })
    )

    it.effect("work without JavaScript: the language changes, and what was typed and ticked goes along", () =>
      Effect.gen(function* () {
        const { origin, posted } = yield* servePages(
          () => ({ code: codePage(codeModel("en")), consent: consentPage(consentModel("ru")) }),
          ({ fields, path }) =>
            path.startsWith("/oauth/authorize") && fields.has("code")
              ? codePage(codeModel("ru", { typed: fields.get("code") ?? "" }))
              : consentPage(consentModel("en", { ticked: fields.getAll("scope") as ReadonlyArray<Scope> }))
        )
        yield* visit({ javaScriptEnabled: false }, async (tab) => {
          await tab.goto(`${origin}/code`)
          await tab.locator("#code").fill("BCDF")
          await tab.getByRole("button", { name: "Русский" }).click()
          await tab.getByRole("heading", { name: "Введите код из Tasker" }).waitFor()
          assert.strictEqual(await tab.locator("#code").inputValue(), "BCDF")

          await tab.goto(`${origin}/consent`)
          await tab.getByLabel("Создавать карточки").uncheck()
          await tab.getByRole("button", { name: "English" }).click()
          await tab.getByRole("heading", { name: "Let Codex work on your boards?" }).waitFor()
          assert.isFalse(await tab.getByLabel("Create cards").isChecked())
          assert.isTrue(await tab.getByLabel("Add comments to cards").isChecked())
        })
        assert.deepStrictEqual(
          posted.map(({ fields }) => fields.getAll("action")),
          [["lang:ru"], ["lang:en"]]
        )
      })
    )

    it.effect(
      "send their forms with an Origin that the gateway takes, and lead to the program and nowhere else",
      () =>
        Effect.gen(function* () {
          const program = yield* listener
          const stranger = yield* listener
          const asks = { ...asking, redirectUri: `${program.origin}/callback` }
          const { origin, posted } = yield* servePages(
            () => ({ consent: consentPage(consentModel("en", { asking: asks })) }),
            ({ fields }) =>
              `${fields.get("action") === "allow" ? program.origin : stranger.origin}/callback?code=c`
          )
          const allowed = rules({
            allowedHosts: [],
            allowedOrigins: [],
            publicUrl: origin,
            listenOrigin: origin
          })
          yield* visit({ javaScriptEnabled: false }, async (tab) => {
            await tab.goto(`${origin}/consent`)
            await tab.locator(button("allow")).click()
            await tab.waitForURL(`${program.origin}/callback?code=c`)
            const heard = complaints(tab)
            await tab.goto(`${origin}/consent`)
            await Promise.all([
              tab.waitForEvent("console", (message) => message.text().includes("form-action")),
              tab.locator(button("deny")).click()
            ])
            assert.isAtLeast(heard.length, 1)
          })
          for (const { headers } of posted) {
            assert.strictEqual(headers.origin, origin)
            yield* allowed.check({ headers: Headers.fromInput(headers as Record<string, string>) })
          }
          assert.deepStrictEqual(
            program.visited.filter((path) => path.startsWith("/callback")),
            ["/callback?code=c"]
          )
          assert.deepStrictEqual(stranger.visited, [])
        })
    )

    it.effect.skipIf(!hasIPv6)("lead to a program that listens on IPv6", () =>
      Effect.gen(function* () {
        const program = yield* listenerOn("::1")
        const asks = { ...asking, redirectUri: `${program.origin}/callback` }
        const { origin } = yield* servePages(
          () => ({ consent: consentPage(consentModel("en", { asking: asks })) }),
          () => `${program.origin}/callback?code=c`
        )
        yield* visit({ javaScriptEnabled: false }, async (tab) => {
          await tab.goto(`${origin}/consent`)
          await tab.locator(button("allow")).click()
          await tab.waitForURL(`${program.origin}/callback?code=c`)
        })
      })
    )

    it.effect("show markup in names as text, and run nothing of it", () =>
      Effect.gen(function* () {
        const hostile = `"><script>document.title = "owned"</script><img src=x onerror="document.title='owned'">`
        const asks = { ...asking, clientName: hostile }
        const model = consentModel("en", {
          asking: asks,
          agentName: hostile,
          projects: [project({ name: hostile })]
        })
        const { origin } = yield* servePages(
          () => ({
            code: codePage(codeModel("en", { asking: asks, typed: hostile })),
            consent: consentPage(model)
          }),
          () => "/"
        )
        yield* visit({}, async (tab) => {
          for (const name of ["code", "consent"]) {
            await tab.goto(`${origin}/${name}`)
            assert.strictEqual(await tab.locator("script, img").count(), 0)
            assert.notStrictEqual(await tab.title(), "owned")
            assert.include((await tab.locator("main").textContent()) ?? "", `"><script>document.title =`)
          }
        })
      })
    )

    it.effect("are not shown in a frame of another page", () =>
      Effect.gen(function* () {
        const { origin } = yield* servePages(
          () => ({
            consent: consentPage(consentModel("en")),
            trap: {
              status: 200,
              headers: { "content-type": "text/html" },
              html: `<iframe src="/consent"></iframe><iframe src="/plain"></iframe>`
            },
            plain: { status: 200, headers: { "content-type": "text/html" }, html: "<form></form>" }
          }),
          () => "/"
        )
        yield* visit({}, async (tab) => {
          await tab.goto(`${origin}/trap`)
          const forms = await Promise.all(tab.frames().map((frame) => frame.locator("form").count()))
          // The page itself, the consent, and a page that lets itself be framed.
          assert.deepStrictEqual(forms, [0, 0, 1])
        })
      })
    )

    it.effect("show the whole address to paste, to be marked with one key", () =>
      Effect.gen(function* () {
        const { origin } = yield* servePages(
          () => allPages("en"),
          () => "/"
        )
        yield* visit({}, async (tab) => {
          await tab.goto(`${origin}/done`)
          await focused(tab, "#callback")
          await tab.keyboard.press("ControlOrMeta+A")
          const marked = await tab.locator("#callback").evaluate((element) => {
            const { selectionEnd, selectionStart, value } = element as HTMLTextAreaElement
            return value.slice(selectionStart, selectionEnd)
          })
          assert.strictEqual(marked, callback)
        })
      })
    )
  })
})
