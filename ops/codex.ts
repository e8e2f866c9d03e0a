/**
 * `npm run e2e:codex`: the real Codex, of a pinned version, works on the reference Tasker through a running
 * gateway. Only the model is scripted. The client is installed at the first run.
 */
import { install, NotInstalled } from "../test/codex/Installation.ts"
import { run, vitest } from "./steps.ts"

try {
  await install((line) => process.stdout.write(`${line}\n`))
} catch (failure) {
  if (!(failure instanceof NotInstalled)) throw failure
  process.stderr.write(`${failure.message}\n`)
  process.exit(1)
}
// What the shell that calls this has set for a gateway, or for a Codex, must not reach the scenarios.
const { PATH, HOME, LANG, TERM, CI, TMPDIR, CHROMIUM_PATH } = process.env
const scenarios = vitest("--config", "test/codex/vitest.config.ts", ...process.argv.slice(2))
process.exit((await run(scenarios, { PATH, HOME, LANG, TERM, CI, TMPDIR, CHROMIUM_PATH })) ? 0 : 1)
