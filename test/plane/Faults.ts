import { Context, Effect, Layer, Schema } from "effect"

export const Op = Schema.Literals([
  "me",
  "projects",
  "project",
  "states",
  "labels",
  "members",
  "workspace_members",
  "search",
  "list",
  "lookup",
  "issue",
  "identifier",
  "list_comments",
  "get_comment",
  "create",
  "update",
  "delete",
  "comment",
  "create_label"
])
export type Op = typeof Op.Type

/** Lists what can go wrong on purpose. "Carried out" means that the write is committed. */
const Kind = Schema.Literals([
  /** 400; not carried out. */
  "refuse",
  /** Carried out `delay_ms` late, even if the client has left by then. */
  "delay",
  /** Carried out at once, answered `delay_ms` late. */
  "delay_after",
  /** The socket is destroyed; not carried out. */
  "cut_before",
  /** Carried out, then the socket is destroyed. */
  "cut_after",
  /** A create or change: the card's row is committed, its labels and assignees are not; the socket is destroyed. */
  "cut_between",
  /** Carried out, answered 200 with JSON that breaks off. */
  "malformed",
  /** Carried out, answered with objects that have only their ids. */
  "wrong_shape",
  /** Carried out but for labels, assignees and state; the response shows them as they are. */
  "drop",
  /** Carried out, answered with several MB. */
  "huge",
  /** 429 with `Retry-After: retry_after`; not carried out. */
  "rate_limit",
  /** 500; not carried out. */
  "server_error",
  /** Carried out, then 500. */
  "server_error_after",
  /** 403 as for an unknown key; not carried out. */
  "unauthorized",
  /** 502 with an HTML page; not carried out. */
  "html",
  /** Carried out, then answered by a proxy with `status`, `body` and `content_type`. */
  "proxied",
  /** 409 with an id of `names`, which is something else's; not carried out. */
  "foreign"
])

const Positive = Schema.Int.check(Schema.isGreaterThan(0))
const NotNegative = Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))

export const Fault = Schema.Struct({
  op: Schema.Union([Op, Schema.Literal("any")]),
  fault: Kind,
  /** Only requests that name this external id, in the query or the body. */
  external_id: Schema.optionalKey(Schema.String),
  /** How many requests it strikes: 1 unless `every` is given, else for ever. */
  times: Schema.optionalKey(Schema.Union([Positive, Schema.Literal("forever")])),
  /** Strikes each k-th request that matches, counted from when it was queued. */
  every: Schema.optionalKey(Positive),
  /** Passes before any fault except `delay_after`. */
  delay_ms: Schema.optionalKey(NotNegative),
  /** Seconds, 1 unless given. */
  retry_after: Schema.optionalKey(NotNegative),
  status: Schema.optionalKey(Schema.Int),
  body: Schema.optionalKey(Schema.String),
  content_type: Schema.optionalKey(Schema.String),
  /** Ids by the project that is asked. */
  names: Schema.optionalKey(Schema.Record(Schema.String, Schema.String))
})
export type Fault = typeof Fault.Type

interface Queued {
  readonly fault: Fault
  readonly seen: number
  readonly struck: number
}

const limitOf = ({ every, times }: Fault) =>
  times === "forever" ? Infinity : (times ?? (every === undefined ? 1 : Infinity))

/** Queues faults: a request takes the first that is due for it, and those behind it don't count that request. */
export class Faults extends Context.Service<
  Faults,
  {
    readonly queue: (fault: Fault) => Effect.Effect<void>
    readonly take: (op: Op, externalId: string | undefined) => Effect.Effect<Fault | undefined>
    readonly clear: Effect.Effect<void>
  }
>()("reference-plane/Faults") {
  static readonly layer = Layer.sync(Faults, () => {
    let queue: ReadonlyArray<Queued> = []
    const take = (op: Op, externalId: string | undefined) => {
      const at = ({ fault }: Queued) =>
        (fault.op === "any" || fault.op === op) &&
        (fault.external_id === undefined || fault.external_id === externalId)
      for (const queued of queue.filter(at)) {
        const { fault } = queued
        const seen = queued.seen + 1
        const due = seen % (fault.every ?? 1) === 0
        const next = { fault, seen, struck: queued.struck + (due ? 1 : 0) }
        queue = queue.flatMap((each) =>
          each !== queued ? [each] : next.struck < limitOf(fault) ? [next] : []
        )
        if (due) return fault
      }
      return undefined
    }
    return {
      queue: (fault) =>
        Effect.sync(() => {
          queue = [...queue, { fault, seen: 0, struck: 0 }]
        }),
      take: (op, externalId) => Effect.sync(() => take(op, externalId)),
      clear: Effect.sync(() => {
        queue = []
      })
    }
  })
}
