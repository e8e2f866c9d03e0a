import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { allowance } from "../../src/domain/Guessing.ts"
import { query } from "../support/database.ts"
import {
  fromAnywhere,
  guess,
  newAddress,
  newNonce,
  newPairingCode,
  redeem,
  shown
} from "../support/pairing.ts"
import { newAgent, served } from "../support/served.ts"

/** What is on everybody's account. */
const account = Effect.map(
  query`
    select coalesce(sum(guesses), 0)::integer as guesses, coalesce(sum(chances), 0)::integer as chances
    from pairing_guesses where account = 'all'`,
  ([row]) => row as { readonly guesses: number; readonly chances: number }
)

const forget = query`delete from pairing_guesses`

/** Puts so many chances on everybody's account, as if they were used up just now. */
const usedUp = (chances: number) =>
  query`
    insert into pairing_guesses (account, minute, guesses, chances)
    values ('all', date_trunc('minute', now()), 1, ${chances}::bigint)
    on conflict (account, minute) do update set chances = pairing_guesses.chances + excluded.chances`

const codesOf = (replies: ReadonlyArray<{ readonly json: { readonly code: string } }>) =>
  replies.map(({ json }) => json.code)

const times = <A, E, R>(n: number, effect: Effect.Effect<A, E, R>, concurrency = 1) =>
  Effect.forEach([...Array(n).keys()], () => effect, { concurrency })

layer(served(fromAnywhere), { timeout: "10 minutes", excludeTestServices: true })(
  "guesses of pairing codes",
  (it) => {
    it.effect(
      "are ten of one address; then a right code from there is not looked at, and from elsewhere is",
      () =>
        Effect.gen(function* () {
          yield* forget
          const made = yield* newPairingCode()
          const address = "198.51.100.7"
          const replies = yield* times(
            10,
            Effect.suspend(() => redeem(guess(), { address }))
          )
          for (const { json, status } of replies) {
            assert.deepStrictEqual([status, json.code], [404, "pairing.unknown"])
          }
          const wrong = yield* redeem(guess(), { address })
          const right = yield* redeem(made.code, { address })
          for (const { headers, json, status } of [wrong, right]) {
            assert.deepStrictEqual([status, json.code], [429, "limit.rate"])
            const wait = Number(headers["retry-after"])
            assert.isTrue(wait > 570 && wait <= 660, String(wait))
            assert.strictEqual(json.retry_after_seconds, wait)
          }
          const told = ({ json }: typeof right) => ({
            ...json,
            request_id: "",
            detail: "",
            retry_after_seconds: 0
          })
          assert.deepStrictEqual(told(right), told(wrong))
          assert.strictEqual((yield* account).guesses, 10)
          assert.strictEqual((yield* shown(made))?.status, "pending")
          const neighbour = yield* redeem(made.code, { address: "198.51.100.8" })
          assert.strictEqual(neighbour.status, 201)
        })
    )

    it.effect("of an IPv6 host are ten whatever addresses of its /64 they come from", () =>
      Effect.gen(function* () {
        yield* forget
        const replies = yield* Effect.forEach([...Array(12).keys()], (n) =>
          redeem(guess(), { address: `2001:db8:7:8::${n}` })
        )
        assert.deepStrictEqual(codesOf(replies.slice(10)), ["limit.rate", "limit.rate"])
        assert.strictEqual((yield* redeem(guess(), { address: "2001:db8:7:9::1" })).status, 404)
      })
    )

    it.effect("of one network are thirty from all its addresses, and keep nobody else out", () =>
      Effect.gen(function* () {
        yield* forget
        const made = yield* newPairingCode()
        const replies = yield* Effect.forEach([...Array(40).keys()], (n) =>
          redeem(guess(), { address: `203.0.113.${n}` })
        )
        assert.deepStrictEqual([...new Set(codesOf(replies.slice(0, 30)))], ["pairing.unknown"])
        assert.deepStrictEqual([...new Set(codesOf(replies.slice(30)))], ["limit.rate"])
        const next = yield* redeem(made.code, { address: "203.0.114.1" })
        assert.strictEqual(next.status, 201)
      })
    )

    it.effect("are not what is no code at all, nor a code that is right, used, cancelled or expired", () =>
      Effect.gen(function* () {
        yield* forget
        const address = newAddress()
        const nothing = yield* redeem("BCDF-GHJK", { address })
        assert.deepStrictEqual([nothing.status, nothing.json.code], [404, "pairing.unknown"])
        const made = yield* newPairingCode()
        yield* redeem(made.code, { address })
        const replies = yield* times(15, redeem(made.code, { address }))
        assert.deepStrictEqual([...new Set(codesOf(replies))], ["pairing.used"])
        const old = yield* newPairingCode()
        yield* query`
          update pairing_codes set created_at = created_at - interval '10 minutes', expires_at = now()
          where id = ${old.id}::uuid`
        assert.strictEqual((yield* redeem(old.code, { address })).json.code, "pairing.expired")
        assert.deepStrictEqual(yield* account, { guesses: 0, chances: 0 })
      })
    )

    it.effect("cost as many chances as codes are pending", () =>
      Effect.gen(function* () {
        yield* forget
        const { id } = yield* newAgent([])
        yield* query`
          insert into pairing_codes (id, agent_id, code_hash, expires_at)
          select gen_random_uuid(), ${id}::uuid, sha256(n::text::bytea), now() + interval '5 minutes'
          from generate_series(1, 2000) as n`
        yield* redeem(guess())
        const { chances } = yield* account
        assert.isAtLeast(chances, 2000)
        assert.isBelow(chances, 2100)
        yield* query`delete from pairing_codes where agent_id = ${id}::uuid`
      })
    )

    it.effect(
      "of those who guessed before end at half of all that may be guessed; who guessed nothing is let in to the end",
      () =>
        Effect.gen(function* () {
          yield* forget
          const made = yield* newPairingCode()
          const guesser = newAddress()
          yield* redeem(guess(), { address: guesser })
          yield* usedUp(Math.floor(allowance / 2))
          assert.strictEqual((yield* redeem(guess(), { address: guesser })).json.code, "limit.rate")
          assert.strictEqual((yield* redeem(guess())).json.code, "pairing.unknown")
          assert.strictEqual((yield* redeem(made.code)).status, 201)
        })
    )

    it.effect(
      "end for all where all that may be guessed is used up, and go on once ten minutes are over",
      () =>
        Effect.gen(function* () {
          yield* forget
          const made = yield* newPairingCode()
          yield* usedUp(allowance)
          assert.strictEqual((yield* redeem(guess())).json.code, "limit.rate")
          const nonce = newNonce()
          assert.strictEqual((yield* redeem(made.code, { nonce })).json.code, "limit.rate")
          assert.strictEqual((yield* shown(made))?.status, "pending")
          yield* query`update pairing_guesses set minute = now() - interval '10 minutes 30 seconds'`
          assert.strictEqual((yield* redeem(guess())).json.code, "limit.rate")
          yield* query`update pairing_guesses set minute = now() - interval '11 minutes'`
          assert.strictEqual((yield* redeem(made.code, { nonce })).status, 201)
        })
    )

    it.effect("at once from many addresses are let in one by one on what is left", () =>
      Effect.gen(function* () {
        yield* forget
        const [{ pending } = { pending: 0 }] = yield* query`
          select count(*)::integer as pending from pairing_codes
          where used_at is null and cancelled_at is null and locked_at is null and expires_at > now()`
        const cost = Math.max(10, Number(pending))
        yield* usedUp(allowance - 3 * cost)
        const replies = yield* times(
          24,
          Effect.suspend(() => redeem(guess())),
          24
        )
        const codes = codesOf(replies)
        assert.lengthOf(
          codes.filter((code) => code === "pairing.unknown"),
          3
        )
        assert.lengthOf(
          codes.filter((code) => code === "limit.rate"),
          21
        )
        assert.isAtMost((yield* account).chances, allowance)
      })
    )
  }
)
