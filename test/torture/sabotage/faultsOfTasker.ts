import { Effect, Layer } from "effect"
import type { Look } from "../../../src/domain/Tasker.ts"
import { Refused, type WriteFailed } from "../../../src/domain/WriteFailed.ts"
import { TaskerAdapter } from "../../../src/services/TaskerAdapter.ts"

/** Faults in what a gateway is told by Tasker, or makes of it. */

type Adapter = TaskerAdapter["Service"]

const spoiled = (spoil: (real: Adapter) => Partial<Adapter>) =>
  Layer.effect(
    TaskerAdapter,
    Effect.map(TaskerAdapter, (real) => TaskerAdapter.of({ ...real, ...spoil(real) }))
  )

/** Shows the card that a 409 names as if it were the one that was asked for. */
export const conflictTakenForDone = spoiled((real) => {
  const named = new Map<string, string>()
  return {
    createIssue: (ticket, write) =>
      Effect.tap(real.createIssue(ticket, write), (made) =>
        Effect.sync(() => made._tag === "Existing" && named.set(made.id, write.name))
      ),
    issue: (who, reference) =>
      Effect.map(real.issue(who, reference), (card) => {
        const name = card === undefined ? undefined : named.get(card.id)
        if (card === undefined || name === undefined) return card
        const { external_id: _, ...shown } = card
        return { ...shown, name }
      })
  }
})

const alone = <A>(look: Look<A>): Look<A> => (look._tag === "Found" ? { ...look, others: [] } : look)

/** Finds at most one card or comment under a key. */
export const doubleNotTold = spoiled((real) => ({
  findIssue: (who, mark) => Effect.map(real.findIssue(who, mark), alone),
  findComment: (who, mark) => Effect.map(real.findComment(who, mark), alone),
  copies: (who, mark) => Effect.map(real.copies(who, mark), (copies) => ({ ...copies, several: false }))
}))

const refused = <A>(write: Effect.Effect<A, WriteFailed>): Effect.Effect<A, WriteFailed> =>
  Effect.mapError(write, (failed) =>
    failed._tag === "Ambiguous" ? new Refused({ failure: failed.failure }) : failed
  )

/** Says of a write whose reply got lost that Tasker refused it. */
export const doubtTakenForRefusal = spoiled((real) => ({
  createIssue: (ticket, write) => refused(real.createIssue(ticket, write)),
  updateIssue: (ticket, write) => refused(real.updateIssue(ticket, write)),
  moveIssue: (ticket, write) => refused(real.moveIssue(ticket, write)),
  setLabels: (ticket, write) => refused(real.setLabels(ticket, write)),
  setAssignees: (ticket, write) => refused(real.setAssignees(ticket, write)),
  addComment: (ticket, write) => refused(real.addComment(ticket, write))
}))
