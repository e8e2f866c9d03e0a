import { Effect } from "effect"
import { TaskerFailure } from "../domain/Failure.ts"
import type { IssueChange } from "../domain/Write.ts"
import type { Board } from "../tools/Board.ts"
import { showIssue } from "../tools/show.ts"
import { unmet } from "./unmet.ts"

/** The card is not the one that the caller read. */
export const changedSince = (expected: string, seen: string): TaskerFailure =>
  new TaskerFailure({
    reason: "conflict",
    message: `The card was changed since: its updated_at is ${seen}, not ${expected}. Nothing was changed. Read it again and decide anew, with a new idempotency_key if the change is another.`
  })

/**
 * A conflict with the card as it stands now beside it, and the fields in which it is not as this call asks
 * (`differs`): what a caller needs to decide anew. Only for one who may read the card.
 */
export const withCard = (
  failure: TaskerFailure,
  write: IssueChange,
  board: Board
): Effect.Effect<TaskerFailure> =>
  Effect.gen(function* () {
    const card = yield* board.issue(write.issue_id)
    const known = { ...failure.details, issue_id: card.id, updated_at: card.updated_at }
    const details = board.may("issue:read")
      ? yield* showIssue(yield* board.view(card), {
          ...known,
          differs: unmet(write, card).map(({ field }) => field)
        })
      : known
    const { message, reason, retryable } = failure
    return new TaskerFailure({ reason, message, retryable, details })
  }).pipe(
    Effect.timeoutOrElse({ duration: patience, orElse: () => Effect.succeed(failure) }),
    Effect.orElseSucceed(() => failure)
  )

/** A conflict is told also where the card can't be had soon. */
const patience = "2 seconds"
