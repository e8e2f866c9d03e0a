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

/** How the reference Tasker answers wrongly; its `Faults.ts` says what each is. */
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
  "unauthorized",
  "html",
  "huge",
  "drop",
  "foreign",
  "refuse"
] as const
export type WrongAnswer = (typeof wrongAnswers)[number]

/** What Tasker may lack: the gateway must keep its promise without. */
export const lacks = ["dedupe_key", "no_comments_listing"] as const

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

/** Every kind there is: a run of some minutes has each of them. */
export const everyKind: ReadonlyArray<string> = [
  ...["instance.kill", "instance.stop", "instance.freeze", "tasker.kill", "tasker.stop"],
  ...["postgres.fast", "postgres.immediate", "postgres.kill", "postgres.backends"],
  ...wrongAnswers.map((wrong) => `tasker.answers.${wrong}`),
  ...lacks.map((lack) => `tasker.lacks.${lack}`),
  ...links.flatMap((link) => linkFaults.map((fault) => `link.${link}.${fault}`))
]

/** A clock that is off by more than this is what every operator notices. */
const mostShift = 180_000
/** Before the first strike the agents are made and have something to lose. */
const calm = 1500

export const planOf = (options: Pick<Plan, "seed" | "seconds" | "instances">): Plan => {
  const { instances, seconds, seed } = options
  const track = (name: string, every: number, strike: (random: Random) => (at: number) => Strike) => {
    const random = randomOf(seed, `plan.${name}`)
    const dealt = strike(random)
    const strikes: Array<Strike> = []
    for (let at = calm; at < seconds * 1000; at += every * (0.6 + 0.8 * random.next())) {
      strikes.push(dealt(Math.round(at)))
    }
    return strikes
  }
  const strikes = [
    ...track("instances", 4500, instanceStrikes(instances)),
    ...track("links", 1500, linkStrikes(instances)),
    ...track("answers", 1800, taskerAnswers),
    // A database that dies more often than five times a minute is not started again.
    ...track("outages", Math.min(20_000, Math.max(5000, (seconds * 1000) / 8)), outages)
  ]
  const random = randomOf(seed, "plan.clocks")
  return {
    ...options,
    clocks: Array.from({ length: instances }, () => random.between(-mostShift, mostShift)),
    strikes: withoutLies(strikes).toSorted((one, other) => one.at - other.at)
  }
}

const instanceStrikes = (instances: number) => (random: Random) => {
  const what = deckOf(random, ["kill", "kill", "kill", "kill", "stop", "freeze"] as const)
  const whom = deckOf(random, [...Array(instances).keys()])
  return (at: number): Strike => {
    const [kind, instance] = [what(), whom()]
    return kind === "freeze"
      ? { at, kind: "instance.freeze", instance, lasts: random.between(800, 4000) }
      : { at, kind: `instance.${kind}`, instance }
  }
}

const linkStrikes = (instances: number) => (random: Random) => {
  const what = deckOf(
    random,
    links.flatMap((link) => linkFaults.map((fault) => ({ link, fault })))
  )
  return (at: number): Strike => ({
    at,
    kind: "link",
    ...what(),
    instance: random.between(0, instances - 1),
    chance: random.between(10, 40) / 100,
    lasts: random.between(800, 2500)
  })
}

const taskerAnswers = (random: Random) => {
  const what = deckOf(random, [...wrongAnswers, ...lacks])
  return (at: number): Strike => {
    const dealt = what()
    const lasts = random.between(700, 1600)
    return dealt === "dedupe_key" || dealt === "no_comments_listing"
      ? { at, kind: "tasker.lacks", lack: dealt, lasts: lasts * 3 }
      : { at, kind: "tasker.answers", wrong: dealt, every: random.between(2, 4), lasts }
  }
}

const outages = (random: Random) => {
  const what = deckOf(random, [
    "postgres.fast",
    "postgres.immediate",
    "postgres.kill",
    "postgres.backends",
    "tasker.kill",
    "tasker.stop"
  ] as const)
  return (at: number): Strike => ({ at, kind: what() })
}

/** For how long a request that was held up may still be on its way. */
const mayLinger = 4000

/**
 * A Tasker that refuses a write while it carries out that very write, held up on its way, says something
 * untrue that nobody could find out. So around the moments in which Tasker refuses for no reason, nothing
 * holds a request up.
 */
const withoutLies = (strikes: ReadonlyArray<Strike>): ReadonlyArray<Strike> => {
  const lies = strikes.filter((strike) => strike.kind === "tasker.answers" && strike.wrong === "refuse")
  const holdsUp = (strike: Strike) =>
    (strike.kind === "tasker.answers" && strike.wrong === "delay") ||
    (strike.kind === "link" && strike.link === "tasker" && strike.fault === "delay") ||
    strike.kind === "instance.freeze"
  const lasts = (strike: Strike) => ("lasts" in strike ? strike.lasts : 0)
  return strikes.filter(
    (strike) =>
      !holdsUp(strike) ||
      lies.every((lie) => strike.at > lie.at + lasts(lie) || strike.at + lasts(strike) + mayLinger < lie.at)
  )
}
