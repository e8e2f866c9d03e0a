import { assert, layer } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { outcome, refusal } from "../support/evidence.ts"
import { owner } from "../support/tasker.ts"
import { type Actor, call, World, layer as world } from "../support/world.ts"
import { card } from "../support/writes.ts"

const prefix = "ndcat_"

/** A token as a person would never type it, and as a reader of the card would see it all the same. */
const spellings: ReadonlyArray<readonly [string, (secret: string) => string]> = [
  ["escaped", (secret) => `ndcat\\_${secret}`],
  ["with a character reference", (secret) => `ndcat&#95;${secret}`],
  ["with a named reference", (secret) => `ndcat&lowbar;${secret}`],
  ["partly bold", (secret) => `ndcat_${secret.slice(0, 9)}**${secret.slice(9)}**`],
  ["partly emphasised", (secret) => `*ndcat_${secret.slice(0, 9)}*${secret.slice(9)}`],
  ["partly code", (secret) => `\`ndcat_${secret.slice(0, 9)}\`${secret.slice(9)}`],
  ["partly linked", (secret) => `[ndcat_${secret.slice(0, 9)}](https://e.test)${secret.slice(9)}`],
  ["with zero-width characters between", (secret) => [...(prefix + secret)].join("\u200b")],
  ["with a soft hyphen referred to", (secret) => `ndcat_${secret.slice(0, 9)}&shy;${secret.slice(9)}`],
  ["in a link's address", (secret) => `[x](https://e.test/ndcat\\_${secret})`],
  ["in a link's title", (secret) => `[x](https://e.test "ndcat&#95;${secret}")`],
  ["in a link's definition", (secret) => `[x]\n\n[x]: https://e.test/ndcat\\_${secret}`],
  ["as a code block's language", (secret) => `\`\`\`ndcat&#95;${secret}\nx\n\`\`\``]
]

/** How people paste it into a card: the HTML that Tasker's editor makes of it. */
const pasted: ReadonlyArray<readonly [string, (token: string) => string]> = [
  ["as it is", (token) => `<p>Use ${token} here</p>`],
  ["in bold", (token) => `<p>Use <strong>${token}</strong></p>`],
  ["in italics with more behind it", (token) => `<p><em>${token}</em>s</p>`],
  ["partly bold", (token) => `<p>Use ${token.slice(0, 20)}<strong>${token.slice(20)}</strong></p>`],
  ["partly linked", (token) => `<p>${token.slice(0, 20)}<a href="https://e.test">${token.slice(20)}</a></p>`],
  ["with a character reference", (token) => `<p>${token.replace("_", "&#95;")}</p>`],
  ["with zero-width characters", (token) => `<p>${[...token].join("\u200b")}</p>`],
  ["in a link", (token) => `<p><a href="https://e.test/?t=${token}">Sign in</a></p>`],
  ["in a code block", (token) => `<pre><code>export TOKEN=${token}</code></pre>`]
]

const secretOf = ({ token }: Actor) => Redacted.value(token).slice(prefix.length)

/** The rows of the database, Tasker's included or not, in which a text stands. */
const rowsHolding = Effect.fnUntraced(function* (text: string, tables = "%") {
  const { database } = yield* World
  const names = yield* database<{ name: string }>`
    select format('%I.%I', schemaname, tablename) as name from pg_tables
    where schemaname not in ('pg_catalog', 'information_schema') and tablename like ${tables}`
  const rows = yield* Effect.forEach(
    names,
    ({ name }) =>
      database<{ row: string }>`
      select ${name} || ' ' || t::text as row from ${database.literal(name)} t
      where position(${text} in t::text) > 0`
  )
  return rows.flat().map(({ row }) => row)
}, Effect.orDie)

const sentToTasker = Effect.flatMap(World, ({ tasker }) =>
  Effect.map(tasker.requests, (requests) => requests.filter(({ method }) => method !== "GET").length)
)

layer(world, { timeout: "10 minutes", excludeTestServices: true })("a token of ours", (it) => {
  it.effect.each(spellings)(
    "spelled %s is refused in every text, sent nowhere and stored nowhere",
    ([, spell]) =>
      Effect.gen(function* () {
        const { actor } = yield* World
        const agent = yield* actor()
        const issue_id = yield* card(agent)
        const text = `Look: ${spell(secretOf(agent))}`
        const sent = yield* sentToTasker
        for (const [tool, args] of [
          ["tasker_create_issue", { name: "Plain", description: text }],
          ["tasker_create_issue", { name: "Plain", description: `${text}\n\n${"long ".repeat(300)}` }],
          ["tasker_update_issue", { issue_id, description: text }],
          ["tasker_add_comment", { issue_id, comment: text }]
        ] as const) {
          for (const dry_run of [false, true]) {
            const asked = { ...args, dry_run, idempotency_key: "holds-a-token" }
            const failure = yield* refusal(call(agent, tool, asked))
            assert.strictEqual(`${failure.kind}.${failure.reason}`, "input.holds_secret")
            assert.notInclude(JSON.stringify(failure), secretOf(agent).slice(9))
          }
        }
        assert.strictEqual(yield* sentToTasker, sent)
        assert.deepStrictEqual(yield* rowsHolding(secretOf(agent)), [])
        assert.deepStrictEqual(yield* rowsHolding(text), [])
      })
  )

  it.effect("in a name is refused, also with invisible characters between", () =>
    Effect.gen(function* () {
      const { actor } = yield* World
      const agent = yield* actor()
      const issue_id = yield* card(agent)
      const token = Redacted.value(agent.token)
      const sent = yield* sentToTasker
      for (const [name, code] of [
        [`Use ${token}`, "input.holds_secret"],
        [[...token].join("\u200b"), "input.invalid"]
      ] as const) {
        const asked = { name, idempotency_key: "a-named-token" }
        assert.strictEqual(yield* outcome(call(agent, "tasker_create_issue", asked)), code)
        assert.strictEqual(yield* outcome(call(agent, "tasker_update_issue", { ...asked, issue_id })), code)
      }
      assert.strictEqual(yield* sentToTasker, sent)
      assert.deepStrictEqual(yield* rowsHolding(secretOf(agent)), [])
    })
  )

  it.effect.each(pasted)(
    "that a person pasted into a card %s is shown and kept as [secret] only",
    ([, html]) =>
      Effect.gen(function* () {
        const { actor, tasker } = yield* World
        const agent = yield* actor()
        const issue_id = yield* card(agent)
        const token = Redacted.value(agent.token)
        // Twenty letters of it alone would be a lead; no longer part of it may be left.
        const tail = token.slice(-30, -2)
        yield* tasker.send("PATCH", `/issues/${issue_id}`, {
          description_html: html(token),
          name: `Named ${token}`
        })
        yield* tasker.send("POST", `/issues/${issue_id}/comments`, {
          author_id: owner.id,
          comment_html: html(token)
        })
        const move = { issue_id, state: "Done", idempotency_key: "over-a-token" }
        for (const [tool, args] of [
          ["tasker_get_issue", { issue_id }],
          ["tasker_list_issues", {}],
          ["tasker_list_comments", { issue_id }],
          [
            "tasker_update_issue",
            { issue_id, description: "x", dry_run: true, idempotency_key: "over-it-dry" }
          ],
          ["tasker_move_issue", move],
          ["tasker_move_issue", move]
        ] as const) {
          const { structured } = yield* call(agent, tool, args)
          const text = JSON.stringify(structured)
          assert.include(text, "[secret]")
          assert.notInclude(text, tail)
        }
        assert.isNotEmpty(yield* rowsHolding("[secret]", "idempotency_keys"))
        assert.deepStrictEqual(yield* rowsHolding(tail, "idempotency_keys"), [])
        assert.deepStrictEqual(yield* rowsHolding(tail, "audit%"), [])
      })
  )
})
