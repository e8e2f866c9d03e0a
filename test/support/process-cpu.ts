import { existsSync, readFileSync } from "node:fs"

/** True if the system tells the CPU time of a thread of another process: Linux with schedstats. */
export const tellsThreadCpu = existsSync("/proc/self/task") && existsSync("/proc/self/schedstat")

/** CPU time that the main thread of a process has taken so far, in milliseconds. */
export const mainThreadMillis = (pid: number): number => {
  const [nanoseconds = "0"] = readFileSync(`/proc/${pid}/task/${pid}/schedstat`, "utf8").split(" ")
  return Number(nanoseconds) / 1e6
}
