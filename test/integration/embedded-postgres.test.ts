import * as fs from "node:fs/promises"
import { dirname, join } from "node:path"
import { assert, describe, it, layer } from "@effect/vitest"
import { Cause, Context, Effect, Layer, Redacted } from "effect"
import * as EmbeddedPostgres from "../../src/layers/database/EmbeddedPostgres.ts"
import * as Processes from "../../src/layers/database/Processes.ts"
import {
  clusterOf,
  eventually,
  isRoot,
  modeOf,
  postmasterOf,
  query,
  spawnGateway,
  startSaying,
  temporary
} from "../support/data-dirs.ts"

/** One DATA_DIR for the tests that don't mind what an earlier one left in it: initdb takes a second or two. */
class UsedDataDir extends Context.Service<UsedDataDir, string>()("test/UsedDataDir") {
  static readonly layer = Layer.effect(
    UsedDataDir,
    Effect.tap(temporary, (dataDir) => Effect.scoped(EmbeddedPostgres.start({ dataDir })))
  )
}

describe("the embedded database, at first", () => {
  it.live("keeps what was written from one start to the next, durably and on loopback only", () =>
    Effect.gen(function* () {
      const dataDir = yield* temporary
      yield* Effect.scoped(
        Effect.gen(function* () {
          const { url, adopted } = yield* EmbeddedPostgres.start({ dataDir })
          assert.isFalse(adopted)
          yield* query(url, "CREATE TABLE kept AS SELECT 'written' AS what")
          const [settings] = yield* query(
            url,
            `SELECT current_setting('fsync') AS fsync, current_setting('data_checksums') AS checksums,
              current_setting('listen_addresses') AS addresses, current_setting('unix_socket_directories') AS sockets,
              current_setting('server_encoding') AS encoding, current_setting('password_encryption') AS passwords,
              current_database() AS database, 'ä' > 'z' AS bytewise`
          )
          assert.deepStrictEqual(settings, {
            fsync: "on",
            checksums: "on",
            addresses: "127.0.0.1",
            sockets: "",
            encoding: "UTF8",
            passwords: "scram-sha-256",
            database: "nodedc_agent_gateway",
            bytewise: true
          })
        })
      )
      const { url, adopted } = yield* EmbeddedPostgres.start({ dataDir })
      assert.isFalse(adopted)
      assert.deepStrictEqual(yield* query(url, "SELECT what FROM kept"), [{ what: "written" }])
    })
  )

  it.live("makes a cluster that was left half-made again", () =>
    Effect.gen(function* () {
      const dataDir = yield* temporary
      const gateway = yield* spawnGateway(startSaying(dataDir))
      const folder = yield* eventually(
        Effect.tryPromise(async () => {
          const home = isRoot
            ? await fs.readFile(join(dataDir, "postgres-home"), "utf8")
            : join(dataDir, "postgres")
          const names = await fs.readdir(home)
          const draft = names.find((name) => name.startsWith("cluster.new-"))
          if (draft === undefined) throw new Error("initdb has not begun")
          await fs.stat(join(home, draft, "PG_VERSION"))
          return home
        })
      )
      yield* gateway.kill
      const { url } = yield* EmbeddedPostgres.start({ dataDir })
      yield* query(url, "SELECT 1")
      const names = yield* Effect.promise(() => fs.readdir(folder))
      assert.deepStrictEqual(
        names.filter((name) => name.startsWith("cluster")),
        ["cluster"]
      )
    })
  )
})

layer(UsedDataDir.layer, { timeout: "10 minutes", excludeTestServices: true })(
  "the embedded database",
  (it) => {
    it.effect("keeps DATA_DIR and its secrets to its own account", () =>
      Effect.gen(function* () {
        const dataDir = yield* UsedDataDir
        yield* EmbeddedPostgres.start({ dataDir })
        assert.strictEqual(yield* modeOf(dataDir), "700")
        assert.strictEqual(yield* modeOf(join(dataDir, "secrets")), "700")
        assert.strictEqual(yield* modeOf(join(dataDir, "secrets", "postgres-password")), "600")
        const cluster = yield* clusterOf(dataDir)
        assert.strictEqual(yield* modeOf(cluster), "700")
        assert.deepStrictEqual(
          (yield* Effect.promise(() => fs.readdir(dirname(cluster)))).filter((name) =>
            name.includes("password")
          ),
          []
        )
      })
    )

    it.effect("lets nobody in without the password", () =>
      Effect.gen(function* () {
        const { url } = yield* EmbeddedPostgres.start({ dataDir: yield* UsedDataDir })
        const guessed = Redacted.make(Redacted.value(url).replace(/:[^:@]+@/, ":guessed@"))
        const refused = yield* Effect.flip(query(guessed, "SELECT 1"))
        assert.include(Cause.pretty(Cause.fail(refused)), "password authentication failed")
      })
    )

    it.effect("is taken over, still running, after the gateway was killed", () =>
      Effect.gen(function* () {
        const dataDir = yield* UsedDataDir
        const gateway = yield* spawnGateway(startSaying(dataDir))
        assert.strictEqual(yield* gateway.said, "false")
        const before = yield* postmasterOf(dataDir)
        yield* gateway.kill
        assert.isTrue(Processes.exists(before))
        yield* Effect.scoped(
          Effect.gen(function* () {
            const { url, adopted } = yield* EmbeddedPostgres.start({ dataDir })
            assert.isTrue(adopted)
            assert.strictEqual(yield* postmasterOf(dataDir), before)
            yield* query(url, "SELECT 1")
          })
        )
        assert.isUndefined(Processes.bornOf(before))
      })
    )

    it.effect("is started anew where the one left running was started otherwise than we would", () =>
      Effect.gen(function* () {
        const dataDir = yield* UsedDataDir
        const gateway = yield* spawnGateway(startSaying(dataDir))
        yield* gateway.said
        const before = yield* postmasterOf(dataDir)
        const cluster = yield* clusterOf(dataDir)
        yield* gateway.kill
        yield* Effect.promise(() =>
          fs.writeFile(join(cluster, "postmaster.opts"), '/elsewhere/postgres "-F"\n')
        )
        const { url, adopted } = yield* EmbeddedPostgres.start({ dataDir })
        assert.isFalse(adopted)
        assert.isUndefined(Processes.bornOf(before))
        yield* query(url, "SELECT 1")
      })
    )

    it.effect("recovers after gateway and database were both killed", () =>
      Effect.gen(function* () {
        const dataDir = yield* UsedDataDir
        const gateway = yield* spawnGateway(`${startSaying(dataDir)}`)
        yield* gateway.said
        const before = yield* postmasterOf(dataDir)
        yield* gateway.kill
        process.kill(before, "SIGKILL")
        const { url, adopted } = yield* EmbeddedPostgres.start({ dataDir })
        assert.isFalse(adopted)
        yield* query(url, "SELECT 1")
      })
    )

    it.effect("starts although its old lock file names a process that is not PostgreSQL", () =>
      Effect.gen(function* () {
        const dataDir = yield* UsedDataDir
        yield* Effect.scoped(EmbeddedPostgres.start({ dataDir }))
        const cluster = yield* clusterOf(dataDir)
        yield* Effect.promise(() =>
          fs.writeFile(
            join(cluster, "postmaster.pid"),
            `${process.pid}\n${cluster}\n0\n1\n\n127.0.0.1\n\nready\n`
          )
        )
        const { url } = yield* EmbeddedPostgres.start({ dataDir })
        yield* query(url, "SELECT 1")
      })
    )

    it.effect("is started again on its port when it dies", () =>
      Effect.gen(function* () {
        const dataDir = yield* UsedDataDir
        const { url } = yield* EmbeddedPostgres.start({ dataDir })
        yield* query(url, "CREATE TABLE kept AS SELECT 1 AS one")
        const before = yield* postmasterOf(dataDir)
        process.kill(before, "SIGKILL")
        assert.deepStrictEqual(yield* eventually(query(url, "SELECT one FROM kept")), [{ one: 1 }])
        assert.notStrictEqual(yield* postmasterOf(dataDir), before)
      })
    )
  }
)
