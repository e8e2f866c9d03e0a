import type { Page } from "playwright-core"
import { visit } from "../support/chromium.ts"

/** The owner before a browser, to whom Codex gives an address to open. */

/** What the owner does once the page says who asks for what. */
export type Decision = (page: Page) => Promise<void>

const press = (page: Page, button: string) => page.locator(`button[value="${button}"]`).click()

/** Opens the address that Codex gave, types the pairing code and decides. Ends with the text of the last page. */
export const atLogin = (address: string, code: string, decide: Decision) =>
  visit({ locale: "en-GB" }, async (page) => {
    await page.goto(address)
    await page.getByRole("textbox").fill(code)
    await press(page, "continue")
    await decide(page)
    return shown(page)
  })

/** What a page says; for a test's failure too, that the page has not what is looked for on it. */
const shown = async (page: Page): Promise<string> =>
  `${page.url()}\n${await page.locator("body").textContent()}`

/** All that is ticked; ends where Codex says that it has it. */
export const allow: Decision = async (page) => {
  await press(page, "allow")
  await page.waitForURL(/^http:\/\/127\.0\.0\.1:\d+\/callback/)
}

/** The same but for a scope, whose tick is taken away. */
export const allowWithout =
  (scope: string): Decision =>
  async (page) => {
    await page.locator(`input[value="${scope}"]`).uncheck()
    await allow(page)
  }

export const deny: Decision = async (page) => {
  await press(page, "deny")
  await page.waitForURL(/^http:\/\/127\.0\.0\.1:\d+\/callback/)
}

/** Says that Codex runs on another machine; `copied` is given what the page then shows to be pasted there. */
export const copy =
  (copied: (callback: string) => void): Decision =>
  async (page) => {
    await page.locator("summary", { hasText: /another|elsewhere/i }).click()
    await press(page, "paste")
    copied(await page.locator("#callback").inputValue())
  }
