import type { TaskerKind } from "./counterparts/Counterpart.ts"
import { type HoldUps, holdUpsOf, longestFreeze, straggling } from "./HoldUps.ts"
import { deckOf, type Random, randomOf } from "./Random.ts"

/**
 * What goes wrong in a run, and when: a pure function of the seed, the length and the number of instances.
 * What the gateway happens to be doing at that moment is not part of it; that is what makes a run worth
 * having.
 */
export interface Plan {
  readonly seed: number
  readonly seconds: number
  readonly instances: number
  /** Milliseconds that each instance's clock is off by. */
  readonly clocks: ReadonlyArray<number>
  readonly strikes: ReadonlyArray<Strike>
}

/** What stands between two programs. */
export const links = ["client", "tasker", "database"] as const
export type Link = (typeof links)[number]

export const linkFaults = ["cut", "delay", "half_close", "swallow"] as const
export type LinkFault = (typeof linkFaults)[number]

/** How the reference answers wrongly; its `Faults.ts` says what each is. */
export const wrongAnswers = [
  "delay",
  "delay_after",
  "cut_before",
  "cut_after",
  "malformed",
  "wrong_shape",
  "rate_limit",
  "server_error",
  "server_error_after",
  "broker_lost",
  "proxied",
  "unauthorized",
  "html",
  "huge",
  "drop",
  "foreign",
  "refuse"
] as const
export type WrongAnswer = (typeof wrongAnswers)[number] | "cut_between"

/** Wrong answers that the reference of one kind has and the other has not. */
const ownAnswers: Readonly<Record<TaskerKind, ReadonlyArray<WrongAnswer>>> = {
  nodedc: [],
  plane: ["cut_between"],
  "real-plane": ["cut_between"]
}

/** What Tasker may lack: the gateway must keep its promise without. */
export const lacks = ["dedupe_key", "no_comments_listing"] as const

/** Plane never has the one, and always the other. */
const lacksOf: Readonly<Record<TaskerKind, ReadonlyArray<string>>> = {
  nodedc: lacks,
  plane: [],
  "real-plane": []
}

/** `at` and `lasts` in milliseconds, `at` from the beginning of the run. */
export type Strike = { readonly at: number } & (
  | { readonly kind: "instance.kill" | "instance.stop"; readonly instance: number }
  | { readonly kind: "instance.freeze"; readonly instance: number; readonly lasts: number }
  | { readonly kind: "tasker.kill" | "tasker.stop" }
  | { readonly kind: "postgres.fast" | "postgres.immediate" | "postgres.kill" | "postgres.backends" }
  | {
      readonly kind: "tasker.answers"
      readonly wrong: WrongAnswer
      /** Strikes each k-th write. */
      readonly every: number
      readonly lasts: number
    }
  | {
      /** Creates and comments are held up until this many milliseconds after `TASKER_SETTLE_AFTER_MS`. */
      readonly kind: "tasker.straggles"
      readonly late: number
      readonly lasts: number
    }
  | { readonly kind: "tasker.lacks"; readonly lack: (typeof lacks)[number]; readonly lasts: number }
  | {
      readonly kind: "link"
      readonly link: Link
      readonly instance: number
      readonly fault: LinkFault
      /** Of an exchange of messages to be struck. */
      readonly chance: number
      readonly lasts: number
    }
)

/** By which name a strike is counted. */
export const kindOf = (strike: Strike): string => {
  switch (strike.kind) {
    case "link":
      return `link.${strike.link}.${strike.fault}`
    case "tasker.answers":
      return `tasker.answers.${strike.wrong}`
    case "tasker.lacks":
      return `tasker.lacks.${strike.lack}`
    default:
      return strike.kind
  }
}

/** Every kind there is before a Tasker: a run of some minutes has each of them. */
export const kindsBefore = (tasker: TaskerKind): ReadonlyArray<string> => [
  ...["instance.kill", "instance.stop", "instance.freeze", "tasker.kill", "tasker.stop"],
  ...["postgres.fast", "postgres.immediate", "postgres.kill", "postgres.backends"],
  ...[...wrongAnswers, ...ownAnswers[tasker]].map((wrong) => `tasker.answers.${wrong}`),
  "tasker.straggles",
  ...lacksOf[tasker].map((lack) => `tasker.lacks.${lack}`),
  ...links.flatMap((link) => linkFaults.map((fault) => `link.${link}.${fault}`))
]

/** A clock that is off by more than this is what every operator notices. */
const mostShift = 180_000
/** Before the first strike the agents have begun, and have something to lose. */
const calm = 1500

/** Strikes one after the other, of kinds that are dealt in turn, `every` so many milliseconds on average. */
interface Track {
  readonly name: string
  readonly every: number
  /** Milliseconds from the beginning to the first strike; left out: `calm`. */
  readonly from?: number
  readonly kinds: ReadonlyArray<string>
}

const tracksOf = ({ focus, lease, seconds, tasker }: PlanOptions): ReadonlyArray<Track> => {
  const everyKind = kindsBefore(tasker)
  // A short run has to see every kind; a long one sees each often enough, and gets more done between them.
  const thinning = seconds >= 180 ? 1.25 : 1
  return [
    {
      name: "instances",
      every: 4500 * thinning,
      kinds: [...Array(4).fill("instance.kill"), "instance.stop", "instance.freeze"]
    },
    { name: "links", every: 1500 * thinning, kinds: everyKind.filter((kind) => kind.startsWith("link.")) },
    {
      name: "answers",
      every: 1800 * thinning,
      // With short leases a write is always being carried out by two: see `withoutLies`.
      kinds: everyKind.filter(
        (kind) => /^tasker\.(answers|lacks)/.test(kind) && (lease === undefined || !kind.endsWith(".refuse"))
      )
    },
    {
      name: "outages",
      // A database that dies more often than five times a minute is not started again.
      every: lease === undefined ? Math.min(20_000, Math.max(8000, (seconds * 1000) / 8)) : 14_000,
      // A sabotaged run is short. It has to get as far as changes of cards.
      from: lease === undefined ? calm : 7000,
      kinds: everyKind.filter((kind) => /^postgres\.|^tasker\.(kill|stop)$/.test(kind))
    },
    { name: "stragglers", every: 22_000 * thinning, kinds: ["tasker.straggles"] },
    ...(focus.length === 0 ? [] : [{ name: "focus", every: 1200, kinds: focus }])
  ]
}

export interface PlanOptions extends Pick<Plan, "seed" | "seconds" | "instances"> {
  /** Kinds that strike more often than the others. */
  readonly focus: ReadonlyArray<string>
  readonly tasker: TaskerKind
  /** Set where leases end while calls are still at work, in milliseconds. */
  readonly lease?: number | undefined
}

export const planOf = (options: PlanOptions): Plan => {
  const { instances, seconds, seed } = options
  const strikes = tracksOf(options).flatMap(({ every, from = calm, kinds, name }) => {
    const random = randomOf(seed, `plan.${name}`)
    const kind = deckOf(random, kinds)
    const instance = deckOf(random, [...Array(instances).keys()])
    const made: Array<Strike> = []
    for (let at = from; at < seconds * 1000; at += every * (0.6 + 0.8 * random.next())) {
      made.push(strikeOf(kind(), Math.round(at), instance(), random))
    }
    return made
  })
  const random = randomOf(seed, "plan.clocks")
  return {
    seed,
    seconds,
    instances,
    clocks: Array.from({ length: instances }, () => random.between(-mostShift, mostShift)),
    strikes: withoutLies(strikes, holdUpsOf(options.tasker)).toSorted((one, other) => one.at - other.at)
  }
}

const strikeOf = (kind: string, at: number, instance: number, random: Random): Strike => {
  const [who, what, how] = kind.split(".")
  switch (`${who}.${what}`) {
    case "instance.freeze":
      return { at, kind: "instance.freeze", instance, lasts: random.between(1000, longestFreeze) }
    case "instance.kill":
    case "instance.stop":
      return { at, kind: `instance.${what as "kill" | "stop"}`, instance }
    case "tasker.answers": {
      const wrong = how as WrongAnswer
      return {
        at,
        kind: "tasker.answers",
        wrong,
        // As many failures as would make the gateway leave Tasker alone would be a quiet run.
        every: wrong === "foreign" ? 1 : random.between(3, 5),
        lasts: random.between(1200, 2600)
      }
    }
    case "tasker.straggles":
      return {
        at,
        kind: "tasker.straggles",
        late: random.between(straggling.least, straggling.most),
        lasts: 1200
      }
    case "tasker.lacks":
      return {
        at,
        kind: "tasker.lacks",
        lack: how as (typeof lacks)[number],
        lasts: random.between(2000, 4500)
      }
    case "tasker.kill":
    case "tasker.stop":
      return { at, kind: `tasker.${what as "kill" | "stop"}` }
  }
  if (who === "postgres") {
    return { at, kind: `postgres.${what as "fast" | "immediate" | "kill" | "backends"}` }
  }
  if (who !== "link") throw new Error(`There is no fault called ${kind}`)
  return {
    at,
    kind: "link",
    link: what as Link,
    fault: how as LinkFault,
    instance,
    chance: random.between(10, 40) / 100,
    lasts: random.between(800, 2500)
  }
}

const lastsOf = (strike: Strike): number => ("lasts" in strike ? strike.lasts : 0)

const isLie = (strike: Strike): boolean => strike.kind === "tasker.answers" && strike.wrong === "refuse"

/** True if a strike is over, and what it held up has come to its end, before another begins, or it begins after that. */
const isApart = (strike: Strike, lie: Strike, lingers: number): boolean =>
  strike.at > lie.at + lastsOf(lie) || strike.at + lastsOf(strike) + lingers < lie.at

/**
 * A Tasker that refuses a write while it carries out that very write, held up on its way, says something
 * untrue that nobody could find out. So Tasker does not refuse for no reason while a request may straggle, and
 * around the moments in which it does nothing holds a request up.
 */
const withoutLies = (
  strikes: ReadonlyArray<Strike>,
  { mayLinger, settleAfter }: HoldUps
): ReadonlyArray<Strike> => {
  const stragglers = strikes.filter((strike) => strike.kind === "tasker.straggles")
  const truer = strikes.filter(
    (strike) =>
      !isLie(strike) ||
      stragglers.every((straggler) => isApart(straggler, strike, settleAfter + straggler.late + mayLinger))
  )
  const lies = truer.filter(isLie)
  const holdsUp = (strike: Strike) =>
    (strike.kind === "tasker.answers" && strike.wrong === "delay") ||
    (strike.kind === "link" && strike.link === "tasker" && strike.fault === "delay") ||
    strike.kind === "instance.freeze"
  return truer.filter((strike) => !holdsUp(strike) || lies.every((lie) => isApart(strike, lie, mayLinger)))
}
