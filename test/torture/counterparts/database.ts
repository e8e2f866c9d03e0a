import type { TaskerRecords, TaskerWrite } from "../check/Records.ts"
import { patientRows } from "../Postgres.ts"
import type { Counterpart, Place, Written } from "./Counterpart.ts"

type LoggedWrite = Omit<TaskerWrite, "effect"> & Pick<Written, "body">

interface Marked {
  readonly mark: string | null
  readonly times: number
}

/** Reads a reference's database with the checker's own SQL: its log of writes, and cards and comments by their marks. */
export const recordsIn =
  (
    effectsOf: Counterpart["effectsOf"],
    statements: Readonly<Record<"writes" | "cards" | "comments", string>>
  ) =>
  async ({ databaseUrl }: Place): Promise<TaskerRecords> => {
    const [writes, cards, comments] = await Promise.all([
      patientRows<LoggedWrite>(databaseUrl, statements.writes),
      patientRows<Marked>(databaseUrl, statements.cards),
      patientRows<Marked>(databaseUrl, statements.comments)
    ])
    return {
      writes: writes.flatMap(({ body, ...write }) =>
        effectsOf({ ...write, body }).map((effect) => ({ ...write, effect }))
      ),
      cards: timesByMark(cards),
      comments: timesByMark(comments)
    }
  }

const timesByMark = (marked: ReadonlyArray<Marked>) =>
  new Map(marked.flatMap(({ mark, times }) => (mark === null ? [] : [[mark, times] as const])))
