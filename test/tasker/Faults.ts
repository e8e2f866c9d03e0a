import { Context, Deferred, Effect, Layer, Schema } from "effect"
import { Op } from "./Calls.ts"
import { Uuid } from "./Fields.ts"
import type { Switches } from "./Switches.ts"

/** What can go wrong on purpose. "Carried out" means that the write is committed. */
const Kind = Schema.Literals([
  /** 422; not carried out. */
  "refuse",
  /** Carried out `delay_ms` late, even if the client has left by then. */
  "delay",
  /** Carried out at once, answered `delay_ms` late. */
  "delay_after",
  /** The socket is destroyed; not carried out. */
  "cut_before",
  /** Carried out, then the socket is destroyed. */
  "cut_after",
  /** Carried out, answered 200 with JSON that breaks off. */
  "malformed",
  /** Carried out, answered with JSON in which the objects have nothing but their ids. */
  "wrong_shape",
  /** 429 with `Retry-After: retry_after`; not carried out. */
  "rate_limit",
  /** 500; not carried out. */
  "server_error",
  /** Carried out, then 500. */
  "server_error_after",
  /** Carried out but for labels, assignees and state, of which nothing is said. */
  "drop",
  /** 401; not carried out. */
  "unauthorized",
  /** 502 with an HTML page; not carried out. */
  "html",
  /** Carried out, answered with several MB. */
  "huge",
  /** The message broker is out: carried out, then 500 after `delay_ms`; a read takes half of that and succeeds. */
  "broker_lost",
  /** A proxy answers with `status`, `body` and `content_type`; carried out if `carried_out`. */
  "proxied",
  /** 409 as of something that exists under the key, with an id of `names`, which is something else; not carried out. */
  "foreign"
])

export const Fault = Schema.Struct({
  op: Schema.Union([Op, Schema.Literal("any")]),
  fault: Kind,
  /** Strikes only calls that name this external id, in the query or the body. */
  external_id: Schema.optionalKey(Schema.String),
  /** How many calls it strikes: 1 unless `every` is given, else for ever. */
  times: Schema.optionalKey(
    Schema.Union([Schema.Int.check(Schema.isGreaterThan(0)), Schema.Literal("forever")])
  ),
  /** Strikes each k-th call that matches, counted from when it was queued. */
  every: Schema.optionalKey(Schema.Int.check(Schema.isGreaterThan(0))),
  /** Milliseconds, 12000 unless given for `broker_lost`, else 0. Pass before any fault but `delay_after` and `broker_lost`. */
  delay_ms: Schema.optionalKey(Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))),
  /** Waits until the faults are removed, in place of `delay_ms`. */
  until_removed: Schema.optionalKey(Schema.Boolean),
  /** Seconds, 1 unless given. */
  retry_after: Schema.optionalKey(Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))),
  carried_out: Schema.optionalKey(Schema.Boolean),
  /** 502 unless given. */
  status: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 200, maximum: 599 }))),
  body: Schema.optionalKey(Schema.String),
  /** `text/html` unless given. */
  content_type: Schema.optionalKey(Schema.String),
  /** Of `foreign`: what it says, by the project that is asked. */
  names: Schema.optionalKey(Schema.Record(Schema.String, Uuid))
})
export type Fault = typeof Fault.Type

/** A fault that strikes a call, with the time that it waits. */
export interface Striking extends Fault {
  readonly wait: Effect.Effect<void>
}

export interface Queued extends Fault {
  readonly id: number
  /** Calls that matched since it was queued, and calls it struck. */
  readonly seen: number
  readonly struck: number
}

/**
 * The queue of faults and the switches. A call takes the first fault in the queue that is due for it;
 * those behind it don't count that call. A fault that has struck as often as it should leaves the queue.
 */
export class Faults extends Context.Service<
  Faults,
  {
    readonly queue: (fault: Fault) => Effect.Effect<Queued>
    readonly take: (op: Op, externalId: string | undefined) => Effect.Effect<Striking | undefined>
    readonly queued: Effect.Effect<ReadonlyArray<Queued>>
    readonly switches: Effect.Effect<Switches>
    readonly set: (switches: Partial<Switches>) => Effect.Effect<Switches>
    /** Removes the faults and sets every switch as at the start. */
    readonly reset: Effect.Effect<void>
  }
>()("reference-tasker/Faults") {
  static readonly layer = (start: Switches) =>
    Layer.sync(Faults, () => {
      let ids = 0
      let queue: ReadonlyArray<Queued> = []
      let switches = start
      let removed = Deferred.makeUnsafe<void>()

      const limit = ({ times, every }: Fault) =>
        times === "forever" ? Infinity : (times ?? (every === undefined ? 1 : Infinity))

      const strike = (op: Op, externalId: string | undefined): Striking | undefined => {
        for (const queued of queue) {
          if (queued.op !== "any" && queued.op !== op) continue
          if (queued.external_id !== undefined && queued.external_id !== externalId) continue
          const seen = queued.seen + 1
          const due = seen % (queued.every ?? 1) === 0
          const next: Queued = { ...queued, seen, struck: queued.struck + (due ? 1 : 0) }
          queue = queue.flatMap((other) =>
            other !== queued ? [other] : next.struck < limit(next) ? [next] : []
          )
          const wait =
            queued.until_removed === true ? Deferred.await(removed) : Effect.sleep(queued.delay_ms ?? 0)
          if (due) return { ...queued, wait }
        }
        return undefined
      }

      return {
        queue: (fault) =>
          Effect.sync(() => {
            const queued: Queued = { id: ++ids, ...fault, seen: 0, struck: 0 }
            queue = [...queue, queued]
            return queued
          }),
        take: (op, externalId) => Effect.sync(() => strike(op, externalId)),
        queued: Effect.sync(() => queue),
        switches: Effect.sync(() => switches),
        set: (changed) =>
          Effect.sync(() => {
            switches = { ...switches, ...changed }
            return switches
          }),
        reset: Effect.sync(() => {
          queue = []
          switches = start
          Deferred.doneUnsafe(removed, Effect.void)
          removed = Deferred.makeUnsafe()
        })
      }
    })
}
