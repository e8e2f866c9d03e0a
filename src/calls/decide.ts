import { Effect } from "effect"
import type { Decision } from "../domain/Decision.ts"
import type { GatewayUnavailable, GrantDenied, InputInvalid, RequestRefused } from "../domain/Failure.ts"
import type { IssueId, OperationId } from "../domain/Ids.ts"
import type { Warning } from "../domain/Issue.ts"
import { invalidInput } from "../domain/inputs.ts"
import type { OperationShown } from "../domain/OperationShown.ts"
import { issueOf, type Write } from "../domain/Write.ts"
import type { Act } from "../services/AgentRegistry.ts"
import type { Operations, Settlement, Undecided } from "../services/Operations.ts"
import type { OnBehalf, TaskerError } from "../services/TaskerAdapter.ts"
import { type Board, type BoardServices, makeBoard } from "../tools/Board.ts"
import { answerOf } from "./answer.ts"
import { changeOf } from "./keptChange.ts"
import { refuted } from "./refuted.ts"

/**
 * How an owner's decision is carried out. Tasker is looked at first, on the agent's account, as whatever settles
 * a write looks before it says so; nothing is ever sent. Then the decision is
 * judged once more, under the row's lock: where somebody else settled it meanwhile, that stands.
 */
export const makeDecide = (operations: Operations["Service"], services: BoardServices) =>
  Effect.fnUntraced(function* (
    act: Act,
    id: OperationId,
    decision: Decision
  ): Effect.fn.Return<OperationShown, TaskerError | InputInvalid | RequestRefused | GatewayUnavailable> {
    const found = yield* operations.toDecide(act.reach, id, decision)
    if (found._tag === "Standing") return found.operation
    const settlement: Settlement =
      decision.outcome === "executed"
        ? yield* executed(services, act.requestId, found.undecided, decision.issue_id)
        : {
            outcome: "not_executed",
            ...(yield* refuted(
              services,
              lookingFor(act.requestId, found.undecided),
              found.undecided,
              decision.force === true
            ))
          }
    return yield* operations.settle(act, id, decision, settlement)
  })

const lookingFor = (requestId: string, { agent, workspaceSlug }: Undecided): OnBehalf => ({
  agent,
  requestId,
  workspaceSlug,
  purpose: "settle"
})

/** What replays show of a write that its owner says was made. */
const executed = Effect.fnUntraced(function* (
  services: BoardServices,
  requestId: string,
  undecided: Undecided,
  named: IssueId | undefined
): Effect.fn.Return<Settlement, TaskerError | InputInvalid> {
  const { before, write } = undecided
  const target = issueOf(write)
  if (target !== null && named !== undefined && named !== target) {
    return yield* invalidInput(
      "issue_id",
      `This operation is about card ${target}. Name that one, or leave it out.`
    )
  }
  // Whatever was granted then: a look at the card is all that is done with it.
  const board = makeBoard(services, lookingFor(requestId, undecided), {
    project_id: write.project_id,
    scopes: []
  })
  const card = yield* cardOf(board, write, named)
  const issueId = card?.id ?? target
  if (card === undefined || write._tag === "AddComment") {
    return { outcome: "executed", issueId, answer: { warnings: [unseen(write)] }, change: undefined }
  }
  const answer = yield* answerOf(
    { written: { _tag: "Issue", issue: card }, found: true, copies: undefined },
    write,
    before,
    board,
    services.texts.owed(undecided.agent.id)
  )
  return { outcome: "executed", issueId, answer, change: changeOf(write, before, answer) }
})

/**
 * The card that was made or changed. One that is named must be there. One that is only known from the
 * write may be gone by now, which does not undo that it was changed; and a comment shows nothing of it.
 */
const cardOf = (board: Board, write: Write, named: IssueId | undefined) => {
  if (named !== undefined) return board.issue(named)
  const target = issueOf(write)
  return target === null || write._tag === "AddComment"
    ? Effect.succeed(undefined)
    : Effect.catchIf(board.issue(target), isGone, () => Effect.succeed(undefined))
}

const isGone = (failure: TaskerError): failure is GrantDenied =>
  failure._tag === "GrantDenied" && failure.reason === "wrong_project"

const unseen = (write: Write): Warning =>
  write._tag === "AddComment"
    ? {
        field: "comment",
        message: "Its owner settled this call as carried out. Which comment it made is not known."
      }
    : {
        field: "issue",
        message: "Its owner settled this call as carried out. Its card can't be shown."
      }
