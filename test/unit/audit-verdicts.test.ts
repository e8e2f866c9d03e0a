import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { type Checkpoint, sha256 } from "../../src/domain/AuditChain.ts"
import type { KeptElsewhere } from "../../src/domain/AuditKept.ts"
import { AuditFault, type Shown } from "../../src/domain/AuditVerification.ts"
import { type Batch, eventOf, exportOf, newKey, verify, verifyAfter } from "../support/audit.ts"
import { launch, script } from "../support/programs.ts"

/** A verdict says exactly what was shown of an export: of which events, by whose keys, after what. */

const [ours, foreign] = [newKey(), newKey()] as const
const keys = [ours.verifying]

const events = (many: number) => Array.from({ length: many }, (_, n) => eventOf({ action: `act.${n + 1}` }))
const stranger = sha256("the hash that it was inserted with")

const shown = (lines: ReadonlyArray<string>, kept: Partial<KeptElsewhere> = { keys }): Shown => {
  const said = verify(lines.join(""), kept)
  return said instanceof AuditFault ? assert.fail(said.message) : said
}

const refusal = (said: Shown | AuditFault): string =>
  said instanceof AuditFault ? said.message : assert.fail("It was taken for good")

const fault = (lines: ReadonlyArray<string>, kept: Partial<KeptElsewhere> = { keys }): string =>
  refusal(verify(lines.join(""), kept))

const anchorOf = (checkpoint: Checkpoint, digest: string) => ({
  sequence: checkpoint.sequence,
  link: checkpoint.link,
  digest,
  checkpoint
})

describe("an event that no gateway wrote", () => {
  const { lines } = exportOf([
    {
      key: ours,
      events: events(4),
      irregular: { 1: { storedHash: stranger }, 2: { oversizeAt: 17 } }
    }
  ])

  it("is reported as altered at insertion or too large, and the others verify", () => {
    const { altered, last, oversize, signer } = shown(lines)
    assert.deepStrictEqual([last, signer, altered, oversize], [4, "checked", [2], [3]])
  })

  it("is held by the chain as it was sealed: neither mark can be added, changed or removed", () => {
    const [trail = "", key = "", plain = "", altered = "", oversize = "", ...rest] = lines
    const marked = plain.replace('"type"', `"stored_hash":"${"7".repeat(64)}","type"`)
    const attempts = {
      added: [trail, key, marked, altered, oversize, ...rest],
      removed: [trail, key, plain, altered.replace(/"stored_hash":"\w+",/, ""), oversize, ...rest],
      another: [trail, key, plain, altered.replace(/("stored_hash":")\w{4}/, "$17777"), oversize, ...rest],
      moved: [trail, key, plain, altered, oversize.replace('"position":17', '"position":18'), ...rest]
    }
    for (const [what, attempt] of Object.entries(attempts)) {
      assert.match(fault(attempt), /the chain breaks here/, what)
    }
  })

  it("is in no export of format 1", () => {
    const old = lines.with(0, (lines[0] ?? "").replace("nodedc-audit/2", "nodedc-audit/1"))
    assert.match(fault(old), /^sequence 2: .*an export of format 1 has none like it/)
  })
})

describe("checkpoints", () => {
  const batches = [
    { key: ours, events: events(2) },
    { key: foreign, events: events(2) },
    { key: ours, events: events(2) }
  ]
  const unchained = batches.map((batch) => ({ ...batch, format: 1 as const }))

  /** Without the checkpoint of sequence 4, the key that signed it, and its share of the count. */
  const withoutForeign = (lines: ReadonlyArray<string>) =>
    lines
      .filter((line) => !line.includes(foreign.verifying.id))
      .map((line) => line.replace('"checkpoints":3', '"checkpoints":2'))

  it("that are chained can't be removed in the middle together with a foreign key", () => {
    const { lines } = exportOf(batches)
    assert.deepStrictEqual(shown(lines).others, [foreign.verifying.id])
    assert.isUndefined(shown(lines).unchainedBefore)
    assert.match(
      fault(withoutForeign(lines)),
      /^sequence 3: a checkpoint before that of sequence 6 was removed/
    )
  })

  it("of format 1 verify as they did, and the verdict says that they are not chained", () => {
    const { lines } = exportOf(unchained)
    assert.strictEqual(shown(lines).unchainedBefore, 7)
    assert.strictEqual(shown(withoutForeign(lines)).unchainedBefore, 7)
  })

  it("of both formats are chained from the first one of format 2 on", () => {
    const { lines } = exportOf([...unchained.slice(0, 2), ...batches])
    assert.strictEqual(shown(lines).unchainedBefore, 6)
  })

  it("of format 1 are refused after one of format 2", () => {
    const { lines } = exportOf([...batches, ...unchained])
    assert.match(fault(lines), /^sequence 8: .* does not name the one before it/)
  })
})

describe("a part that begins after event 1", () => {
  const before = exportOf([{ key: ours, events: events(4) }])
  const [checkpoint] = before.checkpoints as [Checkpoint]
  const part = exportOf(
    [
      { key: ours, events: events(2) },
      { key: ours, events: events(2) }
    ],
    before.end
  )
  const anchor = anchorOf(checkpoint, before.end.digest)
  const other = exportOf([{ key: ours, events: events(4) }])

  it("is open, and its checkpoints can be chained to nothing before it", () => {
    const { start, unchainedBefore } = shown(part.lines)
    assert.deepStrictEqual([start, unchainedBefore], ["open", 6])
  })

  it("is joined to the export or the checkpoint that it follows", () => {
    for (const said of [
      verifyAfter(part.lines.join(""), before.lines.join(""), keys),
      shown(part.lines, { keys, previous: anchor })
    ]) {
      if (said instanceof AuditFault) assert.fail(said.message)
      assert.deepStrictEqual([said.start, said.unchainedBefore], ["joined", undefined])
    }
  })

  it("is joined to an export that reaches into it", () => {
    const twoEvents = (): Batch => ({ key: ours, events: events(2) })
    const [one, two, three] = [twoEvents(), twoEvents(), twoEvents()]
    const earlier = exportOf([one, two])
    const later = exportOf([two, three], exportOf([one]).end)
    const said = verifyAfter(later.lines.join(""), earlier.lines.join(""), keys)
    if (said instanceof AuditFault) return assert.fail(said.message)
    assert.deepStrictEqual([said.first, said.start], [3, "joined"])
  })

  it("is not joined to what ends before it, or goes on otherwise", () => {
    const said = verifyAfter(part.lines.join(""), other.lines.join(""), keys)
    assert.match(
      refusal(said),
      /^sequence 4: the trail up to here is not the one that was given with --previous/
    )
    const earlier = exportOf([{ key: ours, events: events(2) }])
    const late = verifyAfter(part.lines.join(""), earlier.lines.join(""), keys)
    assert.match(refusal(late), /^sequence 3: events 3 to 4 are missing between/)
    assert.match(
      fault(part.lines, { keys, previous: { ...anchor, digest: "7".repeat(64), checkpoint: undefined } }),
      /^sequence 5: a checkpoint before that of sequence 6 was removed/
    )
  })

  it("is not joined by a checkpoint that nobody signed", () => {
    const forged = { ...checkpoint, signature: "0".repeat(128) }
    assert.match(fault(part.lines, { keys, previous: { ...anchor, checkpoint: forged } }), /is not good/)
  })

  it("lacks none of its first checkpoints if it is joined", () => {
    const lines = part.lines.toSpliced(4, 1).map((line) => line.replace('"checkpoints":2', '"checkpoints":1'))
    assert.strictEqual(shown(lines).unchainedBefore, 8)
    assert.match(
      fault(lines, { keys, previous: anchor }),
      /^sequence 5: a checkpoint before that of sequence 8/
    )
  })
})

describe("npm run audit:verify", () => {
  const folder = mkdtempSync(join(tmpdir(), "audit-verdicts-"))
  afterAll(() => rmSync(folder, { recursive: true }))

  const before = exportOf([{ key: ours, events: events(4) }])
  const part = exportOf([{ key: ours, events: events(2) }], before.end)
  const save = (name: string, text: string) => writeFileSync(join(folder, name), text)
  save("january.ndjson", before.lines.join(""))
  save("february.ndjson", part.lines.join(""))
  save("empty.ndjson", exportOf([]).lines.join(""))
  save("checkpoint.json", JSON.stringify({ checkpoint: before.checkpoints[0] }))
  const old = readFileSync(join(import.meta.dirname, "__exports__/before-claims.ndjson"), "utf8")
  const [, oldSigner = "", oldKey = ""] = /"key_id":"(\w+)","public_key":"([^"]+)"/.exec(old) ?? []
  save("format-1.ndjson", old)
  save(
    "irregular.ndjson",
    exportOf([
      { key: ours, events: events(3), irregular: { 0: { storedHash: stranger }, 1: { oversizeAt: 9 } } }
    ]).lines.join("")
  )
  const { id, text } = ours.verifying

  const run = (...args: ReadonlyArray<string>) =>
    Effect.gen(function* () {
      const program = yield* launch(script("src/cli/auditVerify.ts", ...args), { cwd: folder })
      return [yield* program.ended, program.said().trim()] as const
    })

  it.live.each<[string, ReadonlyArray<string>, number, string]>([
    [
      "says of a whole trail by which keys it is signed and that it begins at the beginning",
      ["january.ndjson", "--key", text],
      0,
      `verified: 4 events, sequence 1–4; signed with ${id}; from the beginning`
    ],
    [
      "ends in 1 for a part of which nothing shows what came before",
      ["february.ndjson", "--key", text],
      1,
      `NOT JOINED: 2 events, sequence 5–6; signed with ${id}; nothing shows what came before event 5: give --previous; checkpoints not chained before sequence 6`
    ],
    [
      "joins a part to an earlier export",
      ["february.ndjson", "--key", text, "--previous", "january.ndjson"],
      0,
      `verified: 2 events, sequence 5–6; signed with ${id}; joined to event 4 of january.ndjson, from the beginning`
    ],
    [
      "joins a part to a checkpoint that was kept",
      ["february.ndjson", "--key", text, "--previous", "checkpoint.json"],
      0,
      `verified: 2 events, sequence 5–6; signed with ${id}; joined to event 4 by the checkpoint in checkpoint.json`
    ],
    [
      "ends in 1 for a part that does not follow what was given",
      ["february.ndjson", "--key", text, "--previous", "format-1.ndjson"],
      1,
      "NOT VERIFIED: format-1.ndjson: sequence 1: from here on to sequence 3 the trail is not signed with a key that was kept elsewhere"
    ],
    [
      "ends in 1 for an export without events, which anyone can make",
      ["empty.ndjson", "--key", text],
      1,
      "EMPTY: there is no event after event 0 in it, and nothing is signed. It shows nothing."
    ],
    [
      "says from where on checkpoints are chained",
      ["format-1.ndjson", "--key", oldKey],
      0,
      `verified: 3 events, sequence 1–3; signed with ${oldSigner}; from the beginning; checkpoints not chained before sequence 4`
    ],
    [
      "reports events that no gateway wrote, and goes on",
      ["irregular.ndjson", "--key", text],
      0,
      `verified: 3 events, sequence 1–3; signed with ${id}; from the beginning; altered at insertion: sequence 1; too large to be shown: sequence 2`
    ],
    ["ends in 2 if what came before can't be read", ["february.ndjson", "--previous", "none"], 2, ""]
  ])("%s", ([, args, code, words]) =>
    Effect.gen(function* () {
      const [ended, said] = yield* run(...args)
      assert.strictEqual(ended, code, said)
      if (code < 2) assert.strictEqual(said, words)
    })
  )
})
