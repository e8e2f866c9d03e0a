import { assert, describe, it } from "@effect/vitest"
import { kindOf, kindsBefore, planOf } from "../torture/Plan.ts"
import { randomOf } from "../torture/Random.ts"

const plan = (seed: number, seconds = 300) =>
  planOf({ seed, seconds, instances: 3, focus: [], tasker: "nodedc" })

describe("the plan of a torture run", () => {
  it("follows from the seed alone", () => {
    assert.deepStrictEqual(plan(7), plan(7))
    assert.notDeepEqual(plan(7), plan(8))
  })

  it.each([7, 8, 9])("has every kind of fault and thirty kills in five minutes (seed %i)", (seed) => {
    const kinds = plan(seed).strikes.map(kindOf)
    assert.deepStrictEqual(
      kindsBefore("nodedc").filter((kind) => !kinds.includes(kind)),
      []
    )
    assert.isAtLeast(kinds.filter((kind) => kind === "instance.kill").length, 30)
  })

  it("shifts every instance's clock by minutes at most", () => {
    const { clocks } = plan(7)
    assert.lengthOf(clocks, 3)
    for (const shift of clocks) assert.isAtMost(Math.abs(shift), 180_000)
  })

  it("holds nothing up while Tasker refuses what it was asked for no reason", () => {
    const { strikes } = plan(7)
    const refusals = strikes.filter((strike) => kindOf(strike) === "tasker.answers.refuse")
    const delays = strikes.filter((strike) =>
      ["tasker.answers.delay", "link.tasker.delay", "instance.freeze"].includes(kindOf(strike))
    )
    assert.isNotEmpty(refusals)
    for (const refusal of refusals) {
      for (const delay of delays) {
        const delayed = delay.at + ("lasts" in delay ? delay.lasts : 0) + 4000
        const refusing = refusal.at + ("lasts" in refusal ? refusal.lasts : 0)
        assert.isTrue(delay.at > refusing || delayed < refusal.at)
      }
    }
  })

  it("strikes with what it was told to look at more often", () => {
    const focused = planOf({
      seed: 7,
      seconds: 30,
      instances: 2,
      focus: ["instance.freeze"],
      tasker: "nodedc"
    })
    const count = (kinds: ReadonlyArray<string>) => kinds.filter((kind) => kind === "instance.freeze").length
    assert.isAbove(count(focused.strikes.map(kindOf)), 15)
    assert.isBelow(count(plan(7, 30).strikes.map(kindOf)), 5)
  })

  it("draws what is drawn for one part of a run whatever the others draw", () => {
    const one = randomOf(7, "one")
    const first = [one.next(), one.next()]
    const again = randomOf(7, "one")
    randomOf(7, "other").next()
    assert.deepStrictEqual([again.next(), again.next()], first)
    assert.notStrictEqual(randomOf(7, "other").next(), first[0])
  })
})
