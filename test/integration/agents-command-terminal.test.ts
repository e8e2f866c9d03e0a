import { randomUUID } from "node:crypto"
import * as PgClient from "@effect/sql-pg/PgClient"
import { assert, layer } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { CliOutput } from "effect/cli"
import * as Reactivity from "effect/reactivity/Reactivity"
import { agentsCommand, agentsDo, reaching } from "../support/agents-command.ts"
import { launch } from "../support/programs.ts"
import { administer, operate, Served, withoutTasker } from "../support/served.ts"

/** The command on a terminal, which util-linux's `script` gives it. */

const quoted = (word: string): string => `'${word.replaceAll("'", "'\\''")}'`

const onTerminal = Effect.fnUntraced(function* (
  args: ReadonlyArray<string>,
  {
    columns = 80,
    env = {}
  }: { readonly columns?: number; readonly env?: Readonly<Record<string, string>> } = {}
) {
  const line = `stty cols ${columns}; ${[...agentsCommand, ...args].map(quoted).join(" ")}`
  return yield* launch(["script", "-qec", line, "/dev/null"], {
    env: { TERM: "xterm-256color", ...(yield* reaching), ...env }
  })
})

const escape = "\u001b"

const linesOf = (text: string): ReadonlyArray<string> => text.split("\r\n")

const newAgent = Effect.fnUntraced(function* (display_name: string) {
  const { agent } = yield* administer("/api/v1/agents", {
    body: { owner_user_id: "olga", owner_email: "olga.smirnova@example.test", display_name }
  })
  return `/api/v1/agents/${agent.id}`
})

const idOf = (path: string): string => path.split("/").at(-1) ?? ""

layer(withoutTasker, { timeout: "10 minutes", excludeTestServices: true })("the agents command", (it) => {
  it.effect(
    "a table is cut to the terminal's width with its ids whole, in colour if NO_COLOR is not set",
    () =>
      Effect.gen(function* () {
        const path = yield* newAgent(`An agent with a name that is wider than its column ${randomUUID()}`)
        yield* administer(`${path}/grants`, {
          body: {
            workspace_slug: "a-workspace-with-a-long-name",
            project_id: randomUUID(),
            scopes: ["project:read", "issue:read", "issue:create"],
            expires_at: "2099-01-31T12:00:00Z"
          }
        })
        yield* administer(`${path}/tokens`, { body: { name: "A token with quite a long name" } })
        yield* administer(`${path}/pairing-codes`, { body: {} })
        for (const args of [["list"], ["show", idOf(path)]]) {
          const coloured = yield* onTerminal(args)
          assert.strictEqual(yield* coloured.ended, 0, coloured.said())
          assert.include(coloured.said(), `${escape}[1m`)
          const rows = linesOf(coloured.said()).filter((line) => /^\S{36} {2}/.test(line))
          assert.isAbove(rows.length, 0)
          for (const row of rows) assert.isAtMost(CliOutput.displayWidth(row), 80, row)

          const bare = yield* onTerminal(args, { env: { NO_COLOR: "1" } })
          assert.strictEqual(yield* bare.ended, 0, bare.said())
          assert.notInclude(bare.said(), escape)
          assert.include(bare.said(), idOf(path))
          assert.include(bare.said(), "…")
        }
      })
  )

  it.effect("what would steer the terminal or hide is taken out of names, and stays in --json", () =>
    Effect.gen(function* () {
      const path = yield* newAgent("Codex")
      const hostile = `\u001b]0;title\u0007\u001b[2J\u009b31mCodex\u202e\u200b\n${randomUUID()}`
      const { databaseUrl } = yield* Served
      // The gateway refuses such a name; an older one may have taken it.
      yield* PgClient.makeClient({ url: Redacted.make(databaseUrl) }).pipe(
        Effect.flatMap(
          (sql) => sql`update agents set display_name = ${hostile} where id = ${idOf(path)}::uuid`
        ),
        Effect.scoped,
        Effect.provide(Reactivity.layer)
      )
      for (const args of [["list"], ["show", idOf(path)], ["enable", idOf(path)]]) {
        const told = yield* agentsDo(...args)
        assert.match(told, /\]0;title\[2J31mCodex \w/)
        assert.notMatch(told.replaceAll("\n", ""), /[\p{Cc}\p{Cf}]/u)
      }
      const { agent } = JSON.parse(yield* agentsDo("show", idOf(path), "--json"))
      assert.strictEqual(agent.display_name, hostile)
    })
  )

  it.effect("disable asks on a terminal, and changes nothing unless the person says yes", () =>
    Effect.gen(function* () {
      const path = yield* newAgent("Codex")
      const status = Effect.map(operate(path), ({ json }) => json.agent.status as string)
      for (const [typed, code, after] of [
        ["n", 1, "active"],
        ["\r", 1, "active"],
        ["\u0003", 130, "active"],
        ["y", 0, "disabled"]
      ] as const) {
        const asking = yield* onTerminal(["disable", idOf(path)])
        yield* asking.until(/Disable Codex of olga\.smirnova@example\.test\? Its tokens stop at once\./)
        yield* asking.type(typed)
        assert.strictEqual(yield* asking.ended, code, asking.said())
        assert.strictEqual(yield* status, after)
      }
    })
  )
})
