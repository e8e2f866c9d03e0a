import { randomBytes } from "node:crypto"
import type { Stats } from "node:fs"
import * as fs from "node:fs/promises"
import { dirname, join, resolve } from "node:path"
import { Effect, Redacted, Schedule, Schema, type Scope, Semaphore } from "effect"
import * as Processes from "./Processes.ts"

/** `DATA_DIR` can't be used. The message says why and what to do; nothing was changed. */
export class DataDirError extends Schema.TaggedError<DataDirError>()("DataDirError", {
  reason: Schema.Literals(["in_use", "not_ours", "not_empty", "unusable", "secret_unreadable"]),
  message: Schema.String
}) {}

/** The folder for what this installation generates and must keep, held by one process at a time. */
export interface DataDir {
  /** Absolute, symbolic links resolved. Mode 0700. */
  readonly path: string
  /**
   * The secret of this name (lower case, digits and dashes), kept in a file of mode 0600. Generated the first
   * time it is asked for, the same ever after; never half-written.
   */
  readonly secret: (
    name: string,
    generate: Effect.Effect<string>
  ) => Effect.Effect<Redacted.Redacted<string>, DataDirError>
}

const reasonOf = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause))

const codeOf = (cause: unknown): string | undefined => (cause as NodeJS.ErrnoException).code

const attempt = <A>(path: string, doing: () => Promise<A>) =>
  Effect.tryPromise({
    try: doing,
    catch: (cause) =>
      new DataDirError({
        reason: "unusable",
        message: `DATA_DIR ${path} can't be used: ${reasonOf(cause)}. Make it a folder that this account may write, or set DATA_DIR to another one.`
      })
  })

/** Writes a file of mode 0600 so that a reader, or the next start after a crash, finds all of it or none. */
export const writePrivately = async (file: string, text: string): Promise<void> => {
  const draft = `${file}.${randomBytes(6).toString("hex")}.new`
  try {
    const handle = await fs.open(draft, "wx", 0o600)
    try {
      await handle.writeFile(text)
      await handle.sync()
    } finally {
      await handle.close()
    }
    await fs.rename(draft, file)
  } catch (error) {
    await fs.rm(draft, { force: true })
    throw error
  }
  await syncFolder(dirname(file))
}

/** Makes renames in a folder outlast a power cut, where the system lets folders be synced. */
export const syncFolder = async (folder: string): Promise<void> => {
  const handle = await fs.open(folder, "r").catch(() => undefined)
  await handle?.sync().catch(() => undefined)
  await handle?.close()
}

const lockName = /^gateway\.(\d+)\.([^.]+)\.[0-9a-f]+\.lock$/

const isPrivate = ({ mode, uid }: Stats, account: number): boolean =>
  uid === account && (mode & 0o777) === 0o700

/** Whether a gateway has left its lock or its secrets here, whatever has become of the folder's mode since. */
const isMarked = async (path: string, entries: ReadonlyArray<string>, account: number): Promise<boolean> =>
  entries.some((name) => lockName.test(name)) ||
  // By its name alone it could be anyone's: containers have a /run/secrets.
  (entries.includes("secrets") && isPrivate(await fs.lstat(join(path, "secrets")), account))

/** Creates the folder if need be and makes it this account's alone. */
const prepare = Effect.fnUntraced(function* (asked: string) {
  const path = yield* attempt(asked, async () => {
    await fs.mkdir(asked, { recursive: true, mode: 0o700 })
    return fs.realpath(asked)
  })
  const uid = process.getuid?.()
  const folder = yield* attempt(path, () => fs.stat(path))
  const entries = yield* attempt(path, () => fs.readdir(path))
  if (uid !== undefined && folder.uid !== uid) {
    // An empty folder made beforehand (a fresh volume) is taken over; anything else is someone's.
    if (uid !== 0 || entries.length > 0) {
      return yield* new DataDirError({
        reason: "not_ours",
        message: `DATA_DIR ${path} belongs to the account with uid ${folder.uid}, and this process runs as uid ${uid}. Run it as that account, or set DATA_DIR to a folder of its own.`
      })
    }
    yield* attempt(path, () => fs.chown(path, uid, process.getgid?.() ?? 0))
  } else if (uid !== undefined && entries.length > 0 && !isPrivate(folder, uid)) {
    // It is about to be closed to everyone else: for a /tmp, a home or a working folder that would be a disaster.
    if (!(yield* attempt(path, () => isMarked(path, entries, uid)))) {
      return yield* new DataDirError({
        reason: "not_empty",
        message: `DATA_DIR ${path} holds files that are not this gateway's, and other accounts may enter it. Set DATA_DIR to a new folder, or, if nobody else needs this one, close it first: chmod 700 ${path}`
      })
    }
  }
  yield* attempt(path, () => fs.chmod(path, 0o700))
  return path
})

/** The live processes, other than the maker of `mine`, that hold the folder or are about to. Buries the dead. */
const others = async (path: string, mine: string): Promise<ReadonlyArray<number>> => {
  const live: Array<number> = []
  for (const name of await fs.readdir(path)) {
    const [, pid, born] = lockName.exec(name) ?? []
    if (pid === undefined || born === undefined || name === mine) continue
    if (Processes.isAlive({ pid: Number(pid), born })) live.push(Number(pid))
    else await fs.rm(join(path, name), { force: true })
  }
  return live
}

/**
 * Each process states its claim in a file of its own whose name tells who it is, and only then looks for
 * others: of two that come at once at least one sees the other. No name is ever used twice, so that removing
 * a dead process's lock can't remove a live one's, whoever does it and however late.
 */
const lock = (path: string) =>
  Effect.suspend(() => {
    const self = Processes.identify(process.pid)
    const mine = `gateway.${process.pid}.${self?.born}.${randomBytes(6).toString("hex")}.lock`
    const withdraw = Effect.promise(() => fs.rm(join(path, mine), { force: true }).catch(() => undefined))
    return Effect.gen(function* () {
      yield* attempt(path, () => fs.writeFile(join(path, mine), "", { flag: "wx", mode: 0o600 }))
      const [holder] = yield* attempt(path, () => others(path, mine))
      if (holder === undefined) return withdraw
      return yield* new DataDirError({
        reason: "in_use",
        message: `DATA_DIR ${path} is in use by process ${holder}, another one of this gateway's. Stop that one first (kill ${holder}), or set DATA_DIR to another folder.`
      })
    }).pipe(Effect.onError(() => withdraw))
  }).pipe(
    // Two that claimed in the same moment have both withdrawn, so one of them may well succeed now.
    Effect.retry(($) =>
      $(Schedule.spaced("40 millis")).pipe(
        Schedule.jittered,
        Schedule.upTo({ times: 5 }),
        Schedule.while(({ input }) => input.reason === "in_use")
      )
    )
  )

const readOrGenerate = (path: string, name: string, generate: Effect.Effect<string>) =>
  Effect.gen(function* () {
    const file = join(path, "secrets", name)
    const unreadable = (why: string) =>
      new DataDirError({
        reason: "secret_unreadable",
        message: `The secret ${file} ${why}. Restore it from a backup, or delete the file to have a new one generated; what was protected by the old one is then lost.`
      })
    const kept = yield* Effect.tryPromise({
      try: async () => {
        const text = await fs.readFile(file, "utf8").catch((cause) => {
          if (codeOf(cause) === "ENOENT") return undefined
          throw cause
        })
        if (text !== undefined) await fs.chmod(file, 0o600)
        return text?.trimEnd()
      },
      catch: (cause) => unreadable(`can't be read: ${reasonOf(cause)}`)
    })
    if (kept === "") return yield* unreadable("is empty")
    if (kept !== undefined) return Redacted.make(kept, { label: name })
    const fresh = yield* generate
    yield* attempt(path, async () => {
      await fs.mkdir(dirname(file), { recursive: true, mode: 0o700 })
      await writePrivately(file, fresh)
    })
    return Redacted.make(fresh.trimEnd(), { label: name })
  })

const make = (path: string): DataDir => {
  // The lock keeps other processes out; this keeps two fibers from generating the same secret twice.
  const oneAtATime = Semaphore.makeUnsafe(1)
  return {
    path,
    secret: (name, generate) => oneAtATime.withPermits(1)(readOrGenerate(path, name, generate))
  }
}

/** What this process holds already: the configuration and the database both need the folder, in one process. */
const held = new Map<
  string,
  { readonly dataDir: DataDir; readonly release: Effect.Effect<void>; users: number }
>()
const holding = Semaphore.makeUnsafe(1)

/**
 * Makes `path` a folder that only this account may enter, and keeps other processes out of it until the scope
 * closes. Within one process it may be acquired again and is then shared. A lock that a killed process left
 * behind does not count. Processes in containers of their own don't see each other: never share a `DATA_DIR`
 * between containers.
 */
export const acquire = (path: string): Effect.Effect<DataDir, DataDirError, Scope.Scope> =>
  Effect.acquireRelease(
    holding.withPermits(1)(
      Effect.gen(function* () {
        const real = yield* prepare(resolve(path))
        const known = held.get(real)
        if (known !== undefined) {
          known.users++
          return known.dataDir
        }
        const release = yield* lock(real)
        const dataDir = make(real)
        held.set(real, { dataDir, release, users: 1 })
        return dataDir
      })
    ),
    (dataDir) =>
      holding.withPermits(1)(
        Effect.suspend(() => {
          const entry = held.get(dataDir.path)
          if (entry === undefined || --entry.users > 0) return Effect.void
          held.delete(dataDir.path)
          return entry.release
        })
      )
  )
