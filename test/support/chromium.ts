import { accessSync, constants } from "node:fs"
import { delimiter, join } from "node:path"
import { Context, Effect, Layer } from "effect"
import {
  type Browser,
  type BrowserContext,
  type BrowserContextOptions,
  chromium,
  type Page
} from "playwright-core"

/** A real browser for tests of pages. None is downloaded: `CHROMIUM_PATH`, or one that the machine has. */

const runnable = (path: string): boolean => {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

const inPath = (name: string): ReadonlyArray<string> =>
  (process.env.PATH ?? "").split(delimiter).map((folder) => join(folder, name))

const named = process.env.CHROMIUM_PATH

/** Where Chromium is; undefined where none was found. A path that was named and does not run is not replaced. */
export const chromiumPath: string | undefined =
  named !== undefined && named !== ""
    ? named
    : ["/usr/bin/chromium", ...["chromium", "chromium-browser", "google-chrome"].flatMap(inPath)].find(
        runnable
      )

/** Whether tests in a browser are left out: there is none, and nobody promised that there would be (`CI`). */
export const withoutChromium: boolean = chromiumPath === undefined && process.env.CI !== "true"

/** For the name of a suite, so that a report says why it was skipped. */
export const inChromium: string = withoutChromium
  ? "in Chromium (skipped: none was found; CHROMIUM_PATH names one)"
  : "in Chromium"

export class Chromium extends Context.Service<Chromium, Browser>()("test/support/Chromium") {
  static readonly layer = Layer.effect(
    Chromium,
    Effect.acquireRelease(
      Effect.promise(() => launchChromium()),
      (browser) => Effect.promise(() => browser.close())
    )
  )
}

export const launchChromium = (): Promise<Browser> => {
  if (chromiumPath === undefined) {
    throw new Error("No Chromium was found. Install one, or name it in CHROMIUM_PATH.")
  }
  return chromium.launch({
    executablePath: chromiumPath,
    timeout: 300_000,
    // Its sandbox refuses to run as root.
    chromiumSandbox: process.getuid?.() !== 0
  })
}

/** Sizes in CSS pixels. The phone is as narrow as WCAG 2.2 asks a page to fit into (1.4.10, "reflow"). */
export const sizes = {
  phone: { width: 320, height: 680 },
  desktop: { width: 1100, height: 800 }
} as const

/** A page in a session of its own, closed at its end. Nothing that is waited for takes longer than five minutes. */
export const visit = <A>(
  options: BrowserContextOptions,
  use: (page: Page, context: BrowserContext) => Promise<A>
): Effect.Effect<A, never, Chromium> =>
  Effect.flatMap(Chromium, (browser) =>
    Effect.promise(async () => {
      const context = await browser.newContext(options)
      context.setDefaultTimeout(300_000)
      try {
        return await use(await context.newPage(), context)
      } finally {
        await context.close()
      }
    })
  )
