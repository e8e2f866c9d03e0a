import { Effect } from "effect"
import type { Change } from "../domain/Change.ts"
import type { Write } from "../domain/Write.ts"
import type { TaskerError } from "../services/TaskerAdapter.ts"
import type { Board } from "../tools/Board.ts"

/**
 * Returns the change that a dry run shows. A card that is created without a state gets the project's default state,
 * which only Tasker knows: the write itself leaves it out, and so need not ask for it.
 */
export const dryRunChange = (
  change: Change,
  write: Write,
  board: Board
): Effect.Effect<Change, TaskerError> =>
  write._tag !== "CreateIssue" || write.state_id !== null
    ? Effect.succeed(change)
    : Effect.map(board.context, ({ states }) => {
        const given = states.find((state) => state.default)
        const state = given === undefined ? null : { id: given.id, name: given.name, group: given.group }
        return { ...change, after: { ...change.after, state } }
      })
