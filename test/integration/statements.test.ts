import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { tools } from "../../src/tools/registry.ts"
import { type Actor, call, proxied, World } from "../support/world.ts"
import { card, writeRows } from "../support/writes.ts"

/** The gateway's own rounds, which no call waits for. */
const background = /from denial_tallies where minute/

/** Notes which transactions wrote: PostgreSQL gives an id to those alone, and it is noted with what it did. */
const noteWriters = Effect.gen(function* () {
  const { database } = yield* World
  yield* database`create table if not exists writers (transaction xid8 not null)`
  yield* database`
    create or replace function note_writer() returns trigger language plpgsql as
    'begin insert into writers values (pg_current_xact_id()); return null; end'`
  for (const table of ["idempotency_keys", "audit_events", "changes", "grant_writes", "denial_tallies"]) {
    yield* database`
      create or replace trigger note_writer after insert or update or delete on ${database(table)}
      for each statement execute function note_writer()`
  }
})

/** What a call costs, counted on the wire to PostgreSQL and in it. */
const cost = Effect.fnUntraced(function* (agent: Actor, tool: string, args: object) {
  const { database, proxy } = yield* World
  yield* database`truncate writers`
  yield* proxy.executed
  const { replayed } = yield* call(agent, tool, args)
  const statements = (yield* proxy.executed).filter((text) => !background.test(text))
  const [writers] = yield* database<{ commits: number }>`
    select count(distinct transaction)::integer as commits from writers`
  return { replayed, statements: statements.length, commits: writers?.commits }
})

const reads: Readonly<Record<string, (issueId: string) => object>> = {
  tasker_get_session: () => ({ project_id: undefined }),
  tasker_resolve_project: () => ({}),
  tasker_get_project_context: () => ({}),
  tasker_list_issues: () => ({}),
  tasker_get_issue: (issue_id) => ({ issue_id }),
  tasker_list_comments: (issue_id) => ({ issue_id })
}

layer(proxied, { timeout: "10 minutes", excludeTestServices: true })("a call costs the database", (it) => {
  for (const tool of tools.filter(({ listing }) => listing.annotations.readOnlyHint)) {
    it.effect(`one statement and no commit for ${tool.name}`, () =>
      Effect.gen(function* () {
        yield* noteWriters
        const { actor } = yield* World
        const agent = yield* actor()
        const args = reads[tool.name]?.(yield* card(agent)) ?? assert.fail(`no row for ${tool.name}`)
        assert.deepStrictEqual(yield* cost(agent, tool.name, args), {
          replayed: false,
          statements: 1,
          commits: 0
        })
      })
    )
  }

  for (const { tool, op, args } of writeRows) {
    it.effect(`three statements and two commits for ${tool}, which asks Tasker first`, () =>
      Effect.gen(function* () {
        yield* noteWriters
        const { actor } = yield* World
        const agent = yield* actor(undefined, { maxWrites: 10 })
        const asked = { ...args(yield* card(agent)), idempotency_key: `cost-${op}` }
        assert.deepStrictEqual(yield* cost(agent, tool, asked), {
          replayed: false,
          statements: 3,
          commits: 2
        })
      })
    )

    it.effect(`two statements and one commit for a replay of ${tool}`, () =>
      Effect.gen(function* () {
        yield* noteWriters
        const { actor } = yield* World
        const agent = yield* actor()
        const asked = { ...args(yield* card(agent)), idempotency_key: `replay-${op}` }
        yield* call(agent, tool, asked)
        assert.deepStrictEqual(yield* cost(agent, tool, asked), { replayed: true, statements: 2, commits: 1 })
      })
    )

    it.effect(`two statements and one commit for a dry run of ${tool}`, () =>
      Effect.gen(function* () {
        yield* noteWriters
        const { actor } = yield* World
        const agent = yield* actor()
        const asked = { ...args(yield* card(agent)), idempotency_key: `dry-${op}`, dry_run: true }
        assert.deepStrictEqual(yield* cost(agent, tool, asked), {
          replayed: false,
          statements: 2,
          commits: 1
        })
      })
    )
  }

  it.effect("two statements and two commits for a card of which nothing has to be asked", () =>
    Effect.gen(function* () {
      yield* noteWriters
      const { actor } = yield* World
      const agent = yield* actor(undefined, { maxWrites: 10 })
      const asked = { name: "Plain", description: "Text", priority: "low", idempotency_key: "cost-plain" }
      assert.deepStrictEqual(yield* cost(agent, "tasker_create_issue", asked), {
        replayed: false,
        statements: 2,
        commits: 2
      })
    })
  )

  it.effect("three statements and two commits for settling a write in doubt", () =>
    Effect.gen(function* () {
      yield* noteWriters
      const { actor, tasker } = yield* World
      const agent = yield* actor()
      const asked = { name: "Settled", state: "Todo", idempotency_key: "cost-settling" }
      yield* tasker.fault({ op: "create", fault: "cut_after" })
      yield* Effect.flip(call(agent, "tasker_create_issue", asked))
      assert.deepStrictEqual(yield* cost(agent, "tasker_create_issue", asked), {
        replayed: false,
        statements: 3,
        commits: 2
      })
    })
  )
})
