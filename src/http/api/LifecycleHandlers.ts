import { Effect, Layer, Redacted } from "effect"
import type { HttpServerRequest } from "effect/http/HttpServerRequest"
import { HttpApiBuilder } from "effect/http-api"
import type { InputInvalid } from "../../domain/Failure.ts"
import type { AgentId, GrantId, TokenId, UserId } from "../../domain/Ids.ts"
import { invalidInput, secretIn } from "../../domain/inputs.ts"
import type { PageRequest } from "../../domain/Page.ts"
import { type Act, AgentRegistry } from "../../services/AgentRegistry.ts"
import { AuditLog } from "../../services/AuditLog.ts"
import { sessionOf } from "../../tools/getSession.ts"
import { Tools } from "../../tools/Tools.ts"
import { Addresses } from "../Addresses.ts"
import { keyHeader } from "../fields.ts"
import { requestId } from "../RequestId.ts"
import { setupPacket } from "../setup.ts"
import { Api } from "./Api.ts"
import type { AgentChange, NewAgentOfOwner, NewGrant, NewToken } from "./Lifecycle.ts"

/** What handlers of both APIs are given; only the owner's paths name an owner. */
export interface Asked {
  readonly request: HttpServerRequest
  readonly endpoint: { readonly path: string }
  readonly params: { readonly owner_user_id?: UserId }
  readonly headers?: { readonly [keyHeader]?: string }
}

export interface OfAgent extends Asked {
  readonly params: { readonly owner_user_id?: UserId; readonly agent_id: AgentId }
}

/** The path with its ids as they were read, so that two spellings of one id are one path. */
const pathOf = ({ endpoint, params }: Asked): string =>
  endpoint.path.replace(/:(\w+)/g, (_, name) =>
    encodeURIComponent((params as Record<string, string>)[name] ?? "")
  )

export const actOf = (asked: Asked): Effect.Effect<Act, InputInvalid> => {
  const value = asked.headers?.[keyHeader]
  const secret = secretIn({ [keyHeader]: value })
  if (secret !== undefined) return Effect.fail(secret)
  return Effect.succeed({
    reach: asked.params.owner_user_id,
    requestId: requestId(asked.request),
    key: value === undefined ? undefined : { path: pathOf(asked), value }
  })
}

export interface Carrying<S extends { readonly Type: unknown }> {
  readonly payload: S["Type"]
}

export interface Paged {
  readonly query: { readonly limit?: number; readonly cursor?: string }
}

export const pageOf = (query: Paged["query"]): PageRequest => ({
  limit: query.limit ?? 50,
  cursor: query.cursor
})

/** An agent is made for the owner that the path names; a body that names another is refused. */
const ownerOf = (
  inPath: UserId | undefined,
  inBody: UserId | undefined
): Effect.Effect<UserId, InputInvalid> => {
  const owner = inPath ?? inBody
  return owner !== undefined && (inBody === undefined || inBody === owner)
    ? Effect.succeed(owner)
    : Effect.fail(invalidInput("owner_user_id", "Expected the owner that the path names, or none."))
}

/** One set of handlers for both APIs. */
const handlers = Effect.gen(function* () {
  const registry = yield* AgentRegistry
  const audit = yield* AuditLog
  const tools = yield* Tools
  const { publicUrl } = yield* Addresses

  return {
    createAgent: (asked: Asked & Carrying<typeof NewAgentOfOwner>) =>
      Effect.gen(function* () {
        const owner_user_id = yield* ownerOf(asked.params.owner_user_id, asked.payload.owner_user_id)
        const act = yield* actOf(asked)
        const { display_name, owner_email } = asked.payload
        return { agent: yield* registry.createAgent(act, { owner_user_id, owner_email, display_name }) }
      }),
    listAgents: ({ params, query }: Asked & Paged) =>
      Effect.map(registry.listAgents(params.owner_user_id, pageOf(query)), ({ items, next_cursor }) => ({
        agents: items,
        next_cursor
      })),
    getAgent: ({ params }: OfAgent) => registry.getAgent(params.owner_user_id, params.agent_id),
    updateAgent: (asked: OfAgent & Carrying<typeof AgentChange>) =>
      Effect.gen(function* () {
        const act = yield* actOf(asked)
        return { agent: yield* registry.updateAgent(act, asked.params.agent_id, asked.payload) }
      }),
    createGrant: (asked: OfAgent & Carrying<typeof NewGrant>) =>
      Effect.gen(function* () {
        const act = yield* actOf(asked)
        const {
          expires_at = null,
          max_writes_per_day = null,
          project_id,
          scopes,
          workspace_slug
        } = asked.payload
        const terms = { workspace_slug, project_id, scopes, expires_at, max_writes_per_day }
        return { grant: yield* registry.grant(act, asked.params.agent_id, terms) }
      }),
    listGrants: ({ params, query }: OfAgent & Paged) =>
      Effect.map(
        registry.listGrants(params.owner_user_id, params.agent_id, pageOf(query)),
        ({ items, next_cursor }) => ({
          grants: items,
          next_cursor
        })
      ),
    revokeGrant: (asked: OfAgent & { readonly params: { readonly grant_id: GrantId } }) =>
      Effect.gen(function* () {
        const act = yield* actOf(asked)
        return { grant: yield* registry.revokeGrant(act, asked.params.agent_id, asked.params.grant_id) }
      }),
    issueToken: (asked: OfAgent & Carrying<typeof NewToken>) =>
      Effect.gen(function* () {
        const act = yield* actOf(asked)
        const { expires_at = null, name } = asked.payload
        const { info, token } = yield* registry.issueToken(act, asked.params.agent_id, { name, expires_at })
        return { token: Redacted.value(token), token_info: info }
      }),
    listTokens: ({ params, query }: OfAgent & Paged) =>
      Effect.map(
        registry.listTokens(params.owner_user_id, params.agent_id, pageOf(query)),
        ({ items, next_cursor }) => ({
          tokens: items,
          next_cursor
        })
      ),
    revokeToken: (asked: OfAgent & { readonly params: { readonly token_id: TokenId } }) =>
      Effect.gen(function* () {
        const act = yield* actOf(asked)
        return { token_info: yield* registry.revokeToken(act, asked.params.agent_id, asked.params.token_id) }
      }),
    getSetup: ({ params, query }: OfAgent & { readonly query: { readonly lang?: "en" | "ru" } }) =>
      Effect.map(registry.standing(params.owner_user_id, params.agent_id), (standing) => ({
        setup: setupPacket(publicUrl, tools.list(standing), sessionOf(standing).grants, query.lang)
      })),
    listAudit: ({ params, query }: OfAgent & Paged) =>
      Effect.map(
        Effect.andThen(
          registry.standing(params.owner_user_id, params.agent_id),
          audit.list({ agentId: params.agent_id, ...pageOf(query) })
        ),
        ({ items, next_cursor }) => ({ events: items, next_cursor })
      )
  }
})

const operator = HttpApiBuilder.group(Api, "operator", (group) =>
  Effect.map(handlers, (all) => group.handleAll(all))
)

const owner = HttpApiBuilder.group(Api, "owner", (group) =>
  Effect.gen(function* () {
    const registry = yield* AgentRegistry
    return group.handleAll({
      ...(yield* handlers),
      disableAgents: (asked) =>
        Effect.gen(function* () {
          const act = yield* actOf(asked)
          return { disabled: yield* registry.disableAgents(act, asked.params.owner_user_id) }
        })
    })
  })
)

export const layer = Layer.mergeAll(operator, owner)
