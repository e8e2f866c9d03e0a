import { assert } from "@effect/vitest"
import { Effect } from "effect"
import fc from "fast-check"
import { codeOf } from "../../src/domain/Failure.ts"
import { allScopes, type Scope } from "../../src/domain/Scope.ts"
import { AgentRegistry } from "../../src/services/AgentRegistry.ts"
import type { ToolResult } from "../../src/tools/Tools.ts"
import { taskerAtRest, trailOutcomes, writesUnder } from "./evidence.ts"
import { type Actor, act, call, grantTerms, shortTimeout, World } from "./world.ts"
import { card, type WriteRow, writeRows } from "./writes.ts"

/**
 * What a key may come to, as a model of a few lines, and a gateway that is held against it step by step:
 * calls, repeats with the same and with other arguments, several at once, tokens revoked, grants
 * narrowed, Tasker at fault. Each key has a tool and a card of its own.
 */
export type Step =
  | { readonly do: "call"; readonly key: number; readonly others: boolean; readonly times: number }
  | { readonly do: "fault"; readonly key: number; readonly fault: string; readonly look: boolean }
  | { readonly do: "token" | "heal" }
  | { readonly do: "grant"; readonly level: Level }

type Level = keyof typeof levels

const levels = {
  all: allScopes,
  blind: allScopes.filter((scope) => scope !== "issue:read"),
  reading: ["project:read", "issue:read"] as ReadonlyArray<Scope>
}

export interface Manner {
  readonly switches: Readonly<Record<string, boolean>>
}

/** Faults after which Tasker has nothing under way. */
export const promptFaults: ReadonlyArray<string> = [
  "refuse",
  "rate_limit",
  "unauthorized",
  "cut_before",
  "cut_after",
  "server_error",
  "server_error_after",
  "malformed",
  "wrong_shape",
  "html",
  "huge",
  "drop"
]

const key = fc.nat({ max: writeRows.length - 1 })
const callStep = fc.record({
  do: fc.constant("call" as const),
  key,
  others: fc.oneof({ weight: 4, arbitrary: fc.constant(false) }, { weight: 1, arbitrary: fc.constant(true) }),
  times: fc.oneof(
    { weight: 3, arbitrary: fc.constant(1) },
    { weight: 1, arbitrary: fc.integer({ min: 2, max: 5 }) }
  )
})

export const steps = (faults: ReadonlyArray<string>): fc.Arbitrary<ReadonlyArray<Step>> =>
  fc.array(
    fc.oneof(
      { weight: 8, arbitrary: callStep },
      {
        weight: 4,
        arbitrary: fc.record({
          do: fc.constant("fault" as const),
          key,
          fault: fc.constantFrom(...faults),
          look: fc.oneof(
            { weight: 4, arbitrary: fc.constant(false) },
            { weight: 1, arbitrary: fc.constant(true) }
          )
        })
      },
      { weight: 1, arbitrary: fc.record({ do: fc.constantFrom("token" as const, "heal" as const) }) },
      {
        weight: 1,
        arbitrary: fc.record({
          do: fc.constant("grant" as const),
          level: fc.constantFrom<Level>("all", "blind", "reading")
        })
      }
    ),
    { minLength: 10, maxLength: 30 }
  )

/** Where a key stands, as far as the replies so far tell. */
type Stand =
  | { readonly at: "free" }
  /** Stands for these arguments; `perhaps`: or is free again, since several calls ended in ways that leave it open. */
  | { readonly at: "doubt"; readonly others: boolean; readonly perhaps: boolean }
  | { readonly at: "executed"; readonly others: boolean; readonly answer: Answer; readonly level: Level }

type Answer = Readonly<Record<string, unknown>>

const made = (answer: Answer): string => {
  const { issue, comment } = answer as { issue?: { id: string }; comment?: { id: string } }
  return issue?.id ?? comment?.id ?? assert.fail("an answer without a card or a comment")
}

/** Definite refusals, by Tasker or on the way to it: they leave the key free. */
const definite = new Set([
  "tasker.rejected",
  "tasker.rate_limited",
  "tasker.unauthorized",
  "tasker.unavailable",
  "tasker.timeout",
  "tasker.contract",
  // The list of cards that a plan reads is too long.
  "tasker.unsupported"
])

/** What a call may be told while another with its key succeeds. */
const besides = new Set(["idempotency.in_progress", "tasker.outcome_unknown"])

export const hold = Effect.fnUntraced(function* (sequence: ReadonlyArray<Step>, manner: Manner) {
  const { actor, tasker } = yield* World
  const registry = yield* AgentRegistry
  yield* tasker.heal
  yield* tasker.switches(manner.switches)
  let agent: Actor = yield* actor()
  const cards = yield* Effect.forEach(writeRows, ({ op }) => card(agent, `card-of-${op}`))
  const stands: Array<Stand> = writeRows.map(() => ({ at: "free" }))
  let level: Level = "all"

  const rowOf = (n: number) => writeRows[n] as WriteRow
  const keyOf = (n: number) => `model-${rowOf(n).op}`
  const ask = (n: number, others: boolean) => {
    const { args, others: otherArgs, tool } = rowOf(n)
    const issueId = cards[n] as string
    return Effect.result(
      call(agent, tool, { ...(others ? otherArgs : args)(issueId), idempotency_key: keyOf(n) })
    )
  }

  const succeeded = (n: number, others: boolean, { structured, replayed }: ToolResult) => {
    const stand = stands[n] as Stand
    const { replayed: _, ...answer } = structured
    if (stand.at === "executed") {
      assert.isTrue(replayed, "a second answer that is no replay")
      assert.strictEqual(others, stand.others, "an answer to other arguments")
      assert.strictEqual(made(answer), made(stand.answer))
      if (level === stand.level) assert.deepStrictEqual(answer, stand.answer)
      return
    }
    if (stand.at === "doubt" && !stand.perhaps) assert.strictEqual(others, stand.others)
    assert.isFalse(replayed, "a replay of what was never answered")
    stands[n] = { at: "executed", others, answer, level }
  }

  const failed = (n: number, others: boolean, code: string, alone: boolean) => {
    const stand = stands[n] as Stand
    switch (code) {
      case "grant.scope_missing":
        assert.strictEqual(level, "reading")
        return
      case "idempotency.in_progress":
        assert.isFalse(alone, "in progress with nobody else at it")
        return
      case "idempotency.key_reused":
        assert.isTrue(stand.at !== "free" && stand.others !== others, "reused by the same arguments")
        return
      case "tasker.outcome_unknown":
        assert.notStrictEqual(stand.at, "executed")
        stands[n] = { at: "doubt", others, perhaps: !alone }
        return
      default:
        assert.isTrue(definite.has(code), `${code} is no refusal of the model's`)
        assert.notStrictEqual(stand.at, "executed")
        stands[n] = alone ? { at: "free" } : { at: "doubt", others, perhaps: true }
    }
  }

  const take = Effect.fnUntraced(function* (n: number, others: boolean, times: number) {
    const results = yield* Effect.all(
      Array.from({ length: times }, () => ask(n, others)),
      { concurrency: "unbounded" }
    )
    const successes = results.flatMap((result) => (result._tag === "Success" ? [result.success] : []))
    for (const result of results) {
      if (result._tag === "Success") continue
      const code = codeOf(result.failure)
      // Where one of several succeeded, the others' order before it is not known; but what they said is.
      if (successes.length === 0) failed(n, others, code, times === 1)
      else assert.isTrue(besides.has(code) || definite.has(code), code)
    }
    // The one that is no replay comes first, whichever fiber it was on.
    for (const success of successes.toSorted((a, b) => Number(a.replayed) - Number(b.replayed)))
      succeeded(n, others, success)
  })

  const renew = Effect.gen(function* () {
    const { tokens } = yield* registry.getAgent(undefined, agent.agentId)
    yield* Effect.forEach(tokens, ({ id }) => registry.revokeToken(act, agent.agentId, id))
    for (const [n] of writeRows.entries()) {
      const result = yield* ask(n, false)
      assert.strictEqual(result._tag === "Failure" ? codeOf(result.failure) : "done", "auth.revoked")
    }
    const { token } = yield* registry.issueToken(act, agent.agentId, { name: "next", expires_at: null })
    agent = { ...agent, token }
  })

  const heal = Effect.andThen(tasker.heal, tasker.switches(manner.switches))
  const grant = (next: Level) => {
    level = next
    return registry.grant(act, agent.agentId, grantTerms(agent.project, levels[next]))
  }

  for (const step of sequence) {
    switch (step.do) {
      case "call":
        yield* take(step.key, step.others, step.times)
        break
      case "fault": {
        const { op } = rowOf(step.key)
        const look = op === "comment" ? "list_comments" : "list"
        // Tasker's own validation would refuse the first try as well; a refusal on purpose must not overtake it.
        if (step.fault === "refuse") yield* taskerAtRest
        yield* tasker.fault({
          op: step.look ? look : op,
          fault: step.fault,
          // Else Tasker is asked nothing for a second, which is tested elsewhere.
          retry_after: 0,
          ...(step.fault === "delay" ? { delay_ms: 1.3 * shortTimeout } : {})
        })
        break
      }
      case "token":
        yield* renew
        break
      case "heal":
        yield* heal
        break
      case "grant":
        yield* grant(step.level)
    }
  }

  yield* heal
  yield* grant("all")
  yield* taskerAtRest
  for (const [n] of writeRows.entries()) {
    const stand = stands[n] as Stand
    yield* take(n, stand.at === "free" ? false : stand.others, 1)
    assert.strictEqual(stands[n]?.at, "executed", `${keyOf(n)} after all is well again`)
    assert.lengthOf(yield* writesUnder(agent, keyOf(n)), 1, `writes under ${keyOf(n)}`)
    assert.lengthOf(
      (yield* trailOutcomes(agent, keyOf(n))).filter((event) => event === "executed"),
      1,
      `executed events of ${keyOf(n)}`
    )
  }
})
