import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { allowance, chancesOf, exhausted, type Guessed, windowMinutes } from "../../src/domain/Guessing.ts"
import { blockOf, neighbourhood, networkOf } from "../../src/domain/Network.ts"

const minute = 60_000

interface Made {
  readonly at: number
  readonly pending: number
}

/** The accounts as the database keeps them, by minutes; in memory, with a clock of its own. */
const accounting = () => {
  const made: Array<Made> = []
  const accounts = new Map<string, Map<number, Guessed>>()
  const on = (account: string, now: number): Guessed => {
    const sum = { guesses: 0, chances: 0 }
    for (const [began, { chances, guesses }] of accounts.get(account) ?? []) {
      if (began <= now - windowMinutes * minute) continue
      sum.guesses += guesses
      sum.chances += chances
    }
    return sum
  }
  const count = (account: string, at: number, chances: number) => {
    const minutes = accounts.get(account) ?? new Map<number, Guessed>()
    const began = Math.floor(at / minute) * minute
    const before = minutes.get(began) ?? { guesses: 0, chances: 0 }
    minutes.set(began, { guesses: before.guesses + 1, chances: before.chances + chances })
    accounts.set(account, minutes)
  }
  /** Guesses wrong, where it is let in. */
  const guess = (address: string, pending: number, at: number) => {
    const of = [neighbourhood(address), networkOf(address), blockOf(address), "all"] as const
    const by = exhausted(
      { address: on(of[0], at), network: on(of[1], at), block: on(of[2], at), all: on(of[3], at) },
      pending
    )
    if (by !== undefined) return by
    made.push({ at, pending })
    for (const account of new Set(of)) count(account, at, chancesOf(pending))
    return undefined
  }
  return { made, guess }
}

const addressOf = (n: number) => `${10 + (n % 200)}.${(n >> 3) % 256}.${(n * 7) % 256}.${n % 5}`

describe("guesses of pairing codes", () => {
  it("hit one with a chance below 2⁻³² in any ten minutes, however they are spread and however many codes are pending", () => {
    const steps = fc.array(
      fc.record({
        gap: fc.integer({ min: 0, max: 3 * minute }),
        pending: fc.oneof(fc.integer({ min: 1, max: 2000 }), fc.integer({ min: 1, max: 1_000_000 })),
        from: fc.integer({ min: 0, max: 5000 }),
        burst: fc.integer({ min: 1, max: 200 })
      }),
      { minLength: 5, maxLength: 20 }
    )
    fc.assert(
      fc.property(steps, (plan) => {
        const { guess, made } = accounting()
        let now = 1_700_000_000_000
        for (const { burst, from, gap, pending } of plan) {
          now += gap
          for (let n = 0; n < burst; n++) guess(addressOf(from + n * 13), pending, now)
        }
        for (const { at: start } of made) {
          const hits = made
            .filter(({ at }) => at >= start && at <= start + 10 * minute)
            .reduce((sum, { pending }) => sum + pending / 20 ** 12, 0)
          assert.isBelow(hits, 2 ** -32)
        }
      }),
      { numRuns: 30 }
    )
  })

  it("are 953 in all with a thousand codes pending, from wherever they come", () => {
    const { guess, made } = accounting()
    for (let n = 0; n < 40_000; n++) {
      guess(`${n % 223}.${Math.floor(n / 223)}.0.1`, 1000, 1_700_000_000_000)
    }
    assert.lengthOf(made, 953)
    assert.isBelow((953 * 1000) / 20 ** 12, 2 ** -32)
    assert.isAtLeast((954 * 1000) / 20 ** 12, 2 ** -32)
  })

  it("of one address are ten, of one network thirty, of one block a sixteenth of all", () => {
    const at = 1_700_000_000_000
    const one = accounting()
    for (let n = 0; n < 100; n++) one.guess("192.0.2.1", 1, at)
    assert.lengthOf(one.made, 10)
    assert.strictEqual(one.guess("192.0.2.1", 1, at), "address")
    for (let n = 0; n < 256; n++) one.guess(`192.0.2.${n}`, 1, at)
    assert.lengthOf(one.made, 30)
    assert.strictEqual(one.guess("192.0.2.77", 1, at), "network")
    assert.isUndefined(one.guess("192.0.3.1", 1, at))

    const block = accounting()
    for (let n = 0; n < 20_000; n++) block.guess(`2001:db8:${(n % 5000).toString(16)}::1`, 1000, at)
    assert.strictEqual(block.guess("2001:db8:ffff::1", 1000, at), "block")
    assert.lengthOf(block.made, Math.floor(allowance / 16 / 1000))
    assert.isUndefined(block.guess("2001:db9::1", 1000, at))
  })

  it("turn nobody away who guessed nothing before 477 networks have guessed, with a thousand codes pending", () => {
    const { guess, made } = accounting()
    const at = 1_700_000_000_000
    // As few networks as can be: each guesses for as long as it is let in.
    let networks = 0
    while (made.length < 953) {
      const address = `${1 + (networks % 180)}.${1 + Math.floor(networks / 180)}.0.1`
      while (guess(address, 1000, at) === undefined);
      networks++
    }
    assert.isAtLeast(networks, 477)
    assert.strictEqual(guess("203.0.113.1", 1000, at), "all")
  })

  it("are forgotten eleven minutes after their minute began", () => {
    const { guess } = accounting()
    const at = Math.floor(1_700_000_000_000 / minute) * minute
    for (let n = 0; n < 10; n++) guess("192.0.2.1", 1, at + 59_000)
    assert.strictEqual(guess("192.0.2.1", 1, at + 11 * minute - 1), "address")
    assert.isUndefined(guess("192.0.2.1", 1, at + 11 * minute))
  })

  it("are let in one by one however many codes are pending, up to where one alone would be too many", () => {
    assert.isUndefined(accounting().guess("192.0.2.1", 900_000, 1_700_000_000_000))
    assert.strictEqual(accounting().guess("192.0.2.1", 960_000, 1_700_000_000_000), "all")
  })
})

describe("whom an address stands for", () => {
  it.each([
    ["192.0.2.7", "192.0.2.7", "192.0.2.0/24", "192.0.0.0/16"],
    ["2001:db8:1:2:3::9", "2001:db8:1:2::/64", "2001:db8:1::/48", "2001:db8::/32"],
    ["2001:db8::1", "2001:db8:0:0::/64", "2001:db8:0::/48", "2001:db8::/32"],
    ["::1", "0:0:0:0::/64", "0:0:0::/48", "0:0::/32"],
    ["unknown", "unknown", "unknown", "unknown"]
  ])("of %s are %s, %s and %s", (address, host, network, block) => {
    assert.deepStrictEqual(
      [neighbourhood(address), networkOf(address), blockOf(address)],
      [host, network, block]
    )
  })
})
