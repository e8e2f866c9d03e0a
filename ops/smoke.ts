/**
 * `npm run smoke:*`: the boundaries of the product, each as one suite. `e2e` and `mcp:e2e` go through to
 * a Tasker: a real one if SMOKE_PROJECT_ID names a project of it, otherwise the reference one.
 * `plane` goes through to the Plane that PLANE_BASE_URL names.
 */
import { Effect, Result } from "effect"
import { isNamed, namedPlace, ownerAsVariables, reachDatabase } from "../test/support/smoke-place.ts"
import { run, vitest } from "./steps.ts"

const suites: Readonly<Record<string, string>> = {
  mcp: "test/e2e/smoke-mcp.test.ts",
  gateway: "test/e2e/smoke-gateway.test.ts",
  e2e: "test/e2e/smoke-rest-tasker.test.ts",
  "mcp:e2e": "test/e2e/smoke-mcp-tasker.test.ts",
  plane: "test/e2e/smoke-plane.test.ts"
}

const end = (message: string, code: number): never => {
  process.stderr.write(`${message}\n`)
  process.exit(code)
}

/** What can't work is told in a line, before a suite starts. Returns the owner as variables. */
const prepared = Effect.gen(function* () {
  const url = process.env.DATABASE_URL || undefined
  if (url !== undefined) yield* reachDatabase(url)
  const { owner } = yield* namedPlace(process.env)
  return ownerAsVariables(owner)
})

const [name = ""] = process.argv.slice(2)
const suite = suites[name] ?? end(`Expected one of ${Object.keys(suites).join(", ")}`, 2)
if (name === "plane" && !process.env.PLANE_BASE_URL) {
  process.stdout.write(
    "Skipped: no Plane is named. Set PLANE_BASE_URL, PLANE_API_KEY, SMOKE_WORKSPACE_SLUG and SMOKE_PROJECT_ID.\n"
  )
  process.exit(0)
}
const ready =
  name.endsWith("e2e") && isNamed(process.env)
    ? await Effect.runPromise(Effect.result(prepared))
    : Result.succeed({})
const owner = Result.isSuccess(ready) ? ready.success : end(ready.failure.message, 1)
process.exit((await run(vitest("--project", "e2e", suite), { ...process.env, ...owner })) ? 0 : 1)
