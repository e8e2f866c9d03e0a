import { assert } from "@effect/vitest"
import type { Page as Tab } from "playwright-core"

/** Presses Tab until an element is reached; fails where it never is. */
export const tabTo = async (tab: Tab, selector: string): Promise<void> => {
  const wanted = tab.locator(selector)
  for (let presses = 0; presses < 40; presses++) {
    if (await wanted.evaluate((element) => element === document.activeElement)) return
    await tab.keyboard.press("Tab")
  }
  assert.fail(`${selector} is not reached with the keyboard`)
}

/** Waits until the page itself has put the keyboard there: a browser does that after the page is loaded. */
export const focused = (tab: Tab, selector: string): Promise<void> =>
  tab.locator(`${selector}:focus`).waitFor()

/** Presses a key that leads to another page. */
export const press = async (tab: Tab, key: string): Promise<void> => {
  await Promise.all([tab.waitForEvent("load"), tab.keyboard.press(key)])
}

/** The button that means this. */
export const button = (action: string): string => `button[value="${action}"]:visible`
