import { Clock, Effect, Random } from "effect"
import type { IssueFilters, TaskerCapabilities } from "../../domain/Tasker.ts"

/**
 * Keeps what this Tasker was found to do: by what normal calls showed, and by a probe if a decision needs one.
 * It is forgotten after a while, since Tasker may be updated while the gateway runs.
 */

type Known = TaskerCapabilities["filters"]
export type Filter = keyof IssueFilters

/** `card_lookup`: finds a card by `issue_id` or `identifier`. Filters are known one by one. */
export type Fact = Exclude<keyof TaskerCapabilities, "filters"> | "card_lookup" | `filter ${Filter}`

const freshMillis = 600_000
/** After a probe that showed nothing, the next one waits for so long. */
const fruitlessMillis = 30_000

export interface Capabilities {
  readonly note: (fact: Fact, known: "yes" | "no") => Effect.Effect<void>
  readonly of: (fact: Fact) => Effect.Effect<Known>
  /** Returns what is known of a fact. Runs `probe` if nothing is; a failing probe shows nothing. */
  readonly learn: (fact: Fact, probe: Effect.Effect<"yes" | "no", unknown>) => Effect.Effect<Known>
  readonly all: Effect.Effect<TaskerCapabilities>
}

interface Kept {
  readonly known: Known
  readonly until: number
}

export const make: Effect.Effect<Capabilities> = Effect.sync(() => {
  const facts = new Map<Fact, Kept>()
  const now = Effect.map(Clock.monotonicTimeNanos, (nanos) => Number(nanos) / 1e6)

  const keptAt = (fact: Fact, at: number): Kept | undefined => {
    const kept = facts.get(fact)
    return kept === undefined || kept.until <= at ? undefined : kept
  }
  const keep = (fact: Fact, known: Known, millis: number) =>
    Effect.map(now, (at) => {
      facts.set(fact, { known, until: at + millis })
    })

  const of = (fact: Fact): Effect.Effect<Known> =>
    Effect.map(now, (at) => keptAt(fact, at)?.known ?? "unknown")

  return {
    note: (fact, known) => keep(fact, known, freshMillis),
    of,
    learn: Effect.fnUntraced(function* (fact, probe) {
      const kept = keptAt(fact, yield* now)
      if (kept !== undefined) return kept.known
      const known: Known = yield* Effect.orElseSucceed(probe, () => "unknown" as const)
      yield* keep(fact, known, known === "unknown" ? fruitlessMillis : freshMillis)
      return known
    }),
    all: Effect.map(now, (at) => {
      const known = (fact: Fact): Known => keptAt(fact, at)?.known ?? "unknown"
      const filters = [...facts.keys()].filter((fact) => fact.startsWith("filter ")).map(known)
      return {
        filters: filters.includes("no") ? "no" : filters.includes("yes") ? "yes" : "unknown",
        paging: known("paging"),
        external_id_lookup: known("external_id_lookup"),
        repeat_detection: known("repeat_detection"),
        version_checks: known("version_checks"),
        comment_listing: known("comment_listing")
      }
    })
  }
})

/** Hex digits that stand for nothing in Tasker. */
export const randomHex = (length: number): Effect.Effect<string> =>
  Effect.map(Effect.all(Array.from({ length }, () => Random.nextIntBetween(0, 15))), (digits) =>
    digits.map((digit) => digit.toString(16)).join("")
  )
