import { PgClient } from "@effect/sql-pg/PgClient"
import { Effect, Layer, Option } from "effect"
import { SecureRandom } from "effect/crypto"
import { Settings } from "../../Config.ts"
import { AgentRegistry } from "../../services/AgentRegistry.ts"
import { AuditLog } from "../../services/AuditLog.ts"
import { Pairing } from "../../services/Pairing.ts"
import { makeActing } from "../registry/administrativeAct.ts"
import { pairingConfirmations } from "./pairingConfirmations.ts"
import { pairingLifecycle } from "./pairingLifecycle.ts"
import { pairingUse } from "./pairingUse.ts"

export const layer = Layer.effect(
  Pairing,
  Effect.gen(function* () {
    const sql = yield* PgClient
    const random = yield* SecureRandom.SecureRandom
    const audit = yield* AuditLog
    const registry = yield* AgentRegistry
    const { pairingPepper } = yield* Settings
    if (Option.isNone(pairingPepper)) {
      return yield* Effect.die(new Error("Settings came without a pepper, which SettingsLive makes"))
    }
    const pepper = pairingPepper.value
    const confirmationFailed = pairingConfirmations(sql, audit)
    return Pairing.of({
      ...pairingLifecycle(sql, random, makeActing(sql, audit), pepper),
      ...pairingUse(sql, random, audit, registry, pepper, confirmationFailed),
      confirmationFailed
    })
  })
)
