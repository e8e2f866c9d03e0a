import { createReadStream, readFileSync } from "node:fs"
import { resolve } from "node:path"
import { parseArgs } from "node:util"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as PgClient from "@effect/sql-pg/PgClient"
import { Effect, Option, Redacted, Result, Schema, Stream } from "effect"
import * as Reactivity from "effect/reactivity/Reactivity"
import { Checkpoint } from "../domain/AuditChain.ts"
import {
  AuditFault,
  type KeptElsewhere,
  makeVerification,
  type Verification,
  type Verified
} from "../domain/AuditVerification.ts"
import { linesOf } from "../domain/Lines.ts"
import { readVerifyingKey, type VerifyingKey } from "../domain/SigningKey.ts"
import * as AuditProofPostgres from "../layers/audit/AuditProofPostgres.ts"

/**
 * `npm run audit:verify`: says whether an exported trail, or the one in a database, is the one that was
 * sealed. Exit code 0: it is; 1: it is not; 2: it could not be looked at.
 */

const usage = `Usage: npm run audit:verify -- <file> [--key <public key>]… [--checkpoint <file>]
       npm run audit:verify -- --database-url <url> [--key <public key>]… [--checkpoint <file>]

  <file>          an export: GET /api/v1/audit/export
  --key           a public key that was kept elsewhere: PEM or base64, a file of it, or a saved answer of
                  GET /api/v1/audit/keys; once for each key that signed
  --checkpoint    a saved answer of GET /api/v1/audit/checkpoints/latest that was kept elsewhere
  --database-url  verifies the trail in this database instead of a file; may only read there
`

/** The command can't be carried out as it was given. */
class Unusable extends Schema.TaggedError<Unusable>()("Unusable", { message: Schema.String }) {}

/** npm runs a script in the project's folder, and says where it was called from. */
const pathOf = (file: string): string => resolve(process.env.INIT_CWD ?? ".", file)

const textOf = (file: string) =>
  Effect.try({
    try: () => readFileSync(pathOf(file), "utf8"),
    catch: (cause) =>
      new Unusable({ message: `${file} can't be read: ${cause instanceof Error ? cause.message : cause}` })
  })

const json = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

const PublishedKeys = Schema.Struct({ keys: Schema.Array(Schema.Struct({ public_key: Schema.String })) })
const publishedIn = Schema.decodeUnknownOption(PublishedKeys)

/** A key as it stands on the command line, in a file, or every key of a saved list. */
const keysFrom = (given: string): Effect.Effect<ReadonlyArray<VerifyingKey>, Unusable> =>
  Effect.gen(function* () {
    const inline = readVerifyingKey(given)
    if (Result.isSuccess(inline)) return [inline.success]
    const text = yield* textOf(given)
    const published = publishedIn(json(text))
    const keys = Option.isSome(published) ? published.value.keys.map(({ public_key }) => public_key) : [text]
    return yield* Effect.forEach(keys, (key) =>
      Effect.fromResult(readVerifyingKey(key)).pipe(
        Effect.mapError((expected) => new Unusable({ message: `${given} is no key: ${expected}` }))
      )
    )
  })

const checkpointIn = Schema.decodeUnknownOption(Schema.Struct({ checkpoint: Checkpoint }))
const bareCheckpoint = Schema.decodeUnknownOption(Checkpoint)

const checkpointFrom = (file: string) =>
  Effect.flatMap(textOf(file), (text) => {
    const value = json(text)
    const found = Option.orElse(
      Option.map(checkpointIn(value), ({ checkpoint }) => checkpoint),
      () => bareCheckpoint(value)
    )
    return Option.isSome(found)
      ? Effect.succeed(found.value)
      : Effect.fail(
          new Unusable({
            message: `${file} holds no checkpoint: expected a saved answer of GET /api/v1/audit/checkpoints/latest`
          })
        )
  })

/** Gives a verification all lines of something, piece by piece. */
const verified = <E>(
  verification: Verification,
  pieces: Stream.Stream<Uint8Array, E>
): Effect.Effect<Verified, E | AuditFault> =>
  Effect.gen(function* () {
    const lines = linesOf(verification.line)
    yield* Stream.runForEach(pieces, (piece) => failWith(lines.push(piece)))
    yield* failWith(lines.end())
    const end = verification.end()
    return end instanceof AuditFault ? yield* end : end
  })

const failWith = (fault: AuditFault | undefined): Effect.Effect<void, AuditFault> =>
  fault === undefined ? Effect.void : Effect.fail(fault)

const fromFile = (file: string) =>
  Stream.fromAsyncIterable(
    createReadStream(pathOf(file), { highWaterMark: 1024 * 1024 }) as AsyncIterable<Uint8Array>,
    (cause) =>
      new Unusable({ message: `${file} can't be read: ${cause instanceof Error ? cause.message : cause}` })
  )

const asUnusable = (what: string) => (cause: { readonly message: string }) =>
  new Unusable({ message: `${what}: ${cause.message}` })

/** What is in a database, and how much of it waits for its seal. */
const inDatabase = (url: string, verification: Verification) =>
  Effect.gen(function* () {
    const sql = yield* PgClient.make({
      url: Redacted.make(url),
      maxConnections: 1,
      connectTimeout: "5 seconds",
      startupParameters: { default_transaction_read_only: "on" },
      applicationName: "tasker-codex-api audit:verify"
    }).pipe(Effect.mapError(asUnusable("The database can't be used")))
    const proof = AuditProofPostgres.make(sql)
    const lines = yield* proof.export({ from: undefined, to: undefined })
    const found = yield* verified(verification, Stream.encodeText(lines))
    const unsigned = yield* AuditProofPostgres.countUnsigned(sql)
    if (unsigned > 0) {
      return yield* new AuditFault({
        line: undefined,
        message: `${unsigned} ${unsigned === 1 ? "seal stands" : "seals stand"} after the last checkpoint, signed by nobody: put in, or the checkpoint was removed`
      })
    }
    const behind = yield* AuditProofPostgres.countUnsealedBehind(sql)
    if (behind > 0) {
      return yield* new AuditFault({
        line: undefined,
        message: `${behind} ${behind === 1 ? "event stands" : "events stand"} in the table behind what is sealed and ${behind === 1 ? "has" : "have"} no seal: put in, or the seal was removed`
      })
    }
    return { found, waiting: (yield* proof.unsealed).events }
  }).pipe(
    Effect.catchTag(["GatewayUnavailable", "InputInvalid"], (failure) =>
      Effect.fail(asUnusable("The database can't be used")(failure))
    ),
    Effect.scoped,
    Effect.provide(Reactivity.layer)
  )

const said = ({ first, last, others, signer }: Verified): string => {
  const events = last - first + 1
  const range = events === 0 ? "" : `, sequence ${first}–${last}`
  const word = signer === "checked" ? "verified" : "consistent, signer not checked"
  const besides =
    others === undefined
      ? ""
      : `; also signed in between with ${others.length === 1 ? "a key that was" : "keys that were"} not given: ${others.join(", ")}`
  return `${word}: ${events} ${events === 1 ? "event" : "events"}${range}${besides}`
}

const run = (args: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const { positionals, values } = yield* Effect.try({
      try: () =>
        parseArgs({
          args: [...args],
          allowPositionals: true,
          options: {
            key: { type: "string", multiple: true },
            checkpoint: { type: "string" },
            "database-url": { type: "string" }
          }
        }),
      catch: (cause) =>
        new Unusable({ message: `${cause instanceof Error ? cause.message : cause}\n\n${usage}` })
    })
    const [file] = positionals
    const database = values["database-url"]
    if (positionals.length > 1 || (file === undefined) === (database === undefined)) {
      return yield* new Unusable({ message: usage })
    }
    const kept: KeptElsewhere = {
      keys: (yield* Effect.forEach(values.key ?? [], keysFrom)).flat(),
      checkpoint: values.checkpoint === undefined ? undefined : yield* checkpointFrom(values.checkpoint)
    }
    const verification = makeVerification(kept)
    if (database === undefined) return said(yield* verified(verification, fromFile(file ?? "")))
    const { found, waiting } = yield* inDatabase(database, verification)
    return `${said(found)}${waiting === 0 ? "" : `; ${waiting} not sealed yet`}`
  })

if (import.meta.main) {
  const write = (stream: NodeJS.WriteStream, text: string) =>
    Effect.sync(() => stream.write(`${text.trimEnd()}\n`))
  const end = (code: number) =>
    Effect.sync(() => {
      process.exitCode = code
    })
  run(process.argv.slice(2)).pipe(
    Effect.matchEffect({
      onSuccess: (line) => write(process.stdout, line),
      onFailure: (failure) =>
        failure._tag === "AuditFault"
          ? Effect.andThen(
              write(
                process.stdout,
                `NOT VERIFIED: ${failure.line === undefined ? "" : `line ${failure.line}, `}${failure.message}`
              ),
              end(1)
            )
          : Effect.andThen(write(process.stderr, failure.message), end(2))
    }),
    NodeRuntime.runMain({
      disableErrorReporting: true,
      // A defect has no words of its own to say what could not be looked at.
      teardown: (exit, onExit) => onExit(exit._tag === "Success" ? Number(process.exitCode ?? 0) : 2)
    })
  )
}
