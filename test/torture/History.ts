import { createWriteStream } from "node:fs"
import { finished } from "node:stream/promises"
import type { Strike } from "./Plan.ts"

/** What an agent, a project or a token is forbidden or allowed by an act of an owner. */
export type Subject =
  | { readonly token: string }
  | { readonly agent: string }
  | { readonly agent: string; readonly project: string; readonly scopes: ReadonlyArray<string> }

/** One write as its agent means it: what it is, and by what it is known in Tasker. */
export interface Operation {
  readonly op: string
  readonly agent: string
  readonly project: string
  readonly key: string
  readonly tool: string
  readonly args: Readonly<Record<string, unknown>>
  /** What Tasker holds once it is done, and for no other write: see `Effects.ts`. */
  readonly effect: string
  readonly issue: string | null
  /** The create of which this is a repetition in other words. */
  readonly twin_of: string | null
  /** Of a create: other effects that its card has from the beginning, of the card `?`. */
  readonly holds: ReadonlyArray<string>
}

/** One call that was sent. `op` is null for a read. */
export interface Invoked {
  readonly call: string
  readonly op: string | null
  readonly agent: string
  readonly token: string
  readonly tool: string
  readonly project: string | null
  readonly instance: number
  readonly edge: string
}

export interface Replied {
  readonly call: string
  readonly status: number
  /** Null for a success. */
  readonly code: string | null
  readonly replayed: boolean
  /** The structured content of a write's success. */
  readonly answer: Readonly<Record<string, unknown>> | null
}

/** One act of an owner; `acted` follows where the gateway said that it was done. */
export interface Act {
  readonly act: string
  readonly what: string
  readonly forbids: Subject | null
  readonly allows: Subject | null
}

/** What happened, in the order in which the run saw it. `t` is milliseconds from its beginning. */
export type Event = { readonly t: number } & (
  | ({ readonly ev: "operation" } & Operation)
  | ({ readonly ev: "invoke" } & Invoked)
  | ({ readonly ev: "reply" } & Replied)
  | { readonly ev: "lost"; readonly call: string; readonly why: string }
  | { readonly ev: "give_up"; readonly op: string }
  | ({ readonly ev: "act" } & Act)
  | { readonly ev: "acted"; readonly act: string }
  | { readonly ev: "act_lost"; readonly act: string; readonly why: string }
  /** A write that an instance asked Tasker for, and the reply to it; `passed`: the instance is given it. */
  | {
      readonly ev: "sent"
      readonly send: string
      readonly instance: number
      readonly op: string
      readonly effects: ReadonlyArray<string>
    }
  | {
      readonly ev: "answered"
      readonly send: string
      readonly status: number
      readonly isJson: boolean
      readonly passed: boolean
    }
  /** A person changes a card on the board. */
  | { readonly ev: "person"; readonly issue: string }
  | { readonly ev: "strike"; readonly kind: string; readonly strike: Strike; readonly done: boolean }
  | { readonly ev: "link"; readonly link: string; readonly instance: number; readonly fault: string }
  | { readonly ev: "up" | "ended"; readonly program: string; readonly how: string }
  | { readonly ev: "phase"; readonly phase: string }
)

/** An event before it has its time. */
export type Happening = Event extends infer Each ? (Each extends Event ? Omit<Each, "t"> : never) : never

/** The record of a run, as NDJSON in a file and in memory for the checker. */
export interface History {
  readonly file: string
  readonly events: ReadonlyArray<Event>
  readonly write: (happening: Happening) => void
  /** Milliseconds from the beginning of the run. */
  readonly now: () => number
  /** The wall clock at the beginning, in milliseconds since the epoch. */
  readonly begun: number
  readonly close: () => Promise<void>
}

export const historyIn = (file: string, head: object): History => {
  const stream = createWriteStream(file)
  const origin = performance.now()
  const begun = Date.now()
  const events: Array<Event> = []
  stream.write(`${JSON.stringify({ t: 0, ev: "run", begun: new Date(begun).toISOString(), ...head })}\n`)
  const now = () => Math.round((performance.now() - origin) * 10) / 10
  return {
    file,
    events,
    begun,
    now,
    write: (happening) => {
      const event = { t: now(), ...happening } as Event
      events.push(event)
      stream.write(`${JSON.stringify(event)}\n`)
    },
    close: async () => {
      stream.end()
      await finished(stream)
    }
  }
}
