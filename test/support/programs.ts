import { spawn } from "node:child_process"
import { readdirSync, readFileSync } from "node:fs"
import * as fs from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Effect } from "effect"
import { bornOf } from "../../src/layers/database/Processes.ts"
import { root } from "./data-dirs.ts"

/** Programs of the project's run as processes of their own, as a shell or a supervisor would run them. */
export interface Program {
  readonly pid: number
  /** All that it has said so far, on both streams. */
  readonly said: () => string
  /** The first match in what it says; dies where it ends, or half a minute passes, before that. */
  readonly until: (pattern: RegExp, seconds?: number) => Effect.Effect<string>
  /** How it ended: an exit code, or the name of a signal. */
  readonly ended: Effect.Effect<number | string>
  readonly signal: (signal: NodeJS.Signals) => Effect.Effect<void>
  readonly type: (text: string) => Effect.Effect<void>
}

export interface Launch {
  readonly env?: Readonly<Record<string, string>>
  /** An empty folder where none is named: `.env` is read from it, and a developer's must not be. */
  readonly cwd?: string
}

/** Returns what a program needs of this process's environment to run at all, and compiled code if `npm test` keeps some. */
export const bareEnvironment = () => {
  const { PATH = "", HOME = "", NODE_COMPILE_CACHE } = process.env
  return {
    PATH,
    HOME,
    LANG: "C.UTF-8",
    ...(NODE_COMPILE_CACHE === undefined ? {} : { NODE_COMPILE_CACHE })
  }
}

/** A script of the project's with this Node, such as `src/main.ts`. */
export const script = (file: string, ...args: ReadonlyArray<string>): ReadonlyArray<string> => [
  process.execPath,
  join(root, file),
  ...args
]

const emptyFolder = Effect.acquireRelease(
  Effect.promise(() => fs.mkdtemp(join(tmpdir(), "gateway-cwd-"))),
  (made) => Effect.promise(() => fs.rm(made, { recursive: true, force: true }))
)

/** Starts a program; it is killed where it still runs when the scope closes. */
export const launch = (command: ReadonlyArray<string>, { env = {}, cwd }: Launch = {}) =>
  Effect.flatMap(cwd === undefined ? emptyFolder : Effect.succeed(cwd), (folder) =>
    start(command, folder, env)
  )

const start = (
  [command = "", ...args]: ReadonlyArray<string>,
  cwd: string,
  env: Readonly<Record<string, string>>
) =>
  Effect.acquireRelease(
    Effect.sync((): Program => {
      const child = spawn(command, args, {
        cwd,
        env: { ...bareEnvironment(), ...env },
        stdio: ["pipe", "pipe", "pipe"]
      })
      let text = ""
      const listeners = new Set<() => void>()
      const notify = () => {
        for (const listener of listeners) listener()
      }
      for (const stream of [child.stdout, child.stderr]) {
        stream.setEncoding("utf8").on("data", (chunk: string) => {
          text += chunk
          notify()
        })
      }
      child.once("error", (error) => {
        text += String(error)
      })
      child.once("close", notify)
      const hasEnded = () => child.exitCode !== null || child.signalCode !== null
      return {
        pid: child.pid ?? 0,
        said: () => text,
        until: (pattern, seconds = 300) =>
          Effect.callback<string>((resume) => {
            const look = () => {
              const found = pattern.exec(text)
              if (found !== null) finish(Effect.succeed(found[1] ?? found[0]))
              else if (hasEnded())
                finish(Effect.die(new Error(`It ended before it said ${pattern}:\n${text}`)))
            }
            const timer = setTimeout(
              () => finish(Effect.die(new Error(`It did not say ${pattern} in ${seconds} s:\n${text}`))),
              seconds * 1000
            )
            const finish = (result: Effect.Effect<string>) => {
              clearTimeout(timer)
              listeners.delete(look)
              resume(result)
            }
            listeners.add(look)
            look()
          }),
        ended: Effect.callback<number | string>((resume) => {
          const settle = () => resume(Effect.succeed(child.exitCode ?? child.signalCode ?? "nothing"))
          if (hasEnded() && child.stdout.closed && child.stderr.closed) settle()
          else child.once("close", settle)
        }),
        signal: (signal) => Effect.sync(() => void child.kill(signal)),
        type: (typed) => Effect.sync(() => void child.stdin.write(typed))
      }
    }),
    (program) => kill(program)
  )

const kill = (program: Program) =>
  Effect.suspend(() => {
    if (!alive(program.pid)) return Effect.void
    return Effect.andThen(program.signal("SIGKILL"), program.ended)
  })

/** Whether a process runs; one that has ended and waits to be collected does not. */
export const alive = (pid: number): boolean => bornOf(pid) !== undefined

/** The live processes in whose environment a variable has this value; a child inherits its parent's. */
export const inheritors = (variable: string, value: string): ReadonlyArray<number> =>
  readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/environ`, "utf8").split("\0").includes(`${variable}=${value}`)
      } catch {
        return false
      }
    })
    .map(Number)
