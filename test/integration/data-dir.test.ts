import * as fs from "node:fs/promises"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as DataDir from "../../src/layers/database/DataDir.ts"
import * as EmbeddedPostgres from "../../src/layers/database/EmbeddedPostgres.ts"
import { modeOf, spawnGateway, temporary } from "../support/data-dirs.ts"

describe("DATA_DIR", () => {
  it.live("is refused while another process holds it, and says which", () =>
    Effect.gen(function* () {
      const dataDir = yield* temporary
      const gateway = yield* spawnGateway(
        `yield* DataDir.acquire(${JSON.stringify(dataDir)}); yield* say("held")`
      )
      yield* gateway.said
      const refused = yield* Effect.flip(EmbeddedPostgres.start({ dataDir }))
      assert.strictEqual(refused.reason, "in_use")
      assert.include(refused.message, dataDir)
      assert.include(refused.message, String(gateway.pid))
      yield* gateway.kill
      yield* DataDir.acquire(dataDir)
    })
  )

  it.live("is held by one only of many that come at once", () =>
    Effect.gen(function* () {
      const dataDir = yield* temporary
      const claim = `yield* DataDir.acquire(${JSON.stringify(dataDir)}).pipe(
        Effect.match({ onSuccess: () => "held", onFailure: (error) => error.reason }), Effect.flatMap(say))`
      const gateways = yield* Effect.forEach(Array.from({ length: 6 }), () => spawnGateway(claim))
      const said = yield* Effect.forEach(gateways, ({ said }) => said)
      assert.deepStrictEqual(said.toSorted(), ["held", ...Array.from({ length: 5 }, () => "in_use")])
    })
  )

  it.live("is taken over from a process that is gone, even if another now has its number", () =>
    Effect.gen(function* () {
      const dataDir = yield* temporary
      yield* Effect.promise(async () => {
        await fs.mkdir(dataDir)
        for (const holder of [`${process.pid}.1-longago`, "4194303.1-longago"]) {
          await fs.writeFile(join(dataDir, `gateway.${holder}.abcdef.lock`), "")
        }
      })
      yield* DataDir.acquire(dataDir)
      const locks = yield* Effect.promise(() => fs.readdir(dataDir))
      assert.strictEqual(locks.length, 1)
      assert.include(locks[0], String(process.pid))
    })
  )

  it.live(
    "is refused where it is a folder full of other things that others may enter, and left as it is",
    () =>
      Effect.gen(function* () {
        const dataDir = yield* temporary
        const with_ = (name: string, mode: number) =>
          Effect.promise(async () => {
            await fs.mkdir(join(dataDir, name), { recursive: true })
            await fs.chmod(join(dataDir, name), mode)
            await fs.chmod(dataDir, 0o755)
          })
        yield* with_("someone-elses", 0o755)
        yield* with_("secrets", 0o755)
        const refused = yield* Effect.flip(DataDir.acquire(dataDir))
        assert.strictEqual(refused.reason, "not_empty")
        assert.include(refused.message, dataDir)
        assert.strictEqual(yield* modeOf(dataDir), "755")
        // A gateway's own secrets tell it by, and so does a folder that nobody else could enter anyway.
        yield* with_("secrets", 0o700)
        yield* Effect.scoped(DataDir.acquire(dataDir))
        assert.strictEqual(yield* modeOf(dataDir), "700")
        yield* Effect.promise(() => fs.rm(join(dataDir, "secrets"), { recursive: true }))
        yield* Effect.scoped(DataDir.acquire(dataDir))
      })
  )

  it.live("keeps a secret as it was first generated, and refuses one that was emptied", () =>
    Effect.gen(function* () {
      const dataDir = yield* DataDir.acquire(yield* temporary)
      let made = 0
      const generate = Effect.sync(() => `secret ${++made}`)
      const both = yield* Effect.all([dataDir.secret("a-key", generate), dataDir.secret("a-key", generate)], {
        concurrency: "unbounded"
      })
      assert.strictEqual(made, 1)
      assert.deepStrictEqual(both[0], both[1])
      const file = join(dataDir.path, "secrets", "a-key")
      assert.strictEqual(yield* modeOf(file), "600")
      yield* Effect.promise(() => fs.writeFile(file, ""))
      const refused = yield* Effect.flip(dataDir.secret("a-key", generate))
      assert.strictEqual(refused.reason, "secret_unreadable")
      assert.include(refused.message, file)
    })
  )
})
