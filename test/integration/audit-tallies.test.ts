import { randomUUID } from "node:crypto"
import * as NodeCrypto from "@effect/platform-node/NodeCrypto"
import * as PgClient from "@effect/sql-pg/PgClient"
import { assert, it } from "@effect/vitest"
import { Effect, Layer, Logger, Redacted, Schedule } from "effect"
import type { AuditEvent } from "../../src/domain/AuditEvent.ts"
import * as AuditLogPostgres from "../../src/layers/audit/AuditLogPostgres.ts"
import { anEvent, withTrail } from "../support/trail.ts"

/** Denials that were counted together become events, whatever stands beside them. */

it.live("tallies that can't be read, and however many, keep no other from becoming events", () =>
  withTrail(({ sql, url }) =>
    Effect.gen(function* () {
      const denied: AuditEvent = {
        ...anEvent("tasker_create_issue"),
        outcome: "denied",
        reason: "limit.rate",
        agent_id: randomUUID() as AuditEvent["agent_id"]
      }
      yield* sql`
        insert into denial_tallies (agent_id, action, reason, minute, denials, last_event)
        select gen_random_uuid(), 'tasker_create_issue', 'limit.rate',
          now() - interval '2 days' + n * interval '1 minute', 100,
          case when n <= 60 then '{"id": "of another time"}' else ${sql.json(denied)}::jsonb end
        from generate_series(1, 220) as n`
      const said: Array<string> = []
      yield* Layer.build(
        AuditLogPostgres.layer.pipe(
          Layer.provide(PgClient.layer({ url: Redacted.make(url) })),
          Layer.provide(NodeCrypto.layerSecureRandom),
          Layer.provide(
            Logger.layer([
              Logger.make(({ message }) => {
                said.push(String(message))
              })
            ])
          )
        )
      )
      const [left] = yield* sql<{ left: number; events: number }>`
        select (select count(*)::integer from denial_tallies) as left,
          (select count(*)::integer from audit_events where count = 40) as events`.pipe(
        Effect.flatMap((rows) =>
          rows[0]?.events === 160
            ? Effect.succeed(rows)
            : Effect.fail(`${JSON.stringify(rows)} ${said.slice(-3).join("\n")}`)
        ),
        Effect.retry(($) => $(Schedule.spaced("50 millis")).pipe(Schedule.upTo({ duration: "5 minutes" })))
      )
      assert.strictEqual(left?.left, 60)
      assert.strictEqual(said.filter((line) => line.includes("can't be read")).length, 60)
    })
  )
)
