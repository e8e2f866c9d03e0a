import { Context } from "effect"
import type { AgentId } from "../domain/Ids.ts"

/**
 * What becomes known of a request on its way: for its line in the log, and for whether it counts as a
 * stranger's (`http/Strangers.ts`); never for a decision on what it may do.
 */
export interface RequestFacts {
  /** Whose it turned out to be, once its token was recognised. */
  agentId: AgentId | undefined
  /** Whether the gateway's internal token came along. */
  operator: boolean
}

/** The facts of the request that this fiber works on; facts that nobody reads outside of one. */
export const CurrentRequest = Context.Reference<RequestFacts>("tasker-codex-api/services/CurrentRequest", {
  defaultValue: () => ({ agentId: undefined, operator: false })
})
