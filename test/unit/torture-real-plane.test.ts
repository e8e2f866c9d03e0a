import { assert, describe, it } from "@effect/vitest"
import { namedPlane, realPlane } from "../torture/counterparts/realPlane.ts"
import { optionsOf } from "../torture/Options.ts"
import { kindOf, kindsBefore, planOf } from "../torture/Plan.ts"

const variables = {
  PLANE_BASE_URL: "http://127.0.0.1:58000/",
  PLANE_API_KEY: "plane_api_secret",
  SMOKE_WORKSPACE_SLUG: "ops"
}

describe("a torture run before a real Plane", () => {
  it("an option without the Plane's variables is refused with their names", () => {
    const { PLANE_API_KEY: _, ...others } = variables
    assert.throws(() => optionsOf(["--tasker", "real-plane"], others), /PLANE_API_KEY is not set/)
    assert.strictEqual(optionsOf(["--tasker", "real-plane"], variables).tasker, "real-plane")
  })

  it("the options, which are written into the history, hold no key", () => {
    const options = optionsOf(["--tasker", "real-plane"], variables)
    assert.notInclude(JSON.stringify(options), variables.PLANE_API_KEY)
  })

  it("the plan has every kind of fault that its proxy makes", () => {
    const plan = planOf({ seed: 7, seconds: 600, instances: 3, focus: [], tasker: "real-plane" })
    const kinds = new Set(plan.strikes.map(kindOf))
    assert.deepStrictEqual(
      kindsBefore("real-plane").filter((kind) => !kinds.has(kind)),
      []
    )
  })

  it("the gateways reach Plane through the proxy", () => {
    const { gateway } = realPlane(namedPlane(variables))
    assert.include(gateway("http://127.0.0.1:4000"), {
      TASKER_KIND: "plane",
      PLANE_BASE_URL: "http://127.0.0.1:4000",
      PLANE_REQUESTS_PER_MINUTE: "100000"
    })
  })
})
