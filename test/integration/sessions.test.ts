import * as PgClient from "@effect/sql-pg/PgClient"
import { assert, it, layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { Settings } from "../../src/Config.ts"
import type { UserId } from "../../src/domain/Ids.ts"
import * as Database from "../../src/layers/database/Database.ts"
import { Operations } from "../../src/services/Operations.ts"
import { onDatabase } from "../support/database.ts"
import { freshDatabase } from "../support/gateway.ts"
import { owner } from "../support/tasker.ts"
import { proxied, quiet, World } from "../support/world.ts"

it.live("a session of calls waits for its commits to be on disk, whatever the database's default is", () =>
  Effect.gen(function* () {
    const { url } = yield* freshDatabase
    const name = new URL(url).pathname.slice(1)
    yield* onDatabase(
      url,
      (sql) => sql.unsafe(`alter database ${name} set synchronous_commit = off`).unprepared
    )
    yield* Effect.gen(function* () {
      const sql = yield* PgClient.PgClient
      assert.deepStrictEqual(yield* sql`show synchronous_commit`, [{ synchronous_commit: "on" }])
    }).pipe(
      Effect.provide(
        Layer.fresh(Database.layer).pipe(
          Layer.provide(Settings.layer({ DATABASE_URL: url })),
          Layer.provide(quiet)
        )
      )
    )
  })
)

const rows = 20_000

interface Plan {
  readonly "Node Type": string
  readonly "Plan Rows": number
  readonly Plans?: ReadonlyArray<Plan>
}

const sorts = (plan: Plan): ReadonlyArray<number> => [
  ...(plan["Node Type"] === "Sort" ? [plan["Plan Rows"]] : []),
  ...(plan.Plans ?? []).flatMap(sorts)
]

layer(proxied, { timeout: "10 minutes", excludeTestServices: true })(`with ${rows} open operations`, (it) => {
  it.effect("a list sorts a page of each state and not everyone's rows, with or without a status", () =>
    Effect.gen(function* () {
      const { database, proxy } = yield* World
      const operations = yield* Operations
      yield* database.withTransaction(
        Effect.gen(function* () {
          yield* database`set local session_replication_role = replica`
          yield* database`
            create table seeds as select n, gen_random_uuid() as agent from generate_series(1, ${rows}::integer) as n`
          yield* database`
            insert into agents (id, owner_user_id, owner_email, display_name)
            select agent, 'person-' || n % 1000, 'a@example.test', 'Agent' from seeds`
          yield* database`
            insert into idempotency_keys (
              id, agent_id, key, tool, project_id, grant_id, token_id, fingerprint, state, intent, look_at, reason,
              request_id, created_at
            )
            select gen_random_uuid(), agent, 'open-key-' || n, 'tasker_create_issue', agent, agent, agent,
              repeat('0', 64), case n % 2 when 0 then 'unresolved' else 'unknown' end, '{}',
              case n % 2 when 1 then now() + interval '1 day' end, 'r', 'r', now() - n * interval '1 minute'
            from seeds`
        })
      )
      yield* database`analyze`
      yield* database`
        create function plan_of(statement text) returns json language plpgsql as $$
          declare plan json;
          begin execute 'explain (generic_plan, format json) ' || statement into plan; return plan; end
        $$`
      for (const reach of [undefined, owner.id as UserId]) {
        for (const status of [undefined, "unresolved", "in_progress"] as const) {
          yield* proxy.executed
          const asked = { limit: 20, status, agentId: undefined }
          const first = yield* operations.list(reach, { ...asked, cursor: undefined })
          if (reach === undefined) {
            const second = yield* operations.list(reach, {
              ...asked,
              cursor: first.next_cursor ?? undefined
            })
            const ids = [...first.items, ...second.items]
            assert.strictEqual(new Set(ids.map(({ id }) => id)).size, 40)
            const times = ids.map(({ created_at }) => created_at)
            assert.deepStrictEqual(times, [...times].sort().reverse())
          }
          for (const text of yield* proxy.executed) {
            if (!text.includes("from idempotency_keys")) continue
            const told = text.replace(/limit \$\d+::integer/g, "limit 20")
            const [found] = yield* database<{ plan: [{ Plan: Plan }] }>`select plan_of(${told}) as plan`
            const plan = found?.plan[0].Plan ?? assert.fail(told)
            for (const sorted of sorts(plan)) assert.isAtMost(sorted, 100, told)
          }
        }
      }
    })
  )
})
