import { type ChildProcess, spawn } from "node:child_process"
import { createServer } from "node:net"
import { join } from "node:path"
import { Effect } from "effect"
import { root } from "../steps.ts"

/** The port that the documentation names where it is free, else any free one. */
export const freePort = (preferred: number): Promise<number> =>
  new Promise((found, failed) => {
    const server = createServer()
    server.once("error", () => (preferred === 0 ? failed(new Error("no port is free")) : found(freePort(0))))
    server.listen(preferred, "127.0.0.1", () => {
      const address = server.address()
      server.close(() => found(typeof address === "object" && address !== null ? address.port : preferred))
    })
  })

/** A program of the project's, run as a process of its own. */
export interface Running {
  readonly process: ChildProcess
  /** The end of what it said, for when it does not do what it should. */
  readonly said: () => string
  /** Resolves with the first line that `find` finds something in. */
  readonly until: (find: (text: string) => string | undefined, seconds: number) => Promise<string>
}

const stop = (child: ChildProcess): Promise<void> =>
  new Promise((done) => {
    if (child.exitCode !== null || child.signalCode !== null) return done()
    const impatience = setTimeout(() => child.kill("SIGKILL"), 15_000)
    child.once("exit", () => {
      clearTimeout(impatience)
      done()
    })
    child.kill("SIGTERM")
  })

/**
 * Starts a program with exactly this environment, and stops it when the scope closes. It works in
 * `folder`, for an `.env` in the project's own is not meant for it.
 */
export const start = (script: string, folder: string, environment: Readonly<Record<string, string>>) =>
  Effect.acquireRelease(
    Effect.sync((): Running => {
      const { PATH = "", HOME = "", TMPDIR, NODE_COMPILE_CACHE } = process.env
      const child = spawn(process.execPath, [join(root, script)], {
        cwd: folder,
        stdio: ["ignore", "pipe", "pipe"],
        // In a group of its own: Ctrl-C is for the quickstart, which stops what it started in good order.
        detached: true,
        env: {
          PATH,
          HOME,
          ...(TMPDIR === undefined ? {} : { TMPDIR }),
          ...(NODE_COMPILE_CACHE === undefined ? {} : { NODE_COMPILE_CACHE }),
          ...environment
        }
      })
      let text = ""
      const listeners = new Set<() => void>()
      for (const stream of [child.stdout, child.stderr]) {
        stream.on("data", (chunk: Buffer) => {
          text = (text + chunk.toString()).slice(-64_000)
          for (const listener of listeners) listener()
        })
      }
      const until: Running["until"] = (find, seconds) =>
        new Promise((found, failed) => {
          const finish = (settle: () => void) => {
            clearTimeout(timer)
            listeners.delete(look)
            child.off("exit", ended)
            settle()
          }
          const look = () => {
            const value = text
              .split("\n")
              .map(find)
              .find((candidate) => candidate !== undefined)
            if (value !== undefined) finish(() => found(value))
          }
          const ended = (code: number | null) =>
            finish(() => failed(new Error(`${script} ended with ${code}:\n${text}`)))
          const timer = setTimeout(
            () => finish(() => failed(new Error(`${script} did not start in ${seconds} s:\n${text}`))),
            seconds * 1000
          )
          child.once("exit", ended)
          listeners.add(look)
          look()
        })
      return { process: child, said: () => text.slice(-4000), until }
    }),
    ({ process: child }) => Effect.promise(() => stop(child))
  )
