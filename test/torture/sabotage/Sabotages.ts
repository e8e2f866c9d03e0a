// biome-ignore-all lint/suspicious/noTemplateCurlyInString: snippets of source, templates among them
import type { Rule } from "../check/Checker.ts"

/**
 * Faults that are built into a gateway as it is loaded, to show that the checker would see them. Each
 * rewrites one snippet of one file of `src/`, which has to be there exactly once: where the product changes
 * so that a sabotage would no longer bite, the gateway that should have been sabotaged does not start.
 */
export interface Sabotage {
  /** What is wrong with a gateway of this kind. */
  readonly what: string
  /** The rules that it breaks. Whatever else a run finds does not count as found. */
  readonly shows: ReadonlyArray<Rule>
  readonly edits: ReadonlyArray<Edit>
}

export interface Edit {
  /** Within the project. */
  readonly file: string
  readonly snippet: string
  readonly instead: string
}

/** Kinds of faults (`Plan.ts`) that strike more often in a sabotaged run, since these sabotages show under them. */
export const tellingFaults: ReadonlyArray<string> = [
  ...Array<string>(3).fill("tasker.answers.foreign"),
  "tasker.answers.cut_after",
  "tasker.answers.cut_before",
  "link.database.delay",
  "link.database.cut",
  "postgres.backends",
  ...Array<string>(2).fill("tasker.straggles")
]

const edit = (file: string, snippet: string, instead: string): Edit => ({ file, snippet, instead })

export const sabotages: Readonly<Record<string, Sabotage>> = {
  "reserve-after-write": {
    what: "A write is sent to Tasker first, and reserved when that is done.",
    shows: ["refused but done"],
    edits: [
      edit(
        "src/calls/Writer.ts",
        "const reservation = yield* once.reserve({",
        `const early = yield* tokens.authenticate(call.token)
        const { upstreamKey } = yield* Effect.promise(() => import("../domain/Operation.ts"))
        const ticket = {
          agent: early.principal.agent,
          requestId: call.requestId,
          workspaceSlug: early.principal.grants.find(({ project_id }) => project_id === request.projectId)
            ?.workspace_slug ?? "",
          upstreamKey: upstreamKey(early.principal.agent.id, request.key)
        }
        yield* Effect.ignore(tool.apply(write, ticket, tasker))
        const reservation = yield* once.reserve({`
      )
    ]
  },
  "outcome-apart-from-event": {
    what: "An outcome is committed first, and its audit event in a transaction of its own.",
    shows: ["unaudited"],
    edits: [
      edit(
        "src/layers/calls/IdempotencyPostgres.ts",
        "${besides}, event as (${insertEvent(sql, event, sql`from changed`)})",
        "${besides}"
      ),
      edit(
        "src/layers/calls/IdempotencyPostgres.ts",
        'if (done.recorded) return "Recorded" as const',
        `if (done.recorded) {
          yield* storage(repeatable(insertEvent(sql, event, sql\`from (select 1) as always\`)))
          return "Recorded"
        }`
      )
    ]
  },
  "no-fingerprint": {
    what: "A key stands for whatever is asked under it: arguments are not compared.",
    shows: ["replies that differ for one key"],
    edits: [
      edit(
        "src/domain/Operation.ts",
        'if (operation.fingerprint !== fingerprint) return { _tag: "Refused", failure: keyReused(operation) }',
        ""
      )
    ]
  },
  "conflict-taken-for-done": {
    what: "The card that a 409 of Tasker's names is taken for the one asked for, without being compared.",
    shows: ["lost", "answered with something else"],
    edits: [edit("src/calls/adopt.ts", "if (!isOwn) {", "if (isOwn === undefined) {")]
  },
  "no-fence": {
    what: "An outcome is written by whoever comes, whether or not the lease has changed hands.",
    shows: ["audited twice"],
    edits: [
      edit(
        "src/layers/calls/leases.ts",
        "id = ${lease.operationId} and fence = ${lease.fence} and state = 'in_progress'",
        "id = ${lease.operationId}"
      )
    ]
  },
  "cached-revocation": {
    what: "Who holds a token, and what it may, is remembered for five seconds where no key is asked about.",
    shows: ["passed after a revocation was acknowledged"],
    edits: [
      edit(
        "src/layers/calls/TokenStorePostgres.ts",
        "import { kindOf, type Token }",
        "import { hash, kindOf, type Token }"
      ),
      edit(
        "src/layers/calls/TokenStorePostgres.ts",
        "const find = Effect.fnUntraced(function* (token: Token, counting?: Counting, key?: string) {",
        `const cached = new Map()
        const find = Effect.fnUntraced(function* (token: Token, counting?: Counting, key?: string) {
          const held = Buffer.from(hash(token)).toString("hex")
          const seen = cached.get(held)
          if (key === undefined && seen !== undefined && performance.now() - seen.at < 5000) return seen.row`
      ),
      edit(
        "src/layers/calls/TokenStorePostgres.ts",
        "return row === undefined ? yield* unknownToken(token) : row",
        `if (row !== undefined && (cached.get(held)?.at ?? 0) < performance.now() - 5000) {
          cached.set(held, { row, at: performance.now() })
        }
        return row === undefined ? yield* unknownToken(token) : row`
      )
    ]
  },
  "recovery-guesses-not-done": {
    what: "Recovery takes for not done whatever it is to settle.",
    shows: ["unaudited"],
    edits: [
      edit(
        "src/calls/Recovery.ts",
        "const give = Effect.fnUntraced(function* (due: Due, settled: Settled) {",
        `const give = Effect.fnUntraced(function* (due: Due, _: Settled) {
          const settled: Settled = { _tag: "NotDone", failure: unresolved("It is guessed.") }`
      )
    ]
  },
  "dropped-event": {
    what: "One outcome in twenty leaves no audit event.",
    shows: ["unaudited"],
    edits: [
      edit(
        "src/layers/calls/IdempotencyPostgres.ts",
        "insertEvent(sql, event, sql`from changed`)",
        "insertEvent(sql, event, sql`from changed where random() < 0.95`)"
      )
    ]
  },
  "key-per-token": {
    what: "A key is a token's, not its agent's: the same one with the agent's next token is another write.",
    shows: ["doubled untold", "replies that differ for one key"],
    edits: [
      edit(
        "src/calls/Pipeline.ts",
        "const wanted = { call, tool, request: decoded.success, deadline }",
        `const { hash } = yield* Effect.promise(() => import("../domain/Token.ts"))
        const ofToken = Buffer.from(hash(call.token)).toString("hex").slice(0, 12)
        const request = { ...decoded.success, key: decoded.success.key.slice(0, 100) + "." + ofToken }
        const wanted = { call, tool, request, deadline }`
      )
    ]
  },
  "resend-without-waiting": {
    what: "A create or comment is sent again as soon as a look does not show it.",
    shows: ["resent too early"],
    edits: [
      edit("src/calls/settleMaking.ts", "if (tries.restless > 0) {", "if (tries.restless === Infinity) {")
    ]
  },
  "double-not-told": {
    what: "Looks for a double never find one.",
    shows: ["doubled untold"],
    edits: [
      edit("src/calls/settleMaking.ts", "look.others.length === 0 ? undefined :", "look ? undefined :"),
      edit(
        "src/calls/settleMaking.ts",
        "Option.filter(copies, ({ several }) => several)",
        "Option.filter(copies, () => false)"
      ),
      edit("src/calls/secondLook.ts", "copies.several\n", "copies.several && isComment === undefined\n")
    ]
  },
  "updated-at-taken-for-version": {
    what: "A card whose `updated_at` moved is taken for one that another hand changed.",
    shows: ["false conflict"],
    edits: [
      edit(
        "src/calls/settleChange.ts",
        "planned === undefined\n    ? card.updated_at === seen_updated_at",
        "planned !== null\n    ? card.updated_at === seen_updated_at"
      ),
      edit(
        "src/calls/conflict.ts",
        "const shown = Option.getOrUndefined(yield* answered(updatedAt))",
        "const shown = Option.getOrUndefined(Option.filter(yield* answered(updatedAt), () => false))"
      )
    ]
  },
  "doubt-taken-for-refusal": {
    what: "A write whose reply got lost is taken for not done, and its key is freed.",
    shows: ["refused but done"],
    edits: [
      edit(
        "src/calls/settle.ts",
        'failed._tag === "Ambiguous" ? inDoubt(failed) : notDone(failed.failure)',
        "notDone(failed.failure)"
      ),
      edit(
        "src/calls/settleChange.ts",
        'if (failed._tag === "Ambiguous") return Effect.succeed(inDoubt(failed))',
        ""
      )
    ]
  }
}
