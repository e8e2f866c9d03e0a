import { Clock, Context, Effect, Layer } from "effect"
import type { GatewayUnavailable, LimitReached } from "../../domain/Failure.ts"
import type { AgentId } from "../../domain/Ids.ts"
import type { Principal } from "../../domain/Principal.ts"
import { type CallClass, rateReached } from "../../domain/Rate.ts"
import { hash } from "../../domain/Token.ts"
import { CurrentRequest } from "../../services/CurrentRequest.ts"
import { AgentLanes } from "../database/AgentLanes.ts"
import { type Asked, type CallerRow, isOverRate } from "./callerSql.ts"

/** Tokens whose agent is remembered, so that all tokens of an agent share its lane. */
const mostTokens = 10_000

/** Keys that are remembered of one agent in one minute because their replays were over the rate. */
const mostKeys = 1000

/** A class of one agent's calls that is over its rate. */
interface Closed {
  /** When its minute ends: monotonic, nanoseconds. */
  readonly until: bigint
  readonly quota: number
  /** Of reads: keys of writes whose replays, which count as reads, were refused. */
  readonly keys: Set<string>
}

type Classes = Partial<Record<CallClass, Closed>>

/**
 * Runs the statements that count calls. After the first refusal in a minute it refuses the agent's calls of that
 * class from memory, without a statement, until the minute ends; an agent's other counting statements run two at
 * a time. It decides no access: a remembered token is only refused, never let through.
 */
export class RateGate extends Context.Service<
  RateGate,
  {
    /** `rowOf` finds in the statement's result what was counted. */
    pass<A, E>(
      asked: Asked,
      statement: Effect.Effect<A, E>,
      rowOf: (result: A) => CallerRow | undefined
    ): Effect.Effect<A, E | LimitReached | GatewayUnavailable>
  }
>()("tasker-codex-api/layers/calls/RateGate") {
  static readonly layer: Layer.Layer<RateGate> = Layer.effect(
    RateGate,
    Effect.gen(function* () {
      const lanes = yield* AgentLanes
      const agents = new Map<AgentId, Classes>()
      /** Whose token it is, by the token's hash, the longest unused first. */
      const tokens = new Map<string, Principal>()

      const remember = (name: string, principal: Principal) => {
        tokens.delete(name)
        tokens.set(name, principal)
        const [oldest] = tokens.keys()
        if (tokens.size > mostTokens && oldest !== undefined) tokens.delete(oldest)
      }

      /** Forgets the agents whose minutes are over. */
      const forget = (now: bigint) => {
        for (const [id, classes] of agents) {
          if (Object.values(classes).every(({ until }) => until <= now)) agents.delete(id)
        }
      }

      /** The refusal of a call that need not be counted to be refused. */
      const refusalOf = (name: string, { counting, key }: Asked, now: bigint): LimitReached | undefined => {
        const holder = tokens.get(name)
        const classes = holder === undefined ? undefined : agents.get(holder.agent.id)
        if (holder === undefined || classes === undefined || counting === undefined) return undefined
        const isReplay =
          counting.as === "writes" && key !== undefined && classes.reads?.keys.has(key) === true
        const as = isReplay ? "reads" : counting.as
        const closed = classes[as]
        if (closed === undefined || closed.until <= now) return undefined
        return rateReached(as, closed.quota, Math.ceil(Number(closed.until - now) / 1e9), holder)
      }

      /** Closes the class that was counted, if this call was over the rate. `now` is of before the statement, so that it opens no later than the minute ends. */
      const note = ({ counting, key }: Asked, row: CallerRow, now: bigint) => {
        const { rate } = row
        if (rate === null || counting === undefined || !isOverRate(rate, counting)) return
        forget(now)
        const classes = agents.get(row.agent.id) ?? {}
        const before = classes[rate.class]
        const keys = before !== undefined && before.until > now ? before.keys : new Set<string>()
        if (rate.class !== counting.as && key !== undefined && keys.size < mostKeys) keys.add(key)
        const until = now + BigInt(Math.floor(rate.resets_in_millis)) * 1_000_000n
        classes[rate.class] = { until, quota: counting.limits[rate.class], keys }
        agents.set(row.agent.id, classes)
      }

      const pass = Effect.fnUntraced(function* <A, E>(
        asked: Asked,
        statement: Effect.Effect<A, E>,
        rowOf: (result: A) => CallerRow | undefined
      ): Effect.fn.Return<A, E | LimitReached | GatewayUnavailable> {
        if (asked.counting === undefined) return yield* statement
        const name = Buffer.from(hash(asked.token)).toString("base64url")
        const refused = refusalOf(name, asked, yield* Clock.monotonicTimeNanos)
        if (refused !== undefined) {
          const facts = yield* CurrentRequest
          facts.agentId = refused.holder?.agent.id
          return yield* refused
        }
        return yield* lanes.through(
          tokens.get(name)?.agent.id ?? name,
          Effect.gen(function* () {
            const now = yield* Clock.monotonicTimeNanos
            const meanwhile = refusalOf(name, asked, now)
            if (meanwhile !== undefined) return yield* meanwhile
            const result = yield* statement
            const row = rowOf(result)
            if (row !== undefined) {
              remember(name, { agent: row.agent, token: row.token, grants: [] })
              note(asked, row, now)
            }
            return result
          })
        )
      })

      return RateGate.of({ pass })
    })
  ).pipe(Layer.provide(AgentLanes.layer))
}
