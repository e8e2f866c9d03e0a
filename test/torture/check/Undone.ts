import type { Records } from "./Records.ts"
import { acknowledged, type Sent, type Story, succeeded, type Told } from "./Story.ts"
import { isTouched } from "./Touches.ts"

/** What became of an acknowledged change that its card does not show though nothing came after it. */
export interface Undone {
  readonly told: Told
  /** True if another hand wrote on the card around the same moment: Plane writes whole rows. */
  readonly byAnother: boolean
}

const acknowledgedAt = ({ calls }: Told): number =>
  Math.min(...calls.filter(succeeded).map(({ reply }) => reply?.t ?? Infinity))

/** Finds acknowledged changes whose card shows an older value of the same field, once everything is over. */
export const undone = ({
  records,
  story,
  begun,
  mayLinger
}: {
  readonly records: Records
  readonly story: Story
  readonly begun: number
  readonly mayLinger: number
}): ReadonlyArray<Undone> => {
  const { standing } = records
  if (standing === undefined) return []
  const changes = [...story.operations.values()].filter(
    (told) => told.issue !== null && told.tool !== "tasker_add_comment"
  )
  const byField = Map.groupBy(changes, ({ issue, tool }) => `${tool} ${issue}`)
  return [...byField.values()].flatMap((ofField) => {
    const stands = new Set(standing.get(ofField[0]?.issue ?? "") ?? [])
    const shown = ofField.find(({ effect }) => stands.has(effect))
    const over = shown === undefined ? 0 : overAt(shown, story.sends.get(shown.effect) ?? [], mayLinger)
    return ofField
      .filter((told) => told !== shown && acknowledged(told) && (told.calls[0]?.t ?? 0) > over)
      .map((told) => ({ told, byAnother: wasTouched(told, story, records, begun) }))
  })
}

/** When nothing of a change can be on its way any more; never if it was not acknowledged. */
const overAt = (told: Told, sends: ReadonlyArray<Sent>, mayLinger: number): number =>
  acknowledged(told) ? Math.max(acknowledgedAt(told), ...sends.map(({ t }) => t + mayLinger)) : Infinity

const wasTouched = (told: Told, story: Story, records: Records, begun: number): boolean =>
  records.writes
    .filter(({ effect }) => effect === told.effect)
    .some(({ at }) => isTouched(told, { from: at - begun, until: at - begun }, story, records, begun))
