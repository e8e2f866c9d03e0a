import { spawn } from "node:child_process"
import { existsSync } from "node:fs"
import { join } from "node:path"

/** The project's folder, wherever a command was called from. */
export const root = join(import.meta.dirname, "..")

const bin = (name: string): string => {
  const file = join(root, "node_modules", name)
  if (!existsSync(file)) throw new Error(`${name} is not installed: run npm ci`)
  return file
}

/** A step of a script: a program of the project's own, run by this very Node. */
export interface Step {
  readonly name: string
  readonly command: ReadonlyArray<string>
}

export const types: Step = {
  name: "types",
  command: [bin("typescript/bin/tsc"), "--noEmit", "-p", "tsconfig.json"]
}
export const lint: Step = {
  name: "lint",
  command: [bin("@biomejs/biome/bin/biome"), "check", "--error-on-warnings"]
}
export const docs: Step = { name: "docs are current", command: ["ops/docs.ts", "--check"] }
export const vitest = (...args: ReadonlyArray<string>): Step => ({
  name: "tests",
  command: [bin("vitest/vitest.mjs"), "run", ...args]
})

/** Runs a step with its output shown as it comes; whether it went well. */
export const run = ({ command }: Step, environment: NodeJS.ProcessEnv = process.env): Promise<boolean> =>
  new Promise((done) => {
    const child = spawn(process.execPath, [...command], {
      cwd: root,
      stdio: ["ignore", "inherit", "inherit"],
      env: environment
    })
    child.on("error", () => done(false))
    child.on("close", (code) => done(code === 0))
  })

/** Runs a step and keeps what it says to itself until it fails. */
export const runQuietly = ({ name, command }: Step): Promise<boolean> =>
  new Promise((done) => {
    const started = performance.now()
    const said: Array<Buffer> = []
    const child = spawn(process.execPath, [...command], { cwd: root, stdio: ["ignore", "pipe", "pipe"] })
    child.stdout.on("data", (chunk: Buffer) => said.push(chunk))
    child.stderr.on("data", (chunk: Buffer) => said.push(chunk))
    child.on("error", () => done(false))
    child.on("close", (code) => {
      const seconds = ((performance.now() - started) / 1000).toFixed(1)
      process.stdout.write(`${code === 0 ? "ok    " : "FAILED"} ${name} (${seconds} s)\n`)
      if (code !== 0) process.stdout.write(Buffer.concat(said))
      done(code === 0)
    })
  })
