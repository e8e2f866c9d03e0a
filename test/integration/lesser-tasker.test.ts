import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { TaskerAdapter } from "../../src/services/TaskerAdapter.ts"
import type { ToolResult } from "../../src/tools/Tools.ts"
import { addCard, addCards, deleteCard, editCard, oldCards } from "../support/board-cards.ts"
import { keyRow, outcome, refusal, writesUnder } from "../support/evidence.ts"
import { LesserTasker, layer as world } from "../support/lesser-tasker.ts"
import { type Actor, call, World } from "../support/world.ts"
import { card, writeRows } from "../support/writes.ts"
import { profiles, type Switches } from "../tasker/Switches.ts"

interface Listed {
  readonly issues: ReadonlyArray<{ readonly id: string; readonly name: string }>
  readonly next_cursor: string | null
  readonly total_count: number | null
  readonly scanned?: number
}

/** An agent before a Tasker that has these switches, and does not know these parameters of a list. */
const before = Effect.fnUntraced(function* (
  switches: Partial<Switches>,
  ignored: ReadonlyArray<string> = []
) {
  const { actor, database, tasker } = yield* World
  const front = yield* LesserTasker
  yield* tasker.switches({ ...profiles.strict, ...switches })
  front.ignored = ignored
  return { agent: yield* actor(), database, front, tasker }
})

const list = (agent: Actor, args: object = {}) =>
  Effect.map(call(agent, "tasker_list_issues", args), ({ structured }) => structured as unknown as Listed)

const issueIn = ({ structured }: ToolResult) => (structured as { issue: { id: string; name: string } }).issue

const capabilities = Effect.flatMap(TaskerAdapter, (tasker) => tasker.capabilities)

const options = { timeout: "10 minutes", excludeTestServices: true } as const

layer(world, options)("a Tasker that lists all cards at once", (it) => {
  it.effect("shows a card by its id and by its identifier, and none of another project", () =>
    Effect.gen(function* () {
      const { agent, tasker } = yield* before(profiles.seed)
      const [, second] = yield* addCards(tasker, agent.project, ["One", "Two", "Three"])
      const foreign = yield* addCard(tasker, yield* tasker.project(), { name: "Elsewhere" })
      const byId = issueIn(yield* call(agent, "tasker_get_issue", { issue_id: second }))
      assert.strictEqual(byId.name, "Two")
      const { identifier } = agent.project.project
      const named = issueIn(
        yield* call(agent, "tasker_get_issue", { identifier: `${identifier.toLowerCase()}-2` })
      )
      assert.strictEqual(named.id, second)
      const refused = yield* refusal(call(agent, "tasker_get_issue", { issue_id: foreign }))
      assert.deepInclude(refused, { kind: "grant", reason: "wrong_project" })
      const unknown = yield* refusal(call(agent, "tasker_get_issue", { identifier: `${identifier}-99` }))
      assert.deepInclude(unknown, { kind: "tasker", reason: "not_found" })
      assert.deepInclude(yield* capabilities, { paging: "no" })
    })
  )

  for (const { args, tool } of writeRows) {
    it.effect(`takes ${tool}, of which the next list shows what came`, () =>
      Effect.gen(function* () {
        const { agent } = yield* before(profiles.seed)
        const issue_id = yield* card(agent)
        assert.lengthOf((yield* list(agent)).issues, 1)
        const write = { ...args(issue_id), idempotency_key: "a-write-to-it" }
        assert.strictEqual(yield* outcome(call(agent, tool, write)), "done")
        const { structured } = yield* call(agent, tool, { ...write, idempotency_key: "another-write" }).pipe(
          Effect.orElseSucceed(() => ({ structured: {} }))
        )
        assert.isObject(structured)
        const listed = yield* list(agent)
        const shown = JSON.stringify(listed.issues)
        if (tool === "tasker_move_issue") assert.include(shown, "In Progress")
        if (tool === "tasker_update_issue") assert.include(shown, "A new name")
        if (tool === "tasker_set_assignees") assert.include(shown, "Ivan Developer")
        if (tool === "tasker_create_issue") assert.include(shown, "A new card")
      })
    )
  }

  it.effect("has its lists filtered and counted here, and read once in ten seconds", () =>
    Effect.gen(function* () {
      const { agent, front, tasker } = yield* before(profiles.seed)
      const states = agent.project.states
      const done = states.find(({ name }) => name === "Done")
      for (let n = 0; n < 9; n++) {
        const state_id = n % 3 === 0 && done !== undefined ? { state_id: done.id } : {}
        yield* addCard(tasker, agent.project, { name: `Card ${n}`, ...state_id })
      }
      yield* list(agent, { limit: 2 })
      const from = front.lists.length
      const first = yield* list(agent, { state: "Done", limit: 2 })
      assert.deepInclude(first, { total_count: 3 })
      assert.deepStrictEqual(
        first.issues.map(({ name }) => name),
        ["Card 6", "Card 3"]
      )
      const second = yield* list(agent, { state: "Done", limit: 2, cursor: first.next_cursor })
      assert.deepStrictEqual(
        second.issues.map(({ name }) => name),
        ["Card 0"]
      )
      assert.isNull(second.next_cursor)
      const found = yield* list(agent, { search: "cARD 7" })
      assert.deepStrictEqual(
        found.issues.map(({ name }) => name),
        ["Card 7"]
      )
      assert.strictEqual(front.lists.length - from, 0)
    })
  )

  it.effect("is refused with more cards than are read at once, and it says what is missing", () =>
    Effect.gen(function* () {
      for (const [count, characters] of [
        [2001, 10],
        [150, 60_000]
      ] as const) {
        const { agent, database } = yield* before(profiles.seed)
        const issue_id = yield* card(agent)
        yield* oldCards(database, agent.project, count, characters)
        const calls = [
          ["tasker_list_issues", {}],
          ["tasker_get_issue", { issue_id }],
          ...writeRows
            .filter(({ tool }) => tool !== "tasker_create_issue")
            .map(({ args, tool }) => [tool, { ...args(issue_id), idempotency_key: `k-${tool}` }] as const)
        ] as const
        for (const [tool, args] of calls) {
          const failure = yield* refusal(call(agent, tool, args))
          assert.deepInclude(failure, { kind: "tasker", reason: "unsupported" }, tool)
          assert.deepInclude(failure.details, { most_cards: 2000 })
          assert.include(failure.message, "`limit`")
        }
      }
      const { agent, database } = yield* before(profiles.seed)
      yield* oldCards(database, agent.project, 1900, 1000)
      const { issues, total_count } = yield* list(agent)
      assert.isNotEmpty(issues)
      assert.strictEqual(total_count, 1900)
    })
  )

  it.effect("is sent no create and no comment again whose response was lost: the write is unresolved", () =>
    Effect.gen(function* () {
      for (const { args, op, tool } of writeRows.filter(({ op }) => op === "create" || op === "comment")) {
        const { agent, tasker } = yield* before(profiles.seed)
        const issue_id = yield* card(agent)
        const key = `lost-${op}`
        const again = call(agent, tool, { ...args(issue_id), idempotency_key: key })
        yield* tasker.fault({ op, fault: "cut_after" })
        assert.strictEqual(yield* outcome(again), "tasker.outcome_unknown")
        assert.strictEqual(yield* outcome(again), "tasker.outcome_unknown")
        assert.strictEqual((yield* keyRow(agent, key))?.state, "unresolved")
        assert.lengthOf(yield* writesUnder(agent, key), 1)
      }
    })
  )
})

const filters = (state: string) => [
  { state },
  { label: "bug" },
  { assignee: "ivan" },
  { priority: "urgent" },
  { search: "needle" },
  { updated_after: "2100-01-01T00:00:00Z" }
]
const parameters = ["state_id", "label_id", "assignee_id", "priority", "search", "updated_after"]

layer(world, options)("a Tasker that ignores filters", (it) => {
  it.effect("has them applied here: no list shows a card that does not pass, nor counts one", () =>
    Effect.gen(function* () {
      const { agent, tasker } = yield* before({}, parameters)
      const names = Array.from({ length: 45 }, (_, n) => `Card ${n}`)
      yield* addCards(tasker, agent.project, names)
      for (const filter of filters("Done")) {
        const { issues, next_cursor, scanned, total_count } = yield* list(agent, { ...filter, limit: 10 })
        assert.deepStrictEqual(issues, [])
        assert.isNull(next_cursor)
        assert.strictEqual(total_count, 0)
        assert.strictEqual(scanned, 45)
      }
      const some = yield* list(agent, { search: "card 1", limit: 4 })
      assert.lengthOf(some.issues, 4)
      assert.strictEqual(some.total_count, 11)
      const rest = yield* list(agent, { search: "card 1", limit: 100, cursor: some.next_cursor })
      assert.deepStrictEqual(
        [...some.issues, ...rest.issues].map(({ name }) => name),
        names.filter((name) => name.startsWith("Card 1")).reverse()
      )
      assert.deepInclude(yield* capabilities, { filters: "no", paging: "yes" })
    })
  )

  it.effect("is read up to a bound: a page may be empty, says how many it looked at, and goes on", () =>
    Effect.gen(function* () {
      const { agent, database, front } = yield* before({}, parameters)
      yield* oldCards(database, agent.project, 2500, 10)
      yield* call(agent, "tasker_list_issues", { search: "nothing" })
      const from = front.lists.length
      const page = yield* list(agent, { search: "Older card 2500" })
      assert.deepStrictEqual(page.issues, [])
      assert.strictEqual(page.scanned, 1000)
      assert.isNull(page.total_count)
      assert.isAtMost(front.lists.length - from, 12)
      const second = yield* list(agent, { search: "Older card 2500", cursor: page.next_cursor })
      const third = yield* list(agent, { search: "Older card 2500", cursor: second.next_cursor })
      assert.deepStrictEqual(
        third.issues.map(({ name }) => name),
        ["Older card 2500"]
      )
    })
  )
})

layer(world, options)("a count of filtered cards", (it) => {
  it.effect("is Tasker's if Tasker was found to apply the filter, and null if not", () =>
    Effect.gen(function* () {
      const { agent, front, tasker } = yield* before({})
      yield* addCards(tasker, agent.project, ["needle 1", "needle 2", "other", "needle 3"])
      const counted = yield* list(agent, { search: "needle", limit: 2 })
      assert.strictEqual(counted.total_count, 3)
      const from = front.lists.length
      assert.strictEqual((yield* list(agent, { search: "needle", limit: 2 })).total_count, 3)
      assert.strictEqual(front.lists.length - from, 1)
      assert.deepInclude(yield* capabilities, { filters: "yes" })
      // Every card passes this filter, so that the list itself shows nothing of whether Tasker applied it.
      front.ignored = ["priority"]
      const uncounted = yield* list(agent, { priority: "none", limit: 2 })
      assert.lengthOf(uncounted.issues, 2)
      assert.isNull(uncounted.total_count)
    })
  )
})

layer(world, options)("a look-up that Tasker ignores", (it) => {
  it.effect("never takes another card for the one that a lost create made", () =>
    Effect.gen(function* () {
      for (const external_ids_shown of [true, false]) {
        const { agent, tasker } = yield* before({ external_ids_shown }, ["external_id"])
        yield* addCard(tasker, agent.project, { name: "Same name" })
        const args = { name: "Same name", idempotency_key: "a-lost-create" }
        yield* tasker.fault({ op: "create", fault: "cut_before" })
        assert.strictEqual(yield* outcome(call(agent, "tasker_create_issue", args)), "tasker.outcome_unknown")
        yield* outcome(call(agent, "tasker_create_issue", args))
        assert.strictEqual((yield* keyRow(agent, args.idempotency_key))?.state, "unresolved")
        assert.lengthOf(yield* writesUnder(agent, args.idempotency_key), 0)
      }
      assert.deepInclude(yield* capabilities, { external_id_lookup: "no" })
    })
  )
})

layer(world, options)("a look-up whose cards carry no external_id", (it) => {
  it.effect("counts once Tasker listed nothing under a random external_id", () =>
    Effect.gen(function* () {
      const { agent, tasker } = yield* before({ external_ids_shown: false })
      yield* addCard(tasker, agent.project, { name: "Another" })
      const args = { name: "A card", idempotency_key: "a-lost-create" }
      yield* tasker.fault({ op: "create", fault: "cut_after" })
      assert.strictEqual(yield* outcome(call(agent, "tasker_create_issue", args)), "tasker.outcome_unknown")
      assert.strictEqual(yield* outcome(call(agent, "tasker_create_issue", args)), "done")
      assert.lengthOf(yield* writesUnder(agent, args.idempotency_key), 1)
      assert.deepInclude(yield* capabilities, { external_id_lookup: "yes" })
    })
  )
})

layer(world, options)("comments that carry no external_id", (it) => {
  it.effect(
    "are never taken to lack the one that was lost: unless Tasker knows repeats, it is unresolved",
    () =>
      Effect.gen(function* () {
        const { agent, tasker } = yield* before({ external_ids_shown: false, dedupe_key: false }, [
          "external_id"
        ])
        const issue_id = yield* card(agent)
        yield* call(agent, "tasker_add_comment", {
          issue_id,
          comment: "First",
          idempotency_key: "first-comment"
        })
        const args = { issue_id, comment: "Second", idempotency_key: "a-lost-comment" }
        yield* tasker.fault({ op: "comment", fault: "cut_before" })
        assert.strictEqual(yield* outcome(call(agent, "tasker_add_comment", args)), "tasker.outcome_unknown")
        yield* outcome(call(agent, "tasker_add_comment", args))
        assert.strictEqual((yield* keyRow(agent, args.idempotency_key))?.state, "unresolved")
        assert.lengthOf(yield* writesUnder(agent, args.idempotency_key), 0)
      })
  )
})

layer(world, options)("a list whose pages are numbered", (it) => {
  it.effect("shows a card that a deletion moves between two reads of one call", () =>
    Effect.gen(function* () {
      const { agent, front, tasker } = yield* before({ page_by_request: true })
      const ids = yield* addCards(tasker, agent.project, ["1", "2", "3", "4", "5", "6", "7", "8"])
      const newest = ids.at(-1) ?? ""
      const first = yield* list(agent, { limit: 3 })
      const deletes = () => Effect.runPromise(Effect.asVoid(deleteCard(tasker, newest)))
      front.beforeList = [async () => {}, deletes]
      const second = yield* list(agent, { limit: 3, cursor: first.next_cursor })
      const third = yield* list(agent, { limit: 3, cursor: second.next_cursor })
      assert.deepStrictEqual(
        [first, second, third].flatMap(({ issues }) => issues.map(({ name }) => name)),
        ["8", "7", "6", "5", "4", "3", "2", "1"]
      )
    })
  )

  it.effect("skips no card that passes if a deletion comes between two pages that are filtered here", () =>
    Effect.gen(function* () {
      const { agent, front, tasker } = yield* before({ page_by_request: true }, ["search"])
      const names = Array.from({ length: 12 }, (_, n) => (n % 3 === 2 ? `needle ${n}` : `hay ${n}`))
      const ids = yield* addCards(tasker, agent.project, names)
      const newest = ids.at(-1) ?? ""
      front.beforeList = [
        async () => {},
        async () => {},
        () => Effect.runPromise(Effect.asVoid(deleteCard(tasker, newest)))
      ]
      const pages = [yield* list(agent, { search: "needle", limit: 3 })]
      for (let next = pages[0]?.next_cursor; next != null; next = pages.at(-1)?.next_cursor) {
        pages.push(yield* list(agent, { search: "needle", limit: 3, cursor: next }))
      }
      assert.deepStrictEqual(
        pages.flatMap(({ issues }) => issues.map(({ name }) => name)),
        ["needle 11", "needle 8", "needle 5", "needle 2"]
      )
    })
  )

  it.effect("is shown once more from where it stood if the last card shown was deleted", () =>
    Effect.gen(function* () {
      const { agent, tasker } = yield* before({ page_by_request: true })
      const ids = yield* addCards(tasker, agent.project, ["1", "2", "3", "4", "5", "6"])
      const first = yield* list(agent, { limit: 3 })
      yield* deleteCard(tasker, ids[3] ?? "")
      yield* editCard(tasker, ids[0] ?? "")
      const second = yield* list(agent, { limit: 3, cursor: first.next_cursor })
      assert.deepStrictEqual(
        second.issues.map(({ name }) => name),
        ["3", "2", "1"]
      )
    })
  )
})
