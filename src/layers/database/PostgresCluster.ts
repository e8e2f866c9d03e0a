import { spawn } from "node:child_process"
import { randomBytes } from "node:crypto"
import * as fs from "node:fs/promises"
import { basename, join } from "node:path"
import { Effect, Redacted } from "effect"
import { syncFolder } from "./DataDir.ts"
import { EmbeddedPostgresError, environment, type PostgresHome } from "./PostgresHome.ts"

/** The role that owns everything in the cluster. Its password never leaves DATA_DIR and this process. */
export const superuser = "gateway_owner"

const fail = (message: string) => new EmbeddedPostgresError({ reason: "initdb", message })

const attempt = <A>(what: string, doing: () => Promise<A>) =>
  Effect.tryPromise({
    try: doing,
    catch: (cause) => fail(`${what}: ${cause instanceof Error ? cause.message : String(cause)}`)
  })

const giveTo = async (home: PostgresHome, path: string): Promise<void> => {
  if (home.account !== undefined) await fs.chown(path, home.account.uid, home.account.gid)
}

/** Removes a folder that the account may write, out of its reach: it must not swap in links meanwhile. */
export const removeFolder = async (folder: string): Promise<void> => {
  if (process.getuid?.() === 0) {
    await fs.chown(folder, 0, 0).catch(() => undefined)
    await fs.chmod(folder, 0o700).catch(() => undefined)
  }
  await fs.rm(folder, { recursive: true, force: true, maxRetries: 10 })
}

/** Runs initdb to its end; its output is the message of its failure. */
const initdb = (home: PostgresHome, args: ReadonlyArray<string>) =>
  Effect.callback<void, EmbeddedPostgresError>((resume) => {
    const child = spawn(join(home.bin, "initdb"), args, {
      ...home.account,
      cwd: home.folder,
      env: environment,
      stdio: ["ignore", "pipe", "pipe"]
    })
    const output: Array<Buffer> = []
    const failed = (why: string) =>
      resume(
        Effect.fail(
          fail(
            `PostgreSQL's initdb could not make a cluster in ${home.folder}: ${why}\nFix that (initdb needs about 40 MB, and an account that the system knows by name), or set DATABASE_URL to a PostgreSQL of your own.`
          )
        )
      )
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => output.push(chunk))
    child.once("error", (error) => failed(error.message))
    child.once("close", (code, signal) =>
      code === 0
        ? resume(Effect.void)
        : failed(`it ended with ${signal ?? code}.\n${Buffer.concat(output).toString().trim()}`)
    )
    return Effect.sync(() => child.kill("SIGKILL"))
  }).pipe(
    Effect.timeoutOrElse({
      duration: "2 minutes",
      orElse: () => Effect.fail(fail(`PostgreSQL's initdb did not end within 2 minutes in ${home.folder}.`))
    })
  )

/**
 * Makes the cluster unless it is there. It is made under another name and renamed when it is whole, so that a
 * cluster by its own name is never a half-made one. No other name is used twice: the initdb of a gateway that
 * was killed may go on for a second.
 */
export const initialise = Effect.fn("PostgresCluster.initialise")(function* (
  home: PostgresHome,
  password: Redacted.Redacted<string>
) {
  const made = yield* Effect.promise(() =>
    fs.stat(home.cluster).then(
      () => true,
      () => false
    )
  )
  if (made) return
  const drafts = `${basename(home.cluster)}.new-`
  const draft = join(home.folder, `${drafts}${randomBytes(4).toString("hex")}`)
  const passwordFile = join(home.folder, "initdb-password")
  const prepare = async () => {
    for (const name of await fs.readdir(home.folder)) {
      if (name.startsWith(drafts)) await removeFolder(join(home.folder, name))
    }
    await fs.mkdir(draft, { mode: 0o700 })
    await giveTo(home, draft)
    await fs.rm(passwordFile, { force: true })
    await fs.writeFile(passwordFile, Redacted.value(password), { flag: "wx", mode: 0o600 })
    await giveTo(home, passwordFile)
  }
  // The builtin provider sorts alike on every system, whatever locales it has.
  const locale = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C", "--encoding=UTF8"]
  const access = ["--auth=scram-sha-256", `--username=${superuser}`, `--pwfile=${passwordFile}`]
  yield* attempt(`No cluster can be made in ${home.folder}`, prepare).pipe(
    Effect.andThen(
      initdb(home, [`--pgdata=${draft}`, ...access, ...locale, "--data-checksums", "--no-instructions"])
    ),
    Effect.ensuring(Effect.promise(() => fs.rm(passwordFile, { force: true })))
  )
  yield* attempt(`The new cluster can't be renamed to ${home.cluster}`, async () => {
    await fs.rename(draft, home.cluster)
    await syncFolder(home.folder)
  })
})
