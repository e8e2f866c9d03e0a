/**
 * Pictures of every page of a login, in both languages, dark and light, on a desktop and a phone, for a person to
 * look at: `node_modules/.bin/node test/pages/pictures.ts [folder]`, by default a new folder under the system's
 * temporary one. With `--docs` those few that the documents show are written to `docs/images` instead.
 */
import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { Browser } from "playwright-core"
import type { Language } from "../../src/domain/Language.ts"
import type { Page } from "../../src/http/pages/models.ts"
import { launchChromium } from "../support/chromium.ts"
import { allPages, languages } from "./models.ts"
import { smallPng } from "./smallPng.ts"

type Scheme = "light" | "dark"

const sizes = { desktop: { width: 760, height: 700 }, phone: { width: 375, height: 700 } } as const
type Size = keyof typeof sizes

/** What the documents show, by the name of its picture. */
const documented: Readonly<Record<string, readonly [page: string, Language, Scheme, Size]>> = {
  "consent-code": ["code", "en", "light", "desktop"],
  "consent-code-phone": ["code-unknown", "ru", "dark", "phone"],
  "consent-allow": ["consent", "en", "light", "desktop"],
  "consent-allow-phone": ["consent", "ru", "dark", "phone"],
  "consent-warning": ["consent-dubious", "en", "light", "desktop"],
  "consent-paste": ["done", "en", "light", "desktop"]
}

/** Takes pictures of pages in one setting; what becomes of a picture is up to `taken`. */
const visit = async (
  browser: Browser,
  colorScheme: Scheme,
  size: Size,
  pages: Readonly<Record<string, Page>>,
  taken: (name: string, png: Buffer) => void
) => {
  const context = await browser.newContext({ viewport: sizes[size], colorScheme, javaScriptEnabled: false })
  const tab = await context.newPage()
  await tab.route("**/*", (route) => {
    const page = pages[new URL(route.request().url()).pathname.slice(1)]
    return page === undefined ? route.abort() : route.fulfill({ ...page, body: page.html })
  })
  for (const name of Object.keys(pages)) {
    await tab.goto(`http://localhost/${name}`)
    taken(name, await tab.screenshot({ fullPage: true, animations: "disabled" }))
  }
  await context.close()
}

const forDocuments = process.argv.includes("--docs")
const named = process.argv.slice(2).find((argument) => !argument.startsWith("--"))
const folder = forDocuments
  ? join(import.meta.dirname, "../../docs/images")
  : (named ?? mkdtempSync(join(tmpdir(), "login-pages-")))
mkdirSync(folder, { recursive: true })
const write = (name: string, png: Buffer) => writeFileSync(join(folder, `${name}.png`), png)

const browser = await launchChromium()
if (forDocuments) {
  for (const [name, [page, language, scheme, size]] of Object.entries(documented)) {
    const shown = allPages(language)[page]
    if (shown === undefined) throw new Error(`There is no page ${page} for ${name}`)
    await visit(browser, scheme, size, { [page]: shown }, (_, png) => write(name, smallPng(png)))
  }
} else {
  for (const language of languages) {
    for (const scheme of ["light", "dark"] as const) {
      for (const size of ["desktop", "phone"] as const) {
        const suffix = `${language}-${scheme}-${size}`
        await visit(browser, scheme, size, allPages(language), (name, png) => write(`${name}-${suffix}`, png))
      }
    }
  }
}
await browser.close()
process.stdout.write(`${folder}\n`)
