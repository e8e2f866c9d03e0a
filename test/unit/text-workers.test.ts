import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { AgentId } from "../../src/domain/Ids.ts"
import { longestMillis, shareMillis } from "../../src/domain/TextShare.ts"
import { fromBytes } from "../../src/domain/Token.ts"
import { CpuShares } from "../../src/layers/texts/CpuShares.ts"
import * as TextsLive from "../../src/layers/texts/TextsLive.ts"
import { entryBeside, type Outcome, TextWorkers } from "../../src/layers/texts/TextWorkers.ts"
import { type WorkName, work } from "../../src/layers/texts/work.ts"
import { eventually } from "../support/data-dirs.ts"

const standing = { wallMillis: 60_000, idleMillis: 60_000 }

/** Workers that end with the scope. */
const workersOf = (limits: typeof standing) =>
  Effect.acquireRelease(
    Effect.sync(() => new TextWorkers(limits)),
    (workers) => Effect.promise(() => workers.close())
  )

const run = (workers: TextWorkers, name: WorkName, input: unknown, limit = 60_000): Effect.Effect<Outcome> =>
  Effect.callback((resume) =>
    workers.run({ name, input }, limit, (outcome) => resume(Effect.succeed(outcome)))
  )

const ended = (workers: TextWorkers) =>
  eventually(Effect.suspend(() => (workers.size === 0 ? Effect.void : Effect.fail("A worker is there"))))

const newAgent = () => AgentId.make(crypto.randomUUID())

/** Takes some tenths of a second, both ways. */
const longMarkdown = "- one *two* `three`\n".repeat(400)
const longHtml = "<p>one <b>two</b> <code>three</code></p>".repeat(2000)

/** Longer than what is converted on the event loop. */
const shorterHtml = longHtml.slice(0, 8000)

/** So little CPU time that no long text is converted in it. */
const hasty = { ...standing, cpuMillis: 20 }

describe("the workers of texts", () => {
  it.live("none is there until there is work, and none after a while without", () =>
    Effect.gen(function* () {
      const workers = yield* workersOf({ ...standing, idleMillis: 200 })
      assert.strictEqual(workers.size, 0)
      const outcome = yield* run(workers, "render", "a **b**")
      assert.deepInclude(outcome as object, {
        _tag: "Done",
        output: { html: "<p>a <strong>b</strong></p>", shows: true }
      })
      assert.strictEqual(workers.size, 1)
      yield* ended(workers)
      assert.strictEqual((yield* run(workers, "render", "c"))._tag, "Done")
    }).pipe(Effect.scoped)
  )

  it.live("one works on one text after another, and each text's CPU time is its own", () =>
    Effect.gen(function* () {
      const workers = yield* workersOf(standing)
      const long = yield* run(workers, "render", longMarkdown)
      const short = yield* run(workers, "render", "a")
      assert.strictEqual(workers.size, 1)
      assert.isAbove(long.cpuMillis, short.cpuMillis)
    }).pipe(Effect.scoped)
  )

  it.live("one that has used up its CPU time is ended, and another one does the next text", () =>
    Effect.gen(function* () {
      const workers = yield* workersOf(standing)
      assert.strictEqual((yield* run(workers, "render", longMarkdown, 20))._tag, "Expired")
      assert.strictEqual(workers.size, 0)
      assert.strictEqual((yield* run(workers, "plain", "<p>a"))._tag, "Done")
    }).pipe(Effect.scoped)
  )

  it.live("work that throws fails alone", () =>
    Effect.gen(function* () {
      const workers = yield* workersOf(standing)
      assert.strictEqual((yield* run(workers, "read", null))._tag, "Failed")
      assert.strictEqual((yield* run(workers, "render", "a"))._tag, "Done")
      assert.strictEqual(workers.size, 1)
    }).pipe(Effect.scoped)
  )

  it("their entry stands beside them in the sources and in a build", () => {
    assert.strictEqual(
      entryBeside("file:///a/src/layers/texts/TextWorkers.ts").href,
      "file:///a/src/layers/texts/worker.ts"
    )
    assert.strictEqual(
      entryBeside("file:///a/dist/layers/texts/TextWorkers.js").href,
      "file:///a/dist/layers/texts/worker.js"
    )
  })
})

describe("a text that takes too long", () => {
  it.live("is read as its words in plain paragraphs, and marked so", () =>
    Effect.gen(function* () {
      const texts = (yield* TextsLive.make(hasty)).of(newAgent())
      const read = yield* texts.read(`${longHtml}<img src="http://a.b/c.png">`)
      assert.isTrue(read.plain)
      assert.isTrue(read.markdown.startsWith("one two three\n\none two three\n\n"))
      assert.deepStrictEqual(read.lost, ["image"])
    }).pipe(Effect.scoped)
  )

  it.live("is refused as too complex where it was to be written", () =>
    Effect.gen(function* () {
      const texts = (yield* TextsLive.make(hasty)).of(newAgent())
      assert.deepStrictEqual(yield* texts.render(longMarkdown), { _tag: "TooComplex" })
    }).pipe(Effect.scoped)
  )

  it.live("is compared by its words", () =>
    Effect.gen(function* () {
      const texts = (yield* TextsLive.make(hasty)).owed(newAgent())
      assert.isTrue(yield* texts.same(longHtml, longHtml.replaceAll("<b>two</b>", "<i>two</i>")))
      assert.isFalse(yield* texts.same(longHtml, longHtml.replace("two", "four")))
    }).pipe(Effect.scoped)
  )

  it.live("is counted as what it is at most, its bytes", () =>
    Effect.gen(function* () {
      // Loading the vocabulary takes several times the limit.
      const texts = (yield* TextsLive.make({ ...hasty, cpuMillis: 2 })).of(newAgent())
      assert.isUndefined(yield* texts.tokens("word ".repeat(5000)))
    }).pipe(Effect.scoped)
  )
})

describe("an agent's share of the texts", () => {
  it.live("one agent's many long texts are converted behind another agent's one", () =>
    Effect.gen(function* () {
      const { of } = yield* TextsLive.make()
      const [flood, other] = [of(newAgent()), of(newAgent())]
      const order: Array<string> = []
      const convert = (texts: typeof flood, name: string) =>
        Effect.tap(texts.read(shorterHtml), () => Effect.sync(() => order.push(name)))
      yield* Effect.all(
        [...Array.from({ length: 12 }, () => convert(flood, "flood")), convert(other, "other")],
        { concurrency: "unbounded" }
      )
      assert.isAtMost(order.indexOf("other"), 2)
      assert.lengthOf(order, 13)
    }).pipe(Effect.scoped)
  )

  it.live("texts beyond those that may wait are refused with the time to come back, those owed never", () =>
    Effect.gen(function* () {
      const { of, owed } = yield* TextsLive.make()
      const agent = newAgent()
      const [asked, needed] = [of(agent), owed(agent)]
      const results = yield* Effect.all(
        [
          ...Array.from({ length: 150 }, () => Effect.result(asked.read("<p>a</p>".repeat(1000)))),
          ...Array.from({ length: 20 }, () => Effect.result(needed.read("<p>a</p>".repeat(1000))))
        ],
        { concurrency: "unbounded" }
      )
      const refused = results.filter((result) => result._tag === "Failure")
      assert.isNotEmpty(refused)
      for (const { failure } of refused) {
        assert.strictEqual(failure.reason, "rate")
        assert.isTrue(failure.retryable)
        assert.isAtLeast(Number(failure.details.retry_after_seconds), 1)
      }
      assert.lengthOf(
        results.slice(150).filter((result) => result._tag === "Failure"),
        0
      )
    }).pipe(Effect.scoped)
  )

  it("CPU time that was used comes back evenly", () => {
    const shares = new CpuShares(20_000, 60_000)
    shares.charge("a", 5000, 0)
    assert.strictEqual(shares.used("a", 0), 5000)
    assert.strictEqual(shares.used("a", 6000), 3000)
    assert.strictEqual(shares.until("a", 2000, 6000), 3000)
    assert.strictEqual(shares.used("a", 60_000), 0)
    assert.strictEqual(shares.used("b", 0), 0)
  })

  it("CPU time of the agents that were longest quiet is forgotten first, within bounds", () => {
    const shares = new CpuShares(20_000, 60_000)
    shares.charge("first", 1000, 0)
    for (let i = 0; i < 9999; i++) shares.charge(`agent ${i}`, 1000, 0)
    shares.charge("agent 0", 1000, 0)
    shares.charge("last", 1000, 0)
    assert.strictEqual(shares.used("first", 0), 0)
    assert.strictEqual(shares.used("agent 0", 0), 2000)
  })

  it("one conversion can't use it up", () => {
    assert.isAtMost(longestMillis, shareMillis / 10)
  })
})

describe("a long text without a space", () => {
  it("is looked through for split tokens without a stack for each of its tags", () => {
    const html = "<p>a".repeat(1_000_000)
    assert.deepStrictEqual(work.plain(html).lost, [])
  })

  it("loses a token that tags part, and keeps the tags and what stands around", () => {
    const token = Redacted.value(fromBytes(new Uint8Array(32).fill(5)))
    const html = `<p>Use <b>${token.slice(0, 20)}</b>${token.slice(20)}, <i>not</i> a<b>b</b></p>`
    assert.strictEqual(
      work.read({ html, people: new Map() }).markdown,
      String.raw`Use **\[secret],** _not_ a**b**`
    )
  })
})
