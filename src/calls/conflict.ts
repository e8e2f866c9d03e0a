import { Effect, Option } from "effect"
import { type GatewayUnavailable, type InputInvalid, TaskerFailure } from "../domain/Failure.ts"
import { changedFields, versionOf } from "../domain/IssueVersion.ts"
import { invalidInput } from "../domain/inputs.ts"
import type { TaskerIssue } from "../domain/Tasker.ts"
import type { IssueChange } from "../domain/Write.ts"
import type { Board } from "../tools/Board.ts"
import { showIssue } from "../tools/show.ts"
import type { Expected } from "../tools/Tool.ts"
import { unmet } from "./unmet.ts"

const next =
  "Nothing was changed. Read the card again and decide anew, with a new idempotency_key if the change is another."

/** Fails if the card's content is not as the caller says that it read it. */
export const asExpected = (
  { updatedAt, version }: Expected,
  card: TaskerIssue,
  mayRead: boolean,
  answered: (updatedAt: string) => Effect.Effect<Option.Option<string>, GatewayUnavailable>
): Effect.Effect<void, TaskerFailure | InputInvalid | GatewayUnavailable> =>
  Effect.gen(function* () {
    if (version !== undefined && !mayRead) return yield* notToCompare()
    const stands = versionOf(card)
    if (version !== undefined && version !== stands) return yield* contentChanged(version, stands, mayRead)
    if (updatedAt === undefined || updatedAt === card.updated_at) return
    // Tasker moves `updated_at` by itself. What the gateway answered with that value shows if the content moved too.
    const shown = Option.getOrUndefined(yield* answered(updatedAt))
    if (shown === undefined) return yield* updatedSince(updatedAt, card.updated_at)
    if (shown !== stands) return yield* contentChanged(shown, stands, mayRead)
  })

/** Tells no guess from the content: fields that the caller can't read would be found one by one. */
const notToCompare = () =>
  invalidInput(
    "expected_version",
    "A version compares the card's whole content, which takes the scope issue:read. Send expected_updated_at instead."
  )

const contentChanged = (expected: string, stands: string, mayRead: boolean): TaskerFailure => {
  const changed = changedFields(expected, stands)
  return new TaskerFailure({
    reason: "conflict",
    message: `The card's content was changed since you read it${mayRead ? `: ${changed.join(", ")}` : ""}. ${next}`,
    details: mayRead ? { changed } : {}
  })
}

const updatedSince = (expected: string, stands: string): TaskerFailure =>
  new TaskerFailure({
    reason: "conflict",
    message: `The card's updated_at is ${stands}, not ${expected}. Tasker also moves it without a change of content: send expected_version instead, which compares the content. ${next}`
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
      ? yield* showIssue(
          board.texts,
          { ...(yield* board.view(card)), version: versionOf(card) },
          {
            ...known,
            differs: (yield* unmet(write, card, board.texts)).map(({ field }) => field)
          }
        )
      : known
    const { message, reason, retryable } = failure
    return new TaskerFailure({ reason, message, retryable, details })
  }).pipe(
    Effect.timeoutOrElse({ duration: patience, orElse: () => Effect.succeed(failure) }),
    Effect.orElseSucceed(() => failure)
  )

/** A conflict is told also where the card can't be had soon. */
const patience = "2 seconds"
