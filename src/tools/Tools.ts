import { Context, type Effect } from "effect"
import type { ClientClaims } from "../domain/ClientClaims.ts"
import type { CallFailure } from "../domain/Failure.ts"
import type { Principal } from "../domain/Principal.ts"
import type { Token } from "../domain/Token.ts"

/** A tool as it is listed to agents, in MCP's words. Schemas are JSON Schema 2020-12 with an object at the root. */
export interface ToolListing {
  readonly name: string
  readonly title: string
  readonly description: string
  readonly inputSchema: Readonly<Record<string, unknown>>
  readonly outputSchema: Readonly<Record<string, unknown>>
  readonly annotations: {
    readonly title: string
    readonly readOnlyHint: boolean
    readonly destructiveHint: boolean
    readonly idempotentHint: boolean
    readonly openWorldHint: false
  }
}

/** One call of a tool, as an edge hands it on: who says he calls, what, with which arguments, undecoded. */
export interface ToolCall {
  readonly token: Token
  readonly name: string
  readonly args: unknown
  readonly via: "mcp" | "rest"
  readonly requestId: string
  /** What its client says of itself, for the trail alone. */
  readonly client?: ClientClaims
}

export interface ToolResult {
  /** Matches the tool's `outputSchema`; MCP's `structuredContent`, REST's body. */
  readonly structured: Readonly<Record<string, unknown>>
  /** Whether a write was not done again but answered from what is kept. */
  readonly replayed: boolean
}

/** The tools, and the one way in which each of their calls is taken. */
export class Tools extends Context.Service<
  Tools,
  {
    /** The names of all tools there are, whatever anyone is granted. */
    readonly names: ReadonlySet<string>
    /** The tools that a principal's live grants allow, in a fixed order. */
    list(principal: Pick<Principal, "grants">): ReadonlyArray<ToolListing>
    /**
     * Takes a call: authenticates, decodes, authorises, and for a write sees to it that it happens
     * once and is audited. The name must be one of `names`. Where it fails, nothing was changed in
     * Tasker, unless the failure is `tasker.outcome_unknown`.
     */
    call(call: ToolCall): Effect.Effect<ToolResult, CallFailure>
  }
>()("tasker-codex-api/tools/Tools") {}
