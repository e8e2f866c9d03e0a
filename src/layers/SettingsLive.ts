import { generateKeyPairSync, randomBytes } from "node:crypto"
import { Effect, Layer, Option, Redacted } from "effect"
import { fromEnvironment, Settings } from "../Config.ts"
import { readSigningKey } from "../domain/SigningKey.ts"
import * as DataDir from "./DataDir.ts"
import * as Logging from "./Logging.ts"

/**
 * The settings of this process: the environment's, and in development what it leaves out, generated
 * once and kept under `DATA_DIR`. Nothing there is touched where nothing has to be generated.
 */
export const layer = (environment: Readonly<Record<string, string | undefined>>) =>
  Layer.effect(
    Settings,
    Effect.gen(function* () {
      const settings = yield* fromEnvironment(environment)
      if (Option.isSome(settings.internalToken) && Option.isSome(settings.auditSigningKey)) return settings
      const dataDir = yield* DataDir.acquire(settings.dataDir)
      const told: Array<string> = []
      const generated = (variable: string, name: string, generate: () => string) => {
        told.push(
          `${variable} is not set: one generated for development is in ${dataDir.path}/secrets/${name}`
        )
        return dataDir.secret(name, Effect.sync(generate))
      }
      const internalToken = Option.isSome(settings.internalToken)
        ? settings.internalToken.value
        : yield* generated("NODEDC_AGENT_GATEWAY_INTERNAL_TOKEN", "internal-token", () =>
            randomBytes(32).toString("base64url")
          )
      const auditSigningKey = Option.isSome(settings.auditSigningKey)
        ? settings.auditSigningKey.value
        : yield* Effect.flatMap(generated("AUDIT_SIGNING_KEY", "audit-signing-key", newSigningKey), (text) =>
            keptSigningKey(text, dataDir.path)
          )
      const complete = {
        ...settings,
        internalToken: Option.some(internalToken),
        auditSigningKey: Option.some(auditSigningKey)
      }
      // The log's own form is among the settings, so these lines have to bring it along.
      yield* Effect.forEach(told, (line) => Effect.logInfo(line)).pipe(
        Effect.provide(Logging.layer),
        Effect.provideService(Settings, complete)
      )
      return complete
    })
  )

const newSigningKey = (): string =>
  generateKeyPairSync("ed25519").privateKey.export({ format: "pem", type: "pkcs8" }).toString()

const keptSigningKey = (text: Redacted.Redacted<string>, dataDir: string) =>
  Effect.fromResult(readSigningKey(Redacted.value(text))).pipe(
    Effect.mapError(
      (expected) =>
        new DataDir.DataDirError({
          reason: "secret_unreadable",
          message: `The secret ${dataDir}/secrets/audit-signing-key can't be used: ${expected}. Restore it from a backup, or delete the file to have a new key generated: what the old one signed can still be verified.`
        })
    )
  )
