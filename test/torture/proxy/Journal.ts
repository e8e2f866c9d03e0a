import { appendFileSync, existsSync, readFileSync } from "node:fs"
import { Context, Layer } from "effect"
import type { Written } from "../counterparts/Counterpart.ts"

/** A card's fields that agents change, as Plane returned them. */
export interface Shown {
  readonly id: string
  readonly name: string
  readonly state: string
  readonly labels: ReadonlyArray<string>
  readonly assignees: ReadonlyArray<string>
}

/** What a proxy sent to Plane and heard from it. `at`: milliseconds since the epoch. */
export type Entry = { readonly at: number } & (
  | ({ readonly ev: "forwarded"; readonly send: string } & Written)
  /** `id`: the card's or comment's, if the response has one. */
  | { readonly ev: "replied"; readonly send: string; readonly status: number; readonly id: string | null }
  | { readonly ev: "shown"; readonly card: Shown }
)

export class Journal extends Context.Service<
  Journal,
  {
    /** Appends to the file before it returns, so that a kill loses nothing that was heard. */
    readonly add: (entry: Entry) => void
    /** Names a request, differently in each process that writes to the file. */
    readonly nextSend: () => string
  }
>()("torture/proxy/Journal") {
  static readonly layer = (file: string) =>
    Layer.sync(Journal, () => {
      let requests = 0
      return {
        add: (entry) => appendFileSync(file, `${JSON.stringify(entry)}\n`),
        nextSend: () => `${process.pid}-${++requests}`
      }
    })
}

/** Reads the entries in order. A line that a kill broke off is left out. */
export const readJournal = (file: string): ReadonlyArray<Entry> =>
  (existsSync(file) ? readFileSync(file, "utf8").split("\n") : []).flatMap((line) => {
    try {
      return [JSON.parse(line) as Entry]
    } catch {
      return []
    }
  })
