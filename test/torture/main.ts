/**
 * `npm run torture`: never twice, never lost, and provable, while everything breaks. Agents work through
 * several instances that are killed, cut off and misled; then all is let heal, and what clients were told, what
 * the gateway's database says and what Tasker has are held against each other. Ends with 1 where they differ.
 */
import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs"
import { join, resolve } from "node:path"
import { verifyChain } from "./check/Chain.ts"
import { check } from "./check/Checker.ts"
import { readRecords } from "./check/Records.ts"
import { histories, report } from "./check/Report.ts"
import { historyIn } from "./History.ts"
import { type Options, optionsOf, usage } from "./Options.ts"
import { kindOf, planOf } from "./Plan.ts"
import { play } from "./Play.ts"

const say = (text: string) => process.stdout.write(`${text}\n`)

const torture = async (options: Options): Promise<boolean> => {
  const folder = resolve(options.out)
  if (existsSync(folder)) rmSync(folder, { recursive: true })
  mkdirSync(folder, { recursive: true })
  const plan = planOf(options)
  writeFileSync(join(folder, "plan.json"), `${JSON.stringify(plan, null, 2)}\n`)
  say(
    `seed ${plan.seed}, ${plan.seconds} s, ${plan.instances} instances, sabotage ${options.sabotage ?? "none"}`
  )
  say(`clocks off by ${plan.clocks.map((shift) => `${Math.round(shift / 1000)} s`).join(", ")}`)
  for (const strike of plan.strikes) {
    const { at, kind: _, ...rest } = strike
    say(`  ${(at / 1000).toFixed(1).padStart(6)} s  ${kindOf(strike)} ${detailsOf(rest)}`)
  }
  const history = historyIn(join(folder, "history.ndjson"), { options, plan })
  try {
    const { healedInSeconds, retired, stage } = await play({ options, plan, folder, history, say })
    try {
      const records = await readRecords(stage.databaseUrl, stage.taskerDatabaseUrl)
      const verdict = check({ events: history.events, records, begun: history.begun, retired })
      const chain = await verifyChain(stage.databaseUrl)
      const told = { verdict, events: history.events, records, chain, healedInSeconds }
      say(`\n${report(told)}`)
      const clean = verdict.findings.length === 0 && chain?.verified !== false
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
process.exit((await torture(options)) ? 0 : 1)
