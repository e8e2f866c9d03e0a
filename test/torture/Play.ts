import { administration } from "./Administration.ts"
import type { TorturedAgent } from "./Agents.ts"
import type { Finding, Rule } from "./check/Checker.ts"
import type { Records } from "./check/Records.ts"
import { standing } from "./check/Standing.ts"
import { markOf } from "./Effects.ts"
import { factsOf } from "./Facts.ts"
import { settled } from "./Healing.ts"
import type { History } from "./History.ts"
import type { Options } from "./Options.ts"
import { ownerOf } from "./Owner.ts"
import { personAt } from "./Person.ts"
import type { Plan } from "./Plan.ts"
import { patientRows } from "./Postgres.ts"
import { randomOf } from "./Random.ts"
import { type Stage, setStage } from "./Stage.ts"
import { striking } from "./Striking.ts"
import { sabotages } from "./sabotage/Sabotages.ts"
import { type Worker, workerOf } from "./Work.ts"

export interface Playing {
  readonly options: Options
  readonly plan: Plan
  readonly folder: string
  readonly history: History
  readonly say: (text: string) => void
  readonly opened: (close: () => Promise<void>) => void
}

export interface Played {
  readonly stage: Stage
  readonly retired: ReadonlySet<string>
  readonly healedInSeconds: number
  /** Of a run that is watched: what was found while keys were still being settled. */
  readonly foundEarly: ReadonlyArray<Finding>
  /** True if that shows the sabotage, so that the run was ended. */
  readonly isShown: boolean
}

const agentCount = 12
/** In a short run each worker has to get as far as changing the cards that it made. */
const workersEachSabotaged = 1
const owners = 2
/** When, as a part of the run, one agent is disabled for good. */
const retirement = 0.6
/** Of the writes of the run, how many are asked for once more when all is well. */
const askedAgain = 150

/** Where a start takes longer than on a quiet machine, a plan is played the slower, so that as much is up as is meant to. */
const paceOf = ({ startTook }: Stage): number => Math.min(5, Math.max(1, startTook / 4000))

/** Before a real Plane a run lasts as long as it was told to, whatever of its plan that is. */
const isUnhurried = ({ sabotage, tasker, unhurried }: Options): boolean =>
  sabotage !== undefined || unhurried || tasker === "real-plane"

const pause = (milliseconds: number) => new Promise((wake) => setTimeout(wake, milliseconds))

/** One run from its beginning to where there is nothing left but to compare. The stage is left up. */
export const play = async ({ folder, history, opened, options, plan, say }: Playing): Promise<Played> => {
  const phase = (name: string) => {
    history.write({ ev: "phase", phase: name })
    say(`${(history.now() / 1000).toFixed(1).padStart(6)} s  ${name}`)
  }
  phase("setting the stage")
  const sabotaged = options.sabotage !== undefined || options.lease !== undefined
  const stage = await setStage({
    options,
    plan,
    folder,
    history,
    opened,
    gateway: sabotaged ? "test/torture/sabotage/gateway.ts" : "src/main.ts",
    environment: {
      ...(options.sabotage === undefined ? {} : { TORTURE_SABOTAGE: options.sabotage }),
      ...(options.lease === undefined ? {} : { TORTURE_LEASE_MS: String(options.lease) })
    }
  })
  try {
    let ids = 0
    let marks = 0
    const nextId = () => `t${(++ids).toString(36).padStart(6, "0")}`
    const nextMark = () => markOf(++marks)
    const ports = stage.instances.map(({ proxies }) => proxies.client.port)
    let running = true
    const goesOn = () => running
    const randomFor = (name: string) => randomOf(plan.seed, `work.${name}`)
    const isUp = (instance: number) => stage.instances[instance]?.program.isUp() === true
    const working = (agent: TorturedAgent, name: string): Worker =>
      workerOf(agent, {
        history,
        ports,
        isUp,
        nextId,
        nextMark,
        goesOn,
        patience: stage.holdUps.patience,
        random: randomFor(name)
      })

    const owner = ownerOf({
      history,
      owner: stage.owner,
      internalToken: stage.internalToken,
      ports,
      random: randomFor("owner"),
      grantDays: stage.counterpart.grantDays,
      nextId
    })
    const agents: Array<TorturedAgent> = []
    for (let at = 0; at < agentCount; at++) {
      const projects = stage.projects.filter((_, position) => position !== at % stage.projects.length)
      agents.push(await owner.make(`Agent ${at + 1}`, projects))
    }
    const probers = new Map(agents.map((agent) => [agent, working(agent, `prober ${agents.indexOf(agent)}`)]))
    const administrated = administration({
      owner,
      agents,
      proberOf: (agent) => probers.get(agent) as Worker,
      random: randomFor("administration"),
      goesOn
    })
    const workers = agents.flatMap((agent, at) =>
      Array.from({ length: sabotaged ? workersEachSabotaged : stage.counterpart.workersEach }, (_, each) =>
        working(agent, `${at}.${each}`)
      )
    )

    const pace = isUnhurried(options) ? paceOf(stage) : 1
    phase(`the plan begins${pace > 1 ? `, ${pace.toFixed(1)} times slower than written` : ""}`)
    const strikes = striking(plan, stage, history, pace)
    strikes.start()
    const under = [
      ...workers.map((worker) => worker.work()),
      ...Array.from({ length: owners }, () => administrated.work()),
      personAt(stage.taskerApi, { history, random: randomFor("person"), goesOn })
    ]
    const length = plan.seconds * 1000 * (options.tasker === "real-plane" ? 1 : pace)
    await pause(length * retirement)
    const leaving = agents.at(-1)
    const leave = leaving === undefined ? undefined : administrated.retire(leaving)
    await pause(length * (1 - retirement))
    running = false

    phase("healing")
    const begun = performance.now()
    await strikes.heal()
    await Promise.all([...under, leave])
    await administrated.restore()
    const retired = new Set(agents.filter((agent) => agent.retired).map(({ id }) => id))
    phase("waiting for what is undecided")
    const foundEarly = new Map<string, Finding>()
    const shows: ReadonlyArray<Rule> = options.sabotage === undefined ? [] : sabotages[options.sabotage].shows
    const isShown = () => [...foundEarly.values()].some(({ rule }) => shows.includes(rule))
    const isSabotaged = options.sabotage !== undefined
    const healing = {
      isSabotaged,
      retired,
      // A run without a sabotage is watched in the same way, to show that nothing is found too early.
      watch:
        isSabotaged || options.unhurried
          ? (records: Records) => {
              for (const finding of standing(factsOf(stage, history, retired, records))) {
                foundEarly.set(`${finding.rule}: ${finding.what}`, finding)
              }
              return isShown()
            }
          : undefined
    }
    await settled(stage, history, healing)
    const healedInSeconds = Math.round((performance.now() - begun) / 1000)

    const played = () => ({
      stage,
      retired,
      healedInSeconds,
      foundEarly: [...foundEarly.values()],
      isShown: isShown()
    })
    if (isShown()) return played()

    phase("asking once more")
    const doubled = await patientRows<{ key: string }>(
      stage.databaseUrl,
      "select key from idempotency_keys where doubled"
    )
    const always = new Set(doubled.map(({ key }) => key))
    await Promise.all(
      workers.map((worker) => worker.askAgain(Math.ceil(askedAgain / workers.length), always))
    )
    await settled(stage, history, healing)
    phase("checking")
    return played()
  } catch (error) {
    await stage.close()
    throw error
  }
}
