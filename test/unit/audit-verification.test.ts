import { generateKeyPairSync } from "node:crypto"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Result, Schema } from "effect"
import * as fc from "fast-check"
import { eventHash, type Irregular, linkOf, noCheckpoint, sha256 } from "../../src/domain/AuditChain.ts"
import { AuditEvent } from "../../src/domain/AuditEvent.ts"
import { asHex, writeEventLine, writeLine } from "../../src/domain/AuditExport.ts"
import type { KeptElsewhere } from "../../src/domain/AuditKept.ts"
import { AuditFault, type Shown } from "../../src/domain/AuditVerification.ts"
import { readVerifyingKey, signCheckpoint } from "../../src/domain/SigningKey.ts"
import { eventOf, exportOf, keptNothing, newKey, verify } from "../support/audit.ts"

const [first, second, stranger] = [newKey(), newKey(), newKey()] as const

const nullOr = <A>(of: fc.Arbitrary<A>) => fc.option(of, { nil: null, freq: 3 })
const words = fc
  .string({ unit: "grapheme", minLength: 1, maxLength: 24 })
  .filter((text) => text.isWellFormed())

/** What came into events later, and is left out where it is not known. */
const laterFields = {
  client: fc.record(
    { session_id: words, turn_id: fc.uuid(), model: words, codex_version: fc.constant("0.169.0") },
    { requiredKeys: ["turn_id"] }
  ),
  change_sha256: fc.stringMatching(/^[0-9a-f]{64}$/),
  duration_ms: fc.nat({ max: 60_000 })
}

/** Events of every form; people's ids may be any text. */
const fields = {
  id: fc.uuid(),
  at: fc
    .date({ min: new Date(0), max: new Date("9999-12-31"), noInvalidDate: true })
    .map((date) => date.toISOString()),
  action: fc.constantFrom("tasker_create_issue", "agent.created", "token.revoked"),
  outcome: fc.constantFrom("executed", "replayed", "denied", "failed", "unknown", "dry_run"),
  reason: nullOr(fc.constant("grant.missing_scope")),
  agent_id: nullOr(fc.uuid()),
  owner_user_id: nullOr(words),
  token_id: nullOr(fc.uuid()),
  project_id: nullOr(fc.uuid()),
  issue_id: nullOr(fc.uuid()),
  idempotency_key: nullOr(fc.stringMatching(/^[A-Za-z0-9_:.-]{8,20}$/)),
  arguments_sha256: nullOr(fc.stringMatching(/^[0-9a-f]{64}$/)),
  request_id: fc.uuid(),
  via: fc.constantFrom("mcp", "rest", "recovery", "admin"),
  count: fc.integer({ min: 1, max: 1000 })
}
const anEvent = fc.record(
  { ...fields, ...laterFields },
  { requiredKeys: Object.keys(fields) as ReadonlyArray<keyof typeof fields> as Array<keyof typeof fields> }
) as unknown as fc.Arbitrary<AuditEvent>

/**
 * Two to eight events under two or three checkpoints, by a key that was changed in between. The first checkpoint may
 * be of format 1, the second batch may begin with an event as no gateway writes it.
 */
const aTrail = fc
  .tuple(
    fc.array(anEvent, { minLength: 1, maxLength: 3 }),
    fc.array(anEvent, { minLength: 1, maxLength: 3 }),
    fc.array(anEvent, { minLength: 0, maxLength: 2 }),
    fc.constantFrom<1 | 2>(1, 2),
    fc.constantFrom<Irregular | undefined>(undefined, { storedHash: sha256("another") }, { oversizeAt: 17 })
  )
  .map(([one, two, three, format, irregular]) =>
    exportOf([
      { key: first, events: one, format },
      { key: first, events: two, ...(irregular !== undefined && { irregular: { 0: irregular } }) },
      ...(three.length === 0 ? [] : [{ key: second, events: three }])
    ])
  )

const keysOf = { ...keptNothing, keys: [first.verifying, second.verifying] }

/** Which events were shown, and whether by keys that were kept. */
const rangeOf = (said: Shown | AuditFault) =>
  said instanceof AuditFault ? said.message : { first: said.first, last: said.last, signer: said.signer }

const event = (action: string): AuditEvent => eventOf({ action })
const events = (many: number) => Array.from({ length: many }, (_, n) => event(`act.${n + 1}`))

const isFault = (said: unknown): said is AuditFault => said instanceof AuditFault

const fault = (lines: ReadonlyArray<string>, kept: Partial<KeptElsewhere> = keysOf): string => {
  const said = verify(lines.join(""), kept)
  if (!isFault(said)) assert.fail("It was taken for good")
  return said.message
}

describe("an export", () => {
  it("is verified as it was sealed, whatever its events hold", () => {
    fc.assert(
      fc.property(aTrail, ({ checkpoints, lines }) => {
        const last = checkpoints.at(-1)?.sequence ?? 0
        assert.deepStrictEqual(rangeOf(verify(lines.join(""), keysOf)), { first: 1, last, signer: "checked" })
        assert.deepStrictEqual(rangeOf(verify(lines.join(""))), { first: 1, last, signer: "not checked" })
      })
    )
  })

  it("of before events told of clients, changes and durations is verified as ever", () => {
    const old = readFileSync(join(import.meta.dirname, "__exports__/before-claims.ndjson"))
    const public_key = "MCowBQYDK2VwAyEAJ6kdlCQH3p5w/J5VYFQgEu3Tn8GozouBkydL+lpxYU8="
    const kept = { ...keptNothing, keys: [Result.getOrThrow(readVerifyingKey(public_key))] }
    assert.deepStrictEqual(rangeOf(verify(old, kept)), { first: 1, last: 3, signer: "checked" })
    for (const line of old.toString().trimEnd().split("\n")) {
      const { event, hash } = JSON.parse(line)
      // As the export would write it today, from what the database shows of it.
      if (event !== undefined) {
        const shown = Schema.decodeUnknownSync(AuditEvent)(event)
        assert.strictEqual(asHex(eventHash(shown)), hash)
      }
    }
  })

  it("is verified no more once any one byte of it is another", () => {
    fc.assert(
      fc.property(aTrail, fc.nat(), fc.integer({ min: 1, max: 255 }), ({ lines }, place, change) => {
        const bytes = Buffer.from(lines.join(""))
        const at = place % bytes.length
        bytes[at] = (bytes[at] ?? 0) ^ change
        // Not by a key that was kept elsewhere, and not by those within it either.
        assert.isTrue(isFault(verify(bytes, keysOf)), `byte ${at}`)
        assert.isTrue(isFault(verify(bytes)), `byte ${at}`)
      }),
      { numRuns: 800 }
    )
  })

  it("is verified no more once each byte of it in turn is another: a bit, a digit, a space", () => {
    const told = eventOf({
      client: { session_id: "s-1", turn_id: "t-1", model: "a-model" },
      change_sha256: "cd".repeat(32),
      duration_ms: 41
    })
    const { lines } = exportOf([
      {
        key: first,
        events: [told, event("altered"), event("oversize")],
        irregular: { 1: { storedHash: sha256("another") }, 2: { oversizeAt: 17 } }
      }
    ])
    const text = Buffer.from(lines.join(""))
    for (let at = 0; at < text.length; at++) {
      for (const other of [(text[at] ?? 0) ^ 1, 0x20, 0x0a]) {
        if (other === text[at]) continue
        const changed = Buffer.from(text)
        changed[at] = other
        assert.isTrue(isFault(verify(changed)), `byte ${at} as ${other}`)
      }
    }
  })

  it("is verified no more once a line of it is removed, doubled, or put elsewhere", () => {
    fc.assert(
      fc.property(aTrail, fc.nat(), fc.nat(), ({ lines }, one, other) => {
        const from = one % lines.length
        const to = other % lines.length
        const line = lines[from] as string
        assert.isTrue(isFault(verify(lines.toSpliced(from, 1).join(""))))
        assert.isTrue(isFault(verify(lines.toSpliced(to, 0, line).join(""))))
        const moved = lines.toSpliced(from, 1).toSpliced(to, 0, line)
        // Of two keys it is the same which comes first.
        const sameOrder =
          moved.every((text, n) => text === lines[n]) || (line.includes('"type":"key"') && to < 3)
        if (!sameOrder) assert.isTrue(isFault(verify(moved.join(""))))
      }),
      { numRuns: 200 }
    )
  })

  it("is verified no more once it is cut off anywhere", () => {
    fc.assert(
      fc.property(aTrail, fc.nat(), ({ lines }, place) => {
        const bytes = Buffer.from(lines.join(""))
        assert.isTrue(isFault(verify(bytes.subarray(0, place % bytes.length))))
      }),
      { numRuns: 200 }
    )
  })

  it("may be given in pieces of any size", () => {
    fc.assert(
      fc.property(aTrail, fc.integer({ min: 1, max: 700 }), ({ lines }, size) => {
        const bytes = Buffer.from(lines.join(""))
        const pieces = Array.from({ length: Math.ceil(bytes.length / size) }, (_, n) =>
          bytes.subarray(n * size, (n + 1) * size)
        )
        assert.isFalse(isFault(verify(pieces, keysOf)))
      })
    )
  })

  it("of nothing holds nothing, and says so", () => {
    const nothing = verify(exportOf([]).lines.join(""))
    assert.deepStrictEqual(rangeOf(nothing), { first: 1, last: 0, signer: "not checked" })
    const said = verify("")
    assert.isTrue(isFault(said) && said.message.includes("it is empty"))
  })
})

describe("the verifier names the first place", () => {
  const lines = exportOf([
    { key: first, events: events(3) },
    { key: first, events: events(3) }
  ]).lines
  // The trail, its key, events 1 to 3, a checkpoint, events 4 to 6, a checkpoint, the end.
  const at = (sequence: number) => (sequence <= 3 ? 1 + sequence : 2 + sequence)

  it("where an event was changed", () => {
    const changed = lines.with(at(5), (lines[at(5)] ?? "").replace("executed", "replayed"))
    assert.match(fault(changed), /^sequence 5: this event was changed/)
  })

  it("where an event was changed together with its hash", () => {
    const forged = { ...event("act.5"), outcome: "failed" as const }
    const link = Buffer.from(/"link":"(\w+)"/.exec(lines[at(5)] ?? "")?.[1] ?? "", "hex")
    const changed = lines.with(
      at(5),
      writeEventLine({ event: forged, hash: eventHash(forged), link, sequence: 5 })
    )
    assert.match(fault(changed), /^sequence 5: the chain breaks here/)
  })

  it("where events were removed", () => {
    assert.match(fault(lines.toSpliced(at(4), 2)), /^sequence 4: events 4 to 5 are missing here/)
    assert.match(fault(lines.toSpliced(at(2), 1)), /^sequence 2: event 2 is missing here/)
    assert.match(
      fault(lines.toSpliced(at(6), 1)),
      /^sequence 6: the checkpoint of sequence 6 stands after event 5/
    )
  })

  it("where an event was inserted, or two changed places", () => {
    assert.match(
      fault(lines.toSpliced(at(5), 0, lines[at(2)] ?? "")),
      /^sequence 2: this event comes after event 4/
    )
    const swapped = lines.with(at(1), lines[at(2)] ?? "").with(at(2), lines[at(1)] ?? "")
    assert.match(fault(swapped), /^sequence 1: event 1 is missing here/)
  })

  it("where a checkpoint was removed or is another's", () => {
    assert.match(
      fault(lines.toSpliced(5, 1)),
      /^sequence 1: a checkpoint before that of sequence 6 was removed/
    )
    const checkpoint = lines[5] ?? ""
    assert.match(
      fault(lines.with(5, checkpoint.replace("2027", "2028"))),
      /^sequence 3: the signature .* is not good/
    )
  })

  it("where the export breaks off", () => {
    assert.match(fault(lines.slice(0, at(5))), /^sequence 5: cut off at the end/)
    assert.match(fault(lines.slice(0, -2)), /^sequence 7: cut off at the end/)
  })

  it("where someone without the key made all anew from some event on", () => {
    const forged = exportOf([
      { key: first, events: events(3) },
      { key: stranger, events: [event("act.forged")] }
    ])
    assert.match(fault(forged.lines), /^sequence 4: from here on to sequence 4 .* not signed with a key/)
    // Which is all that it is good for without a key that was kept elsewhere.
    assert.deepStrictEqual(rangeOf(verify(forged.lines.join(""))), {
      first: 1,
      last: 4,
      signer: "not checked"
    })
  })

  it("where hashes and links were made anew, but nobody could sign them", () => {
    const all = exportOf([{ key: first, events: events(3) }])
    const other = exportOf([{ key: stranger, events: events(3) }])
    const signed = all.lines.find((line) => line.includes('"type":"checkpoint"')) ?? ""
    const mixed = other.lines.map((line) =>
      line.includes('"type":"checkpoint"')
        ? signed
        : line.includes('"type":"key"')
          ? (all.lines[1] ?? "")
          : line
    )
    assert.match(fault(mixed), /^sequence 1: one of the events from 1 to 3 was changed, inserted or removed/)
  })
})

describe("keys", () => {
  const rotated = exportOf([
    { key: first, events: events(2) },
    { key: second, events: events(2) }
  ])
  const kept = (...keys: ReadonlyArray<typeof first>) => ({
    ...keptNothing,
    keys: keys.map(({ verifying }) => verifying)
  })

  it("that were changed all verify, each what it signed", () => {
    assert.deepStrictEqual(rangeOf(verify(rotated.lines.join(""), kept(first, second))), {
      first: 1,
      last: 4,
      signer: "checked"
    })
  })

  it("of now stand for what was signed before, since it is in the chain that they sign", () => {
    const said = verify(rotated.lines.join(""), kept(second))
    if (isFault(said)) return assert.fail(said.message)
    assert.deepStrictEqual(
      [said.last, said.signers, said.others],
      [4, [second.verifying.id], [first.verifying.id]]
    )
  })

  it("of before do not stand for what came after", () => {
    assert.match(fault(rotated.lines, kept(first)), /^sequence 3: from here on to sequence 4/)
  })

  it("of others stand for nothing", () => {
    assert.match(fault(rotated.lines, kept(stranger)), /^sequence 1: from here on to sequence 4/)
  })

  it("under another's id are no keys", () => {
    const lines = rotated.lines.with(
      1,
      writeLine({ type: "key", key_id: first.verifying.id, public_key: stranger.verifying.text })
    )
    assert.match(fault(lines), /the key \w+ was changed/)
  })

  it("are read from PEM and from base64, and private ones are refused", () => {
    const { privateKey, publicKey } = generateKeyPairSync("ed25519")
    const pem = publicKey.export({ format: "pem", type: "spki" }).toString()
    const der = publicKey.export({ format: "der", type: "spki" }).toString("base64")
    for (const text of [pem, der, `${der}\n`]) {
      const read = readVerifyingKey(text)
      assert.strictEqual(read._tag === "Success" && read.success.text, der)
    }
    for (const text of [
      privateKey.export({ format: "pem", type: "pkcs8" }).toString(),
      privateKey.export({ format: "der", type: "pkcs8" }).toString("base64"),
      generateKeyPairSync("x25519").publicKey.export({ format: "pem", type: "spki" }).toString(),
      "",
      "key"
    ]) {
      assert.strictEqual(readVerifyingKey(text)._tag, "Failure")
    }
  })
})

describe("a checkpoint that was kept elsewhere", () => {
  const whole = exportOf([
    { key: first, events: events(3) },
    { key: first, events: events(3) }
  ])
  const [early, late] = whole.checkpoints as [
    (typeof whole.checkpoints)[number],
    (typeof whole.checkpoints)[number]
  ]
  const kept = (checkpoint: typeof early) => ({ keys: [first.verifying], checkpoint })

  it("agrees with the trail that it was taken from", () => {
    for (const checkpoint of [early, late]) {
      assert.isFalse(isFault(verify(whole.lines.join(""), kept(checkpoint))))
    }
  })

  it("shows that the end was cut off, by whoever holds the key as well", () => {
    const cut = exportOf([{ key: first, events: events(3) }])
    assert.isFalse(isFault(verify(cut.lines.join(""), { ...keptNothing, keys: [first.verifying] })))
    assert.match(
      fault(cut.lines, kept(late)),
      /^sequence 4: cut off at the end: .* ends with event 3, .* reaches to 6/
    )
  })

  it("shows that the trail was written anew, by whoever holds the key as well", () => {
    const anew = exportOf([
      { key: first, events: [...events(2), ...events(4)].map((one) => ({ ...one, request_id: "x" })) }
    ])
    assert.match(fault(anew.lines, kept(early)), /^sequence 3: the trail up to here is not the one/)
  })

  it("has to be signed itself", () => {
    assert.match(
      fault(whole.lines, kept({ ...late, at: "2027-01-01T00:00:09.000Z" })),
      /kept elsewhere.* is not good/
    )
    const strange = signCheckpoint(stranger, { ...late, previous: noCheckpoint })
    assert.match(fault(whole.lines, kept(strange)), /neither in the export nor was it given/)
  })
})

describe("a part of the trail", () => {
  const before = exportOf([{ key: first, events: events(4) }])
  const part = exportOf([{ key: first, events: events(3) }], before.end)

  it("verifies by itself, and joins what came before it", () => {
    assert.deepStrictEqual(rangeOf(verify(part.lines.join(""), keysOf)), {
      first: 5,
      last: 7,
      signer: "checked"
    })
    const [checkpoint] = before.checkpoints
    assert.isFalse(isFault(verify(part.lines.join(""), { keys: [first.verifying], checkpoint })))
  })

  it("does not pass under another number or after another trail", () => {
    const [trail = "", ...rest] = part.lines
    assert.match(fault([trail.replace('"first":5', '"first":4'), ...rest]), /^sequence 4: event 4 is missing/)
    const other = asHex(linkOf(before.end.link, 9, before.end.link))
    assert.match(
      fault([trail.replace(asHex(before.end.link), other), ...rest]),
      /^sequence 5: the chain breaks here/
    )
  })

  it("can't be held against a checkpoint of before it, and says so", () => {
    const [checkpoint] = exportOf([{ key: first, events: events(2) }]).checkpoints
    assert.match(fault(part.lines, { keys: [first.verifying], checkpoint }), /before this part/)
  })
})
