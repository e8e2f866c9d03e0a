import { type ChildProcess, spawn } from "node:child_process"
import { createWriteStream } from "node:fs"
import type { History } from "./History.ts"

/** A program that is started again whenever it ends, as a supervisor does, until it is retired. */
export interface Program {
  readonly name: string
  /** Whether it has answered since it was started, and is neither frozen nor told to end. */
  readonly isUp: () => boolean
  /** Resolves once it answers; rejects where that takes longer than a minute and a half. */
  readonly up: () => Promise<void>
  /** False where there was nothing to strike. */
  readonly signal: (name: NodeJS.Signals) => boolean
  /** How often it ended though nobody had told it to. */
  readonly endedByItself: () => number
  readonly retire: () => Promise<void>
}

export interface ProgramOptions {
  readonly name: string
  readonly args: ReadonlyArray<string>
  readonly environment: Readonly<Record<string, string>>
  readonly cwd: string
  /** Where what it says goes, on either stream. */
  readonly log: string
  /** Answers 200 once it is up. */
  readonly healthUrl: string
  readonly history: History
}

const startBound = 90_000
const restartPause = 250

/** What still runs when the harness itself has to end. */
const running = new Set<ChildProcess>()
process.once("exit", () => {
  for (const child of running) child.kill("SIGKILL")
})

export const startProgram = (options: ProgramOptions): Program => {
  const { name, args, cwd, environment, healthUrl, history } = options
  const log = createWriteStream(options.log, { flags: "a" })
  let child: ChildProcess | undefined
  let answers = false
  let retired = false
  let told = false
  let frozen = false
  let surprises = 0
  let waiting: Array<() => void> = []

  const probe = async (probed: ChildProcess) => {
    while (child === probed && !answers) {
      const healthy = await fetch(healthUrl, { signal: AbortSignal.timeout(1000) }).then(
        (response) => response.ok,
        () => false
      )
      if (child !== probed) return
      if (!healthy) {
        await new Promise((wake) => setTimeout(wake, 40))
        continue
      }
      answers = true
      history.write({ ev: "up", program: name, how: "answers" })
      for (const wake of waiting) wake()
      waiting = []
    }
  }

  const start = () => {
    told = false
    frozen = false
    answers = false
    const { PATH = "", HOME = "", LANG = "C.UTF-8" } = process.env
    const spawned = spawn(process.execPath, [...args], {
      cwd,
      env: { PATH, HOME, LANG, ...environment },
      stdio: ["ignore", "pipe", "pipe"]
    })
    child = spawned
    running.add(spawned)
    spawned.stdout?.pipe(log, { end: false })
    spawned.stderr?.pipe(log, { end: false })
    spawned.once("exit", (code, signal) => {
      running.delete(spawned)
      child = undefined
      answers = false
      if (!told) surprises += 1
      history.write({ ev: "ended", program: name, how: `${signal ?? code}${told ? "" : ", by itself"}` })
      if (!retired) setTimeout(() => retired || start(), restartPause)
    })
    void probe(spawned)
  }
  start()

  return {
    name,
    isUp: () => answers && !frozen && !told,
    up: () =>
      new Promise((up, late) => {
        if (answers) return up()
        const timer = setTimeout(
          () => late(new Error(`${name} did not answer within ${startBound / 1000} s; see ${options.log}`)),
          startBound
        )
        waiting.push(() => {
          clearTimeout(timer)
          up()
        })
      }),
    signal: (signal) => {
      if (child === undefined) return false
      told ||= signal === "SIGKILL" || signal === "SIGTERM"
      frozen = (frozen || signal === "SIGSTOP") && signal !== "SIGCONT"
      return child.kill(signal)
    },
    endedByItself: () => surprises,
    retire: async () => {
      retired = true
      const last = child
      if (last !== undefined) {
        told = true
        const ended = new Promise((done) => last.once("exit", done))
        last.kill("SIGCONT")
        last.kill("SIGKILL")
        await ended
      }
      await new Promise<void>((done) => log.end(() => done()))
    }
  }
}
