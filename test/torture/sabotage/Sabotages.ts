import type { Rule } from "../check/Checker.ts"

/** A fault that is built into a gateway (`faults.ts`), to show that the checker would see it. */
export interface Sabotage {
  /** What is wrong with a gateway of this kind. */
  readonly what: string
  /** The rules that it breaks. Whatever else a run finds does not count as found. */
  readonly shows: ReadonlyArray<Rule>
  /** Kinds of faults (`Plan.ts`) under which it shows: they strike more often. Left out: `tellingFaults`. */
  readonly focus?: ReadonlyArray<string>
}

/** Kinds of faults under which most sabotages show. */
const tellingFaults: ReadonlyArray<string> = [
  ...Array<string>(3).fill("tasker.answers.foreign"),
  "tasker.answers.cut_after",
  "tasker.answers.cut_before",
  "link.database.delay",
  "link.database.cut",
  "postgres.backends"
]

/** Creates and comments that Tasker carries out late or not at all. */
const lateMakings: ReadonlyArray<string> = [
  "tasker.straggles",
  "tasker.straggles",
  "tasker.answers.cut_before"
]

export const sabotages = {
  "reserve-after-write": {
    what: "A write is sent to Tasker first, and reserved when that is done.",
    shows: ["refused but done"]
  },
  "outcome-apart-from-event": {
    what: "An outcome is committed first, and its audit event in a transaction of its own.",
    shows: ["unaudited"]
  },
  "no-fingerprint": {
    what: "A key stands for whatever is asked under it: arguments are not compared.",
    shows: ["replies that differ for one key"]
  },
  "conflict-taken-for-done": {
    what: "The card that a 409 of Tasker's names is taken for the one asked for, without being compared.",
    shows: ["lost", "answered with something else"]
  },
  "no-fence": {
    what: "An outcome is written by whoever comes, whether or not the lease has changed hands.",
    shows: ["audited twice"]
  },
  "cached-revocation": {
    what: "Who holds a token, and what it may, is remembered for five seconds where no key is asked about.",
    shows: ["passed after a revocation was acknowledged"]
  },
  "recovery-guesses-not-done": {
    what: "Recovery takes for not done whatever it is to settle.",
    shows: ["unaudited"]
  },
  "dropped-event": {
    what: "One outcome in twenty leaves no audit event.",
    shows: ["unaudited"]
  },
  "key-per-token": {
    what: "A key is a token's, not its agent's: the same one with the agent's next token is another write.",
    shows: ["doubled untold", "replies that differ for one key"]
  },
  "resend-without-waiting": {
    what: "A create or comment is sent again as soon as a look does not show it.",
    shows: ["resent too early"],
    focus: lateMakings
  },
  "double-not-told": {
    what: "Looks for a double never find one.",
    shows: ["doubled untold"],
    focus: lateMakings
  },
  "updated-at-taken-for-version": {
    what: "A card whose `updated_at` moved is taken for one that another hand changed.",
    shows: ["false conflict"]
  },
  "doubt-taken-for-refusal": {
    what: "A write whose reply got lost is taken for not done, and its key is freed.",
    shows: ["refused but done"]
  }
} as const satisfies Readonly<Record<string, Sabotage>>

export type SabotageName = keyof typeof sabotages

export const isSabotage = (name: string): name is SabotageName => Object.hasOwn(sabotages, name)

export const sabotageNames = Object.keys(sabotages).filter(isSabotage)

export const focusOf = (name: SabotageName): ReadonlyArray<string> => {
  const { focus = tellingFaults }: Sabotage = sabotages[name]
  return focus
}
