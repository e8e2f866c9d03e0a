import { Effect, Schema } from "effect"
import { Uuid } from "../domain/Ids.ts"
import type { Principal } from "../domain/Principal.ts"
import { Scope } from "../domain/Scope.ts"
import { countFitting } from "./size.ts"
import { sessionTool } from "./Tool.ts"

export const AgentShown = Schema.Struct({ id: Uuid, display_name: Schema.String, status: Schema.String })
export const OwnerShown = Schema.Struct({ user_id: Schema.String, email: Schema.String })
export const GrantShown = Schema.Struct({
  project_id: Uuid,
  workspace_slug: Schema.String,
  scopes: Schema.Array(Scope),
  expires_at: Schema.NullOr(Schema.String),
  writes_left_today: Schema.NullOr(Schema.Int)
})

/** Who the caller is and what it may do now: live grants only. */
export const sessionOf = ({ agent, grants }: Pick<Principal, "agent" | "grants">) => ({
  agent: { id: agent.id, display_name: agent.display_name, status: agent.status },
  owner: { user_id: agent.owner_user_id, email: agent.owner_email },
  grants: grants
    .filter(({ expired }) => !expired)
    .map((grant) => ({
      project_id: grant.project_id,
      workspace_slug: grant.workspace_slug,
      scopes: grant.scopes,
      expires_at: grant.expires_at,
      writes_left_today:
        grant.max_writes_per_day === null ? null : Math.max(0, grant.max_writes_per_day - grant.writes_today)
    }))
})

export const getSession = sessionTool({
  name: "tasker_get_session",
  title: "Who am I",
  description: "Shows which agent you are, for whom you work, and in which projects you may do what.",
  scope: null,
  input: {},
  output: {
    agent: AgentShown,
    owner: OwnerShown,
    grants: Schema.Array(GrantShown),
    truncated: Schema.optionalKey(Schema.Literal(true))
  },
  run: Effect.fnUntraced(function* (_, { principal, texts }) {
    const whole = sessionOf(principal)
    const count = yield* countFitting(texts, whole.grants, (grants) => ({ ...whole, grants }))
    return count === whole.grants.length
      ? whole
      : { ...whole, grants: whole.grants.slice(0, count), truncated: true as const }
  })
})
