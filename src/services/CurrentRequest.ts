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
  /** True if its credential was good here lately: reading a long body before it is looked up is then no stranger's doing. */
  recognised: boolean
  /** Bytes of its body that were read. */
  bodyBytes: number
}

/** The facts of the request that this fiber works on; facts that nobody reads outside of one. */
export const CurrentRequest = Context.Reference<RequestFacts>("tasker-codex-api/services/CurrentRequest", {
  defaultValue: () => ({ agentId: undefined, operator: false, recognised: false, bodyBytes: 0 })
})
