import { parseArgs } from "node:util"
import { type TaskerKind, taskerKinds } from "./counterparts/Counterpart.ts"
import { namedPlane } from "./counterparts/realPlane.ts"
import { kindsBefore } from "./Plan.ts"
import { focusOf, sabotages } from "./sabotage/Sabotages.ts"

export interface Options {
  readonly seconds: number
  readonly seed: number
  readonly instances: number
  readonly tasker: TaskerKind
  /** Of the reference Tasker. */
  readonly profile: string
  /** Requests a minute and key that the reference Plane grants; 0: any number. */
  readonly planeLimit: number
  readonly sabotage: string | undefined
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

  --seconds <n>        how long the faults last (60)
  --seed <n>           of the plan and the workload (a random one, which is printed)
  --instances <n>      gateways (3)
  --tasker <kind>      nodedc, plane, or real-plane: the one that PLANE_BASE_URL, PLANE_API_KEY and
                       SMOKE_WORKSPACE_SLUG name, and PLANE_REQUESTS_PER_MINUTE its limit; the run makes projects
                       there and deletes them (nodedc)
  --profile <name>     of the reference Tasker: ${profiles.join(", ")} (plane-like)
  --plane-limit <n>    requests a minute that the reference Plane grants, 0 for any number (0)
  --sabotage <name>    builds a fault into them: ${Object.keys(sabotages).join(", ")};
                       several by commas, or all: each in turn, which ends well if each was found, and none where
                       there is none
  --lease <ms>         how long a lease lasts, instead of as long as the product's (with a sabotage 500)
  --focus <kind,…>     kinds of faults that strike more often (with a sabotage: those under which one shows)
  --unhurried          plays the plan the slower, the slower this machine is just now (always with a sabotage, and
                       before a real Plane, where the run ends when its seconds are over)
  --out <folder>       where the history and the logs go (.torture/<seed>)`

/** Of sabotaged runs, in milliseconds. */
const shortLease = 500

const everySabotage = "all"

/** The sabotages that `--sabotage` names: one, several by commas, or all. */
export const sabotagesIn = (text: string): ReadonlyArray<string> =>
  text === everySabotage ? Object.keys(sabotages) : text.split(",")

/** Throws with words for whoever called where an option is not what it should be. */
export const optionsOf = (
  args: ReadonlyArray<string>,
  variables: Readonly<Record<string, string | undefined>> = process.env
): Options => {
  const { values } = parseArgs({
    args: [...args],
    options: {
      seconds: { type: "string", default: "60" },
      seed: { type: "string", default: String(Math.floor(Math.random() * 1e6)) },
      instances: { type: "string", default: "3" },
      tasker: { type: "string", default: "nodedc" },
      profile: { type: "string", default: "plane-like" },
      "plane-limit": { type: "string", default: "0" },
      sabotage: { type: "string" },
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
  const { sabotage } = values
  if (sabotage !== undefined && !sabotagesIn(sabotage).every((name) => Object.hasOwn(sabotages, name))) {
    throw new Error(`--sabotage: expected one of ${Object.keys(sabotages).join(", ")}`)
  }
  const one = <Name extends string>(name: string, text: string, all: ReadonlyArray<Name>): Name => {
    const found = all.find((each) => each === text)
    if (found === undefined) throw new Error(`--${name}: expected one of ${all.join(", ")}`)
    return found
  }
  const tasker = one("tasker", values.tasker, taskerKinds)
  if (tasker === "real-plane") namedPlane(variables)
  const everyKind = kindsBefore(tasker)
  const focus =
    values.focus?.split(",").filter((kind) => kind !== "") ??
    (sabotage === undefined ? [] : focusOf(sabotage, everyKind))
  const unknown = focus.find((kind) => !everyKind.includes(kind))
  if (unknown !== undefined) throw new Error(`--focus: expected some of ${everyKind.join(", ")}`)
  const seed = number("seed", values.seed, 0, 2 ** 31)
  return {
    seconds: number("seconds", values.seconds, 3, 86_400),
    seed,
    instances: number("instances", values.instances, 1, 16),
    tasker,
    profile: one("profile", values.profile, profiles),
    planeLimit: number("plane-limit", values["plane-limit"], 0, 1_000_000),
    sabotage,
    focus,
    unhurried: values.unhurried,
    lease:
      values.lease !== undefined
        ? number("lease", values.lease, 100, 60_000)
        : sabotage === undefined || sabotages[sabotage]?.usualLease === true
          ? undefined
          : shortLease,
    out: values.out ?? `.torture/${seed}${sabotage === undefined ? "" : `-${sabotage}`}`
  }
}
