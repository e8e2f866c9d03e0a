/**
 * `npm run smoke:*`: the boundaries of the product, each as one suite. `e2e` and `mcp:e2e` go through to
 * a Tasker: a real one if NODEDC_TASKER_INTERNAL_URL and SMOKE_PROJECT_ID name it, else the reference one.
 * `plane` goes through to the Plane that PLANE_BASE_URL names.
 */
import { run, vitest } from "./steps.ts"

const suites: Readonly<Record<string, string>> = {
  mcp: "test/e2e/smoke-mcp.test.ts",
  gateway: "test/e2e/smoke-gateway.test.ts",
  e2e: "test/e2e/smoke-rest-tasker.test.ts",
  "mcp:e2e": "test/e2e/smoke-mcp-tasker.test.ts",
  plane: "test/e2e/smoke-plane.test.ts"
}

const [name = ""] = process.argv.slice(2)
const suite = suites[name]
if (suite === undefined) {
  process.stderr.write(`Expected one of ${Object.keys(suites).join(", ")}\n`)
  process.exit(2)
}
if (name === "plane" && !process.env.PLANE_BASE_URL) {
  process.stdout.write(
    "Skipped: no Plane is named. Set PLANE_BASE_URL, PLANE_API_KEY, SMOKE_WORKSPACE_SLUG and SMOKE_PROJECT_ID.\n"
  )
  process.exit(0)
}
process.exit((await run(vitest("--project", "e2e", suite))) ? 0 : 1)
