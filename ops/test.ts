/**
 * `npm test`: everything that can be checked here. Types, lint and documents first, then every suite;
 * closes with one plain line that counts them all.
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { docs, lint, run, runQuietly, types, vitest } from "./steps.ts"

const checks = await Promise.all([types, lint, docs].map(runQuietly))

const folder = mkdtempSync(join(tmpdir(), "gateway-results-"))
const report = join(folder, "results.json")
const suites = vitest(
  // A snapshot that nobody has reviewed fails; elsewhere it would be written, and so agree with itself.
  "--update=none",
  "--reporter=default",
  "--reporter=json",
  `--outputFile.json=${report}`,
  ...process.argv.slice(2)
)
// What the shell that calls this has set for a gateway must not reach the tests.
const { PATH, HOME, LANG, TERM, CI, TMPDIR, CHROMIUM_PATH, SMOKE_WORKSPACE_SLUG, SMOKE_PROJECT_ID } =
  process.env
const green = await run(suites, {
  PATH,
  HOME,
  LANG,
  TERM,
  CI,
  TMPDIR,
  CHROMIUM_PATH,
  ...(SMOKE_PROJECT_ID === undefined ? {} : { ...process.env, SMOKE_WORKSPACE_SLUG, SMOKE_PROJECT_ID })
})

interface Results {
  readonly numPassedTests: number
  readonly numFailedTests: number
  readonly numFailedTestSuites: number
}

let passed = checks.filter(Boolean).length
let failed = checks.length - passed
try {
  const results = JSON.parse(readFileSync(report, "utf8")) as Results
  passed += results.numPassedTests
  failed += results.numFailedTests
  // A file that can't even be read counts too, and so does an error outside of any test.
  if (!green && results.numFailedTests === 0) failed += Math.max(1, results.numFailedTestSuites)
} catch {
  failed += 1
} finally {
  rmSync(folder, { recursive: true, force: true })
}

process.stdout.write(`${passed} passed, ${failed} failed\n`)
process.exit(failed === 0 ? 0 : 1)
