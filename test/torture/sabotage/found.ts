import { spawn } from "node:child_process"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import type { Rule } from "../check/Checker.ts"
import type { Options } from "../Options.ts"
import { kindsBefore } from "../Plan.ts"
import { focusOf, sabotages } from "./Sabotages.ts"

/** What a run leaves in `verdict.json`. */
export interface WrittenVerdict {
  readonly clean: boolean
  readonly acknowledged: number
  readonly found: ReadonlyArray<Rule>
}

/** How many plans, of seeds that follow each other, a sabotage may take to show: what a fault hits is chance. */
const mostPlans = 3

/**
 * Runs one plan against a gateway without a fault, and then against one with each sabotage in turn: whether the
 * first was clean and each of the others was found out, by what that sabotage is about.
 */
export const sabotagesFound = async (options: Options, names: ReadonlyArray<string>): Promise<boolean> => {
  const none = await run(options, undefined)
  let well = none?.clean === true
  say("none", well ? "clean" : `NOT CLEAN: ${none?.found.join(", ") ?? "it did not end"}`, none)
  for (const name of names) {
    const shows = sabotages[name]?.shows ?? []
    let found = false
    for (let plan = 0; plan < mostPlans && !found; plan++) {
      const seed = options.seed + plan
      const verdict = await run({ ...options, seed }, name)
      found = verdict !== undefined && shows.some((rule) => verdict.found.includes(rule))
      say(name, found ? `found: ${verdict?.found.join(", ")}` : `not found with seed ${seed}`, verdict)
    }
    well &&= found
  }
  return well
}

const say = (name: string, words: string, verdict: WrittenVerdict | undefined) =>
  process.stdout.write(
    `${name.padEnd(26)} ${String(verdict?.acknowledged ?? "?").padStart(6)} writes  ${words}\n`
  )

/** One run as a process of its own; undefined where it came to no verdict. */
const run = async (options: Options, sabotage: string | undefined): Promise<WrittenVerdict | undefined> => {
  const out = join(options.out, sabotage ?? "none")
  const args = {
    seconds: options.seconds,
    seed: options.seed,
    instances: options.instances,
    tasker: options.tasker,
    profile: options.profile,
    "plane-limit": options.planeLimit,
    lease: sabotages[sabotage ?? ""]?.usualLease === true ? undefined : options.lease,
    focus: focusOf(sabotage, kindsBefore(options.tasker)).join(","),
    out,
    sabotage
  }
  const given = Object.entries(args).flatMap(([name, value]) =>
    value === undefined ? [] : [`--${name}`, String(value)]
  )
  const ended = await new Promise<number | null>((done) => {
    const child = spawn(
      process.execPath,
      [join(import.meta.dirname, "../main.ts"), ...given, "--unhurried"],
      {
        stdio: ["ignore", "ignore", "inherit"]
      }
    )
    const stop = () => {
      child.once("close", () => process.exit(130))
      child.kill("SIGTERM")
    }
    process.once("SIGINT", stop).once("SIGTERM", stop)
    child.once("close", () => process.off("SIGINT", stop).off("SIGTERM", stop))
    child.once("error", () => done(null))
    child.once("close", done)
  })
  // A run that failed has left no verdict, or that of an earlier one.
  if (ended !== 0 && ended !== 1) return undefined
  try {
    return JSON.parse(readFileSync(join(out, "verdict.json"), "utf8")) as WrittenVerdict
  } catch {
    return undefined
  }
}
