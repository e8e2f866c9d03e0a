import { Clock, Duration, Effect, Layer, Option, Predicate, Result } from "effect"
import { Settings } from "../Config.ts"
import { type CallFailure, codeOf, type GatewayUnavailable, type ToolFailure } from "../domain/Failure.ts"
import { fingerprint } from "../domain/Operation.ts"
import type { Principal } from "../domain/Principal.ts"
import type { Token } from "../domain/Token.ts"
import { AuditLog } from "../services/AuditLog.ts"
import { GrantPolicy } from "../services/GrantPolicy.ts"
import { Idempotency } from "../services/Idempotency.ts"
import { Suspension } from "../services/Suspension.ts"
import { TaskerAdapter } from "../services/TaskerAdapter.ts"
import { Texts } from "../services/Texts.ts"
import { TokenStore } from "../services/TokenStore.ts"
import { makeBoard } from "../tools/Board.ts"
import { find, tools } from "../tools/registry.ts"
import type { Output } from "../tools/show.ts"
import type { ReadTool, SessionTool, Tool, WriteRequest, WriteTool } from "../tools/Tool.ts"
import { type ToolCall, type ToolResult, Tools } from "../tools/Tools.ts"
import { tooSlow } from "./doubts.ts"
import { failureEntry, type ToldCall } from "./entries.ts"
import { makeWriter } from "./Writer.ts"

/**
 * The one way that every call of a tool takes. A write's arguments are decoded first, since its key
 * comes with them; nothing is answered of them before it is known who calls.
 *
 *   reads    authenticate → decode → authorise → run → reply
 *   writes   decode → authenticate → authorise → plan → reserve → apply → outcome → reply   (Writer.ts)
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
    const texts = yield* Texts
    const settings = yield* Settings
    const suspension = yield* Suspension
    const writer = makeWriter({ tokens, policy, audit, tasker, texts, settings, once: yield* Idempotency })

    const session = (call: ToldCall, tool: SessionTool) =>
      known(call, tool, (principal) =>
        Effect.gen(function* () {
          const run = yield* Effect.fromResult(tool.decode(call.args))
          return yield* run({
            principal,
            who: whoOf(call, principal),
            tasker,
            policy,
            texts: texts.of(principal.agent.id)
          })
        })
      )

    const read = (call: ToldCall, tool: ReadTool) =>
      known(call, tool, (principal) =>
        Effect.gen(function* () {
          const { projectId, run } = yield* Effect.fromResult(tool.decode(call.args))
          const grant = yield* policy.authorise(principal, tool.scope, projectId)
          return yield* run(
            makeBoard(
              { tasker, texts },
              { ...whoOf(call, principal), workspaceSlug: grant.workspace_slug },
              grant
            )
          )
        })
      )

    /** To its end whether or not the client is still there: what was tried is then on record. */
    const write = Effect.fnUntraced(function* (
      call: ToldCall,
      tool: WriteTool
    ): Effect.fn.Return<ToolResult, CallFailure> {
      const deadline =
        (yield* Clock.monotonicTimeNanos) + BigInt(Duration.toMillis(settings.callDeadline)) * 1_000_000n
      const decoded = tool.decode(call.args)
      if (decoded._tag === "Failure") {
        const failure = decoded.failure
        return yield* Effect.matchEffect(tokens.admit(call.token, "writes"), {
          onFailure: (denied) => refused(call, tool, denied),
          onSuccess: ({ principal }) => recorded(call, principal, failure)
        })
      }
      const wanted = { call, tool, request: decoded.success, deadline }
      const admitted = yield* Effect.catch(writer.admit(wanted), (failure) =>
        refused(call, tool, failure, wanted.request)
      )
      return yield* writer.carryOut(wanted, admitted)
    }, Effect.uninterruptible)

    const whoOf = (call: ToolCall, principal: Principal) => ({
      agent: principal.agent,
      requestId: call.requestId
    })

    /** Reads on a caller's account, within the time that a call may take. */
    const known = Effect.fnUntraced(function* (
      call: ToldCall,
      tool: Tool,
      reading: (principal: Principal) => Effect.Effect<Output, ToolFailure>
    ): Effect.fn.Return<ToolResult, CallFailure> {
      // A dead token's use is on record also where its user does not wait for the answer.
      const { principal } = yield* Effect.uninterruptible(
        Effect.catch(tokens.admit(call.token, "reads"), (failure) => refused(call, tool, failure))
      )
      const structured = yield* Effect.timeoutOrElse(reading(principal), {
        duration: settings.callDeadline,
        orElse: () => Effect.fail(tooSlow())
      })
      return { structured, replayed: false }
    })

    /** Who holds a token, be it dead or alive; undefined where nobody does. */
    const holderOf = (token: Token): Effect.Effect<Principal | undefined, GatewayUnavailable> =>
      tokens.authenticate(token).pipe(
        Effect.map(({ principal }): Principal | undefined => principal),
        Effect.catchTag("AuthFailure", ({ holder }) => Effect.succeed(holder))
      )

    /** Puts an attempt on record that got no further than this: every write, and every use of a dead token. */
    const refused = Effect.fnUntraced(function* (
      call: ToldCall,
      tool: Tool,
      failure: CallFailure,
      request?: WriteRequest
    ): Effect.fn.Return<never, CallFailure> {
      if (failure._tag === "GatewayUnavailable") return yield* failure
      const dead = failure._tag === "AuthFailure"
      const holder = dead
        ? failure.holder
        : tool._tag !== "Write"
          ? undefined
          : ((failure._tag === "LimitReached" ? failure.holder : undefined) ?? (yield* holderOf(call.token)))
      if (holder !== undefined) return yield* recorded(call, holder, failure, request)
      if (dead) yield* Effect.logWarning("A call was refused", { code: codeOf(failure) })
      return yield* failure
    })

    const recorded = Effect.fnUntraced(function* (
      call: ToldCall,
      holder: Principal,
      failure: CallFailure,
      request?: WriteRequest
    ): Effect.fn.Return<never, CallFailure> {
      yield* audit.record(yield* failureEntry(call, holder, failure, request))
      return yield* failure
    })

    const taken = (call: ToldCall): Effect.Effect<ToolResult, CallFailure> => {
      const tool = find(call.name)
      switch (tool?._tag) {
        case "Session":
          return session(call, tool)
        case "Read":
          return read(call, tool)
        case "Write":
          return write(call, tool)
        default:
          return Effect.die(new Error(`No tool is named ${call.name}`))
      }
    }

    /** What failed is counted against its agent, whose next call may be the one too many; also where it left meanwhile. */
    const call = (call: ToolCall) =>
      Effect.uninterruptibleMask((restore) =>
        Effect.tapError(restore(Effect.flatMap(received(call), taken)), (failure) =>
          suspension.count({
            token: call.token,
            action: call.name,
            fingerprint: () => (find(call.name)?._tag === "Write" ? asked(call) : undefined),
            failure,
            via: call.via,
            requestId: call.requestId
          })
        )
      )

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

const received = (call: ToolCall): Effect.Effect<ToldCall> =>
  Effect.map(Clock.monotonicTimeNanos, (receivedAt) => ({ ...call, receivedAt }))

/** What a write asked for, well-formed or not, so that the same one is known again; not what no JSON can hold. */
const asked = ({ args, name }: ToolCall): string | undefined =>
  Predicate.isObject(args)
    ? Option.getOrUndefined(
        Result.getSuccess(Result.try(() => fingerprint(name, args as Record<string, unknown>)))
      )
    : undefined
