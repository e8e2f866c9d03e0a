import { assert, describe, it } from "@effect/vitest"
import { type Ended, make, type Strangers } from "../../src/http/Strangers.ts"

/** Asks as often as it is told to, each time ending alike, until it is refused; says how often it was looked at. */
const ask = (
  strangers: Strangers,
  client: string,
  times: number,
  {
    credential,
    end = "open",
    now = 0,
    bodyBytes = 0
  }: {
    readonly credential?: string | undefined
    readonly end?: Ended["end"]
    readonly now?: number
    readonly bodyBytes?: number
  } = {}
): number => {
  for (let i = 0; i < times; i++) {
    const asking = { client, credential }
    const admitted = strangers.admit(asking, now)
    if (admitted._tag !== "Admitted") return i
    strangers.ended(asking, admitted, { end, bodyBytes })
  }
  return times
}

const guess = { credential: "Bearer a guess", end: "refused" } as const
const agent = { credential: "Bearer an agent's", end: "good" } as const

describe("strangers", () => {
  it("have 600 requests an address, refused or open alike, and then one for each tenth of a second", () => {
    const strangers = make()
    assert.strictEqual(ask(strangers, "192.0.2.1", 300, guess), 300)
    assert.strictEqual(ask(strangers, "192.0.2.1", 1000), 300)
    assert.strictEqual(ask(strangers, "192.0.2.1", 1000, { now: 500 }), 5)
    assert.strictEqual(ask(strangers, "192.0.2.1", 1000, { now: 60_500 }), 600)
  })

  it("are charged for each 4 KB of their bodies as for a request, refused or open alike", () => {
    for (const end of ["refused", "open"] as const) {
      const strangers = make()
      // The last one is let in by what is left for it.
      assert.strictEqual(ask(strangers, "192.0.2.1", 1000, { end, bodyBytes: 16_384 }), 120)
      assert.strictEqual(ask(strangers, "192.0.2.2", 1000, { end, bodyBytes: 4095 }), 600)
    }
    const strangers = make()
    assert.strictEqual(ask(strangers, "192.0.2.1", 1000, { ...agent, bodyBytes: 250_000 }), 1000)
    assert.strictEqual(ask(strangers, "192.0.2.1", 1000), 600)
  })

  it("are counted as they come in, so that no more pass at once than one after the other", () => {
    const strangers = make()
    const asking = { client: "192.0.2.1", credential: "Bearer a guess" }
    const answers = Array.from({ length: 1000 }, () => strangers.admit(asking, 0))
    const admitted = answers.filter((answer) => answer._tag === "Admitted")
    assert.lengthOf(admitted, 600)
    for (const one of admitted.slice(0, 100)) strangers.ended(asking, one, { end: "undecided", bodyBytes: 0 })
    for (const one of admitted.slice(100)) strangers.ended(asking, one, { end: "refused", bodyBytes: 0 })
    assert.strictEqual(ask(strangers, "192.0.2.1", 1000, guess), 100)
  })

  it("are told what the limit is and when to come back", () => {
    const strangers = make()
    ask(strangers, "192.0.2.1", 600)
    const refusal = strangers.admit({ client: "192.0.2.1", credential: undefined }, 0)
    if (refusal._tag === "Admitted") return assert.fail("It was let in")
    assert.strictEqual(refusal.reason, "rate")
    assert.isTrue(refusal.retryable)
    assert.deepStrictEqual(refusal.details, {
      limit: { policy: "unauthenticated", quota: 600, window_seconds: 60, remaining: 0 },
      retry_after_seconds: 1
    })
  })

  it("of another address are not held to it, but those of the same /64 are", () => {
    const strangers = make()
    ask(strangers, "2001:db8:1:2::1", 600, guess)
    assert.strictEqual(ask(strangers, "2001:db8:1:2:ffff::9", 1, guess), 0)
    assert.strictEqual(ask(strangers, "2001:db8:1:3::1", 1, guess), 1)
  })

  it("do not lock out an agent behind their address whose token was good lately", () => {
    const strangers = make()
    ask(strangers, "192.0.2.1", 1, agent)
    ask(strangers, "192.0.2.1", 1000, guess)
    assert.strictEqual(ask(strangers, "192.0.2.1", 5000, agent), 5000)
    assert.strictEqual(ask(strangers, "192.0.2.1", 1, { ...agent, credential: "Bearer never seen" }), 0)
  })

  it("are what an agent becomes once its token is refused", () => {
    const strangers = make()
    ask(strangers, "192.0.2.1", 1, agent)
    ask(strangers, "192.0.2.1", 600, guess)
    assert.strictEqual(ask(strangers, "192.0.2.1", 2, { ...agent, end: "refused" }), 1)
    assert.strictEqual(ask(strangers, "192.0.2.1", 1, agent), 0)
  })

  it("do not spend their address's allowance while the gateway can't find out who they are", () => {
    const strangers = make()
    ask(strangers, "192.0.2.1", 5000, { ...guess, end: "undecided" })
    assert.strictEqual(ask(strangers, "192.0.2.1", 1000), 600)
  })

  it("are remembered within bounds: of many addresses the latest, and the credentials used last", () => {
    const strangers = make()
    ask(strangers, "192.0.2.1", 600, guess)
    ask(strangers, "192.0.2.2", 1, agent)
    for (let i = 0; i < 50_000; i++) ask(strangers, `address-${i}`, 1)
    assert.strictEqual(ask(strangers, "192.0.2.1", 1, guess), 1, "the oldest made room")
    ask(strangers, "address-49999", 600)
    assert.strictEqual(ask(strangers, "address-49999", 1), 0, "the latest is known")
    assert.strictEqual(ask(strangers, "address-49999", 1, agent), 1, "addresses push no credential out")
  })
})
