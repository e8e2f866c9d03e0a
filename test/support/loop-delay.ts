import { monitorEventLoopDelay } from "node:perf_hooks"

/**
 * Loaded into a gateway by `--import`: on each SIGUSR2 it prints the longest delay of the event loop since the last
 * one, in milliseconds.
 */
const delay = monitorEventLoopDelay({ resolution: 5 })
delay.enable()
let reports = 0
process.on("SIGUSR2", () => {
  process.stdout.write(`delay ${++reports}: ${(delay.max / 1e6).toFixed(1)} ms\n`)
  delay.reset()
})
