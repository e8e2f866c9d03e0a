import { assert, describe, it } from "@effect/vitest"
import type { AuditEvent } from "../../src/domain/AuditEvent.ts"
import { grouped, turnShown } from "../../src/domain/Timeline.ts"
import { eventOf } from "../support/audit.ts"

const nothing = { changes: new Map(), cards: new Map(), earlier: new Map<string, string>() }

/** An event so many minutes into the day. */
const event = (minutes: number, client?: AuditEvent["client"]): AuditEvent =>
  eventOf({
    at: new Date(Date.UTC(2027, 0, 1, 0, minutes)).toISOString(),
    ...(client === undefined ? {} : { client })
  })

const turn = (turn_id: string, more: object = {}) => ({ session_id: "s", thread_id: "t", turn_id, ...more })

const shown = (events: ReadonlyArray<AuditEvent>, known = nothing) =>
  grouped(events).map((group) => turnShown(group, known))

describe("a page of a timeline", () => {
  it("tells a turn as one, where two conversations went on at the same time", () => {
    const [d, c, b, a] = [
      event(4, turn("2")),
      event(3, turn("1")),
      event(2, turn("2")),
      event(1, turn("1"))
    ] as const
    const turns = shown([d, c, b, a])
    assert.deepStrictEqual(
      turns.map(({ turn_id, entries }) => [turn_id, entries.map(({ event_id }) => event_id)]),
      [
        ["2", [d.id, b.id]],
        ["1", [c.id, a.id]]
      ]
    )
    assert.deepStrictEqual([turns[0]?.started_at, turns[0]?.ended_at], [b.at, d.at])
  })

  it("takes the same turn id in another conversation for another turn", () => {
    assert.lengthOf(shown([event(2, turn("1")), event(1, turn("1", { thread_id: "other" }))]), 2)
  })

  it("says of a turn what its newest event says", () => {
    const [told] = shown([
      event(3, turn("1", { call_id: "c" })),
      event(2, turn("1", { model: "newer", codex_version: "2" })),
      event(1, turn("1", { model: "older", codex_version: "1" }))
    ])
    assert.deepInclude(told, { model: "newer", codex_version: "2" })
    assert.strictEqual(told?.entries[0]?.call_id, "c")
  })

  it("puts what claims no turn together where no more than ten minutes lie between", () => {
    const turns = shown([event(40), event(35, turn("1")), event(30), event(19), event(18, { model: "m" })])
    assert.deepStrictEqual(
      turns.map(({ session_id, turn_id, entries }) => [session_id, turn_id, entries.length]),
      [
        [null, null, 2],
        ["s", "1", 1],
        [null, null, 2]
      ]
    )
  })

  it("says that a turn goes on beyond it, and of what claims no turn only where it was soon before", () => {
    const [claimed, loose] = [event(30, turn("1")), event(20)]
    const at = (minutes: number) => event(minutes).at
    const continued = (earlier: ReadonlyArray<readonly [string, string]>) =>
      shown([claimed, loose], { ...nothing, earlier: new Map(earlier) }).map((one) => one.continued)
    assert.deepStrictEqual(continued([]), [undefined, undefined])
    assert.deepStrictEqual(continued([[claimed.id, at(1)]]), [true, undefined])
    assert.deepStrictEqual(continued([[loose.id, at(9)]]), [undefined, undefined])
    assert.deepStrictEqual(continued([[loose.id, at(10)]]), [undefined, true])
  })
})
