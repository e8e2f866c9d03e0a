import type { Records } from "./Records.ts"
import type { Sent, Story, Told } from "./Story.ts"
import { fieldsOf } from "./Touches.ts"

/** Judges when writes were sent again, by what was heard between gateways and Tasker. */

/** Milliseconds by which a timer, or what hears the requests, may be off. */
const tolerance = 50

/** Milliseconds between the look of a gateway that sends a change again and Tasker's carrying it out. */
const lookToWrite = 5000

/** A refusal in Tasker's own words: it was not carried out, and nothing of it is on its way any more. */
const isOver = ({ reply }: Sent): boolean =>
  reply?.passed === true && reply.isJson && reply.status >= 400 && reply.status < 500

/** Sendings of a create or comment while an earlier request of it could still be on its way. */
export const tooEarly = (told: Told, { sends }: Story, mayLinger: number): ReadonlyArray<string> => {
  if (told.tool !== "tasker_create_issue" && told.tool !== "tasker_add_comment") return []
  const all = sends.get(told.effect) ?? []
  return all.flatMap((send, at) =>
    all
      .slice(0, at)
      .filter((earlier) => !isOver(earlier) && send.t - earlier.t < mayLinger - tolerance)
      .map((earlier) => `${Math.round(send.t - earlier.t)} ms after ${earlier.send} as ${send.send}`)
  )
}

/** Sendings of a change again long after another change of the same fields had been carried out. */
export const overAnother = (
  told: Told,
  { operations, sends }: Story,
  { writes }: Records,
  begun: number
): ReadonlyArray<string> => {
  if (told.issue === null || told.tool === "tasker_add_comment") return []
  const [first, ...again] = sends.get(told.effect) ?? []
  if (first === undefined || again.length === 0) return []
  const fields = fieldsOf(told)
  return [...operations.values()]
    .filter(
      (other) =>
        other.issue === told.issue &&
        other.op !== told.op &&
        fieldsOf(other).some((field) => fields.includes(field))
    )
    .flatMap((other) => writes.filter(({ effect }) => effect === other.effect))
    .flatMap((write) => {
      const at = write.at - begun
      return again
        .filter(({ t }) => first.t < at && at + lookToWrite < t)
        .map((send) => `${send.send}, ${Math.round(send.t - at)} ms after ${write.effect}`)
    })
}
