import { HttpApi, OpenApi } from "effect/http-api"
import manifest from "../../../package.json" with { type: "json" }
import { OwnPages } from "./Access.ts"
import { AgentApi } from "./AgentApi.ts"
import { AuditApi } from "./AuditApi.ts"
import { Operator, Owner } from "./Lifecycle.ts"
import { MetaApi } from "./MetaApi.ts"
import { OperatorOperations, OwnerOperations } from "./OperationsApi.ts"
import { OperatorPairing, OwnerPairing, PairingApi } from "./PairingApi.ts"
import { Problems } from "./Problems.ts"
import { OperatorTimeline, OwnerTimeline } from "./TimelineApi.ts"

/** What web pages of other sites may not reach, whatever credential they have. */
const guarded = HttpApi.make("guarded")
  .add(
    AgentApi,
    AuditApi,
    Operator,
    Owner,
    OperatorOperations,
    OwnerOperations,
    OperatorTimeline,
    OwnerTimeline
  )
  .add(PairingApi, OperatorPairing, OwnerPairing)
  .middleware(OwnPages)

/** All of the gateway's HTTP but `/mcp` and the pages. Handlers stand apart, in `*Handlers.ts`. */
export const Api = HttpApi.make("tasker-codex-api")
  .add(MetaApi)
  .addHttpApi(guarded)
  .middleware(Problems)
  .annotateMerge(
    OpenApi.annotations({
      title: "NODE.DC Tasker Codex API",
      version: manifest.version,
      description:
        "The gateway through which AI agents work in Tasker. Failures are problem documents (RFC 9457); agents that speak MCP use POST /mcp."
    })
  )
