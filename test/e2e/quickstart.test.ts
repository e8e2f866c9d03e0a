import { existsSync } from "node:fs"
import * as fs from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { clusterOf, postmasterOf, root } from "../support/data-dirs.ts"
import { alive, inheritors, launch, type Program } from "../support/programs.ts"
import { sendTo } from "../support/served.ts"

/** The first thing that anyone does with this: one command, on a terminal and off it. */

const folder = Effect.acquireRelease(
  Effect.promise(() => fs.mkdtemp(join(tmpdir(), "quickstart-test-"))),
  (made) => Effect.promise(() => fs.rm(made, { recursive: true, force: true }))
)

const command = ["node", join(root, "ops/run.mjs"), "ops/quickstart.ts"]

/** For a shell: the clone may lie in a folder with a space in its name. */
const quoted = (word: string): string => `'${word.replaceAll("'", "'\\''")}'`

/** Where its PostgreSQL is, once it says that there is one. */
const clusterIn = Effect.fnUntraced(function* (temporary: string, program: Program) {
  yield* program.until(/PostgreSQL {2}.*embedded/)
  const made = yield* Effect.promise(() => fs.readdir(temporary))
  const dataDir = join(temporary, made.find((name) => name.startsWith("tasker-codex-quickstart-")) ?? "")
  return { cluster: yield* clusterOf(dataDir), postmaster: yield* postmasterOf(dataDir) }
})

const nothingLeft = (
  temporary: string,
  { cluster, postmaster }: { readonly cluster: string; readonly postmaster: number }
) =>
  Effect.promise(async () => {
    assert.deepStrictEqual(await fs.readdir(temporary), [])
    assert.isFalse(existsSync(cluster))
    assert.isFalse(alive(postmaster))
    if (process.platform === "linux") assert.deepStrictEqual(inheritors("TMPDIR", temporary), [])
  })

/** What anyone shall have seen, in this order. */
const told = [
  "PostgreSQL",
  "reference Tasker",
  "gateway",
  "database ok, migrations ok, tasker ok",
  "a grant on OPS",
  "a token",
  "Codex works through /mcp",
  "list the tools",
  "find the project by its name",
  "create a card from Markdown",
  "OPS-1 in Todo, for Ivan Petrov",
  "OPS-1 again; Tasker was written to once",
  "comment",
  "to In Progress",
  "refused: grant.no_grant",
  "refused: idempotency.key_missing",
  "The audit trail",
  "denied    tasker_create_issue  idempotency.key_missing",
  "executed  tasker_create_issue",
  "executed  agent.created",
  "codex mcp add tasker --url http://127.0.0.1:",
  "curl -sS http://127.0.0.1:"
]

const tells = (text: string) => {
  let from = 0
  for (const words of told) {
    const at = text.indexOf(words, from)
    assert.isAtLeast(at, 0, `${words} is missing after ${text.slice(0, from)}`)
    from = at
  }
}

describe("npm run quickstart", () => {
  it.live("off a terminal tells the whole story without a token, ends in 0, and leaves nothing behind", () =>
    Effect.gen(function* () {
      const temporary = yield* folder
      const program = yield* launch(command, { env: { TMPDIR: temporary } })
      const cluster = yield* clusterIn(temporary, program)
      assert.strictEqual(yield* program.ended, 0, program.said())
      tells(program.said())
      assert.notMatch(program.said(), /ndcat_[0-9A-Za-z]{20}/)
      assert.notInclude(program.said(), "\u001b[")
      yield* nothingLeft(temporary, cluster)
    })
  )

  it.live.skipIf(!existsSync("/usr/bin/script"))(
    "on a terminal stays up until Ctrl-C, and then leaves nothing behind",
    () =>
      Effect.gen(function* () {
        const temporary = yield* folder
        // `script` gives it a terminal of its own, and passes on what is typed and how it ended.
        const program = yield* launch(["script", "-qfec", command.map(quoted).join(" "), "/dev/null"], {
          env: { TMPDIR: temporary, TERM: "xterm" }
        })
        const cluster = yield* clusterIn(temporary, program)
        yield* program.until(/Everything is up/)
        // biome-ignore lint/suspicious/noControlCharactersInRegex: colours are what is looked for
        tells(program.said().replaceAll(/\u001b\[\d*[mK]|\r/g, ""))
        assert.include(program.said(), "\u001b[32m✓")
        const shown = /AGENT_TOKEN=(ndcat_\w+)[\s\S]*?--url (http:\S+)\/mcp/.exec(program.said())
        const session = yield* sendTo(`${shown?.[2]}/api/v1/agent-session`, { token: shown?.[1] })
        assert.strictEqual(session.json.owner.user_id, "olga")
        yield* program.type("\u0003")
        assert.include([0, 130], yield* program.ended)
        yield* nothingLeft(temporary, cluster)
      })
  )

  it.live("takes nothing from an .env in its folder", () =>
    Effect.gen(function* () {
      const clone = yield* folder
      const temporary = yield* folder
      yield* Effect.promise(async () => {
        for (const part of ["ops", "src", "migrations", "test", "package.json"]) {
          await fs.cp(join(root, part), join(clone, part), { recursive: true })
        }
        await fs.symlink(join(root, "node_modules"), join(clone, "node_modules"))
        const lines = ["LOG_LEVEL=silent", "NODE_ENV=production", "HOST=192.0.2.1", "DATABASE_URL=nonsense"]
        await fs.writeFile(join(clone, ".env"), lines.join("\n"))
      })
      const program = yield* launch([process.execPath, join(clone, "ops/quickstart.ts")], {
        cwd: clone,
        env: { TMPDIR: temporary }
      })
      assert.strictEqual(yield* program.ended, 0, program.said())
      tells(program.said())
    })
  )
})
