import { assert, describe, it } from "@effect/vitest"
import { Option, Redacted } from "effect"
import * as fc from "fast-check"
import {
  findSecret,
  fromBytes,
  hash,
  holdsSecret,
  kindOf,
  parse,
  parseAny,
  withoutSecrets
} from "../../src/domain/Token.ts"

const bytes = fc.uint8Array({ minLength: 32, maxLength: 32 })
const raw = (secret: Uint8Array) => Redacted.value(fromBytes(secret))

describe("an agent token", () => {
  it("has the prefix, 43 characters of secret and 6 of checksum", () => {
    fc.assert(fc.property(bytes, (secret) => /^ndcat_[0-9A-Za-z]{49}$/.test(raw(secret))))
  })

  it("is read back, and no two secrets give the same one", () => {
    fc.assert(
      fc.property(bytes, bytes, (one, other) => {
        assert.isTrue(Option.isSome(parse(raw(one))))
        assert.strictEqual(raw(one) === raw(other), Buffer.from(one).equals(Buffer.from(other)))
      })
    )
  })

  it("with any one character changed is told apart without the database", () => {
    fc.assert(
      fc.property(bytes, fc.nat(48), fc.constantFrom(..."0AZaz9"), (secret, at, character) => {
        const token = raw(secret)
        const changed = token.slice(0, 6 + at) + character + token.slice(7 + at)
        fc.pre(changed !== token)
        assert.isTrue(Option.isNone(parse(changed)))
      })
    )
  })

  it("is stored as a SHA-256 hash that is always the same", () => {
    fc.assert(
      fc.property(bytes, (secret) => {
        assert.strictEqual(hash(fromBytes(secret)).length, 32)
        assert.deepStrictEqual(hash(fromBytes(secret)), hash(fromBytes(secret)))
      })
    )
  })

  it("never shows itself when it is printed", () => {
    const token = fromBytes(new Uint8Array(32).fill(7))
    for (const shown of [String(token), JSON.stringify(token), `${JSON.stringify({ token })}`]) {
      assert.notInclude(shown, Redacted.value(token))
    }
  })
})

describe("the tokens of a login", () => {
  const of = (kind: "access" | "refresh") => fromBytes(new Uint8Array(32).fill(7), kind)

  it("say by their prefix what they are for", () => {
    assert.match(Redacted.value(of("access")), /^ndcao_[0-9A-Za-z]{49}$/)
    assert.match(Redacted.value(of("refresh")), /^ndcar_[0-9A-Za-z]{49}$/)
    for (const kind of ["access", "refresh"] as const) {
      assert.strictEqual(kindOf(of(kind)), kind)
      assert.isTrue(Option.isSome(parseAny(Redacted.value(of(kind)))))
    }
  })

  it("are good as a bearer where they are access tokens, and never where they are refresh tokens", () => {
    assert.isTrue(Option.isSome(parse(Redacted.value(of("access")))))
    assert.isTrue(Option.isNone(parse(Redacted.value(of("refresh")))))
  })

  it("do not become one another by another prefix: the checksum is over it too", () => {
    fc.assert(
      fc.property(bytes, (secret) => {
        const refresh = Redacted.value(fromBytes(secret, "refresh"))
        for (const prefix of ["ndcao_", "ndcat_"]) {
          assert.isTrue(Option.isNone(parseAny(prefix + refresh.slice(6))))
        }
      })
    )
  })

  it("are found in texts, and taken out of them, as an agent's are", () => {
    for (const kind of ["access", "refresh"] as const) {
      const text = `before ${Redacted.value(of(kind))} after`
      assert.isTrue(holdsSecret(text))
      assert.strictEqual(withoutSecrets(text), "before [secret] after")
    }
  })
})

describe("a text that holds a token", () => {
  it("is recognised wherever the token stands in it", () => {
    fc.assert(
      fc.property(bytes, fc.string(), fc.string(), (secret, before, after) => {
        assert.isTrue(holdsSecret(before + raw(secret) + after))
      })
    )
  })

  it("is recognised where something that looks like a token begins before it", () => {
    fc.assert(
      fc.property(
        bytes,
        fc.constantFrom("ndcat_", "ndcao_", "ndcat_ndcar_", "ndcat_AAAA"),
        (secret, decoy) => {
          assert.isTrue(holdsSecret(decoy + raw(secret)))
        }
      )
    )
  })

  it("is not seen in a made-up token, since its checksum is wrong", () => {
    assert.isFalse(holdsSecret(`ndcat_${"A".repeat(49)}`))
  })

  it("is found in keys and values at any depth, and the place is named", () => {
    const token = raw(new Uint8Array(32).fill(3))
    assert.deepStrictEqual(Option.getOrNull(findSecret({ a: [{ b: `x ${token}` }] })), ["a", 0, "b"])
    assert.deepStrictEqual(Option.getOrNull(findSecret({ a: { [token]: 1 } })), ["a"])
    assert.isTrue(Option.isNone(findSecret({ a: ["nothing", 1, null, true] })))
  })
})
