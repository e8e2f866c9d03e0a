import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { canonicalJson } from "../../src/domain/CanonicalJson.ts"
import { AgentId } from "../../src/domain/Ids.ts"
import { fingerprint, upstreamKey } from "../../src/domain/Operation.ts"

const json = fc.jsonValue({ maxDepth: 3 })
const args = fc.dictionary(fc.string({ minLength: 1, maxLength: 8 }), json, { maxKeys: 6 })

const shuffled = (value: Readonly<Record<string, unknown>>) =>
  Object.fromEntries(Object.entries(value).toReversed())

describe("canonical JSON", () => {
  it("is the same whatever the order of keys, and reads back as what it was", () => {
    fc.assert(
      fc.property(args, (value) => {
        assert.strictEqual(canonicalJson(value), canonicalJson(shuffled(value)))
        assert.deepStrictEqual(JSON.parse(canonicalJson(value)), JSON.parse(JSON.stringify(value)))
      })
    )
  })

  it("writes what RFC 8785 shows, section 3.2.2", () => {
    const value = {
      numbers: [Number("333333333.33333329"), 1e30, 4.5, 2e-3, 1e-27],
      string: '€$\u000F\nA\'B"\\\\"/',
      literals: [null, true, false]
    }
    assert.strictEqual(
      canonicalJson(value),
      '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'
    )
  })
})

describe("a fingerprint", () => {
  it("tells two calls apart by tool, project or any argument", () => {
    fc.assert(
      fc.property(args, args, (one, other) => {
        const same = canonicalJson(one) === canonicalJson(other)
        fc.pre(
          !["idempotency_key", "dry_run", "allow_duplicate", "project_id"].some(
            (key) => key in one || key in other
          )
        )
        assert.strictEqual(fingerprint("t", one) === fingerprint("t", other), same)
        assert.notStrictEqual(fingerprint("t", one), fingerprint("u", one))
        assert.notStrictEqual(
          fingerprint("t", { ...one, project_id: "a" }),
          fingerprint("t", { ...one, project_id: "b" })
        )
      })
    )
  })

  it("does not look at the key, at dry_run or at allow_duplicate", () => {
    fc.assert(
      fc.property(args, json, (value, other) => {
        for (const ignored of ["idempotency_key", "dry_run", "allow_duplicate"]) {
          assert.strictEqual(fingerprint("t", value), fingerprint("t", { ...value, [ignored]: other }))
        }
      })
    )
  })
})

describe("the key that Tasker sees", () => {
  const agent = AgentId.make("7f0c1c9e-5a0b-4b8e-9d57-6a4f0c0e1a2b")
  const other = AgentId.make("0d1f7a5c-53b0-4f0e-8f3c-6a1d5e0b9c11")

  it("is 64 hex characters, one for one agent and key, and does not show the agent's own", () => {
    const key = upstreamKey(agent, "release-notes")
    assert.match(key, /^[0-9a-f]{64}$/)
    assert.strictEqual(key, upstreamKey(agent, "release-notes"))
    assert.notStrictEqual(key, upstreamKey(other, "release-notes"))
    assert.notStrictEqual(key, upstreamKey(agent, "release-notes2"))
    assert.notInclude(key, "release")
  })
})
