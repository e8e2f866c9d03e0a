import { assert, describe, it } from "@effect/vitest"
import { writeRows } from "../support/writes.ts"
import type { Holding } from "../torture/crash/Holding.ts"
import type { Crash, Ending } from "../torture/crash/Lane.ts"
import type { Told } from "../torture/crash/Scene.ts"
import { faultsOf } from "../torture/crash/verdict.ts"

/** A judge that finds nothing wrong proves nothing: each of these has one thing wrong with it. */

const write = { op: "move", ours: true }
const nothing: Holding = { key: "free", leased: false, events: [], writes: [] }
const reserved: Holding = { ...nothing, key: "in_progress", leased: true }
const sent: Holding = { ...reserved, writes: [write] }
const done: Holding = { key: "executed", leased: false, events: ["executed"], writes: [write] }

const cut: Told = { _tag: "Cut" }
const answer = { issue: { id: "one" } }
const made: Told = { _tag: "Done", replayed: false, answer }
const replayed: Told = { _tag: "Done", replayed: true, answer }
const inProgress: Told = { _tag: "Refused", code: "idempotency.in_progress", retryAfter: 1 }
const waits: Told = { _tag: "Refused", code: "tasker.outcome_unknown", retryAfter: 4 }

const rowOf = (tool: string) => {
  const found = writeRows.find((row) => row.tool === tool)
  if (found === undefined) throw new Error(`There is no write tool ${tool}`)
  return found
}
const [row, change] = [rowOf("tasker_create_issue"), rowOf("tasker_move_issue")]
const planOf = (ending: Ending): Crash["plan"] => ({
  row,
  stage: "the first call",
  point: { exchange: { between: "gateway and Tasker", name: "send" }, moment: "carried out" },
  ending
})

/** Killed when Tasker had the write and the gateway not yet its answer; the agent calls again. */
const calledAgain: Crash = {
  plan: planOf("called again"),
  told: cut,
  after: sent,
  atOnce: inProgress,
  early: { told: made, mayLinger: true, holding: done },
  settled: done,
  answers: [replayed, replayed],
  end: done
}
const early = { mayLinger: true, holding: { ...nothing, key: "unknown" } } as const
/** Killed before Tasker had it: the call waits until no request can be on its way any more. */
const waited: Crash = {
  ...calledAgain,
  after: reserved,
  early: { ...early, told: waits },
  answers: [made, replayed]
}
/** The same, where recovery finds it. */
const nobodyCalls: Crash = {
  ...calledAgain,
  plan: planOf("nobody calls"),
  atOnce: undefined,
  early: undefined
}

const convicts = (name: string, crash: Crash, words: RegExp) =>
  it(`convicts ${name}`, () => {
    assert.match(faultsOf(crash).join("\n"), words)
  })

describe("the judge of the crash matrix", () => {
  it("acquits a write that was settled once, whoever settled it", () => {
    assert.deepStrictEqual(faultsOf(calledAgain), [])
    assert.deepStrictEqual(faultsOf(nobodyCalls), [])
    assert.deepStrictEqual(faultsOf(waited), [])
    const resent = { ...done, events: ["executed operation.resent"] }
    assert.deepStrictEqual(faultsOf({ ...nobodyCalls, settled: resent, end: resent }), [])
  })

  it("acquits a write that never began, and one that was done before", () => {
    const early = { told: replayed, mayLinger: false, holding: done }
    const never = { ...calledAgain, after: nothing, atOnce: made, early }
    assert.deepStrictEqual(faultsOf(never), [])
    const before = { ...never, told: made, after: done, atOnce: replayed }
    assert.deepStrictEqual(faultsOf(before), [])
    assert.deepStrictEqual(
      faultsOf({ ...nobodyCalls, after: nothing, settled: nothing, answers: [made, replayed] }),
      []
    )
  })

  convicts(
    "a write that Tasker has twice",
    { ...calledAgain, end: { ...done, writes: [write, write] } },
    /doubled: in the end/
  )
  convicts(
    "a write under another key",
    { ...calledAgain, settled: { ...done, writes: [{ ...write, ours: false }] } },
    /under a key that is not this call's/
  )
  convicts(
    "a write that is on record and not in Tasker",
    { ...nobodyCalls, settled: { ...done, writes: [] } },
    /lost: after recovery/
  )
  convicts(
    "a write without its event",
    { ...nobodyCalls, settled: { ...done, events: [] } },
    /the key is executed, with 0 events/
  )
  convicts(
    "an event without its outcome",
    { ...calledAgain, after: { ...sent, events: ["executed"] } },
    /right after the key is in_progress, with 1 events/
  )
  convicts(
    "two events of one write",
    { ...calledAgain, end: { ...done, events: ["executed", "executed"] } },
    /2 events of one write/
  )
  convicts(
    "a success that was told before it was on record",
    { ...calledAgain, told: made },
    /before it was on record/
  )
  convicts(
    "a second caller who is let in before the lease has run out",
    { ...calledAgain, atOnce: made, early: { told: replayed, mayLinger: true, holding: done } },
    /before the lease had run out/
  )
  convicts(
    "a create that is sent again while its first request may be on its way",
    { ...waited, early: { told: made, mayLinger: true, holding: done }, answers: [replayed, replayed] },
    /was told "done" once the lease had run out/
  )
  convicts(
    "a change that waits though it may be sent again at once",
    { ...waited, plan: { ...waited.plan, row: change } },
    /was told "tasker.outcome_unknown" once the lease had run out/
  )
  convicts(
    "a create that waits without saying for how long",
    { ...waited, early: { ...early, told: { ...waits, retryAfter: undefined } } },
    /was told "tasker.outcome_unknown" once the lease had run out/
  )
  convicts(
    "a write that stays unknown though Tasker shows it",
    { ...waited, after: sent },
    /was told "tasker.outcome_unknown" once the lease had run out/
  )
  convicts(
    "a write that nobody settles",
    { ...nobodyCalls, settled: { ...sent, leased: false, key: "unknown" } },
    /left undecided: the key is unknown/
  )
  convicts(
    "a key that is freed while Tasker has the write",
    { ...nobodyCalls, settled: { ...nothing, writes: [write] } },
    /left undecided: the key is free/
  )
  convicts(
    "a key that recovery frees though its agent may write",
    { ...nobodyCalls, settled: nothing, answers: [made, replayed] },
    /recovery freed the key/
  )
  convicts(
    "answers to one key that differ",
    { ...calledAgain, answers: [made, { ...replayed, answer: { issue: { id: "two" } } }] },
    /answers to one key differ/
  )
  convicts(
    "a repeat that is carried out instead of answered",
    { ...calledAgain, answers: [made, made] },
    /not given the answer that there is/
  )
  convicts(
    "a call that is refused for ever",
    { ...calledAgain, answers: [inProgress, inProgress] },
    /was told/
  )
})
