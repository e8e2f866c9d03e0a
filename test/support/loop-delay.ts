import { monitorEventLoopDelay } from "node:perf_hooks"

/**
 * Loaded into a gateway by `--import`: on each SIGUSR2 it prints, of the time since the last one, the longest delay
 * of the event loop and the most CPU time between two turns of it, both in milliseconds. Other processes lengthen
 * the first and not the second.
 */
const delay = monitorEventLoopDelay({ resolution: 5 })
delay.enable()

let mostCpu = 0
let last = process.threadCpuUsage()
const turn = () => {
  const { system, user } = process.threadCpuUsage(last)
  last = process.threadCpuUsage()
  mostCpu = Math.max(mostCpu, (system + user) / 1000)
  setTimeout(turn, 2).unref()
}
turn()

let reports = 0
process.on("SIGUSR2", () => {
  process.stdout.write(`delay ${++reports}: ${(delay.max / 1e6).toFixed(1)} ${mostCpu.toFixed(1)} ms\n`)
  delay.reset()
  mostCpu = 0
})
