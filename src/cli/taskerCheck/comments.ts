import { Effect } from "effect"
import type { TaskerIssue } from "../../domain/Tasker.ts"
import * as Calls from "../../layers/tasker/taskerCalls.ts"
import { breaks, type Finding, failed, without, works } from "./findings.ts"
import { Probe, told } from "./Probe.ts"
import { Scene } from "./Scene.ts"

/** Checks of `GET /issues/:issue_id/comments`. */

/** Lists the comments of a card; undefined if this Tasker has no such call. */
export const listComments = Effect.fnUntraced(function* (card: TaskerIssue, limit: number) {
  const { place, who } = yield* Scene
  const { send } = yield* Probe
  return yield* send(
    Calls.listComments(who, { project_id: place.projectId, issue_id: card.id, limit }),
    `comments of ${card.identifier}`
  )
})

export const checkComments = Effect.fnUntraced(function* (card: TaskerIssue) {
  const sent = yield* listComments(card, 2)
  const { outcome } = sent
  const isMissing =
    (outcome._tag === "Astray" && (outcome.status === 404 || outcome.status === 405)) ||
    (outcome._tag === "Refused" && outcome.means === "no_such_call")
  if (isMissing) {
    return [
      without("listComments", `the call itself (${told(outcome)})`),
      breaks("comments.listed", "this Tasker has no such call")
    ]
  }
  if (outcome._tag !== "Done") return failed(sent)
  const found: Array<Finding> = [works("listComments")]
  if (outcome.value.results.length > 2) {
    found.push(without("listComments", `limit (it lists ${outcome.value.results.length} comments at once)`))
  }
  return found
})
