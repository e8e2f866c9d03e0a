/**
 * `npm run test:all`: all checks that need neither a container engine nor a real Plane, one after the other. Closes
 * with a line for each part. `-- <part> …` runs only the parts named.
 */
import { run, type Step, vitest } from "./steps.ts"

const torture = "test/torture/main.ts"
const crash = "test/torture/crash/main.ts"
const minute = ["--seconds", "60", "--seed", "7"]

const step = (name: string, ...command: ReadonlyArray<string>): Step => ({ name, command })

const parts: ReadonlyArray<Step> = [
  step("test", "ops/test.ts"),
  { ...vitest("--project", "conformance"), name: "conformance" },
  step("build", "ops/build.ts"),
  step("crash-matrix", crash),
  step("crash-matrix-plane", crash, "--tasker", "plane"),
  step("torture", torture, ...minute),
  step("torture-plane", torture, "--tasker", "plane", ...minute),
  step("sabotages", torture, "--sabotage", "all", "--seed", "7"),
  step("sabotages-plane", torture, "--tasker", "plane", "--sabotage", "all", "--seed", "7"),
  step("bench", "bench/main.ts", "--seconds", "60")
]

const names = parts.map(({ name }) => name)
const chosen = process.argv.slice(2)
if (!chosen.every((name) => names.includes(name))) {
  process.stderr.write(`The parts are ${names.join(", ")}\n`)
  process.exit(2)
}

const lines: Array<string> = []
let failed = 0
for (const part of parts.filter(({ name }) => chosen.length === 0 || chosen.includes(name))) {
  const started = performance.now()
  process.stdout.write(`\n== ${part.name}\n`)
  const green = await run(part)
  if (!green) failed += 1
  const seconds = Math.round((performance.now() - started) / 1000)
  lines.push(`${green ? "ok    " : "FAILED"} ${part.name} (${seconds} s)`)
}
process.stdout.write(`\n${lines.join("\n")}\n${lines.length - failed} passed, ${failed} failed\n`)
process.exit(failed === 0 ? 0 : 1)
