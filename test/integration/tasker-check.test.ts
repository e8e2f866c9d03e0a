import { assert, layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { freshDatabase, secret } from "../support/gateway.ts"
import { openMembers } from "../support/open-members.ts"
import { ReferenceTasker } from "../support/served.ts"
import { freshTasker, type TaskerControl } from "../support/tasker.ts"
import { naming, promisesThat, type Report, reported, taskerCheck } from "../support/tasker-check.ts"

/** The check, before Taskers of which it is known what they do. */

const taskerOf = (profile: "strict" | "plane-like" | "seed") =>
  Layer.effect(
    ReferenceTasker,
    Effect.flatMap(freshDatabase, ({ url }) => freshTasker(url, secret(), { profile }))
  )

const options = { timeout: "10 minutes", excludeTestServices: true } as const

/** A new project, and the check of it with `--write`. */
const written = (tasker: TaskerControl) =>
  Effect.flatMap(tasker.project({ labels: [{ name: "bug" }] }), (seeded) =>
    reported(naming(tasker, seeded), "--write")
  )

/** Promises about the same moment, which can hold by chance where there is no lock. */
const byChance = ["once.race", "change.fields"]

const broken = (report: Report): ReadonlyArray<string> =>
  promisesThat(report, "does not hold").filter((id) => !byChance.includes(id))

const resultOf = ({ calls }: Report, method: string, path: string) =>
  calls.find((call) => call.method === method && call.path === path)

layer(taskerOf("strict"), options)("before a Tasker that keeps every rule", (it) => {
  it.effect(
    "the check finds that every call works and every promise holds, and lists the cards that it made",
    () =>
      Effect.gen(function* () {
        const tasker = yield* ReferenceTasker
        const { code, report } = yield* written(tasker)
        assert.strictEqual(code, 0)
        assert.deepStrictEqual([...new Set(report.calls.map(({ result }) => result))], ["works"])
        assert.strictEqual(report.calls.length, 10)
        assert.deepStrictEqual([...new Set(report.promises.map(({ result }) => result))], ["holds"])
        const created = (yield* tasker.writes).flatMap(({ issue_id, op }) =>
          op === "create" ? [issue_id] : []
        )
        assert.sameMembers(
          report.cards_made.map(({ id }) => id),
          created
        )
      })
  )

  it.effect("without --write the check writes nothing and says what it did not try", () =>
    Effect.gen(function* () {
      const tasker = yield* ReferenceTasker
      const seeded = yield* tasker.project()
      const before = yield* tasker.writes
      const { code, report } = yield* reported(naming(tasker, seeded))
      assert.strictEqual(code, 0)
      assert.strictEqual((yield* tasker.writes).length, before.length)
      assert.strictEqual(resultOf(report, "POST", "/issues")?.result, "not checked")
      const race = report.promises.find(({ id }) => id === "once.race")
      assert.deepStrictEqual([race?.result, race?.because], ["not checked", "needs --write"])
      assert.include(promisesThat(report, "holds"), "owner.member")
    })
  )

  it.effect("a wrong bearer is a fault of the configuration, which names the variable", () =>
    Effect.gen(function* () {
      const tasker = yield* ReferenceTasker
      const env = naming(tasker, yield* tasker.project())
      const wrong = { ...env, NODEDC_INTERNAL_ACCESS_TOKEN: "not-the-bearer" }
      assert.deepStrictEqual(yield* taskerCheck(wrong), {
        code: 2,
        stdout: "",
        stderr:
          "Tasker refuses the bearer. Set NODEDC_INTERNAL_ACCESS_TOKEN to the one that Tasker expects.\n"
      })
    })
  )

  it.effect("without an owner's variables the check takes a member, or names the variables", () =>
    Effect.gen(function* () {
      const tasker = yield* ReferenceTasker
      const { SMOKE_OWNER_EMAIL, SMOKE_OWNER_USER_ID, ...env } = naming(tasker, yield* tasker.project())
      const closed = yield* taskerCheck(env)
      assert.strictEqual(closed.code, 2)
      assert.include(closed.stderr, "Set SMOKE_OWNER_USER_ID and SMOKE_OWNER_EMAIL")
      const url = yield* openMembers(tasker.url, SMOKE_OWNER_USER_ID ?? "")
      const open = yield* taskerCheck({ ...env, NODEDC_TASKER_INTERNAL_URL: url })
      assert.strictEqual(open.code, 0, open.stderr)
      assert.match(open.stdout, /^Owner {4}ivan <ivan@example\.test>, taken from the members$/m)
      assert.match(open.stdout, /^ {2}not checked {4}\d+ more, which need --write$/m)
    })
  )

  it.effect("a response of another form is wrong, and is shown with its request and without the bearer", () =>
    Effect.gen(function* () {
      const tasker = yield* ReferenceTasker
      const env = naming(tasker, yield* tasker.project())
      yield* tasker.fault({ op: "create", fault: "wrong_shape", times: "forever" })
      const { code, stdout } = yield* taskerCheck(env, "--write")
      yield* tasker.heal
      assert.strictEqual(code, 1)
      assert.match(stdout, /^ {2}wrong {10}POST {2}\/issues$/m)
      assert.match(stdout, /^ {6}wrong: a card with every field: `issue\.\w+` in its answer/m)
      assert.match(stdout, /^ {6}> POST \/api\/internal\/nodedc\/agent\/issues$/m)
      assert.match(stdout, /^ {6}> authorization: Bearer \(withheld\)$/m)
      assert.match(stdout, /^ {6}< 201, application\/json/m)
      assert.notInclude(stdout, tasker.accessToken)
    })
  )

  it.effect("--verbose shows every request and response", () =>
    Effect.gen(function* () {
      const tasker = yield* ReferenceTasker
      const env = naming(tasker, yield* tasker.project())
      const { report } = yield* reported(env, "--verbose")
      const shown = report.calls.flatMap(({ exchanges }) => exchanges)
      assert.strictEqual(shown.length, report.requests)
      const bearers = shown.map(({ headers }) => headers.authorization)
      assert.deepStrictEqual([...new Set(bearers)], ["Bearer (withheld)"])
    })
  )

  it.effect("a 429 is waited out as its Retry-After asks", () =>
    Effect.gen(function* () {
      const tasker = yield* ReferenceTasker
      const env = naming(tasker, yield* tasker.project())
      yield* tasker.fault({ op: "context", fault: "rate_limit", retry_after: 1 })
      const { code, stderr } = yield* taskerCheck(env)
      assert.strictEqual(code, 0)
      assert.strictEqual(stderr, "Tasker answers 429. Waiting 1 s, as its Retry-After asks.\n")
    })
  )

  it.effect("each switch of the Tasker breaks its own promise", () =>
    Effect.gen(function* () {
      const tasker = yield* ReferenceTasker
      const cases = [
        { switches: { ignore_expected: true }, promises: ["change.version"] },
        { switches: { bump_updated_at: true }, promises: ["card.version_still"] },
        { switches: { no_comments_listing: true }, promises: ["comments.listed"] },
        {
          switches: { dedupe_key: false, dedupe_external: false },
          promises: ["once.repeat", "once.late_repeat"]
        }
      ]
      for (const { promises, switches } of cases) {
        yield* tasker.switches(switches)
        const { code, report } = yield* written(tasker)
        const before = Object.entries(switches).map(([name, value]) => [name, !value])
        yield* tasker.switches(Object.fromEntries(before))
        assert.strictEqual(code, 0)
        assert.sameMembers([...broken(report)], promises)
      }
    })
  )
})

layer(taskerOf("plane-like"), options)("before a Tasker that behaves as Plane", (it) => {
  it.effect("the check finds nothing wrong, and that a change is neither versioned nor recognised", () =>
    Effect.gen(function* () {
      const { code, report } = yield* written(yield* ReferenceTasker)
      assert.strictEqual(code, 0)
      assert.deepStrictEqual(broken(report), ["change.late_repeat", "change.version", "card.version_still"])
      assert.match(resultOf(report, "POST", "/issues")?.without.join() ?? "", /^the card's created_at/)
      assert.includeMembers(
        [...promisesThat(report, "holds")],
        ["once.lost_reply", "once.repeat", "text.meaning", "errors.documents", "owner.member"]
      )
    })
  )
})

layer(taskerOf("seed"), options)("before a Tasker of the nine calls", (it) => {
  it.effect(
    "the check finds nothing wrong, and that a lost write can neither be looked up nor repeated",
    () =>
      Effect.gen(function* () {
        const { code, report } = yield* written(yield* ReferenceTasker)
        assert.strictEqual(code, 0)
        assert.deepStrictEqual(broken(report), [
          "once.lost_reply",
          "once.repeat",
          "once.late_repeat",
          "change.late_repeat",
          "change.version",
          "lookup.external_id",
          "lookup.card",
          "list.filters",
          "comments.listed"
        ])
        const lacks = resultOf(report, "GET", "/issues")?.without.join("\n") ?? ""
        for (const what of ["limit and cursor", "look-up by issue_id", "filter by state_id (ignored)"]) {
          assert.include(lacks, what)
        }
        assert.strictEqual(resultOf(report, "GET", "/issues/:issue_id/comments")?.result, "works without")
        const names = report.cards_made.map(({ name }) => name.replace(/^tasker:check \w+ /, ""))
        assert.strictEqual(names.filter((name) => name === "A").length, 3)
        assert.strictEqual(names.filter((name) => name === "D, response lost").length, 1)
      })
  )
})
