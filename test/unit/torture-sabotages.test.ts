import { assert, describe, it } from "@effect/vitest"
import { holdUpsOf, shortLeaseOf } from "../torture/HoldUps.ts"
import { optionsOf } from "../torture/Options.ts"
import { kindsBefore } from "../torture/Plan.ts"
import { focusOf, sabotageNames } from "../torture/sabotage/Sabotages.ts"

describe("the options of a sabotaged run", () => {
  it("all names every sabotage, and a name that there is not is refused", () => {
    assert.deepStrictEqual(optionsOf(["--sabotage", "all"]).judged, sabotageNames)
    assert.deepStrictEqual(optionsOf(["--sabotage", "no-fence,dropped-event"]).judged, [
      "no-fence",
      "dropped-event"
    ])
    for (const option of ["--sabotage", "--inject"]) {
      assert.throws(() => optionsOf([option, "no-such"]), "There is no sabotage called no-such")
    }
  })

  it("a lease that ends before its holder may send is refused", () => {
    const { taskerTimeout } = holdUpsOf("nodedc")
    const shortLease = shortLeaseOf({ taskerTimeout })
    assert.throws(() => optionsOf(["--lease", String(taskerTimeout)]), "--lease")
    assert.strictEqual(optionsOf(["--inject", "no-fence"]).lease, shortLease)
    assert.isAbove(shortLease, taskerTimeout)
  })

  it("the faults under which sabotages show are faults that there are", () => {
    for (const name of sabotageNames) {
      assert.includeMembers([...kindsBefore("nodedc")], [...focusOf(name)], name)
      assert.isNotEmpty(focusOf(name), name)
    }
  })
})
