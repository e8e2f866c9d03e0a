import { Context, type Effect } from "effect"
import type { InputInvalid } from "../domain/Failure.ts"
import type { AgentId } from "../domain/Ids.ts"
import type { Page, PageRequest } from "../domain/Page.ts"
import type { Turn } from "../domain/Timeline.ts"
import type { Missing, Reach } from "./AgentRegistry.ts"

/**
 * An agent's audit trail as a person replays it: by conversation and turn, with before and after of what was
 * changed for as long as that is kept. For its owner and for operators; an agent is shown nothing of it.
 */
export class Timeline extends Context.Service<
  Timeline,
  {
    /**
     * Turns, the one with the newest event first. `limit` counts events. A page may end earlier, where its
     * changes are long, and with it a turn: that one is `continued`. An agent that is not within reach is
     * `request.not_found`.
     */
    list(
      reach: Reach,
      request: PageRequest & { readonly agentId: AgentId }
    ): Effect.Effect<Page<Turn>, Missing | InputInvalid>
  }
>()("tasker-codex-api/services/Timeline") {}
