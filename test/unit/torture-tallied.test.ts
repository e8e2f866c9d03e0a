import { assert, describe, it } from "@effect/vitest"
import { event, facts, found, invoke, once, reply } from "../support/torture-records.ts"
import type { EventRow } from "../torture/check/Records.ts"
import type { Happening } from "../torture/History.ts"

/** So many replays of one write, each told at its own instant, some milliseconds apart. */
const replays = (count: number, apart = 100): ReadonlyArray<Happening> =>
  Array.from({ length: count }, (_, n) => [
    { ...invoke(`again-${n}`), t: 10_000 + n * apart },
    { ...reply(`again-${n}`, { replayed: true }), t: 10_050 + n * apart }
  ]).flat()

/** The events of the first write, of the first so many replays, and of one that stands for `count` of them. */
const recorded = (singles: number, count = 0): ReadonlyArray<EventRow> => [
  event("call-1"),
  ...Array.from({ length: singles }, (_, n) => event(`again-${n}`, "replayed")),
  ...(count === 0 ? [] : [{ ...event(`again-${singles + count - 1}`, "replayed"), count }])
]

const killed = (t: number, instance = 0): Happening =>
  ({
    t,
    ev: "strike",
    kind: "instance.kill",
    done: true,
    strike: { at: t, kind: "instance.kill", instance }
  }) as Happening

const findings = (happenings: ReadonlyArray<Happening>, events: ReadonlyArray<EventRow>) =>
  found(facts([...once, ...happenings], { events }))

describe("the torture's checker", () => {
  it("allows replays beyond the 60th of a minute to be counted in one event", () => {
    assert.deepStrictEqual(findings(replays(80), recorded(60, 20)), [])
  })

  it("misses the event of a replay among the first 60 of a minute", () => {
    assert.deepStrictEqual(findings(replays(59), recorded(58)), ["unaudited"])
    assert.deepStrictEqual(findings(replays(80, 2000), recorded(60, 20)), ["unaudited"])
  })

  it("misses replays beyond the 60th that are in no count", () => {
    assert.deepStrictEqual(findings(replays(80), recorded(60)), ["unaudited"])
    assert.deepStrictEqual(findings(replays(80), recorded(60, 10)), ["unaudited"])
  })

  it("allows what an instance counted in the five seconds before it was killed to be lost, and no more", () => {
    const last = 10_000 + 80 * 100
    assert.deepStrictEqual(findings([...replays(80), killed(last)], recorded(60)), [])
    assert.deepStrictEqual(findings([...replays(80), killed(last, 1)], recorded(60)), ["unaudited"])
    assert.deepStrictEqual(findings([...replays(80), killed(last + 5000)], recorded(60)), ["unaudited"])
  })
})
