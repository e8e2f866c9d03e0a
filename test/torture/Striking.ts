import type { History } from "./History.ts"
import { type Answering, type Lacking, misbehaviourOf, type Straggling } from "./Misbehaving.ts"
import { kindOf, type Plan, type Strike } from "./Plan.ts"
import { rows } from "./Postgres.ts"
import type { Stage } from "./Stage.ts"

/**
 * Makes a strike later and longer, as the plan is played. Only a freeze lasts as planned: `TASKER_SETTLE_AFTER_MS`
 * allows for no longer one.
 */
const atPace = (strike: Strike, pace: number): Strike => ({
  ...strike,
  at: strike.at * pace,
  ...("lasts" in strike && strike.kind !== "instance.freeze" ? { lasts: strike.lasts * pace } : {})
})

/**
 * Plays a plan on a stage, `pace` times slower than it is written. What is wrong for a while is put right again
 * when its time is over.
 */
export const striking = (plan: Plan, stage: Stage, history: History, pace: number) => {
  const timers = new Set<NodeJS.Timeout>()
  const wrong = new Set<Answering | Lacking | Straggling>()
  const under = new Set<Promise<unknown>>()
  let over = false

  const after = (milliseconds: number, doing: () => void) => {
    const timer = setTimeout(() => {
      timers.delete(timer)
      doing()
    }, milliseconds)
    timers.add(timer)
  }

  /** One change of Tasker's manners at a time, in the order in which they were decided. */
  let telling: Promise<boolean> = Promise.resolve(true)
  const tell = (): Promise<boolean> => {
    telling = telling.then(async () => {
      return stage.taskerApi
        .misbehave(misbehaviourOf(stage.counterpart, wrong, stage.projects, stage.holdUps))
        .then(
          () => true,
          () => false
        )
    })
    return telling
  }

  /**
   * Waits its turn: on a slow machine what was struck before may still be starting, and a run in which nothing is
   * ever up shows nothing.
   */
  const turn = async (strike: Strike): Promise<void> => {
    const enough = () => {
      if (strike.kind.startsWith("instance.")) {
        const up = stage.instances.filter(({ program }) => program.isUp()).length
        return up > Math.min(1, stage.instances.length - 1)
      }
      return (
        (!strike.kind.startsWith("postgres.") && !strike.kind.startsWith("tasker.")) || stage.tasker.isUp()
      )
    }
    for (let left = 200; left > 0 && !enough() && !over; left--)
      await new Promise((wake) => setTimeout(wake, 50))
  }

  /** Whether there was something to strike. */
  const carryOut = async (strike: Strike): Promise<boolean> => {
    switch (strike.kind) {
      case "instance.kill":
        return stage.instances[strike.instance]?.program.signal("SIGKILL") ?? false
      case "instance.stop":
        return stage.instances[strike.instance]?.program.signal("SIGTERM") ?? false
      case "instance.freeze": {
        const program = stage.instances[strike.instance]?.program
        if (program === undefined || !program.isUp() || !program.signal("SIGSTOP")) return false
        after(strike.lasts, () => program.signal("SIGCONT"))
        return true
      }
      case "tasker.kill":
      case "tasker.stop": {
        const struck = stage.tasker.signal(strike.kind === "tasker.kill" ? "SIGKILL" : "SIGTERM")
        // What it was told of its manners it has forgotten.
        under.add(stage.tasker.up().then(tell))
        return struck
      }
      case "postgres.fast":
      case "postgres.immediate":
      case "postgres.kill":
        await stage.postgres.strike(strike.kind.slice("postgres.".length) as "fast" | "immediate" | "kill")
        return true
      case "postgres.backends":
        await rows(
          stage.databaseUrl,
          "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
        )
        return true
      case "tasker.answers":
      case "tasker.lacks":
      case "tasker.straggles":
        wrong.add(strike)
        after(strike.lasts, () => {
          wrong.delete(strike)
          void tell()
        })
        return tell()
      case "link": {
        const proxy = stage.instances[strike.instance]?.proxies[strike.link]
        proxy?.weather(strike)
        after(strike.lasts, () => proxy?.weather(undefined))
        return proxy !== undefined
      }
    }
  }

  const start = () => {
    for (const planned of plan.strikes) {
      const strike = atPace(planned, pace)
      after(strike.at, () => {
        const doing = turn(strike)
          .then(() => !over && carryOut(strike))
          .catch(() => false)
          .then((done) => history.write({ ev: "strike", kind: kindOf(strike), strike, done }))
        under.add(doing)
      })
    }
  }

  /** Ends everything that is wrong, and waits until everything is up. */
  const heal = async () => {
    over = true
    for (const timer of timers) clearTimeout(timer)
    timers.clear()
    await Promise.allSettled(under)
    for (const { program, proxies } of stage.instances) {
      program.signal("SIGCONT")
      for (const proxy of Object.values(proxies)) {
        proxy.weather(undefined)
        proxy.cutAll()
      }
    }
    wrong.clear()
    await stage.tasker.up()
    for (let left = 50; !(await tell()); left--) {
      if (left === 0) throw new Error("Tasker can't be told that all is well")
      await new Promise((wake) => setTimeout(wake, 200))
    }
    await Promise.all(stage.instances.map(({ program }) => program.up()))
  }

  return { start, heal }
}
