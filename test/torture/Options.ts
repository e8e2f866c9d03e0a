import { parseArgs } from "node:util"
import { type TaskerKind, taskerKinds } from "./counterparts/Counterpart.ts"
import { namedPlane } from "./counterparts/realPlane.ts"
import { holdUpsOf, shortLeaseOf } from "./HoldUps.ts"
import { kindsBefore } from "./Plan.ts"
import { focusOf, isSabotage, type SabotageName, sabotageNames } from "./sabotage/Sabotages.ts"

export interface Options {
  readonly seconds: number
  readonly seed: number
  readonly instances: number
  readonly tasker: TaskerKind
  /** Of the reference Tasker. */
  readonly profile: string
  /** Requests a minute and key that the reference Plane grants; 0: any number. */
  readonly planeLimit: number
  /** The fault that is built into the gateways of this run. */
  readonly sabotage: SabotageName | undefined
  /** Sabotages each of which has to be found, in a run of its own. */
  readonly judged: ReadonlyArray<SabotageName>
  /** Milliseconds that a lease lasts; undefined: as the product has it. */
  readonly lease: number | undefined
  /** Kinds of faults that strike more often than the others. */
  readonly focus: ReadonlyArray<string>
  /** Whether a slow machine is given the time that it needs; sabotaged runs always are. */
  readonly unhurried: boolean
  readonly out: string
}

const profiles = ["plane-like", "strict"] as const

export const usage = `npm run torture -- [options]

  --seconds <n>        how long the faults last (60; with a sabotage 20)
  --seed <n>           of the plan and the workload (a random one, which is printed)
  --instances <n>      gateways (3; with a sabotage 2)
  --tasker <kind>      nodedc, plane, or real-plane: the one that PLANE_BASE_URL, PLANE_API_KEY and
                       SMOKE_WORKSPACE_SLUG name, and PLANE_REQUESTS_PER_MINUTE its limit; the run makes projects
                       there and deletes them (nodedc)
  --profile <name>     of the reference Tasker: ${profiles.join(", ")} (plane-like)
  --plane-limit <n>    requests a minute that the reference Plane grants, 0 for any number (0)
  --sabotage <name,…>  plays one plan without a fault in the gateways and one with each of these, or with all: ends
                       well if the first is clean and each fault is found by its rule. The faults are
                       ${sabotageNames.join(", ")}
  --inject <name>      plays one run with such a fault in the gateways, and reports it as any other
  --lease <ms>         how long a lease lasts (as the product has it; with a sabotage ${shortLeaseOf(holdUpsOf("nodedc"))})
  --focus <kind,…>     kinds of faults that strike more often (with a sabotage: those under which one shows)
  --unhurried          plays the plan the slower, the slower this machine is just now (always with a sabotage, and
                       before a real Plane, where the run ends when its seconds are over)
  --out <folder>       where the history and the logs go (.torture/<seed>)`

const everySabotage = "all"

const sabotageOf = (name: string): SabotageName => {
  if (isSabotage(name)) return name
  throw new Error(`There is no sabotage called ${name}: expected one of ${sabotageNames.join(", ")}`)
}

const sabotagesIn = (text: string | undefined): ReadonlyArray<SabotageName> =>
  text === undefined ? [] : text === everySabotage ? sabotageNames : text.split(",").map(sabotageOf)

/** Throws, with words for the caller, if an option is not what it should be. */
export const optionsOf = (
  args: ReadonlyArray<string>,
  variables: Readonly<Record<string, string | undefined>> = process.env
): Options => {
  const { values } = parseArgs({
    args: [...args],
    options: {
      seconds: { type: "string" },
      seed: { type: "string", default: String(Math.floor(Math.random() * 1e6)) },
      instances: { type: "string" },
      tasker: { type: "string", default: "nodedc" },
      profile: { type: "string", default: "plane-like" },
      "plane-limit": { type: "string", default: "0" },
      sabotage: { type: "string" },
      inject: { type: "string" },
      lease: { type: "string" },
      focus: { type: "string" },
      unhurried: { type: "boolean", default: false },
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
  const judged = sabotagesIn(values.sabotage)
  const sabotage = values.inject === undefined ? undefined : sabotageOf(values.inject)
  const isSabotaged = judged.length > 0 || sabotage !== undefined
  const one = <Name extends string>(name: string, text: string, all: ReadonlyArray<Name>): Name => {
    const found = all.find((each) => each === text)
    if (found === undefined) throw new Error(`--${name}: expected one of ${all.join(", ")}`)
    return found
  }
  const tasker = one("tasker", values.tasker, taskerKinds)
  if (tasker === "real-plane") namedPlane(variables)
  const holdUps = holdUpsOf(tasker)
  const everyKind = kindsBefore(tasker)
  const focus =
    values.focus?.split(",").filter((kind) => kind !== "") ??
    (sabotage === undefined ? [] : focusOf(sabotage).filter((kind) => everyKind.includes(kind)))
  const unknown = focus.find((kind) => !everyKind.includes(kind))
  if (unknown !== undefined) throw new Error(`--focus: expected some of ${everyKind.join(", ")}`)
  const seed = number("seed", values.seed, 0, 2 ** 31)
  return {
    seconds: number("seconds", values.seconds ?? (isSabotaged ? "20" : "60"), 3, 86_400),
    seed,
    instances: number("instances", values.instances ?? (isSabotaged ? "2" : "3"), 1, 16),
    tasker,
    profile: one("profile", values.profile, profiles),
    planeLimit: number("plane-limit", values["plane-limit"], 0, 1_000_000),
    sabotage,
    judged,
    focus,
    unhurried: values.unhurried,
    lease:
      values.lease !== undefined
        ? number("lease", values.lease, holdUps.taskerTimeout + 1, 60_000)
        : isSabotaged
          ? shortLeaseOf(holdUps)
          : undefined,
    out:
      values.out ??
      `.torture/${seed}${sabotage === undefined ? "" : `-${sabotage}`}${judged.length > 0 ? "-sabotages" : ""}`
  }
}
