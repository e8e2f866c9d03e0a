/** CPU time that this thread takes for some synchronous work, in milliseconds. */
export const cpuMillis = (work: () => unknown): number => {
  const start = process.threadCpuUsage()
  work()
  const { system, user } = process.threadCpuUsage(start)
  return (user + system) / 1000
}
