import { Clock, Effect, Layer } from "effect"
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
import type { Opened, OpenedWrite, Tool } from "./Tool.ts"
import { type ToolCall, type ToolResult, Tools } from "./Tools.ts"
import { makeWriter, tooSlow } from "./Writer.ts"

type Opening = ReturnType<Tool["open"]>

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
    const settings = yield* GatewayConfig
    const writer = makeWriter({ tokens, policy, audit, tasker, settings, once: yield* Idempotency })

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

    const read = Effect.fnUntraced(function* (
      call: ToolCall,
      tool: Tool,
      opening: Opening
    ): Effect.fn.Return<ToolResult, CallFailure> {
      const { principal } = yield* Effect.catch(tokens.authenticate(call.token), (failure) =>
        refused(call, tool, failure)
      )
      if (opening._tag === "Failure") return yield* refused(call, tool, opening.failure)
      return yield* Effect.timeoutOrElse(
        run(call, opening.success as Exclude<Opened, { kind: "write" }>, principal),
        { duration: settings.callDeadline, orElse: () => Effect.fail(tooSlow()) }
      )
    })

    /** To its end whether or not the client is still there: what was tried is then on record. */
    const write = Effect.fnUntraced(function* (
      call: ToolCall,
      tool: Tool,
      opened: OpenedWrite
    ): Effect.fn.Return<ToolResult, CallFailure> {
      const wanted = { call, tool, opened, startedAt: yield* Clock.currentTimeMillis }
      const admitted = yield* Effect.catch(writer.admit(wanted), (failure) =>
        refused(call, tool, failure, opened)
      )
      return yield* writer.carryOut(wanted, admitted)
    }, Effect.uninterruptible)

    /** Who holds a token, be it dead or alive; undefined where nobody does or it can't be told. */
    const holderOf = (token: Token): Effect.Effect<Principal | undefined> =>
      tokens.authenticate(token).pipe(
        Effect.map(({ principal }) => principal),
        Effect.catch((failure) => Effect.succeed(failure._tag === "AuthFailure" ? failure.holder : undefined))
      )

    /** Puts an attempt on record that got no further than this: every write, and every use of a dead token. */
    const refused = Effect.fnUntraced(function* (
      call: ToolCall,
      tool: Tool,
      failure: CallFailure,
      opened?: OpenedWrite
    ) {
      if (failure._tag === "GatewayUnavailable") return yield* failure
      const holder =
        failure._tag === "AuthFailure"
          ? failure.holder
          : tool.writes
            ? yield* holderOf(call.token)
            : undefined
      if (holder !== undefined) yield* audit.record(failureEntry(call, holder, failure, opened))
      return yield* failure
    })

    const call = (call: ToolCall): Effect.Effect<ToolResult, CallFailure> => {
      const tool = find(call.name)
      if (tool === undefined) return Effect.die(new Error(`No tool is named ${call.name}`))
      const opening = tool.open(call.args)
      return opening._tag === "Success" && opening.success.kind === "write"
        ? write(call, tool, opening.success)
        : read(call, tool, opening)
    }

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
