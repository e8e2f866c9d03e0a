import { spawn } from "node:child_process"
import * as fs from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Effect } from "effect"
import { root } from "./data-dirs.ts"
import { bareEnvironment } from "./programs.ts"
import { Served } from "./served.ts"

/** `npm run agents -- …` as a process of its own, without a terminal, in an empty folder. */

export interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface Place {
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
}

/** What `npm run agents` runs. */
export const agentsCommand = [process.execPath, join(root, "ops/run.mjs"), "src/cli/agents.ts"] as const

/** A folder for one test, removed when its scope closes. */
export const emptyFolder = Effect.acquireRelease(
  Effect.sync(() => fs.mkdtempSync(join(tmpdir(), "agents-command-"))),
  (folder) => Effect.sync(() => fs.rmSync(folder, { recursive: true, force: true }))
)

/** Runs a program to its end. Of this process's environment it gets what it needs to run at all. */
export const runToEnd = ([program = "", ...args]: ReadonlyArray<string>, { cwd, env = {} }: Place = {}) =>
  Effect.gen(function* () {
    const folder = cwd ?? (yield* emptyFolder)
    return yield* Effect.callback<Ended>((resume) => {
      const child = spawn(program, args, {
        cwd: folder,
        env: { ...bareEnvironment(), ...env },
        stdio: ["ignore", "pipe", "pipe"]
      })
      let [stdout, stderr] = ["", ""]
      child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
        stdout += chunk
      })
      child.stderr.setEncoding("utf8").on("data", (chunk: string) => {
        stderr += chunk
      })
      child.once("error", (error) => resume(Effect.die(error)))
      child.once("close", (code) => resume(Effect.succeed({ code, stdout, stderr })))
      return Effect.sync(() => void child.kill("SIGKILL"))
    })
  }).pipe(Effect.scoped)

export const command = (args: ReadonlyArray<string>, place: Place = {}) =>
  runToEnd([...agentsCommand, ...args], place)

/** The environment that names the gateway under test. */
export const reaching = Effect.map(Served, ({ internalToken, url }) => ({
  NODEDC_AGENT_GATEWAY_URL: url,
  NODEDC_AGENT_GATEWAY_INTERNAL_TOKEN: internalToken
}))

/** Runs the command on the gateway under test. */
export const agents = (...args: ReadonlyArray<string>) =>
  Effect.flatMap(reaching, (env) => command(args, { env }))

/** Runs the command where anything but success would be a fault of the test; what it printed. */
export const agentsDo = (...args: ReadonlyArray<string>) =>
  Effect.flatMap(agents(...args), ({ code, stderr, stdout }) =>
    code === 0
      ? Effect.succeed(stdout)
      : Effect.die(new Error(`agents ${args.join(" ")} ended with ${code}: ${stderr}`))
  )
