import { Context, Schema } from "effect"
import {
  HttpApi,
  HttpApiEndpoint,
  HttpApiGroup,
  HttpApiMiddleware,
  HttpApiSchema,
  OpenApi
} from "effect/http-api"
import { AuditEvent } from "../../domain/AuditEvent.ts"
import { LifecycleKey } from "../../domain/IdempotencyKey.ts"
import { AgentId, GrantId, ProjectId, TokenId, UserId } from "../../domain/Ids.ts"
import { Agent, Grant, TokenInfo } from "../../domain/Principal.ts"
import { Scope } from "../../domain/Scope.ts"
import { holdsSecret } from "../../domain/Token.ts"
import { email, instant, keyHeader, line, workspaceSlug } from "../fields.ts"
import { SetupPacket, setupQuery } from "../setup.ts"
import { InternalAccess } from "./Access.ts"
import { failures } from "./Problems.ts"

/**
 * The lifecycle API: agents, grants, tokens. It stands twice, for operators over all agents and for
 * Tasker over those of one owner, and both are made here from one definition.
 */

/** The administrative act that an endpoint carries out, as the audit trail names it when it fails. */
export class ActName extends Context.Service<ActName, string>()("tasker-codex-api/http/api/ActName") {}

/** Puts acts that fail, for whatever reason, into the audit trail. */
export class Acts extends HttpApiMiddleware.Service<Acts>()("tasker-codex-api/http/api/Acts", {
  error: failures(409)
}) {}

/** Reads the body as strict JSON before the endpoint decodes it. */
export class StrictBody extends HttpApiMiddleware.Service<StrictBody>()(
  "tasker-codex-api/http/api/StrictBody",
  {
    error: failures(400, 413, 415, 422)
  }
) {}

/** Reads the body of a request that is open to all as strict JSON, as long as a pairing code's may be. */
export class StrictOpenBody extends HttpApiMiddleware.Service<StrictOpenBody>()(
  "tasker-codex-api/http/api/StrictOpenBody",
  {
    error: failures(400, 413, 415, 422)
  }
) {}

export const keyed = { [keyHeader]: Schema.optionalKey(LifecycleKey) }

export const paged = {
  limit: Schema.optionalKey(
    Schema.Int.check(
      Schema.isBetween({ minimum: 1, maximum: 100 }, { message: "Expected a whole number from 1 to 100" })
    )
  ),
  cursor: Schema.optionalKey(Schema.String.check(Schema.isMaxLength(512)))
}

export const nextCursor = { next_cursor: Schema.NullOr(Schema.String) }

export const created = <S extends Schema.Top>(schema: S) => schema.pipe(HttpApiSchema.status(201))

const AgentShown = Schema.Struct({ agent: Agent })
const GrantShown = Schema.Struct({ grant: Grant })
const TokenShown = Schema.Struct({ token_info: TokenInfo })

export const AgentChange = Schema.Struct({
  display_name: Schema.optionalKey(line(128)),
  status: Schema.optionalKey(Agent.fields.status)
}).check(
  Schema.makeFilter((change: object) => Object.keys(change).length > 0, {
    message: "Expected display_name, status or both"
  })
)

export const NewGrant = Schema.Struct({
  workspace_slug: workspaceSlug,
  project_id: ProjectId,
  scopes: Schema.Array(Scope).check(Schema.isBetweenLength(1, 32, { message: "Expected one scope or more" })),
  expires_at: Schema.optionalKey(Schema.NullOr(instant)),
  max_writes_per_day: Schema.optionalKey(
    Schema.NullOr(
      Schema.Int.check(
        Schema.isBetween(
          { minimum: 1, maximum: 1_000_000 },
          { message: "Expected a whole number from 1 to 1000000" }
        )
      )
    )
  )
})

export const NewToken = Schema.Struct({
  name: line(128),
  expires_at: Schema.optionalKey(Schema.NullOr(instant))
})

const NewAgent = Schema.Struct({ owner_user_id: UserId, owner_email: email, display_name: line(128) })

/** In a path that says whose agent it is; the body may say it again. */
export const NewAgentOfOwner = Schema.Struct({
  ...NewAgent.fields,
  owner_user_id: Schema.optionalKey(UserId)
})

/** What both APIs have. `owner` are the path parameters that the prefix brings along. */
const resources = <
  const Name extends string,
  Owner extends Schema.Struct.Fields,
  Creating extends Schema.Top
>(
  name: Name,
  owner: Owner,
  creating: Creating
) => {
  const ofAgent = { ...owner, agent_id: AgentId }
  return HttpApiGroup.make(name).add(
    HttpApiEndpoint.post("createAgent", "/agents", {
      params: owner,
      headers: keyed,
      payload: creating,
      success: created(AgentShown),
      error: failures(409)
    }).middleware(StrictBody),
    HttpApiEndpoint.get("listAgents", "/agents", {
      params: owner,
      query: paged,
      success: Schema.Struct({ agents: Schema.Array(Agent), ...nextCursor })
    }),
    HttpApiEndpoint.get("getAgent", "/agents/:agent_id", {
      params: ofAgent,
      success: Schema.Struct({ agent: Agent, grants: Schema.Array(Grant), tokens: Schema.Array(TokenInfo) })
    }),
    HttpApiEndpoint.patch("updateAgent", "/agents/:agent_id", {
      params: ofAgent,
      payload: AgentChange,
      success: AgentShown
    })
      .middleware(StrictBody)
      .annotate(ActName, "agent.updated")
      .middleware(Acts),
    HttpApiEndpoint.post("createGrant", "/agents/:agent_id/grants", {
      params: ofAgent,
      headers: keyed,
      payload: NewGrant,
      success: created(GrantShown)
    })
      .middleware(StrictBody)
      .annotate(ActName, "grant.created")
      .middleware(Acts),
    HttpApiEndpoint.get("listGrants", "/agents/:agent_id/grants", {
      params: ofAgent,
      query: paged,
      success: Schema.Struct({ grants: Schema.Array(Grant), ...nextCursor })
    }),
    HttpApiEndpoint.delete("revokeGrant", "/agents/:agent_id/grants/:grant_id", {
      params: { ...ofAgent, grant_id: GrantId },
      success: GrantShown
    })
      .annotate(ActName, "grant.revoked")
      .middleware(Acts),
    HttpApiEndpoint.post("issueToken", "/agents/:agent_id/tokens", {
      params: ofAgent,
      headers: keyed,
      payload: NewToken,
      success: created(Schema.Struct({ token: Schema.String, token_info: TokenInfo }))
    })
      .middleware(StrictBody)
      .annotate(ActName, "token.issued")
      .middleware(Acts),
    HttpApiEndpoint.get("listTokens", "/agents/:agent_id/tokens", {
      params: ofAgent,
      query: paged,
      success: Schema.Struct({ tokens: Schema.Array(TokenInfo), ...nextCursor })
    }),
    HttpApiEndpoint.delete("revokeToken", "/agents/:agent_id/tokens/:token_id", {
      params: { ...ofAgent, token_id: TokenId },
      success: TokenShown
    })
      .annotate(ActName, "token.revoked")
      .middleware(Acts),
    HttpApiEndpoint.get("getSetup", "/agents/:agent_id/setup", {
      params: ofAgent,
      query: setupQuery,
      success: Schema.Struct({ setup: SetupPacket })
    }),
    HttpApiEndpoint.get("listAudit", "/agents/:agent_id/audit", {
      params: ofAgent,
      query: paged,
      success: Schema.Struct({ events: Schema.Array(AuditEvent), ...nextCursor })
    })
  )
}

export const strict = { errors: "all", onExcessProperty: "error" } as const

export const Operator = resources("operator", {}, NewAgent)
  .middleware(InternalAccess)
  .prefix("/api/v1")
  .annotate(HttpApi.PayloadParseOptions, strict)
  .annotate(HttpApi.QueryParseOptions, strict)
  .annotateMerge(
    OpenApi.annotations({
      title: "Lifecycle: operators",
      description: "Agents, grants and tokens of all owners."
    })
  )

/** A body is searched for tokens before it is decoded; the path's only free text is this. */
export const OwnerInPath = UserId.check(
  Schema.makeFilter((text: string) => !holdsSecret(text), {
    message: "Expected an owner, not an agent token"
  })
)

export const Owner = resources("owner", { owner_user_id: OwnerInPath }, NewAgentOfOwner)
  .add(
    HttpApiEndpoint.post("disableAgents", "/disable-agents", {
      params: { owner_user_id: OwnerInPath },
      success: Schema.Struct({ disabled: Schema.Int })
    }).annotate(
      OpenApi.Description,
      "Disables all of the owner's agents. It makes nothing and takes no Idempotency-Key: to repeat it is safe, and `disabled` counts those that were not disabled before."
    )
  )
  .middleware(InternalAccess)
  .prefix("/api/internal/v1/owners/:owner_user_id")
  .annotate(HttpApi.PayloadParseOptions, strict)
  .annotate(HttpApi.QueryParseOptions, strict)
  .annotateMerge(
    OpenApi.annotations({
      title: "Lifecycle: one owner",
      description:
        "The same for the agents of one owner; those of others are not found. For Tasker's backend."
    })
  )
