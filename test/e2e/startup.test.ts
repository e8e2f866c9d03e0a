import { existsSync } from "node:fs"
import * as fs from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { allScopes } from "../../src/domain/Scope.ts"
import { clusterOf, eventually, postmasterOf, root, temporary } from "../support/data-dirs.ts"
import { onDatabase } from "../support/database.ts"
import { freshDatabase, pepper, secret, signingKey } from "../support/gateway.ts"
import { alive, launch, type Program, script } from "../support/programs.ts"
import { administer, auditOf, newAgent, Served, send } from "../support/served.ts"
import { freshTasker } from "../support/tasker.ts"
import { call } from "../support/tool-calls.ts"

/** The gateway as a process: how it starts, is refused, is killed, is told to stop, and starts again. */

const gateway = script("src/main.ts")
const listening = (program: Program) => program.until(/Listening on (http:\S+)/)

const internalTokenOf = (dataDir: string) =>
  Effect.promise(async () => (await fs.readFile(join(dataDir, "secrets", "internal-token"), "utf8")).trim())

const servedBy = Effect.fnUntraced(function* (program: Program, dataDir: string) {
  const url = yield* listening(program)
  return Served.of({ url, internalToken: yield* internalTokenOf(dataDir), databaseUrl: "" })
})

describe("npm start with nothing configured", () => {
  it.live(
    "holds its DATA_DIR alone, survives kill -9 with all it kept, and ends in order when it is told to",
    () =>
      Effect.gen(function* () {
        const dataDir = yield* temporary
        const tasker = yield* freshTasker((yield* freshDatabase).url, secret())
        const env = {
          DATA_DIR: dataDir,
          PORT: "0",
          NODEDC_TASKER_INTERNAL_URL: tasker.url,
          NODEDC_INTERNAL_ACCESS_TOKEN: tasker.accessToken
        }
        const first = yield* launch(gateway, { env })
        const { project } = yield* tasker.project()
        const terms = { project_id: project.id, workspace_slug: project.workspace_slug, scopes: allScopes }
        const before = yield* servedBy(first, dataDir)
        const agent = yield* Effect.provideService(newAgent([terms]), Served, before)

        const second = yield* launch(gateway, { env })
        assert.strictEqual(yield* second.ended, 1)
        assert.match(second.said(), new RegExp(`DATA_DIR ${dataDir} is in use by process ${first.pid}`))
        assert.match(second.said(), /Stop that one first .* or set DATA_DIR to another folder/)
        assert.notMatch(second.said(), / {4}at .*:\d+:\d+/)

        yield* first.signal("SIGKILL")
        assert.strictEqual(yield* first.ended, "SIGKILL")
        const killed = performance.now()
        const third = yield* launch(gateway, { env })
        const after = yield* servedBy(third, dataDir)
        assert.isBelow(performance.now() - killed, 120_000)
        assert.strictEqual(after.internalToken, before.internalToken)

        yield* Effect.gen(function* () {
          const detail = yield* administer(`/api/v1/agents/${agent.id}`)
          assert.deepStrictEqual([detail.grants.length, detail.tokens.length], [1, 1])

          // Told to stop with a write under way, it carries the write to its end and answers it.
          yield* tasker.fault({ op: "create", fault: "delay_after", delay_ms: 1500 })
          const card = { project_id: project.id, name: "Under way", idempotency_key: "under-way-1" }
          const postmaster = yield* postmasterOf(dataDir)
          const [outcome] = yield* Effect.all(
            [
              call("mcp", agent.token, "tasker_create_issue", card),
              Effect.andThen(
                eventually(
                  Effect.flatMap(tasker.writes, ({ length }) =>
                    length === 1 ? Effect.void : Effect.fail(length)
                  )
                ),
                third.signal("SIGTERM")
              )
            ],
            { concurrency: "unbounded" }
          )
          assert.isFalse(outcome.content.replayed)
          assert.strictEqual(outcome.reply.headers.connection, "close")
          assert.strictEqual(yield* third.ended, 0)
          assert.isFalse(alive(postmaster))
          assert.isFalse(existsSync(join(yield* clusterOf(dataDir), "postmaster.pid")))
        }).pipe(Effect.provideService(Served, after))

        const fourth = yield* launch(gateway, { env })
        yield* Effect.gen(function* () {
          const card = { project_id: project.id, name: "Under way", idempotency_key: "under-way-1" }
          const again = yield* call("rest", agent.token, "tasker_create_issue", card)
          assert.isTrue(again.content.replayed)
          assert.strictEqual((yield* tasker.writes).length, 1)
          const writes = (yield* auditOf(agent.id)).filter(({ via }) => via !== "admin")
          assert.deepStrictEqual(
            writes.map(({ outcome }) => outcome),
            ["replayed", "executed"]
          )
        }).pipe(Effect.provideService(Served, yield* servedBy(fourth, dataDir)))
        // Nothing under way: it ends at once, though a client still keeps its connection.
        const told = performance.now()
        yield* fourth.signal("SIGINT")
        assert.strictEqual(yield* fourth.ended, 0)
        assert.isBelow(performance.now() - told, 120_000)
      })
  )
})

describe("a configuration with faults", () => {
  const planted = "planted-secret"
  const faulty = {
    DATABASE_URL: `mysql://gateway:${planted}@127.0.0.1/x`,
    MIGRATION_DATABASE_URL: `not a url ${planted}`,
    PORT: "http",
    LOG_LEVEL: "loud",
    NODE_ENV: "staging",
    NODEDC_AGENT_GATEWAY_INTERNAL_TOKEN: `two words ${planted}`,
    AUDIT_SIGNING_KEY: `not a key ${planted}`,
    PAIRING_PEPPER: `no pepper ${planted}`,
    OAUTH_REDIRECT_HOSTS: `https://${planted}/`,
    NODEDC_INTERNAL_ACCESS_TOKEN: `ключ-${planted}`,
    NODEDC_TASKER_INTERNAL_URL: `http://user:${planted}@tasker.example`,
    NODEDC_AGENT_GATEWAY_PUBLIC_URL: "ftp://gateway.example",
    TASKER_TIMEOUT_MS: "-1",
    CALL_DEADLINE_MS: "soon"
  }

  it.live.each(["src/main.ts", "src/cli/migrate.ts"])(
    "stops %s with every fault by name and no value",
    (file) =>
      Effect.gen(function* () {
        const program = yield* launch(script(file), { env: faulty })
        assert.strictEqual(yield* program.ended, 1)
        for (const name of Object.keys(faulty))
          assert.match(program.said(), new RegExp(`^ {2}${name}: `, "m"))
        const { length } = Object.keys(faulty)
        assert.include(program.said(), `The configuration has ${length} faults; nothing was started.\n`)
        assert.notInclude(program.said(), planted)
        assert.notMatch(program.said(), / {4}at .*:\d+:\d+/)
      })
  )

  it.live("stops production that lacks its internal token, or has a short one", () =>
    Effect.gen(function* () {
      const name = "NODEDC_AGENT_GATEWAY_INTERNAL_TOKEN"
      for (const value of ["", "short-secret"]) {
        const program = yield* launch(gateway, { env: { NODE_ENV: "production", PORT: "0", [name]: value } })
        assert.strictEqual(yield* program.ended, 1)
        assert.match(
          program.said(),
          new RegExp(`${name}: (is required|expected 32 characters or more) in production`)
        )
        assert.notInclude(program.said(), "short-secret")
      }
    })
  )
})

describe("a database", () => {
  const refuses = Effect.fnUntraced(function* (change: string, says: RegExp) {
    const { url } = yield* freshDatabase
    yield* onDatabase(url, (sql) => sql.unsafe(change))
    const internal = {
      NODEDC_AGENT_GATEWAY_INTERNAL_TOKEN: secret(),
      AUDIT_SIGNING_KEY: signingKey(),
      PAIRING_PEPPER: pepper()
    }
    for (const file of ["src/main.ts", "src/cli/migrate.ts"]) {
      const program = yield* launch(script(file), { env: { DATABASE_URL: url, PORT: "0", ...internal } })
      assert.strictEqual(yield* program.ended, 1)
      assert.match(program.said(), says)
      assert.notInclude(program.said(), "Listening")
      assert.notInclude(program.said(), new URL(url).password)
    }
  })

  it.live("that refuses the password is named by its variable, without a value", () =>
    Effect.gen(function* () {
      const url = new URL((yield* freshDatabase).url)
      url.password = "planted-password"
      const internal = {
        NODEDC_AGENT_GATEWAY_INTERNAL_TOKEN: secret(),
        AUDIT_SIGNING_KEY: signingKey(),
        PAIRING_PEPPER: pepper()
      }
      const program = yield* launch(gateway, { env: { DATABASE_URL: url.href, PORT: "0", ...internal } })
      assert.strictEqual(yield* program.ended, 1)
      assert.match(program.said(), /^The database of DATABASE_URL can't be used: /m)
      assert.notInclude(program.said(), "planted-password")
      assert.notMatch(program.said(), / {4}at .*:\d+:\d+/)
    })
  )

  it.live("that is newer than the code is refused", () =>
    refuses(
      "insert into schema_migrations (version, name, checksum) values (9999, 'from_the_future', 'x')",
      /newer|from_the_future/
    )
  )

  it.live("whose past was edited is refused", () =>
    refuses(
      "update schema_migrations set checksum = 'x' where version = 1",
      /was edited after it was applied/
    )
  )
})

describe(".env in the working folder", () => {
  const folder = Effect.acquireRelease(
    Effect.promise(() => fs.mkdtemp(join(tmpdir(), "gateway-env-"))),
    (made) => Effect.promise(() => fs.rm(made, { recursive: true }))
  )

  it.live("is read by start and migrate, and the environment wins", () =>
    Effect.gen(function* () {
      const cwd = yield* folder
      const { url } = yield* freshDatabase
      yield* onDatabase(url, (sql) =>
        Effect.andThen(sql`drop schema public cascade`, sql`create schema public`)
      )
      const internalToken = secret()
      const lines = {
        DATABASE_URL: url,
        PORT: "1",
        NODEDC_AGENT_GATEWAY_INTERNAL_TOKEN: `"${internalToken}"`,
        AUDIT_SIGNING_KEY: signingKey(),
        PAIRING_PEPPER: pepper(),
        NODEDC_AGENT_GATEWAY_PUBLIC_URL: "https://named-in-env-file.example/"
      }
      const text = Object.entries(lines).map(([name, value]) => `${name}=${value}\n`)
      yield* Effect.promise(() => fs.writeFile(join(cwd, ".env"), text.join("")))
      const command = (file: string) => [process.execPath, join(root, "ops/run.mjs"), file]
      const migrate = yield* launch(command("src/cli/migrate.ts"), { cwd })
      assert.strictEqual(yield* migrate.ended, 0, migrate.said())
      assert.match(migrate.said(), /Migrated the database: 1 [\s\S]*The database is up to date/)
      const program = yield* launch(command("src/main.ts"), { cwd, env: { PORT: "0" } })
      const served = Served.of({ url: yield* listening(program), internalToken, databaseUrl: url })
      yield* Effect.gen(function* () {
        assert.deepStrictEqual((yield* administer("/api/v1/agents")).agents, [])
        const { json } = yield* send("/api/v1/meta/capabilities")
        assert.strictEqual(json.mcp.endpoint, "https://named-in-env-file.example/mcp")
      }).pipe(Effect.provideService(Served, served))
      yield* program.signal("SIGTERM")
      assert.strictEqual(yield* program.ended, 0)
    })
  )
})

describe("the secrets of .env.example", () => {
  const example = Effect.acquireRelease(
    Effect.promise(async () => {
      const folder = await fs.mkdtemp(join(tmpdir(), "gateway-example-"))
      await fs.copyFile(join(root, ".env.example"), join(folder, ".env"))
      return folder
    }),
    (made) => Effect.promise(() => fs.rm(made, { recursive: true }))
  )

  it.live("start a gateway on loopback with one warning that names them", () =>
    Effect.gen(function* () {
      const { url } = yield* freshDatabase
      const program = yield* launch(gateway, { cwd: yield* example, env: { DATABASE_URL: url, PORT: "0" } })
      yield* listening(program)
      const warnings = program
        .said()
        .split("\n")
        .filter((text) => text.includes("values of .env.example"))
      assert.lengthOf(warnings, 1)
      assert.include(
        warnings[0],
        "WARN  NODEDC_AGENT_GATEWAY_INTERNAL_TOKEN, AUDIT_SIGNING_KEY, PAIRING_PEPPER, NODEDC_INTERNAL_ACCESS_TOKEN hold"
      )
      assert.notInclude(program.said(), "replace-with-")
    })
  )

  it.live("start none that listens for other machines, though .env says where Compose would publish it", () =>
    Effect.gen(function* () {
      const { url } = yield* freshDatabase
      const cwd = yield* example
      const program = yield* launch(gateway, { cwd, env: { DATABASE_URL: url, PORT: "0", HOST: "0.0.0.0" } })
      assert.strictEqual(yield* program.ended, 1)
      assert.match(program.said(), /^ {2}PAIRING_PEPPER: .*`openssl rand -base64 32`/m)
      assert.notInclude(program.said(), "Listening")
    })
  )
})

describe("npm run compose:check", () => {
  it.live("says in one line that it was skipped where no Docker engine is there, and succeeds", () =>
    Effect.gen(function* () {
      const program = yield* launch(script("ops/compose.ts"), { env: { PATH: "/nonexistent" } })
      assert.strictEqual(yield* program.ended, 0)
      assert.match(program.said(), /^skipped: no Docker engine \(.+\)\n$/)
    })
  )
})
