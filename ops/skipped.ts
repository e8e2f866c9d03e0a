/** The part of vitest's JSON report that tells how each test went. */
export interface Results {
  readonly numPassedTests: number
  readonly numFailedTests: number
  readonly numFailedTestSuites: number
  readonly testResults: ReadonlyArray<{
    readonly name: string
    readonly assertionResults: ReadonlyArray<{ readonly fullName: string; readonly status: string }>
  }>
}

/** What a test needs that this machine lacks, by test file and, if a file has several, by a word of the title. */
const needs: ReadonlyArray<{ readonly test: RegExp; readonly run: string }> = [
  { test: /consent-pages\.test\.ts.*IPv6/, run: "give this machine an IPv6 loopback address (::1)" },
  { test: /consent(-pages)?\.test\.ts/, run: "install Chromium, or set CHROMIUM_PATH to a browser" },
  { test: /connect-script\.test\.ts/, run: "install shellcheck" },
  { test: /(connect|quickstart)\.test\.ts/, run: "install `script` of util-linux at /usr/bin/script" },
  {
    test: /embedded-postgres-root\.test\.ts/,
    run: "run it as root in a folder that every account may enter"
  },
  {
    test: /strangers-cost\.test\.ts/,
    run: "run it on Linux with schedstats, which tell a thread's CPU time"
  },
  {
    test: /reference-plane-replies\.test\.ts/,
    run: "set PLANE_BASE_URL and what docs/PLANE.md names for a recording, for a real Plane"
  }
]

/**
 * Names the skipped tests and how to have them run, with those of one reason together. `unexplained` are
 * skipped tests for which no way is known.
 */
export const skippedIn = ({ testResults }: Results) => {
  const skipped = testResults.flatMap(({ assertionResults, name }) =>
    assertionResults
      .filter(({ status }) => status !== "passed" && status !== "failed")
      .map(({ fullName }) => ({ file: name.replace(/^.*\/(?=test\/)/, ""), fullName }))
  )
  const byNeed = Map.groupBy(
    skipped,
    ({ file, fullName }) => needs.find(({ test }) => test.test(`${file} ${fullName}`))?.run
  )
  const lines = [...byNeed].flatMap(([run, tests]) => [
    `Skipped: ${tests.length}. To run ${tests.length === 1 ? "it" : "them"}: ${run ?? "no way is known"}.`,
    ...tests.map(({ file, fullName }) => `  ${file}: ${fullName}`)
  ])
  return { count: skipped.length, unexplained: byNeed.get(undefined)?.length ?? 0, lines }
}
