import { createHash } from "node:crypto"
import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { allScopes } from "../../src/domain/Scope.ts"
import { codePage } from "../../src/http/pages/codePage.ts"
import { consentPage } from "../../src/http/pages/consentPage.ts"
import { failurePage } from "../../src/http/pages/failurePage.ts"
import { html } from "../../src/http/pages/html.ts"
import { languageOf } from "../../src/http/pages/language.ts"
import { phrases } from "../../src/http/pages/phrases.ts"
import { allPages, asking, codeModel, consentModel, dubious, languages, project } from "../pages/models.ts"

const everyPage = languages.flatMap((language) =>
  Object.entries(allPages(language)).map(([name, page]) => ({
    name: `${name} (${language})`,
    language,
    page
  }))
)

describe("the template of pages", () => {
  it("makes text of whatever is put in, in text and in attributes", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), (text) => {
        const made = html`<p title="${text}">${text}</p>`.toString()
        const [, title = "", within = ""] = /^<p title="([^"<>]*)">([^<>]*)<\/p>$/s.exec(made) ?? []
        const read = (escaped: string) =>
          escaped
            .replaceAll("&lt;", "<")
            .replaceAll("&gt;", ">")
            .replaceAll("&quot;", '"')
            .replaceAll("&#39;", "'")
            .replaceAll("&amp;", "&")
        assert.strictEqual(read(title), text)
        assert.strictEqual(read(within), text)
      })
    )
  })

  it("writes nothing for what is not there, and lists one after the other", () => {
    assert.strictEqual(
      html`<b>${undefined}${null}${false}${[html`<i>`, 0, "<"]}</b>`.toString(),
      "<b><i>0&lt;</b>"
    )
  })
})

describe("the language of a page", () => {
  const cases: ReadonlyArray<readonly [Parameters<typeof languageOf>[0], "en" | "ru"]> = [
    [{}, "en"],
    [{ acceptLanguage: "ru-RU,ru;q=0.9,en-US;q=0.8" }, "ru"],
    [{ acceptLanguage: "de, en;q=0.3, ru;q=0.5" }, "ru"],
    [{ acceptLanguage: "ru;q=0, en" }, "en"],
    [{ acceptLanguage: "fr-FR, *;q=0.1" }, "en"],
    [{ acceptLanguage: "ru;q=x" }, "en"],
    [{ acceptLanguage: "ru", uiLocales: "de en-GB" }, "en"],
    [{ acceptLanguage: "en", uiLocales: "ru" }, "ru"],
    [{ acceptLanguage: "en", uiLocales: "en", chosen: "ru" }, "ru"],
    [{ acceptLanguage: "ru", chosen: "<script>" }, "ru"],
    [{ acceptLanguage: `${"x,".repeat(100_000)}ru` }, "en"]
  ]
  it("is the one that was chosen, else that of the request, else the browser's, else English", () => {
    for (const [wishes, language] of cases) {
      assert.strictEqual(languageOf(wishes), language, JSON.stringify(wishes).slice(0, 100))
    }
  })
})

describe("every page", () => {
  it("is under a policy that lets nothing in but its own style sheet, and is not kept, framed or sniffed", () => {
    for (const { name, page } of everyPage) {
      const [, sheet = ""] = /<style>(.*)<\/style>/s.exec(page.html) ?? []
      const hash = createHash("sha256").update(sheet).digest("base64")
      const policy = page.headers["content-security-policy"] ?? ""
      assert.match(
        policy,
        /^default-src 'none'; style-src 'sha256-[^']+'; form-action 'self'( \S+)?; base-uri 'none'; frame-ancestors 'none'$/,
        name
      )
      assert.include(policy, `'sha256-${hash}'`, name)
      assert.strictEqual(page.headers["x-frame-options"], "DENY")
      assert.strictEqual(page.headers["cache-control"], "no-store")
      assert.strictEqual(page.headers["referrer-policy"], "same-origin")
      assert.strictEqual(page.headers["x-content-type-options"], "nosniff")
      assert.strictEqual(page.headers["cross-origin-opener-policy"], "same-origin")
    }
  })

  it("has no script, no handler, no style of an element and nothing from elsewhere", () => {
    for (const { name, page } of everyPage) {
      assert.notMatch(
        page.html,
        /<script|<img|<link|<iframe|<object|\son\w+=|\sstyle=|\ssrc=|javascript:/i,
        name
      )
    }
  })

  it("says which language it is in", () => {
    for (const { language, name, page } of everyPage) {
      assert.include(page.html, `<html lang="${language}">`, name)
      assert.strictEqual(page.headers["content-language"], language)
    }
  })

  it("of a failure says what happened, what to do next and under which number it is logged", () => {
    for (const language of languages) {
      for (const [kind, words] of Object.entries(phrases[language].failure.kinds)) {
        const { html: shown, status } = allPages(language)[`failure-${kind}`] ?? { html: "", status: 0 }
        assert.isAtLeast(status, 400, kind)
        assert.include(shown, words.title, kind)
        assert.isAtLeast(words.steps.length, 1, kind)
        assert.match(shown, /<ol><li>/, kind)
        assert.include(shown, "0b5f7d0e-52c6-4a63-9d8e-4f6f0a3d7c11", kind)
      }
    }
  })

  it("is in words of its language", () => {
    for (const { language, name, page } of everyPage) {
      const said = page.html
        .replace(/<style>.*<\/style>/s, "")
        .replace(/<(code|strong|bdi|button form)\b.*?<\/(code|strong|bdi|button)>/gs, "")
        .replace(/<a [^>]*hreflang.*?<\/a>/gs, "")
        .replace(/<[^>]*>/g, " ")
      if (language === "en") assert.notMatch(said, /\p{Script=Cyrillic}/u, name)
      else
        assert.notMatch(
          said.replace(/NODE\.DC Tasker|Tasker|Codex|Ctrl\+A|Mac|cookie|UTC|BCDF-GHJK-LMNP|http\S+|⌘A/g, ""),
          /[A-Za-z]{3}/,
          name
        )
    }
  })
})

describe("the page of a code", () => {
  it("shows again what was typed, and of that no more than a code can be", () => {
    const { html: shown } = codePage(
      codeModel("en", { error: "malformed", typed: `"><b>${"x".repeat(500)}` })
    )
    assert.include(shown, 'value="&quot;&gt;&lt;b&gt;xxx')
    assert.notInclude(shown, "x".repeat(65))
  })

  it("says when to try again after too many tries", () => {
    const page = codePage(codeModel("ru", { error: "limit", typed: "", retryAfterSeconds: 61 }))
    assert.strictEqual(page.status, 429)
    assert.strictEqual(page.headers["retry-after"], "61")
    assert.include(page.html, "Подождите 2 минуты")
  })
})

describe("the page of consent", () => {
  const shown = (rest = {}) => consentPage(consentModel("en", rest)).html

  it("offers what can be given and nothing else, ticked as it is to be", () => {
    const page = shown({ offered: ["issue:read", "issue:create"], ticked: ["issue:read"] })
    assert.deepStrictEqual(
      [...page.matchAll(/<input type="checkbox" name="scope" value="([^"]+)"( checked)?/g)].map(
        ([, scope, checked]) => `${scope}${checked ?? ""}`
      ),
      ["issue:read checked", "issue:create"]
    )
  })

  it("says every scope in words of its own", () => {
    for (const language of languages) {
      assert.strictEqual(new Set(Object.values(phrases[language].consent.scopes)).size, allScopes.length)
    }
  })

  it("lets its form lead to the program's own address, and to no other", () => {
    const policyOf = (redirectUri: string) =>
      consentPage(consentModel("en", { asking: { ...asking, redirectUri } })).headers[
        "content-security-policy"
      ]
    assert.include(
      policyOf("http://127.0.0.1:5000/callback?x=1"),
      "form-action 'self' http://127.0.0.1:5000;"
    )
    assert.include(policyOf("https://tools.example/cb"), "form-action 'self' https://tools.example;")
    assert.include(policyOf("http://[::1]:5000/callback"), "form-action 'self' http:;")
  })

  it("warns of a name that is not what it looks like, of another computer, and of another address", () => {
    const words = phrases.en.consent
    const page = shown({ asking: dubious })
    assert.include(page, phrases.en.marks.stripped)
    assert.include(page, phrases.en.marks.mixed_scripts)
    assert.include(page, words.ownWord)
    assert.include(page, words.elsewhere)
    assert.include(page, words.punycode)
    assert.include(page, "Careful: this browser is at <bdi>198.51.100.24</bdi>")
    const plain = shown()
    for (const warning of [words.ownWord, words.elsewhere, words.punycode, "Careful"])
      assert.notInclude(plain, warning)
  })

  it("does not take one machine's two families of addresses for two machines", () => {
    const page = shown({
      asking: { ...asking, programAddress: "2001:db8::7", browserAddress: "198.51.100.24" }
    })
    assert.include(page, "2001:db8::7")
    assert.notInclude(page, "Careful")
  })

  it("says of each project what it lacks, until when, and how much a day", () => {
    const page = shown({
      projects: [
        project({ scopes: ["issue:read"], expiresAt: "2026-12-24T12:00:00.000Z", maxWritesPerDay: 1 })
      ]
    })
    assert.include(page, "Here only: read cards")
    assert.include(page, `<time datetime="2026-12-24T12:00:00.000Z">24 December 2026 at 12:00 UTC</time>`)
    assert.include(page, "At most 1 change a day")
  })

  it("counts what it folds away", () => {
    const page = shown({ projects: Array.from({ length: 27 }, (_, i) => project({ name: `Board ${i}` })) })
    assert.include(page, "and 21 more projects")
    assert.include(page, "Board 26")
  })
})

describe("the page of a failure", () => {
  const failure = (kind: "redirect_refused" | "unavailable", redirectUri?: string) =>
    failurePage({ language: "en", requestId: "r", kind, again: "/oauth/authorize?x=1&y=2", redirectUri })

  it("offers to try again where that can help, and not where it can't", () => {
    assert.include(failure("unavailable").html, 'href="/oauth/authorize?x=1&amp;y=2"')
    assert.notInclude(failure("redirect_refused").html, "/oauth/authorize")
  })

  it("shows an address that was refused as text, cut, and leads nowhere", () => {
    const { headers, html: shown } = failure("redirect_refused", `javascript:alert(1)//<b>${"x".repeat(500)}`)
    assert.include(shown, "<code><bdi>javascript:alert(1)//&lt;b&gt;xxx")
    assert.notInclude(shown, "x".repeat(200))
    assert.notInclude(shown, 'href="javascript')
    assert.include(headers["content-security-policy"], "form-action 'self';")
  })
})
