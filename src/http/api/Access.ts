import { Context } from "effect"
import { HttpApiMiddleware, HttpApiSecurity, OpenApi } from "effect/http-api"
import type { Token } from "../../domain/Token.ts"
import { failures } from "./Problems.ts"

const bearer = (description: string) =>
  HttpApiSecurity.bearer.pipe(HttpApiSecurity.annotate(OpenApi.Description, description))

/** Refuses requests that web pages of other sites have browsers send. */
export class OwnPages extends HttpApiMiddleware.Service<OwnPages>()("tasker-codex-api/http/api/OwnPages", {
  error: failures(403)
}) {}

/** Lets pass only operators: by the internal token, from `LIFECYCLE_NETWORKS`. */
export class InternalAccess extends HttpApiMiddleware.Service<InternalAccess>()(
  "tasker-codex-api/http/api/InternalAccess",
  {
    error: failures(401, 403),
    security: { internalToken: bearer("The gateway's internal token, NODEDC_AGENT_GATEWAY_INTERNAL_TOKEN") }
  }
) {}

/** An agent token of the right form that came with the request. Whose it is, if anyone's, is not known yet. */
export class PresentedToken extends Context.Service<PresentedToken, Token>()(
  "tasker-codex-api/http/api/PresentedToken"
) {}

/** Lets pass only who presents something of the form of an agent token. */
export class AgentAccess extends HttpApiMiddleware.Service<AgentAccess, { provides: PresentedToken }>()(
  "tasker-codex-api/http/api/AgentAccess",
  { error: failures(401), security: { agentToken: bearer("An agent token, ndcat_…") } }
) {}
