import { Context } from "effect"
import type { AgentId } from "../domain/Ids.ts"

/** What becomes known of a request on its way: for its line in the log, never for a decision. */
export interface RequestFacts {
  /** Whose it turned out to be, once its token was recognised. */
  agentId: AgentId | undefined
}

/** The facts of the request that this fiber works on; facts that nobody reads outside of one. */
export const CurrentRequest = Context.Reference<RequestFacts>("tasker-codex-api/services/CurrentRequest", {
  defaultValue: () => ({ agentId: undefined })
})
