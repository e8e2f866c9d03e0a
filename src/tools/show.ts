import { Effect, Predicate } from "effect"
import type { Change } from "../domain/Change.ts"
import type { Issue, Warning } from "../domain/Issue.ts"
import type { Answer } from "../domain/Operation.ts"
import type { StandingGrant } from "../domain/Principal.ts"
import { plainWithin, writtenOnly } from "./present.ts"
import { type Counter, cutAt, fits, longestFitting } from "./size.ts"

/** An answer as it goes out: JSON values by name. */
export type Output = Readonly<Record<string, unknown>>

/**
 * What a caller is shown, by the scopes that it has now, within the size that a client keeps whole. A
 * scope gives what it names: without `issue:read` a writer sees the fields that it wrote itself.
 */

/** A card in an answer, and what says where its text was cut. */
type IssueShown<I, R> = { readonly issue: I; readonly truncated?: true; readonly next_offset?: number } & R

/** As much of a name as tells it from others, where names alone would fill an answer; less where that is not enough. */
const shortNames = [40, 16, 6]

const withNamesCut = <A>(value: A, length: number): A =>
  JSON.parse(
    JSON.stringify(value, (key, inner: unknown) =>
      (key === "name" || key === "display_name") && Predicate.isString(inner) && inner.length > length
        ? [...inner].slice(0, length).join("")
        : inner
    )
  )

/** A value with every name in it cut short, so that the whole answer around it fits. */
export const slim = <A>(counter: Counter, value: A, whole: (short: A) => unknown): Effect.Effect<A> =>
  Effect.gen(function* () {
    let short = value
    for (const length of shortNames) {
      short = withNamesCut(value, length)
      if (yield* fits(counter, whole(short))) return short
    }
    return short
  })

/** Cuts the card's text where the whole would not fit, and says so and where to read on. */
export const showIssue = <I extends Partial<Issue>, R extends Output>(
  counter: Counter,
  issue: I,
  rest: R,
  offset = 0
): Effect.Effect<IssueShown<I, R>> =>
  Effect.gen(function* () {
    const { description } = issue
    const answer = (card: I, part: string | undefined): IssueShown<I, R> => {
      const cut = part !== undefined && part.length < wanted.length
      return {
        issue: part === undefined ? card : { ...card, description: part },
        ...(cut || card !== issue ? { truncated: true } : {}),
        ...(cut ? { next_offset: offset + part.length } : {}),
        ...rest
      }
    }
    const wanted = (description ?? "").slice(offset)
    const bare = description === undefined ? undefined : ""
    const card = (yield* fits(counter, answer(issue, bare)))
      ? issue
      : yield* slim(counter, issue, (short) => answer(short, bare))
    if (description === undefined) return answer(card, undefined)
    return answer(card, yield* longestFitting(counter, wanted, (part) => answer(card, part)))
  })

export const showAnswer = (
  counter: Counter,
  answer: Answer,
  grant: StandingGrant,
  wrote: ReadonlyArray<string>,
  replayed: boolean
): Effect.Effect<Output> => {
  const rest = { replayed, warnings: answer.warnings }
  if (answer.issue !== undefined) {
    if (grant.scopes.includes("issue:read")) return showIssue(counter, answer.issue, rest)
    // What did not take stands on the card as somebody else left it: not for a writer who may not read it.
    const unmet = answer.warnings.map(({ field }) => field)
    const own = wrote.filter((field) => !unmet.includes(field))
    // A warning about the card itself tells a double: ids of what this very write made.
    const told = (warning: Warning): Warning =>
      warning.field === "issue"
        ? warning
        : { field: warning.field, message: "It does not stand as this call asked." }
    return showIssue(counter, writtenOnly(answer.issue, own), {
      replayed,
      warnings: answer.warnings.map(told)
    })
  }
  const { comment } = answer
  if (comment === undefined) return Effect.succeed(rest)
  const shown = (part: string): Output => ({
    comment: { ...comment, comment: part },
    ...(part.length < comment.comment.length ? { truncated: true } : {}),
    ...rest
  })
  return Effect.map(longestFitting(counter, comment.comment, shown), shown)
}

/** The change of a dry run. A text that makes it too long is cut in `before` and `after` alike. */
export const showChange = Effect.fnUntraced(function* (
  counter: Counter,
  planned: Change,
  grant: StandingGrant
): Effect.fn.Return<Output> {
  const change = plainWithin(planned) as Change
  const before = grant.scopes.includes("issue:read") ? { before: change.before } : {}
  const whole = { dry_run: true, change: { ...before, after: change.after } }
  if (yield* fits(counter, whole)) return whole
  const withoutTexts = ({ before, after }: typeof whole.change) => ({
    change: { before: cutTexts(before ?? null, 0), after: cutTexts(after, 0) }
  })
  // Names are cut only if they alone are too much: a walk through long texts takes its time.
  const short = (yield* fits(counter, withoutTexts(whole.change)))
    ? whole.change
    : yield* slim(counter, whole.change, withoutTexts)
  const texts = [short.before ?? {}, short.after].flatMap((fields) =>
    Object.values(fields).filter(Predicate.isString)
  )
  const longest = texts.reduce((one, other) => (one.length > other.length ? one : other), "")
  const cut = (limit: number): Output => ({
    dry_run: true,
    change: {
      ...("before" in short ? { before: cutTexts(short.before ?? null, limit) } : {}),
      after: cutTexts(short.after, limit)
    },
    truncated: true
  })
  return cut((yield* longestFitting(counter, longest, (part) => cut(part.length))).length)
})

const cutTexts = (fields: Change["before"], limit: number): Change["before"] =>
  fields === null
    ? null
    : Object.fromEntries(
        Object.entries(fields).map(([name, value]) => [
          name,
          Predicate.isString(value) && value.length > limit ? value.slice(0, cutAt(value, limit)) : value
        ])
      )
