import { parentPort } from "node:worker_threads"
import { type WorkName, work } from "./work.ts"

/** The entry of a worker thread: does one piece of work after another. */

export interface Task {
  readonly name: WorkName
  readonly input: unknown
}

/** `cpuMillis`: CPU time of this thread since it was started. */
export type Report =
  | { readonly _tag: "Ready"; readonly cpuMillis: number }
  | { readonly _tag: "Done"; readonly output: unknown; readonly cpuMillis: number }
  | { readonly _tag: "Failed"; readonly because: string; readonly cpuMillis: number }

const cpuMillis = (): number => {
  const { system, user } = (process.threadCpuUsage ?? process.cpuUsage)()
  return (system + user) / 1000
}

const report = (what: Report): void => parentPort?.postMessage(what)

parentPort?.on("message", async ({ input, name }: Task) => {
  try {
    const run = work[name] as (input: unknown) => unknown
    const output = await run(input)
    report({ _tag: "Done", output, cpuMillis: cpuMillis() })
  } catch (cause) {
    report({ _tag: "Failed", because: String(cause), cpuMillis: cpuMillis() })
  }
})

report({ _tag: "Ready", cpuMillis: cpuMillis() })
