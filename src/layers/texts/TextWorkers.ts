import { Worker } from "node:worker_threads"
import type { Report, Task } from "./worker.ts"

/** What came of a task. `cpuMillis`: CPU time that it took. */
export type Outcome =
  | { readonly _tag: "Done"; readonly output: unknown; readonly cpuMillis: number }
  /** The limit expired: its worker was ended. */
  | { readonly _tag: "Expired"; readonly cpuMillis: number }
  | { readonly _tag: "Failed"; readonly because: string; readonly cpuMillis: number }

export interface Limits {
  /** Time after which a task is ended whatever CPU time it had. */
  readonly wallMillis: number
  /** Time without work after which a worker is ended. */
  readonly idleMillis: number
}

interface Running {
  /** CPU time that the task may take, in milliseconds. */
  readonly limit: number
  readonly done: (outcome: Outcome) => void
  /** CPU time of the worker before the task; undefined until the worker was ready. */
  before: number
  startedAt: number
  timer: NodeJS.Timeout | undefined
}

/** Returns the worker's entry beside this file: `worker.ts` in the sources, `worker.js` in a build. */
export const entryBeside = (url: string): URL =>
  new URL(url.endsWith(".js") ? "./worker.js" : "./worker.ts", url)

/** More than the longest text of Tasker's takes, 8 MB: a worker that reaches it may end the process with it. */
const resourceLimits = { maxOldGenerationSizeMb: 512 }

/** Starting takes a fraction of a second on a quiet machine. */
const startMillis = 60_000

/**
 * Worker threads that are started when work needs one and ended after a while without. The caller sees to it
 * that no more tasks run at once than there may be workers.
 */
export class TextWorkers {
  readonly #limits: Limits
  readonly #idle: Array<TextWorker> = []
  readonly #all = new Set<TextWorker>()

  constructor(limits: Limits) {
    this.#limits = limits
  }

  /** Number of workers there are. */
  get size(): number {
    return this.#all.size
  }

  /** Does a task within a limit of CPU time, in milliseconds. */
  run(task: Task, limit: number, done: (outcome: Outcome) => void): void {
    const worker = this.#idle.pop() ?? this.#start()
    worker.run(task, limit, (outcome) => {
      if (worker.isAlive) this.#idle.push(worker)
      done(outcome)
    })
  }

  async close(): Promise<void> {
    await Promise.all([...this.#all].map((worker) => worker.end()))
  }

  #start(): TextWorker {
    const worker = new TextWorker(this.#limits, () => {
      this.#all.delete(worker)
      const at = this.#idle.indexOf(worker)
      if (at >= 0) this.#idle.splice(at, 1)
    })
    this.#all.add(worker)
    return worker
  }
}

/** One worker thread and the task that it works on. */
class TextWorker {
  readonly #thread: Worker
  readonly #limits: Limits
  readonly #ended: () => void
  #isReady = false
  #cpuMillis = 0
  #running: Running | undefined
  #idleTimer: NodeJS.Timeout | undefined
  isAlive = true

  constructor(limits: Limits, ended: () => void) {
    this.#limits = limits
    this.#ended = ended
    // None of the gateway's flags and variables: a worker needs no secret.
    this.#thread = new Worker(entryBeside(import.meta.url), {
      name: "texts",
      resourceLimits,
      execArgv: [],
      env: {}
    })
    this.#thread.on("message", (report: Report) => this.#reported(report))
    const broken = (because: string) => {
      this.#gone()
      this.#settle({ _tag: "Failed", because, cpuMillis: this.#running?.limit ?? 0 })
    }
    this.#thread.once("error", (error) => broken(String(error)))
    this.#thread.once("exit", (code) => broken(`The worker ended with ${code}.`))
  }

  run(task: Task, limit: number, done: (outcome: Outcome) => void): void {
    clearTimeout(this.#idleTimer)
    this.#running = { limit, done, before: this.#cpuMillis, startedAt: performance.now(), timer: undefined }
    this.#thread.ref()
    if (this.#isReady) this.#watch(limit)
    else this.#running.timer = setTimeout(() => this.#expire(0), startMillis)
    this.#thread.postMessage(task)
  }

  /** Ends the thread. Its task, if it has one, fails. */
  async end(): Promise<void> {
    this.#gone()
    await this.#thread.terminate()
  }

  #gone(): void {
    this.isAlive = false
    clearTimeout(this.#idleTimer)
    this.#ended()
  }

  #reported(report: Report): void {
    const before = this.#running?.before ?? this.#cpuMillis
    this.#cpuMillis = report.cpuMillis
    if (report._tag === "Ready") {
      this.#isReady = true
      if (this.#running === undefined) return
      this.#running.before = report.cpuMillis
      this.#running.startedAt = performance.now()
      this.#watch(this.#running.limit)
      return
    }
    this.#thread.unref()
    // Unreferenced as well: a program that has nothing else to do may end.
    this.#idleTimer = setTimeout(() => void this.end(), this.#limits.idleMillis).unref()
    this.#settle({ ...report, cpuMillis: report.cpuMillis - before })
  }

  /**
   * Looks at the CPU time of the task after `millis`, when it can have used up its limit at the earliest. On a
   * busy machine it may not have had it yet.
   */
  #watch(millis: number): void {
    const running = this.#running
    if (running === undefined) return
    clearTimeout(running.timer)
    running.timer = setTimeout(async () => {
      const used = (await this.#used()) - running.before
      if (this.#running !== running) return
      const left = running.limit - used
      const isLate = performance.now() - running.startedAt >= this.#limits.wallMillis
      if (left <= 0 || isLate) this.#expire(used)
      else this.#watch(Math.max(left, 10))
    }, millis)
  }

  /** Told by the runtime beside the task, which may never come to an end. A Node that can't tell counts the time. */
  async #used(): Promise<number> {
    const unknown = Number.POSITIVE_INFINITY
    if (typeof this.#thread.cpuUsage !== "function") return unknown
    return this.#thread.cpuUsage().then(
      ({ system, user }) => (system + user) / 1000,
      () => unknown
    )
  }

  #expire(cpuMillis: number): void {
    void this.end()
    this.#settle({ _tag: "Expired", cpuMillis })
  }

  #settle(outcome: Outcome): void {
    const running = this.#running
    if (running === undefined) return
    this.#running = undefined
    clearTimeout(running.timer)
    running.done(outcome)
  }
}
