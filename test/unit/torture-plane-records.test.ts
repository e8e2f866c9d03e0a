import { assert, describe, it } from "@effect/vitest"
import type { Board } from "../torture/counterparts/planeBoard.ts"
import { recordsOf } from "../torture/counterparts/planeRecords.ts"
import type { Entry } from "../torture/proxy/Journal.ts"

const card = { id: "card-1", name: "Card tm000001", state: "backlog", labels: [], assignees: [] }
const created = { created_at: "2026-12-01T00:00:01.000000Z", external_id: "external-1", isForeign: false }

const board = (given: Partial<Board> = {}): Board => ({
  cards: [{ ...card, ...created }],
  comments: [],
  activities: [],
  ...given
})

const at = Date.parse(created.created_at)
const forwarded = (send: string, op: string, body: object): Entry => ({
  at,
  ev: "forwarded",
  send,
  op,
  issue_id: op === "create" ? "" : "card-1",
  body: { ...body }
})
const create = forwarded("1", "create", {
  external_id: "external-1",
  description_html: "<p>Made as <strong>tm000001</strong>.</p>"
})
const replied = (send: string, status: number): Entry => ({
  at: at + 500,
  ev: "replied",
  send,
  status,
  id: "card-1"
})
const move = forwarded("2", "update", { state: "started" })

const effects = (journal: ReadonlyArray<Entry>, given: Partial<Board> = {}) =>
  recordsOf(journal, board(given)).writes.map(({ effect }) => effect)

describe("what a real Plane carried out", () => {
  it("a card on the board is the create that was sent with its external id", () => {
    const [write] = recordsOf([create], board()).writes
    assert.include(write, { effect: "create tm000001", issue_id: "card-1", at })
  })

  it("two cards with one external id are two writes", () => {
    const cards = [board().cards[0], { ...card, ...created, id: "card-2" }] as Board["cards"]
    const records = recordsOf([create], board({ cards }))
    assert.lengthOf(records.writes, 2)
    assert.strictEqual(records.cards.get("tm000001"), 2)
  })

  it("a card with an external id that was never sent is nobody's create", () => {
    assert.deepStrictEqual(effects([]), ["create ? card-1"])
  })

  it("a create that was answered with a success and is not on the board is none", () => {
    assert.deepStrictEqual(effects([create, replied("1", 201)], { cards: [] }), [])
  })

  it("the run's own seeds are no writes", () => {
    assert.deepStrictEqual(effects([], { cards: [{ ...card, ...created, isForeign: true }] }), [])
  })

  it("a comment is known by its external id", () => {
    const said = forwarded("3", "comment", {
      external_id: "external-1",
      comment_html: "<p>Said tm000002</p>"
    })
    const comments = [{ ...created, id: "comment-1", issue: "card-1" }]
    const records = recordsOf([create, said], board({ comments }))
    assert.deepInclude(records.writes, {
      n: 1,
      agent_id: null,
      op: "comment",
      issue_id: "card-1",
      comment_id: "comment-1",
      at,
      effect: "comment tm000002"
    })
  })

  it("a change answered with a success is a write each time", () => {
    const again = forwarded("3", "update", { state: "started" })
    const journal = [create, move, replied("2", 200), again, replied("3", 200)]
    assert.deepStrictEqual(effects(journal).slice(1), ["move card-1 started", "move card-1 started"])
  })

  it("a change that nothing shows is none", () => {
    assert.deepStrictEqual(effects([create, move, replied("2", 500)]), ["create tm000001"])
  })

  it("a change without a response is a write if its activity is noted", () => {
    const activity = {
      issue: "card-1",
      created_at: created.created_at,
      field: "state",
      new_value: "Started",
      new_identifier: "started"
    }
    assert.deepStrictEqual(effects([create, move], { activities: [activity] }).slice(1), [
      "move card-1 started"
    ])
  })

  it("a change without a response is a write if a later response shows it", () => {
    const shown: Entry = { at: at + 900, ev: "shown", card: { ...card, state: "started" } }
    assert.deepStrictEqual(effects([create, move, shown]).slice(1), ["move card-1 started"])
  })

  it("a change without a response is a write if the board shows it at the end", () => {
    const cards = [{ ...card, ...created, state: "started" }]
    assert.deepStrictEqual(effects([create, move], { cards }).slice(1), ["move card-1 started"])
  })

  it("a renaming that nobody sent is nobody's update", () => {
    const activity = {
      issue: "card-1",
      created_at: created.created_at,
      field: "name",
      new_value: "Renamed tm000009",
      new_identifier: null
    }
    assert.deepStrictEqual(effects([create], { activities: [activity] }).slice(1), ["update card-1 tm000009"])
  })
})
