import { Effect } from "effect"
import type { IssueId } from "../../domain/Ids.ts"
import type { TaskerIssue } from "../../domain/Tasker.ts"
import type { IssueChange } from "../../domain/Write.ts"
import type { Capabilities } from "./taskerCapabilities.ts"

/**
 * Keeps the newest `updated_at` that Tasker showed of each card. A change that is executed under an older
 * `expected_updated_at` shows that Tasker does not check it.
 */
export interface NewestVersions {
  readonly show: (card: TaskerIssue) => Effect.Effect<void>
  /** Judges the response to a change by what Tasker had shown before the change was sent. */
  readonly judge: <E, R>(
    write: Pick<IssueChange, "issue_id" | "seen_updated_at">,
    sending: Effect.Effect<TaskerIssue, E, R>
  ) => Effect.Effect<TaskerIssue, E, R>
}

const kept = 1000

export const make = (capabilities: Pick<Capabilities, "note">): NewestVersions => {
  const newest = new Map<IssueId, number>()

  const show = ({ id, updated_at }: TaskerIssue) =>
    Effect.sync(() => {
      const shown = Math.max(newest.get(id) ?? Number.NEGATIVE_INFINITY, Date.parse(updated_at))
      newest.delete(id)
      newest.set(id, shown)
      const [oldest] = newest.keys()
      if (newest.size > kept && oldest !== undefined) newest.delete(oldest)
    })

  return {
    show,
    judge: ({ issue_id, seen_updated_at }, sending) =>
      Effect.suspend(() => {
        const shown = newest.get(issue_id)
        const isOutdated = shown !== undefined && shown > Date.parse(seen_updated_at)
        return Effect.tap(sending, (card) =>
          // A response that is no newer can be the repeat of an earlier one.
          isOutdated && Date.parse(card.updated_at) > shown
            ? Effect.andThen(capabilities.note("version_checks", "no"), show(card))
            : show(card)
        )
      })
  }
}
