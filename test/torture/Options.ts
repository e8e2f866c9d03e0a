import { parseArgs } from "node:util"
import { sabotages } from "./sabotage/Sabotages.ts"

export interface Options {
  readonly seconds: number
  readonly seed: number
  readonly instances: number
  readonly sabotage: string | undefined
  /** Seconds that a lease lasts beyond the longest call; undefined: as the product has it. */
  readonly leaseMargin: number | undefined
  readonly out: string
}

export const usage = `npm run torture -- [options]

  --seconds <n>        how long the faults last (60)
  --seed <n>           of the plan and the workload (a random one, which is printed)
  --instances <n>      gateways (3)
  --sabotage <name>    builds a fault into them: ${Object.keys(sabotages).join(", ")}
  --lease-margin <s>   seconds that a lease lasts beyond the longest call, instead of the product's
  --out <folder>       where the history and the logs go (.torture/<seed>)`

/** Throws with words for whoever called where an option is not what it should be. */
export const optionsOf = (args: ReadonlyArray<string>): Options => {
  const { values } = parseArgs({
    args: [...args],
    options: {
      seconds: { type: "string", default: "60" },
      seed: { type: "string", default: String(Math.floor(Math.random() * 1e6)) },
      instances: { type: "string", default: "3" },
      sabotage: { type: "string" },
      "lease-margin": { type: "string" },
      out: { type: "string" }
    }
  })
  const number = (name: string, text: string, least: number, most: number): number => {
    const value = Number(text)
    if (!Number.isInteger(value) || value < least || value > most) {
      throw new Error(`--${name}: expected a whole number from ${least} to ${most}`)
    }
    return value
  }
  const { sabotage } = values
  if (sabotage !== undefined && !Object.hasOwn(sabotages, sabotage)) {
    throw new Error(`--sabotage: expected one of ${Object.keys(sabotages).join(", ")}`)
  }
  const seed = number("seed", values.seed, 0, 2 ** 31)
  const margin = values["lease-margin"]
  return {
    seconds: number("seconds", values.seconds, 3, 86_400),
    seed,
    instances: number("instances", values.instances, 1, 16),
    sabotage,
    leaseMargin: margin === undefined ? undefined : number("lease-margin", margin, 0, 60),
    out: values.out ?? `.torture/${seed}${sabotage === undefined ? "" : `-${sabotage}`}`
  }
}
