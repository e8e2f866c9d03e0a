import { spawn } from "node:child_process"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import type { Rule } from "../check/Checker.ts"
import type { Options } from "../Options.ts"
import { kindsBefore } from "../Plan.ts"
import { focusOf, type SabotageName, sabotages } from "./Sabotages.ts"

/** What a run leaves in `verdict.json`. */
export interface WrittenVerdict {
  readonly clean: boolean
  readonly acknowledged: number
  /** How often each rule was found broken. */
  readonly found: Readonly<Partial<Record<Rule, number>>>
}

interface Ran {
  /** Undefined if the run came to no verdict. */
  readonly verdict: WrittenVerdict | undefined
  readonly seconds: number
}

/** How many plans, of seeds that follow each other, a sabotage may take to show: what a fault hits is chance. */
const mostPlans = 3

/** Fewest acknowledged writes of a run without a sabotage that shows anything. */
const fewestWrites = 20

/**
 * Runs each plan against sound gateways, and then against gateways with each sabotage that shows under it. Returns
 * true if the former runs are clean and each of the others finds a rule broken that its sabotage breaks.
 */
export const sabotagesFound = async (options: Options): Promise<boolean> => {
  const begun = performance.now()
  let well = true
  for (const [focus, names] of Map.groupBy(options.judged, focusOf)) {
    const kinds = kindsBefore(options.tasker)
    const focused = { ...options, focus: focus.filter((kind) => kinds.includes(kind)) }
    if (!(await allFound(focused, names))) well = false
  }
  const seconds = Math.round((performance.now() - begun) / 1000)
  process.stdout.write(`${well ? "all found" : "NOT ALL WELL"}, in ${seconds} s\n`)
  return well
}

const allFound = async (options: Options, names: ReadonlyArray<SabotageName>): Promise<boolean> => {
  const sound = await run(options, undefined)
  let well = isClean(sound)
  say("none", well ? "clean" : `NOT CLEAN: ${told(sound, [])}`, sound)
  for (const name of names) {
    const shows: ReadonlyArray<Rule> = sabotages[name].shows
    let found = false
    for (let plan = 0; plan < mostPlans && !found; plan++) {
      const seed = options.seed + plan
      const ran = await run({ ...options, seed }, name)
      const by = shows.filter((rule) => (ran.verdict?.found[rule] ?? 0) > 0)
      found = by.length > 0
      say(name, found ? `found by ${told(ran, by)}` : `NOT FOUND with seed ${seed}: ${told(ran, [])}`, ran)
    }
    well &&= found
  }
  return well
}

const isClean = ({ verdict }: Ran): boolean => verdict?.clean === true && verdict.acknowledged >= fewestWrites

/** The rules by which a sabotage was found, and what else was. */
const told = ({ verdict }: Ran, by: ReadonlyArray<string>): string => {
  if (verdict === undefined) return "the run came to no verdict"
  const all = Object.entries(verdict.found).map(([rule, times]) => ({ rule, words: `"${rule}" (${times})` }))
  const words = (of: typeof all) => of.map(({ words }) => words).join(", ")
  const besides = words(all.filter(({ rule }) => !by.includes(rule)))
  const found = words(all.filter(({ rule }) => by.includes(rule)))
  return [found, ...(besides === "" ? [] : [`besides: ${besides}`])].filter((part) => part !== "").join("; ")
}

const say = (name: string, words: string, { seconds, verdict }: Ran) =>
  process.stdout.write(
    `${name.padEnd(28)} ${String(verdict?.acknowledged ?? "?").padStart(5)} writes ${String(seconds).padStart(4)} s  ${words}\n`
  )

/** Plays one run as a process of its own. */
const run = async (options: Options, sabotage: SabotageName | undefined): Promise<Ran> => {
  const begun = performance.now()
  const out = join(options.out, sabotage ?? "none")
  const args = {
    seconds: options.seconds,
    seed: options.seed,
    instances: options.instances,
    tasker: options.tasker,
    profile: options.profile,
    "plane-limit": options.planeLimit,
    lease: options.lease,
    focus: options.focus.join(","),
    out,
    inject: sabotage
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
  return {
    // A run that failed has left no verdict, or that of an earlier one.
    verdict: ended === 0 || ended === 1 ? written(join(out, "verdict.json")) : undefined,
    seconds: Math.round((performance.now() - begun) / 1000)
  }
}

const written = (file: string): WrittenVerdict | undefined => {
  try {
    return JSON.parse(readFileSync(file, "utf8")) as WrittenVerdict
  } catch {
    return undefined
  }
}
