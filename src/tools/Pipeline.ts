import { Effect, Layer } from "effect"
import { GatewayConfig } from "../Config.ts"
import type { CallFailure } from "../domain/Failure.ts"
import type { Principal } from "../domain/Principal.ts"
import type { Token } from "../domain/Token.ts"
import { AuditLog } from "../services/AuditLog.ts"
import { GrantPolicy } from "../services/GrantPolicy.ts"
import { Idempotency } from "../services/Idempotency.ts"
import { TaskerAdapter } from "../services/TaskerAdapter.ts"
import { TokenStore } from "../services/TokenStore.ts"
import { makeBoard } from "./Board.ts"
import { failureEntry } from "./entries.ts"
import { find, tools } from "./registry.ts"
import type { Opened, Tool } from "./Tool.ts"
import { type ToolCall, type ToolResult, Tools } from "./Tools.ts"
import { makeWriter } from "./Writer.ts"

/**
 * The one way that every call of a tool takes:
 *
 *   reads    authenticate → decode → authorise → run → reply
 *   writes   authenticate → decode → authorise → plan → reserve → apply → outcome → reply   (Writer.ts)
 *
 * A read costs one statement, a write two or three. Nothing that decides access outlives the call.
 */
export const layer = Layer.effect(
  Tools,
  Effect.gen(function* () {
    const tokens = yield* TokenStore
    const policy = yield* GrantPolicy
    const audit = yield* AuditLog
    const tasker = yield* TaskerAdapter
    const writer = makeWriter({
      tokens,
      policy,
      audit,
      tasker,
      once: yield* Idempotency,
      settings: yield* GatewayConfig
    })

    const run = Effect.fnUntraced(function* (
      call: ToolCall,
      opened: Exclude<Opened, { kind: "write" }>,
      principal: Principal
    ): Effect.fn.Return<ToolResult, CallFailure> {
      const who = { agent: principal.agent, requestId: call.requestId }
      if (opened.kind === "session") {
        return { structured: yield* opened.run({ principal, who, tasker, policy }), replayed: false }
      }
      const grant = yield* policy.authorise(principal, opened.scope, opened.projectId)
      return { structured: yield* opened.run(makeBoard(tasker, who, grant)), replayed: false }
    })

    /** Who holds a token, be it dead or alive; undefined where nobody does or it can't be told. */
    const holderOf = (token: Token): Effect.Effect<Principal | undefined> =>
      tokens.authenticate(token).pipe(
        Effect.map(({ principal }) => principal),
        Effect.catch((failure) => Effect.succeed(failure._tag === "AuthFailure" ? failure.holder : undefined))
      )

    /** Puts an attempt on record that got no further than this: every write, and every use of a dead token. */
    const refused = Effect.fnUntraced(function* (call: ToolCall, tool: Tool, failure: CallFailure) {
      if (failure._tag === "GatewayUnavailable") return yield* failure
      const holder =
        failure._tag === "AuthFailure"
          ? failure.holder
          : tool.writes
            ? yield* holderOf(call.token)
            : undefined
      if (holder !== undefined) yield* audit.record(failureEntry(call, holder, failure))
      return yield* failure
    })

    const call = Effect.fnUntraced(function* (call: ToolCall): Effect.fn.Return<ToolResult, CallFailure> {
      const tool = find(call.name)
      if (tool === undefined) return yield* Effect.die(new Error(`No tool is named ${call.name}`))
      const opening = tool.open(call.args)
      if (opening._tag === "Success" && opening.success.kind === "write") {
        const wanted = { call, tool, opened: opening.success }
        const admitted = yield* Effect.catch(writer.admit(wanted), (failure) => refused(call, tool, failure))
        return yield* writer.carryOut(wanted, admitted)
      }
      const { principal } = yield* Effect.catch(tokens.authenticate(call.token), (failure) =>
        refused(call, tool, failure)
      )
      return yield* opening._tag === "Failure"
        ? refused(call, tool, opening.failure)
        : run(call, opening.success as Exclude<Opened, { kind: "write" }>, principal)
    })

    return Tools.of({
      names: new Set(tools.map(({ name }) => name)),
      list: (principal) => {
        const scopes = policy.scopes(principal)
        return tools.filter(({ scope }) => scope === null || scopes.has(scope)).map(({ listing }) => listing)
      },
      call
    })
  })
)
