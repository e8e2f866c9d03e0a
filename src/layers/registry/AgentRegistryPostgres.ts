import { PgClient } from "@effect/sql-pg/PgClient"
import { Effect, Layer } from "effect"
import { SecureRandom } from "effect/crypto"
import { Settings } from "../../Config.ts"
import { codeOf } from "../../domain/Failure.ts"
import { AgentRegistry } from "../../services/AgentRegistry.ts"
import { AuditLog } from "../../services/AuditLog.ts"
import { storage } from "../database/storage.ts"
import { actEntry, makeActing } from "./administrativeAct.ts"
import { agentWithin, registryAgents } from "./registryAgents.ts"
import { registryGrants } from "./registryGrants.ts"
import { registryTokens } from "./registryTokens.ts"

export const layer = Layer.effect(
  AgentRegistry,
  Effect.gen(function* () {
    const sql = yield* PgClient
    const random = yield* SecureRandom.SecureRandom
    const audit = yield* AuditLog
    const { longestGrant } = yield* Settings
    const acting = makeActing(sql, audit)

    const recordFailure: AgentRegistry["Service"]["recordFailure"] = Effect.fn("AgentRegistry.recordFailure")(
      (act, action, agentId, failure) =>
        storage(agentWithin(sql, act.reach, agentId)).pipe(
          Effect.flatMap((agent) =>
            audit.record(actEntry(act, agent, { action, outcome: "failed", reason: codeOf(failure) }))
          ),
          Effect.catchTag("RequestRefused", () => Effect.void)
        )
    )

    return AgentRegistry.of({
      ...registryAgents(sql, random, acting, longestGrant),
      ...registryGrants(sql, random, acting, longestGrant),
      ...registryTokens(sql, random, acting),
      recordFailure
    })
  })
)
