import { assert, describe, it } from "@effect/vitest"
import { type Results, skippedIn } from "../../ops/skipped.ts"

const results = (
  ...tests: ReadonlyArray<readonly [file: string, fullName: string, status: string]>
): Results => ({
  numPassedTests: 0,
  numFailedTests: 0,
  numFailedTestSuites: 0,
  testResults: tests.map(([file, fullName, status]) => ({
    name: `/somewhere/test/${file}`,
    assertionResults: [{ fullName, status }]
  }))
})

describe("the end of npm test", () => {
  it("names skipped tests, those of one reason together, and how to have them run", () => {
    const { count, lines, unexplained } = skippedIn(
      results(
        ["e2e/consent.test.ts", "one", "skipped"],
        ["e2e/consent-pages.test.ts", "two", "pending"],
        ["e2e/consent-pages.test.ts", "lead to a program on IPv6", "skipped"],
        ["unit/scope.test.ts", "three", "passed"],
        ["unit/scope.test.ts", "four", "failed"]
      )
    )
    assert.strictEqual(count, 3)
    assert.strictEqual(unexplained, 0)
    assert.deepStrictEqual(lines, [
      "Skipped: 2. To run them: install Chromium, or set CHROMIUM_PATH to a browser.",
      "  test/e2e/consent.test.ts: one",
      "  test/e2e/consent-pages.test.ts: two",
      "Skipped: 1. To run it: give this machine an IPv6 loopback address (::1).",
      "  test/e2e/consent-pages.test.ts: lead to a program on IPv6"
    ])
  })

  it("tells a skipped test for which no way to run is known", () => {
    const { lines, unexplained } = skippedIn(results(["unit/new.test.ts", "nobody knows", "skipped"]))
    assert.strictEqual(unexplained, 1)
    assert.deepStrictEqual(lines, [
      "Skipped: 1. To run it: no way is known.",
      "  test/unit/new.test.ts: nobody knows"
    ])
  })
})
