import { createReadStream, readFileSync, statSync } from "node:fs"
import { resolve } from "node:path"
import { parseArgs } from "node:util"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as PgClient from "@effect/sql-pg/PgClient"
import { Effect, Option, Redacted, Result, Schema, Stream } from "effect"
import * as Reactivity from "effect/reactivity/Reactivity"
import { Checkpoint, checkpointDigest } from "../domain/AuditChain.ts"
import type { Anchor, KeptElsewhere } from "../domain/AuditKept.ts"
import { verdictOf } from "../domain/AuditVerdict.ts"
import { AuditFault, makeVerification, type Shown, type Verification } from "../domain/AuditVerification.ts"
import { linesOf } from "../domain/Lines.ts"
import { readVerifyingKey, type VerifyingKey } from "../domain/SigningKey.ts"
import * as AuditProofPostgres from "../layers/audit/AuditProofPostgres.ts"

/**
 * `npm run audit:verify`: says whether an exported trail, or the one in a database, is the one that was
 * sealed. Exit code 0: it is, from the beginning or from what was given with `--previous`; 1: it is not, or
 * less than that was shown; 2: it could not be looked at.
 */

const usage = `Usage: npm run audit:verify -- <file> [--key <public key>]… [--previous <file>] [--checkpoint <file>]
       npm run audit:verify -- --database-url <url> [--key <public key>]… [--checkpoint <file>]

  <file>          an export: GET /api/v1/audit/export
  --key           a public key that was kept elsewhere: PEM or base64, a file of it, or a saved answer of
                  GET /api/v1/audit/keys; once for each key that signed
  --previous      what the export follows: an earlier export, or a saved answer of
                  GET /api/v1/audit/checkpoints/latest; needed if the export begins after event 1
  --checkpoint    a saved answer of GET /api/v1/audit/checkpoints/latest that was kept elsewhere
  --database-url  verifies the trail in this database instead of a file; may only read there
`

/** The command can't be carried out as it was given. */
class Unusable extends Schema.TaggedError<Unusable>()("Unusable", { message: Schema.String }) {}

/** npm runs a script in the project's folder, and says where it was called from. */
const pathOf = (file: string): string => resolve(process.env.INIT_CWD ?? ".", file)

const unreadable = (file: string) => (cause: unknown) =>
  new Unusable({ message: `${file} can't be read: ${cause instanceof Error ? cause.message : cause}` })

const textOf = (file: string) =>
  Effect.try({ try: () => readFileSync(pathOf(file), "utf8"), catch: unreadable(file) })

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

const readCheckpoint = (text: string): Option.Option<Checkpoint> => {
  const value = json(text)
  return Option.orElse(
    Option.map(checkpointIn(value), ({ checkpoint }) => checkpoint),
    () => bareCheckpoint(value)
  )
}

const checkpointFrom = (file: string) =>
  Effect.flatMap(textOf(file), (text) =>
    Effect.fromOption(readCheckpoint(text)).pipe(
      Effect.mapError(
        () =>
          new Unusable({
            message: `${file} holds no checkpoint: expected a saved answer of GET /api/v1/audit/checkpoints/latest`
          })
      )
    )
  )

/** No saved checkpoint comes near it, so what is longer is an export. */
const longestCheckpoint = 8 * 1024

/**
 * Reads what an export follows: a checkpoint, or an earlier export, which is verified itself. Fails with its
 * fault if it does not verify.
 */
const previousFrom = (
  file: string,
  keys: ReadonlyArray<VerifyingKey>
): Effect.Effect<{ readonly anchor: Anchor; readonly words: string }, Unusable | AuditFault> =>
  Effect.gen(function* () {
    const size = yield* Effect.try({ try: () => statSync(pathOf(file)).size, catch: unreadable(file) })
    const checkpoint = size > longestCheckpoint ? Option.none() : readCheckpoint(yield* textOf(file))
    if (Option.isSome(checkpoint)) {
      const { link, sequence } = checkpoint.value
      return {
        anchor: { sequence, link, digest: checkpointDigest(checkpoint.value), checkpoint: checkpoint.value },
        words: `event ${sequence} by the checkpoint in ${file}`
      }
    }
    const alone: KeptElsewhere = { keys, checkpoint: undefined, previous: undefined }
    const shown = yield* verified(makeVerification(alone), fromFile(file)).pipe(
      Effect.catchTag("AuditFault", ({ line, message }) =>
        Effect.fail(new AuditFault({ line: undefined, message: `${file}: ${placed({ line, message })}` }))
      )
    )
    const began = shown.first === 1 ? "from the beginning" : `which begins with event ${shown.first}`
    return { anchor: shown.end, words: `event ${shown.last} of ${file}, ${began}` }
  })

/** A fault with the line that it is in. */
const placed = ({
  line,
  message
}: {
  readonly line: number | undefined
  readonly message: string
}): string => (line === undefined ? message : `line ${line}, ${message}`)

/** Gives a verification all lines of something, piece by piece. */
const verified = <E>(
  verification: Verification,
  pieces: Stream.Stream<Uint8Array, E>
): Effect.Effect<Shown, E | AuditFault> =>
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
    unreadable(file)
  )

const asUnusable = (what: string) => (cause: { readonly message: string }) =>
  new Unusable({ message: `${what}: ${cause.message}` })

const counted = (count: number, one: string, many: string): string => `${count} ${count === 1 ? one : many}`

/**
 * Verifies the trail in a database, as one transaction sees it: what comes meanwhile is in nothing that is
 * said. Returns also how many events wait for their seal.
 */
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
    const reading = Effect.gen(function* () {
      yield* sql`set transaction isolation level repeatable read, read only`
      const lines = yield* proof.export({ from: undefined, to: undefined })
      const shown = yield* verified(verification, Stream.encodeText(lines))
      const unsigned = yield* AuditProofPostgres.countUnsigned(sql)
      if (unsigned > 0) {
        return yield* new AuditFault({
          line: undefined,
          message: `${counted(unsigned, "seal stands", "seals stand")} after the last checkpoint, signed by nobody: put in, or the checkpoint was removed`
        })
      }
      const behind = yield* AuditProofPostgres.countUnsealedBehind(sql)
      if (behind > 0) {
        return yield* new AuditFault({
          line: undefined,
          message: `${counted(behind, "event stands", "events stand")} in the table behind what is sealed and ${behind === 1 ? "has" : "have"} no seal: put in, or the seal was removed`
        })
      }
      return { shown, waiting: (yield* proof.unsealed).events }
    })
    return yield* sql.withTransaction(reading)
  }).pipe(
    Effect.catchTag(["GatewayUnavailable", "InputInvalid"], (failure) =>
      Effect.fail(asUnusable("The database can't be used")(failure))
    ),
    Effect.catchTag("SqlError", (failure) => Effect.fail(asUnusable("The database can't be used")(failure))),
    Effect.scoped,
    Effect.provide(Reactivity.layer)
  )

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
            previous: { type: "string" },
            "database-url": { type: "string" }
          }
        }),
      catch: (cause) =>
        new Unusable({ message: `${cause instanceof Error ? cause.message : cause}\n\n${usage}` })
    })
    const [file] = positionals
    const database = values["database-url"]
    const isEither = (file === undefined) !== (database === undefined)
    // The trail in a database begins with its first event.
    if (positionals.length > 1 || !isEither || (database !== undefined && values.previous !== undefined)) {
      return yield* new Unusable({ message: usage })
    }
    const keys = (yield* Effect.forEach(values.key ?? [], keysFrom)).flat()
    const previous = values.previous === undefined ? undefined : yield* previousFrom(values.previous, keys)
    const verification = makeVerification({
      keys,
      checkpoint: values.checkpoint === undefined ? undefined : yield* checkpointFrom(values.checkpoint),
      previous: previous?.anchor
    })
    if (database === undefined) {
      return verdictOf(yield* verified(verification, fromFile(file ?? "")), previous?.words)
    }
    const { shown, waiting } = yield* inDatabase(database, verification)
    const { holds, words } = verdictOf(shown, undefined)
    return { holds, words: `${words}${waiting === 0 ? "" : `; ${waiting} not sealed yet`}` }
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
      onSuccess: ({ holds, words }) => Effect.andThen(write(process.stdout, words), end(holds ? 0 : 1)),
      onFailure: (failure) =>
        failure._tag === "AuditFault"
          ? Effect.andThen(write(process.stdout, `NOT VERIFIED: ${placed(failure)}`), end(1))
          : Effect.andThen(write(process.stderr, failure.message), end(2))
    }),
    NodeRuntime.runMain({
      disableErrorReporting: true,
      // A defect has no words of its own to say what could not be looked at.
      teardown: (exit, onExit) => onExit(exit._tag === "Success" ? Number(process.exitCode ?? 0) : 2)
    })
  )
}
