/**
 * `npm test`: types, lint and documents, then every suite. Closes with the tests that were skipped and how to
 * have them run, and one line that counts all. A skipped test that ops/skipped.ts has no way for is a failure.
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type Results, skippedIn } from "./skipped.ts"
import { docs, lint, run, runQuietly, types, vitest } from "./steps.ts"

/** Arguments for vitest: files, or `-t` with words of a title. */
const chosen = process.argv.slice(2)

const checks = await Promise.all([types, lint, docs].map(runQuietly))

const folder = mkdtempSync(join(tmpdir(), "gateway-results-"))
const report = join(folder, "results.json")
const suites = vitest(
  // A snapshot that nobody has reviewed fails; elsewhere it would be written, and so agree with itself.
  "--update=none",
  "--reporter=default",
  "--reporter=json",
  `--outputFile.json=${report}`,
  ...(chosen.length === 0 ? ["unit", "integration", "e2e"].flatMap((name) => ["--project", name]) : chosen)
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
  // The tests start the gateway and its commands some two hundred times.
  NODE_COMPILE_CACHE: join(folder, "compiled"),
  ...(SMOKE_PROJECT_ID === undefined ? {} : { ...process.env, SMOKE_WORKSPACE_SLUG, SMOKE_PROJECT_ID })
})

let passed = checks.filter(Boolean).length
let failed = checks.length - passed
let skipped = 0
try {
  const results = JSON.parse(readFileSync(report, "utf8")) as Results
  passed += results.numPassedTests
  failed += results.numFailedTests
  // A file that can't even be read counts too, and so does an error outside of any test.
  if (!green && results.numFailedTests === 0) failed += Math.max(1, results.numFailedTestSuites)
  const left = skippedIn(results)
  skipped = left.count
  // With arguments, tests are left out on purpose. After a failed set-up, the failure is the reason.
  if (chosen.length === 0) {
    for (const line of left.lines) process.stdout.write(`${line}\n`)
    if (green) failed += left.unexplained
  }
} catch {
  failed += 1
} finally {
  rmSync(folder, { recursive: true, force: true })
}

process.stdout.write(`${passed} passed, ${failed} failed, ${skipped} skipped\n`)
process.exit(failed === 0 ? 0 : 1)
