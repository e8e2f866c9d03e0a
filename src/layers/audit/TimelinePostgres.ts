import { PgClient } from "@effect/sql-pg/PgClient"
import { Effect, Layer } from "effect"
import { Settings } from "../../Config.ts"
import type { AuditEvent } from "../../domain/AuditEvent.ts"
import type { Change } from "../../domain/Change.ts"
import type { AgentId } from "../../domain/Ids.ts"
import { type Group, grouped, turnShown } from "../../domain/Timeline.ts"
import { Timeline } from "../../services/Timeline.ts"
import { take } from "../database/page.ts"
import { storage } from "../database/storage.ts"
import { agentWithin } from "../registry/registryAgents.ts"
import { type EventRow, eventRows } from "./auditPage.ts"
import { cardsOf, changesOf, earlierOf } from "./timelineSql.ts"

/** As many bytes of changes as a page holds: no reader of pages is surprised by one of a hundred megabytes. */
const mostBytes = 1024 * 1024

export const layer = Layer.effect(
  Timeline,
  Effect.gen(function* () {
    const sql = yield* PgClient
    const { changeRetention } = yield* Settings

    /** The changes of a page, and how many of its events there is room for beside them. */
    const changesWithin = Effect.fnUntraced(function* (rows: ReadonlyArray<EventRow>) {
      const changed = rows.flatMap(({ item }, at) =>
        item.change_sha256 === undefined ? [] : [{ id: item.id, at }]
      )
      const changes = new Map<string, Change>()
      if (changed.length === 0) return { changes, fitting: rows.length }
      const ids = changed.map(({ id }) => id)
      for (const row of yield* changesOf(sql, changeRetention, ids, mostBytes)) {
        const { after, before, event_id, place } = row
        // Never the first of them, so that no page is empty.
        if (after === null) return { changes, fitting: changed[place - 1]?.at ?? rows.length }
        changes.set(event_id, { before, after })
      }
      return { changes, fitting: rows.length }
    })

    const cardsAmong = Effect.fnUntraced(function* (agentId: AgentId, events: ReadonlyArray<AuditEvent>) {
      const ids = [...new Set(events.flatMap(({ issue_id }) => issue_id ?? []))]
      const cards = ids.length === 0 ? [] : yield* cardsOf(sql, changeRetention, agentId, ids)
      return new Map(cards.map(({ id, ...card }) => [id, card]))
    })

    const earlierThan = Effect.fnUntraced(function* (
      agentId: AgentId,
      groups: ReadonlyArray<Group>,
      position: bigint
    ) {
      const ids = groups.flatMap(({ events }) => events.at(-1)?.id ?? [])
      const found = yield* earlierOf(sql, agentId, ids, position)
      return new Map(found.flatMap(({ at, event_id }) => (at === null ? [] : [[event_id, at] as const])))
    })

    const list: Timeline["Service"]["list"] = Effect.fn("Timeline.list")(function* (reach, request) {
      const { agentId, limit } = request
      yield* storage(agentWithin(sql, reach, agentId))
      const rows = yield* eventRows(sql, request)
      const { changes, fitting } = yield* changesWithin(rows.slice(0, limit))
      const { items, next_cursor } = take(rows, fitting, ({ position }) => position.toString())
      const groups = grouped(items)
      const last = next_cursor === null ? undefined : rows[fitting - 1]
      const known = {
        changes,
        cards: yield* cardsAmong(agentId, items),
        earlier: last === undefined ? new Map() : yield* earlierThan(agentId, groups, last.position)
      }
      return { items: groups.map((group) => turnShown(group, known)), next_cursor }
    })

    return Timeline.of({ list })
  })
)
