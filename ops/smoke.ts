/**
 * `npm run smoke:*`: the boundaries of the product, each as one suite. `e2e` and `mcp:e2e` go through to
 * a Tasker: a real one where NODEDC_TASKER_INTERNAL_URL and SMOKE_PROJECT_ID name it, else the reference one.
 */
import { run, vitest } from "./steps.ts"

const suites: Readonly<Record<string, string>> = {
  mcp: "test/e2e/smoke-mcp.test.ts",
  gateway: "test/e2e/smoke-gateway.test.ts",
  e2e: "test/e2e/smoke-rest-tasker.test.ts",
  "mcp:e2e": "test/e2e/smoke-mcp-tasker.test.ts"
}

const [name = ""] = process.argv.slice(2)
const suite = suites[name]
if (suite === undefined) {
  process.stderr.write(`Expected one of ${Object.keys(suites).join(", ")}\n`)
  process.exit(2)
}
process.exit((await run(vitest("--project", "e2e", suite))) ? 0 : 1)
