import { scopeOf } from "../Agents.ts"
import type { Act, Event, Invoked, Operation, Replied, Subject } from "../History.ts"

/** What clients and owners were told, put together from the history. Times are milliseconds of the run. */
export interface Story {
  readonly operations: ReadonlyMap<string, Told>
  readonly calls: ReadonlyArray<Call>
  readonly acts: ReadonlyArray<ActTold>
  /** By effect, in order: requests that gateways sent to Tasker. */
  readonly sends: ReadonlyMap<string, ReadonlyArray<Sent>>
  /** Edits of cards by people. */
  readonly people: ReadonlyArray<{ readonly t: number; readonly issue: string }>
  /** Until when Tasker was last to name something else in a 409; null: never. */
  readonly lastForeign: number | null
}

export interface Sent {
  readonly send: string
  readonly t: number
  readonly reply: { readonly status: number; readonly isJson: boolean; readonly passed: boolean } | undefined
}

export interface Told extends Operation {
  readonly calls: ReadonlyArray<Call>
  readonly gaveUp: boolean
}

export interface Call extends Invoked {
  readonly t: number
  readonly reply: (Replied & { readonly t: number }) | null
}

export interface ActTold extends Act {
  readonly t: number
  /** When the gateway said that it was done; null where it never did. */
  readonly acked: number | null
  /** Whether one of its requests may still have been on its way. */
  readonly lost: boolean
}

export const tell = (events: ReadonlyArray<Event>): Story => {
  const operations = new Map<string, Told & { calls: Array<Call>; gaveUp: boolean }>()
  const calls = new Map<string, { -readonly [Name in keyof Call]: Call[Name] }>()
  const acts = new Map<string, { -readonly [Name in keyof ActTold]: ActTold[Name] }>()
  const sends = new Map<string, Array<Sent>>()
  const sent = new Map<string, { -readonly [Name in keyof Sent]: Sent[Name] }>()
  const people: Array<Story["people"][number]> = []
  let lastForeign: number | null = null
  for (const event of events) {
    switch (event.ev) {
      case "strike":
        if (event.kind === "tasker.answers.foreign" && event.done && "lasts" in event.strike) {
          lastForeign = event.t + event.strike.lasts
        }
        break
      case "sent": {
        const { effects, send, t } = event
        const request = { send, t, reply: undefined }
        sent.set(send, request)
        for (const effect of effects) sends.set(effect, [...(sends.get(effect) ?? []), request])
        break
      }
      case "answered": {
        const request = sent.get(event.send)
        if (request !== undefined) request.reply = event
        break
      }
      case "person":
        people.push(event)
        break
      case "operation":
        operations.set(event.op, { ...event, calls: [], gaveUp: false })
        break
      case "invoke": {
        const call = { ...event, reply: null }
        calls.set(event.call, call)
        if (event.op !== null) operations.get(event.op)?.calls.push(call)
        break
      }
      case "reply": {
        const call = calls.get(event.call)
        if (call !== undefined) call.reply = event
        break
      }
      case "give_up": {
        const operation = operations.get(event.op)
        if (operation !== undefined) operation.gaveUp = true
        break
      }
      case "act":
        acts.set(event.act, { ...event, acked: null, lost: false })
        break
      case "acted": {
        const act = acts.get(event.act)
        if (act !== undefined) act.acked = event.t
        break
      }
      case "act_lost": {
        const act = acts.get(event.act)
        if (act !== undefined) act.lost = true
        break
      }
    }
  }
  return { operations, calls: [...calls.values()], acts: [...acts.values()], sends, people, lastForeign }
}

export const succeeded = ({ reply }: Call): boolean => reply !== null && reply.code === null

export const acknowledged = ({ calls }: Told): boolean => calls.some(succeeded)

/**
 * A reply that says that nothing was done. Without one, after a success, and after words that leave it open,
 * nothing is said about it.
 */
export const definite = ({ reply }: Call): boolean => {
  const code = reply?.code
  if (code === undefined || code === null) return false
  const [kind] = code.split(".")
  if (code === "tasker.outcome_unknown" || code === "idempotency.in_progress") return false
  return ["auth", "grant", "input", "duplicate", "limit", "tasker", "idempotency"].includes(kind ?? "")
}

/** For how long a request that got lost on the way may still arrive, in milliseconds. */
const mayLinger = 60_000

/** Whether a call got through though everybody had been told that it would not. */
export const passedAfterRevocation = (call: Call, acts: ReadonlyArray<ActTold>): ActTold | undefined => {
  if (!succeeded(call)) return undefined
  return acts.find((act) => {
    if (act.forbids === null || act.acked === null || act.acked >= call.t) return false
    if (!covers(act.forbids, call)) return false
    if ("token" in act.forbids) return true
    return !acts.some((other) => mayAllow(other, act, act.acked ?? 0, call))
  })
}

/** Whether `other` may have allowed again, before the call was answered, what `act` had forbidden. */
const mayAllow = (other: ActTold, act: ActTold, acked: number, call: Call): boolean => {
  if (other === act || other.allows === null || !covers(other.allows, call)) return false
  if (other.t > act.t) return other.t <= (call.reply?.t ?? Infinity)
  return (other.lost || other.acked === null) && other.t > acked - mayLinger
}

/** Whether what a call asks for is among what an act forbids or allows. */
export const covers = (subject: Subject, call: Call): boolean => {
  if ("token" in subject) return subject.token === call.token
  if (subject.agent !== call.agent) return false
  if (!("project" in subject)) return true
  const scope = scopeOf[call.tool]
  return subject.project === call.project && scope !== undefined && subject.scopes.includes(scope)
}
