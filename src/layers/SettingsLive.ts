import { generateKeyPairSync, randomBytes } from "node:crypto"
import { Effect, Layer, Option, Redacted, type Result } from "effect"
import { fromEnvironment, Settings } from "../Config.ts"
import { readPepper } from "../domain/Pepper.ts"
import { readSigningKey } from "../domain/SigningKey.ts"
import * as DataDir from "./database/DataDir.ts"
import * as Logging from "./Logging.ts"

/**
 * The settings of this process: the environment's, and in development what it leaves out, generated
 * once and kept under `DATA_DIR`. Nothing there is touched where nothing has to be generated. Logs one
 * warning if secrets hold the values of `.env.example`.
 */
export const layer = (environment: Readonly<Record<string, string | undefined>>) =>
  Layer.effect(
    Settings,
    Effect.gen(function* () {
      const settings = yield* fromEnvironment(environment)
      // The log's own form is among the settings, so a line has to bring it along.
      const withLog = (lines: Effect.Effect<void>) =>
        lines.pipe(Effect.provide(Logging.layer), Effect.provideService(Settings, settings))
      if (settings.exampleValues.length > 0) yield* withLog(Effect.logWarning(known(settings.exampleValues)))
      const wanted = [settings.internalToken, settings.auditSigningKey, settings.pairingPepper]
      if (wanted.every((secret) => Option.isSome<unknown>(secret))) return settings
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
        : yield* generated("NODEDC_AGENT_GATEWAY_INTERNAL_TOKEN", "internal-token", newSecret)
      const auditSigningKey = Option.isSome(settings.auditSigningKey)
        ? settings.auditSigningKey.value
        : yield* Effect.flatMap(generated("AUDIT_SIGNING_KEY", "audit-signing-key", newSigningKey), (text) =>
            kept(text, readSigningKey, {
              file: `${dataDir.path}/secrets/audit-signing-key`,
              loss: "what the old one signed can still be verified"
            })
          )
      const pairingPepper = Option.isSome(settings.pairingPepper)
        ? settings.pairingPepper.value
        : yield* Effect.flatMap(generated("PAIRING_PEPPER", "pairing-pepper", newSecret), (text) =>
            kept(text, readPepper, {
              file: `${dataDir.path}/secrets/pairing-pepper`,
              loss: "pairing codes made before have to be made again"
            })
          )
      const complete = {
        ...settings,
        internalToken: Option.some(internalToken),
        auditSigningKey: Option.some(auditSigningKey),
        pairingPepper: Option.some(pairingPepper)
      }
      yield* withLog(Effect.forEach(told, (line) => Effect.logInfo(line), { discard: true }))
      return complete
    })
  )

const known = (variables: ReadonlyArray<string>): string =>
  `${variables.join(", ")} ${variables.length === 1 ? "holds the value" : "hold the values"} of .env.example, which everyone knows. Accepted only because no other machine can reach the gateway`

const newSecret = (): string => randomBytes(32).toString("base64url")

const newSigningKey = (): string =>
  generateKeyPairSync("ed25519").privateKey.export({ format: "pem", type: "pkcs8" }).toString()

/** A secret that was generated before, read again; `loss` is what deleting its file would mean. */
const kept = <A>(
  text: Redacted.Redacted<string>,
  read: (text: string) => Result.Result<A, string>,
  { file, loss }: { readonly file: string; readonly loss: string }
) =>
  Effect.mapError(
    Effect.fromResult(read(Redacted.value(text))),
    (expected) =>
      new DataDir.DataDirError({
        reason: "secret_unreadable",
        message: `The secret ${file} can't be used: ${expected}. Restore it from a backup, or delete the file to have a new one generated: ${loss}.`
      })
  )
