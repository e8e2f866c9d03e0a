import type { PgClient } from "@effect/sql-pg/PgClient"
import { Clock, Duration, Effect, Option } from "effect"
import type { SecureRandom } from "effect/crypto"
import type { InputInvalid } from "../../domain/Failure.ts"
import { invalidInput } from "../../domain/inputs.ts"
import { Grant } from "../../domain/Principal.ts"
import { allScopes } from "../../domain/Scope.ts"
import type { AgentRegistry } from "../../services/AgentRegistry.ts"
import { storage } from "../database/storage.ts"
import { type Acting, inFuture } from "./administrativeAct.ts"
import { grantJson } from "./principalJson.ts"
import { agentWithin, notFound } from "./registryAgents.ts"
import { items, page } from "./registrySql.ts"

/** Demands an end within the longest lifetime, if there is one. */
const endsInTime = (
  expiresAt: string | null,
  longest: Option.Option<Duration.Duration>
): Effect.Effect<void, InputInvalid> =>
  Option.isNone(longest)
    ? Effect.void
    : Effect.flatMap(Clock.currentTimeMillis, (now) =>
        expiresAt !== null && Date.parse(expiresAt) <= now + Duration.toMillis(longest.value)
          ? Effect.void
          : Effect.fail(
              invalidInput(
                "expires_at",
                `Expected an instant within ${Duration.toDays(longest.value)} days: this gateway can't see that an owner was removed from a project, so a grant has to end by itself.`
              )
            )
      )

type Registry = AgentRegistry["Service"]

const asGrants = items(Grant)

/** The part of the registry that is about grants. */
export const registryGrants = (
  sql: PgClient,
  random: SecureRandom.SecureRandom["Service"],
  acting: Acting,
  longest: Option.Option<Duration.Duration>
) => {
  const grantOf = (agentId: string, id: string) =>
    Effect.flatMap(
      asGrants(sql`
        select ${grantJson(sql)} as item from grants g
        where g.id = ${id}::uuid and g.agent_id = ${agentId}::uuid`),
      ([grant]) => (grant === undefined ? Effect.fail(notFound("grant")) : Effect.succeed(grant))
    )

  const grant: Registry["grant"] = Effect.fn("AgentRegistry.grant")(function* (act, agentId, terms) {
    const id = yield* random.uuidV7()
    const scopes = allScopes.filter((scope) => terms.scopes.includes(scope))
    return yield* acting.transaction(
      Effect.gen(function* () {
        const agent = yield* agentWithin(sql, act.reach, agentId)
        const make = Effect.gen(function* () {
          yield* inFuture(terms.expires_at)
          yield* endsInTime(terms.expires_at, longest)
          // The arbiter is the partial index that allows one live grant an agent and project.
          const [made] = yield* asGrants(sql`
            insert into grants as g (id, agent_id, workspace_slug, project_id, scopes, expires_at, max_writes_per_day)
            values (
              ${id}::uuid, ${agentId}::uuid, ${terms.workspace_slug}, ${terms.project_id}::uuid,
              array(select jsonb_array_elements_text(${sql.json(scopes)}::jsonb)),
              ${terms.expires_at}::timestamptz, ${terms.max_writes_per_day}::integer
            )
            on conflict (agent_id, project_id) where revoked_at is null do update
              set workspace_slug = excluded.workspace_slug, scopes = excluded.scopes,
                  expires_at = excluded.expires_at, max_writes_per_day = excluded.max_writes_per_day,
                  updated_at = now()
            returning ${grantJson(sql)} as item`)
          if (made === undefined) return yield* Effect.die(new Error("An inserted grant was not returned"))
          yield* acting.executed(act, made.id === id ? "grant.created" : "grant.replaced", agent, {
            body: terms,
            projectId: made.project_id
          })
          return { id: made.id, value: made }
        })
        return yield* acting.once(act, terms, id, make, (made) => grantOf(agentId, made))
      })
    )
  })

  const revokeGrant: Registry["revokeGrant"] = Effect.fn("AgentRegistry.revokeGrant")((act, agentId, id) =>
    acting.transaction(
      Effect.gen(function* () {
        const agent = yield* agentWithin(sql, act.reach, agentId)
        const [revoked] = yield* asGrants(sql`
          update grants g set revoked_at = now(), updated_at = now()
          where g.id = ${id}::uuid and g.agent_id = ${agentId}::uuid and g.revoked_at is null
          returning ${grantJson(sql)} as item`)
        if (revoked === undefined) return yield* grantOf(agentId, id)
        yield* acting.executed(act, "grant.revoked", agent, { projectId: revoked.project_id })
        return revoked
      })
    )
  )

  const listGrants: Registry["listGrants"] = Effect.fn("AgentRegistry.listGrants")(
    (reach, agentId, request) =>
      storage(
        Effect.andThen(
          agentWithin(sql, reach, agentId),
          page(
            sql,
            Grant,
            request,
            (position, cut) => sql`
          select item, ${position} from (
            select ${grantJson(sql)} as item, g.created_at, g.id from grants g where g.agent_id = ${agentId}::uuid
          ) as row where true ${cut}`
          )
        )
      )
  )

  return { grant, revokeGrant, listGrants }
}
