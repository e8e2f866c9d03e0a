import type { Edit } from "./Sabotages.ts"

/**
 * No fault, but a shorter lease: keys change hands within seconds. The promise must not rest on a lease's
 * length, only on the fence.
 */
export const leaseMargin = (seconds: number): Edit => ({
  file: "src/layers/leases.ts",
  snippet: "const margin = Duration.seconds(30)",
  instead: `const margin = Duration.seconds(${seconds})`
})
