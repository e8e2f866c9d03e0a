/**
 * `npm run torture`: never twice, never lost, and provable, while everything breaks. Agents work through
 * several instances that are killed, cut off and misled; then all is let heal, and what clients were told, what
 * the gateway's database says and what Tasker has are held against each other. Ends with 1 where they differ.
 */
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs"
import { join, resolve } from "node:path"
import { verifyChain } from "./check/Chain.ts"
import { check, type Finding, type Verdict } from "./check/Checker.ts"
import { histories, report } from "./check/Report.ts"
import { counterpartOf } from "./counterparts/Counterpart.ts"
import { factsOf } from "./Facts.ts"
import { historyIn } from "./History.ts"
import { type Options, optionsOf, usage } from "./Options.ts"
import { kindOf, planOf } from "./Plan.ts"
import { play } from "./Play.ts"
import { sabotagesFound, type WrittenVerdict } from "./sabotage/found.ts"

const say = (text: string) => process.stdout.write(`${text}\n`)

const torture = async (options: Options): Promise<boolean> => {
  const folder = resolve(options.out)
  emptied(folder)
  const plan = planOf(options)
  writeFileSync(join(folder, "plan.json"), `${JSON.stringify(plan, null, 2)}\n`)
  say(
    `seed ${plan.seed}, ${plan.seconds} s, ${plan.instances} instances, ${counterpartOf(options).name}, sabotage ${options.sabotage ?? "none"}`
  )
  say(`clocks off by ${plan.clocks.map((shift) => `${Math.round(shift / 1000)} s`).join(", ")}`)
  for (const strike of plan.strikes) {
    const { at, kind: _, ...rest } = strike
    say(`  ${(at / 1000).toFixed(1).padStart(6)} s  ${kindOf(strike)} ${detailsOf(rest)}`)
  }
  const history = historyIn(join(folder, "history.ndjson"), { options, plan })
  try {
    const { foundEarly, healedInSeconds, isShown, retired, stage } = await play({
      options,
      plan,
      folder,
      history,
      say,
      opened: closeWhenTold
    })
    try {
      const records = await stage.records()
      const all = check(factsOf(stage, history, retired, records))
      // A run that was ended early still has keys that the gateways would settle.
      const verdict = isShown ? { ...all, findings: foundEarly } : withEarly(all, foundEarly)
      const chain = isShown ? undefined : await verifyChain(stage)
      const told = {
        verdict,
        events: history.events,
        records,
        chain,
        healedInSeconds,
        counterpart: stage.counterpart
      }
      say(`\n${report(told)}`)
      const isIdle = verdict.counts["acknowledged writes"] === 0
      const clean = verdict.findings.length === 0 && chain?.verified !== false && !isIdle
      writeFileSync(join(folder, "verdict.json"), JSON.stringify(verdictOf(clean, verdict)))
      if (isIdle) say(`\nseed ${plan.seed}: no write was acknowledged, so this run shows nothing`)
      if (!clean) say(`\nseed ${plan.seed}: not clean\n\n${histories(told)}`)
      say(`\nhistory: ${history.file}`)
      return clean
    } finally {
      await stage.close()
    }
  } finally {
    await history.close()
  }
}

/** Whoever stops a run halfway gets rid of all that it has started. */
const closeWhenTold = (close: () => Promise<void>): void => {
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.once(signal, () => void close().finally(() => process.exit(130)))
  }
}

/** What an earlier run left there is thrown away; anybody else's folder is not. */
const emptied = (folder: string): void => {
  if (existsSync(folder) && readdirSync(folder).length > 0) {
    if (!existsSync(join(folder, "plan.json"))) throw new Error(`${folder} holds something else than a run`)
    rmSync(folder, { recursive: true })
  }
  mkdirSync(folder, { recursive: true })
}

const verdictOf = (clean: boolean, { counts, findings }: Verdict): WrittenVerdict => ({
  clean,
  acknowledged: counts["acknowledged writes"],
  found: Object.fromEntries(
    [...Map.groupBy(findings, ({ rule }) => rule)].map(([rule, found]) => [rule, found.length])
  )
})

/** Adds findings that were taken for final and are gone at the end: the checker was wrong about them. */
const withEarly = (verdict: Verdict, early: ReadonlyArray<Finding>): Verdict => {
  const atLast = new Set(verdict.findings.map(nameOf))
  const gone = early.filter((finding) => !atLast.has(nameOf(finding)))
  return {
    ...verdict,
    findings: [
      ...verdict.findings,
      ...gone.map((finding) => ({ ...finding, what: `too early: ${finding.what}` }))
    ]
  }
}

const nameOf = ({ rule, what }: Finding): string => `${rule}: ${what}`

const detailsOf = (rest: object): string =>
  Object.entries(rest)
    .filter(([name]) => !["link", "fault", "wrong", "lack"].includes(name))
    .map(([name, value]) => `${name} ${value}`)
    .join(", ")

let options: Options
try {
  options = optionsOf(process.argv.slice(2))
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : error}\n\n${usage}\n`)
  process.exit(2)
}
const well = options.judged.length > 0 ? await sabotagesFound(options) : await torture(options)
process.exit(well ? 0 : 1)
