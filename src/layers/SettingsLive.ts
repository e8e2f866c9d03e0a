import { randomBytes } from "node:crypto"
import { Effect, Layer, Option } from "effect"
import { fromEnvironment, Settings } from "../Config.ts"
import * as DataDir from "./DataDir.ts"
import * as Logging from "./Logging.ts"

const name = "internal-token"

/**
 * The settings of this process: the environment's, and in development what it leaves out, generated
 * once and kept under `DATA_DIR`. Nothing there is touched where nothing has to be generated.
 */
export const layer = (environment: Readonly<Record<string, string | undefined>>) =>
  Layer.effect(
    Settings,
    Effect.gen(function* () {
      const settings = yield* fromEnvironment(environment)
      if (Option.isSome(settings.internalToken)) return settings
      const dataDir = yield* DataDir.acquire(settings.dataDir)
      const internalToken = yield* dataDir.secret(
        name,
        Effect.sync(() => randomBytes(32).toString("base64url"))
      )
      const complete = { ...settings, internalToken: Option.some(internalToken) }
      // The log's own form is among the settings, so this line has to bring it along.
      yield* Effect.logInfo(
        `NODEDC_AGENT_GATEWAY_INTERNAL_TOKEN is not set: one generated for development is in ${dataDir.path}/secrets/${name}`
      ).pipe(Effect.provide(Logging.layer), Effect.provideService(Settings, complete))
      return complete
    })
  )
