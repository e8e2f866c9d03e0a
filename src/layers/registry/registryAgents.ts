import type { PgClient } from "@effect/sql-pg/PgClient"
import { type Duration, Effect, type Option } from "effect"
import type { SecureRandom } from "effect/crypto"
import type { Fragment } from "effect/sql/Statement"
import { RequestRefused } from "../../domain/Failure.ts"
import { type AgentId, AgentId as AgentIdSchema, type UserId } from "../../domain/Ids.ts"
import { Agent, Grant, StandingGrant, TokenInfo } from "../../domain/Principal.ts"
import type { Act, AgentRegistry, Reach } from "../../services/AgentRegistry.ts"
import { storage } from "../database/storage.ts"
import type { Acting } from "./administrativeAct.ts"
import { agentJson, grantJson, standingGrantJson, tokenJson } from "./principalJson.ts"
import { items, page } from "./registrySql.ts"

type Registry = AgentRegistry["Service"]

export const notFound = (what: string): RequestRefused =>
  new RequestRefused({ reason: "not_found", message: `There is no such ${what}.` })

const asAgents = items(Agent)

/** The agent, if it is within reach. `lock` ends the statement: how the row is held until the transaction ends. */
export const agentWithin = (sql: PgClient, reach: Reach, id: AgentId, lock: Fragment = sql``) =>
  Effect.flatMap(
    asAgents(sql`
      select ${agentJson(sql)} as item from agents a
      where a.id = ${id}::uuid ${reach === undefined ? sql`` : sql`and a.owner_user_id = ${reach}`} ${lock}`),
    ([agent]) => (agent === undefined ? Effect.fail(notFound("agent")) : Effect.succeed(agent))
  )

/** The part of the registry that is about agents themselves. */
export const registryAgents = (
  sql: PgClient,
  random: SecureRandom.SecureRandom["Service"],
  acting: Acting,
  longestGrant: Option.Option<Duration.Duration>
) => {
  const createAgent: Registry["createAgent"] = Effect.fn("AgentRegistry.createAgent")(function* (act, input) {
    const id = yield* random.uuidV7()
    const make = Effect.gen(function* () {
      const [agent] = yield* asAgents(sql`
        insert into agents as a (id, owner_user_id, owner_email, display_name)
        values (${id}::uuid, ${input.owner_user_id}, ${input.owner_email}, ${input.display_name})
        returning ${agentJson(sql)} as item`)
      if (agent === undefined) return yield* Effect.die(new Error("An inserted agent was not returned"))
      yield* acting.executed(act, "agent.created", agent, { body: input })
      return { id, value: agent }
    })
    return yield* acting.transaction(
      acting.once(act, input, id, make, (made) => agentWithin(sql, act.reach, AgentIdSchema.make(made)))
    )
  })

  const set = (agent: Agent, fields: { readonly display_name: string; readonly status: Agent["status"] }) =>
    Effect.map(
      asAgents(sql`
        update agents a set
          display_name = ${fields.display_name}, status = ${fields.status}, updated_at = now(),
          disabled_reason = case when ${fields.status} = 'disabled' then a.disabled_reason end
        where a.id = ${agent.id}::uuid
        returning ${agentJson(sql)} as item`),
      ([changed]) => changed ?? agent
    )

  /** An agent that is enabled again begins anew: else its next denial would be one too many. */
  const forget = ({ id }: Agent) =>
    Effect.andThen(
      sql`delete from denial_counts where agent_id = ${id}::uuid`,
      sql`delete from refused_writes where agent_id = ${id}::uuid`
    )

  const updateAgent: Registry["updateAgent"] = Effect.fn("AgentRegistry.updateAgent")((act, id, change) =>
    acting.transaction(
      Effect.gen(function* () {
        const agent = yield* agentWithin(sql, act.reach, id, sql`for no key update`)
        const { display_name = agent.display_name, status = agent.status } = change
        if (display_name === agent.display_name && status === agent.status) return agent
        const changed = yield* set(agent, { display_name, status })
        if (status === "active" && agent.status === "disabled") yield* forget(agent)
        if (display_name !== agent.display_name) {
          yield* acting.executed(act, "agent.updated", changed, { body: change })
        }
        if (status !== agent.status) {
          yield* acting.executed(act, status === "disabled" ? "agent.disabled" : "agent.enabled", changed, {
            body: change
          })
        }
        return changed
      })
    )
  )

  const disableAgents: Registry["disableAgents"] = Effect.fn("AgentRegistry.disableAgents")(
    (act: Act, owner: UserId) =>
      acting.transaction(
        Effect.gen(function* () {
          const disabled = yield* asAgents(sql`
          update agents a set status = 'disabled', updated_at = now()
          where a.owner_user_id = ${owner} and a.status = 'active'
          returning ${agentJson(sql)} as item`)
          yield* Effect.forEach(disabled, (agent) => acting.executed(act, "agent.disabled", agent), {
            discard: true
          })
          return disabled.length
        })
      )
  )

  const listAgents: Registry["listAgents"] = Effect.fn("AgentRegistry.listAgents")((reach, request) =>
    storage(
      page(
        sql,
        Agent,
        request,
        (position, cut) => sql`
        select item, ${position} from (
          select ${agentJson(sql)} as item, a.created_at, a.id from agents a
          ${reach === undefined ? sql`` : sql`where a.owner_user_id = ${reach}`}
        ) as row where true ${cut}`
      )
    )
  )

  const getAgent: Registry["getAgent"] = Effect.fn("AgentRegistry.getAgent")((reach, id) =>
    storage(
      Effect.gen(function* () {
        const agent = yield* agentWithin(sql, reach, id)
        const grants = yield* items(Grant)(sql`
          select ${grantJson(sql)} as item from grants g where g.agent_id = ${id}::uuid
          order by g.created_at desc, g.id desc`)
        const tokens = yield* items(TokenInfo)(sql`
          select ${tokenJson(sql)} as item from tokens t where t.agent_id = ${id}::uuid
          order by t.created_at desc, t.id desc`)
        return { agent, grants, tokens }
      })
    )
  )

  const standing: Registry["standing"] = Effect.fn("AgentRegistry.standing")((reach, id) =>
    storage(
      Effect.gen(function* () {
        const agent = yield* agentWithin(sql, reach, id)
        const grants = yield* items(StandingGrant)(sql`
          select ${standingGrantJson(sql, longestGrant)} as item from grants g
          where g.agent_id = ${id}::uuid and g.revoked_at is null
          order by g.created_at, g.id`)
        return { agent, grants }
      })
    )
  )

  return { createAgent, updateAgent, disableAgents, listAgents, getAgent, standing }
}
