import { randomUUID } from "node:crypto"
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { codeOf } from "../../src/domain/Failure.ts"
import { bench } from "../support/plane-adapter.ts"
import { planeWorld } from "../support/plane-world.ts"

/** Under what the adapter looks for what a write made, and what each of Plane's replies comes to. */

const source = { external_source: "nodedc-agent-gateway" }

layer(planeWorld(), { timeout: "10 minutes", excludeTestServices: true })(
  "a look for a card on Plane",
  (it) => {
    const looking = Effect.fnUntraced(function* () {
      const at = yield* bench()
      const external_id = randomUUID()
      const mark = { project_id: at.projectId, external_id }
      return {
        ...at,
        external_id,
        find: at.tasker.findIssue(at.who("settle"), mark),
        copies: at.tasker.copies(at.who("settle"), mark)
      }
    })

    it.effect("shows none, one, or an archived one", () =>
      Effect.gen(function* () {
        const { card, copies, external_id, find, plane } = yield* looking()
        assert.deepStrictEqual(
          [yield* find, yield* copies],
          [{ _tag: "Absent" }, { ids: [], several: false }]
        )
        const id = yield* card({ ...source, external_id })
        for (const edit of [{}, { archived: true }]) {
          yield* plane.edit(id, edit)
          const look = yield* find
          assert.deepStrictEqual(
            look._tag === "Found" ? [look.value.id, look.value.external_id, look.others] : look._tag,
            [id, external_id, []]
          )
          assert.deepStrictEqual(yield* copies, { ids: [id], several: false })
        }
      })
    )

    it.effect("does not take another source's card for the write's", () =>
      Effect.gen(function* () {
        const { card, external_id, find } = yield* looking()
        yield* card({ external_source: "github", external_id })
        assert.deepStrictEqual(yield* find, { _tag: "Absent" })
      })
    )

    it.effect("shows both of a double, which Plane answers with 500", () =>
      Effect.gen(function* () {
        const { card, copies, external_id, find, plane } = yield* looking()
        const first = yield* card({ ...source, external_id })
        const second = yield* plane.twin(first)
        const look = yield* find
        if (look._tag !== "Found") throw new Error(look._tag)
        assert.sameMembers([look.value.id as string, ...look.others], [first, second])
        const counted = yield* copies
        assert.sameMembers([...counted.ids], [first, second])
        assert.isTrue(counted.several)
      })
    )

    it.effect("is failing if Plane answers it with 500 and the newest cards are not the write's", () =>
      Effect.gen(function* () {
        const { card, copies, external_id, find, plane } = yield* looking()
        yield* card()
        yield* plane.fault({ op: "lookup", fault: "server_error", external_id, times: "forever" })
        assert.strictEqual((yield* find)._tag, "Failing")
        assert.deepStrictEqual(yield* copies, { ids: [], several: true })
      })
    )

    it.effect("fails if Plane answers nothing else either", () =>
      Effect.gen(function* () {
        const { find, plane } = yield* looking()
        yield* plane.fault({ op: "lookup", fault: "server_error" })
        yield* plane.fault({ op: "list", fault: "server_error", times: "forever" })
        assert.strictEqual(codeOf(yield* Effect.flip(find)), "tasker.unavailable")
        yield* plane.heal
      })
    )

    it.effect("is made on account of an owner who may not make the write any more", () =>
      Effect.gen(function* () {
        const { card, external_id, person, plane, projectId, tasker, ticket, create, who } = yield* looking()
        const id = yield* card({ ...source, external_id })
        const guest = person("guest")
        const look = yield* tasker.findIssue(who("settle", guest), { project_id: projectId, external_id })
        assert.strictEqual(look._tag, "Found")
        assert.strictEqual(
          (yield* tasker.issue(who("settle", guest), { project_id: projectId, issue_id: id }))?.id,
          id
        )
        const sent = yield* Effect.flip(tasker.createIssue(ticket(external_id, guest), create()))
        assert.strictEqual(`${sent._tag} ${codeOf(sent.failure)}`, "NotSent grant.owner_not_member")
        assert.lengthOf(yield* plane.requests, (yield* plane.requests).length)
      })
    )
  }
)

layer(planeWorld(), { timeout: "10 minutes", excludeTestServices: true })(
  "a look for a comment on Plane",
  (it) => {
    const looking = Effect.fnUntraced(function* () {
      const at = yield* bench()
      const issue_id = yield* at.card()
      const external_id = randomUUID()
      const mark = { project_id: at.projectId, issue_id, external_id }
      const say = (body: object) =>
        Effect.map(
          at.plane.request(`${at.path}/issues/${issue_id}/comments/`, {
            body: { comment_html: "<p>Done</p><p>via Codex</p>", ...body }
          }),
          ({ json }) => json.id as string
        )
      return {
        ...at,
        issue_id,
        external_id,
        say,
        find: at.tasker.findComment(at.who("settle"), mark),
        copies: at.tasker.copies(at.who("settle"), mark)
      }
    })

    it.effect("shows none, and the one under the key without the line that names the agent", () =>
      Effect.gen(function* () {
        const { copies, external_id, find, say } = yield* looking()
        yield* say({})
        assert.deepStrictEqual(
          [yield* find, yield* copies],
          [{ _tag: "Absent" }, { ids: [], several: false }]
        )
        const id = yield* say({ ...source, external_id })
        const look = yield* find
        assert.deepStrictEqual(
          look._tag === "Found" ? [look.value.id, look.value.comment_html, look.others] : look._tag,
          [id, "<p>Done</p>", []]
        )
        assert.deepStrictEqual(yield* copies, { ids: [id], several: false })
      })
    )

    it.effect("shows both of a double", () =>
      Effect.gen(function* () {
        const { copies, external_id, find, plane, say } = yield* looking()
        yield* plane.configure({ gap_ms: 150 })
        const ids = yield* Effect.all([say({ ...source, external_id }), say({ ...source, external_id })], {
          concurrency: 2
        })
        yield* plane.configure({ gap_ms: 0 })
        const look = yield* find
        if (look._tag !== "Found") throw new Error(look._tag)
        assert.sameMembers([look.value.id as string, ...look.others], ids)
        assert.deepStrictEqual((yield* copies).several, true)
      })
    )

    it.effect("says that the card is hidden if Plane lists no comments of a card that it does not show", () =>
      Effect.gen(function* () {
        const { find, issue_id, plane } = yield* looking()
        yield* plane.edit(issue_id, { archived: true })
        assert.strictEqual((yield* find)._tag, "Hidden")
      })
    )

    it.effect("is failing if Plane answers it with 500 and another call rightly", () =>
      Effect.gen(function* () {
        const { find, plane } = yield* looking()
        yield* plane.fault({ op: "list_comments", fault: "server_error" })
        assert.strictEqual((yield* find)._tag, "Failing")
      })
    )
  }
)
