import { Effect, Redacted } from "effect"
import type { OperationShown } from "../../src/domain/OperationShown.ts"
import { outcome } from "./evidence.ts"
import { operate, send } from "./http.ts"
import { owner } from "./tasker.ts"
import { type Actor, call, World } from "./world.ts"
import { card, type WriteRow, writeRows } from "./writes.ts"

/** The operations API, as its three kinds of callers reach it. */

export const asOperator = "/api/v1/operations"
export const asOwner = (who: string) => `/api/internal/v1/owners/${encodeURIComponent(who)}/operations`
export const twins = [
  ["an operator", asOperator],
  ["its owner", asOwner(owner.id)]
] as const

export const create = writeRows.find(({ op }) => op === "create") as WriteRow

/** A write whose reply got lost: what was asked, and the operation that it left. */
export interface Lost {
  readonly agent: Actor
  readonly key: string
  /** The card that it was about; for a create another one of its project. */
  readonly issueId: string
  readonly asked: object
  readonly operation: OperationShown
}

/**
 * A write of an agent's, of which nobody knows the outcome: `unresolved` as if recovery had given it up.
 * `cut_after`: Tasker did it all the same; `cut_before`: it did not.
 */
export const lost = Effect.fnUntraced(function* (
  agent: Actor,
  { args, op, tool }: WriteRow = create,
  {
    fault = "cut_after",
    key = `lost-${op}`,
    state = "unresolved"
  }: { readonly fault?: string; readonly key?: string; readonly state?: "unknown" | "unresolved" } = {}
) {
  const { tasker } = yield* World
  const issueId = yield* card(agent, `card-of-${key}`)
  // One lost reply among others: a Tasker that does nothing but fail would be left alone for a while.
  yield* call(agent, "tasker_get_issue", { issue_id: issueId })
  yield* call(agent, "tasker_list_comments", { issue_id: issueId })
  const asked = { ...args(issueId), idempotency_key: key }
  yield* tasker.fault({ op, fault })
  const told = yield* outcome(call(agent, tool, asked))
  if (told !== "tasker.outcome_unknown") return yield* Effect.die(new Error(`It was not lost: ${told}`))
  if (state === "unresolved") yield* giveUp(agent, key)
  const { body } = yield* mine(agent, key)
  return { agent, key, issueId, asked, operation: body.operation } as Lost
})

const giveUp = (agent: Actor, key: string) =>
  Effect.flatMap(
    World,
    ({ database }) => database`
      update idempotency_keys
      set state = 'unresolved', look_at = null, reason = 'It was looked at twelve times.', looks = 12
      where agent_id = ${agent.agentId} and key = ${key} and state = 'unknown'`
  ).pipe(Effect.orDie)

/** The operation behind a key, as its agent sees it. */
export const mine = (agent: Actor, key: string) =>
  send(`/api/v1/agent-session/operations/${encodeURIComponent(key)}`, { token: Redacted.value(agent.token) })

export const settle = (id: string, body: unknown, at = asOperator) => operate(`${at}/${id}/settle`, { body })

export interface Told {
  readonly action: string
  readonly outcome: string
  readonly reason: string | null
  readonly via: string
}

/** The history of an operation, an event a line. */
export const historyOf = (id: string) =>
  Effect.map(operate(`${asOperator}/${id}`), ({ body }) =>
    (body.history as ReadonlyArray<Told>).map(({ action, outcome, reason, via }) =>
      [via, action, outcome, ...(reason === null ? [] : [reason])].join(" ")
    )
  )
