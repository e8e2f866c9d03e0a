import type { Api } from "./counterparts/Counterpart.ts"
import type { History } from "./History.ts"
import type { Random } from "./Random.ts"

export interface PersonOptions {
  readonly history: History
  readonly random: Random
  readonly goesOn: () => boolean
}

const priorities = ["urgent", "high", "medium", "low", "none"]
/** Events of the history among whose cards one is picked. */
const recent = 400

const pause = (milliseconds: number) => new Promise((wake) => setTimeout(wake, milliseconds))

/** A person at the board, who now and then changes the priority of a card that agents write on. */
export const personAt = async (
  api: Pick<Api, "edit">,
  { goesOn, history, random }: PersonOptions
): Promise<void> => {
  while (goesOn()) {
    await pause(random.between(800, 2400))
    const cards = history.events.slice(-recent).flatMap((event) => {
      const issue = event.ev === "reply" ? (event.answer?.issue as { id?: unknown } | undefined) : undefined
      return typeof issue?.id === "string" ? [issue.id] : []
    })
    if (cards.length === 0) continue
    const issue = random.pick(cards)
    history.write({ ev: "person", issue })
    // Tasker may be down just now: then the card stays as it is.
    await api.edit(issue, random.pick(priorities)).catch(() => undefined)
  }
}
