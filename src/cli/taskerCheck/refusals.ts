import { Effect, Schema } from "effect"
import { IssueId } from "../../domain/Ids.ts"
import type { TaskerIssue } from "../../domain/Tasker.ts"
import * as Calls from "../../layers/tasker/taskerCalls.ts"
import { bare, create } from "./creates.ts"
import { type Finding, refusal, without, wrong } from "./findings.ts"
import { Probe, type Sent } from "./Probe.ts"
import { asOutsider, stranger } from "./reads.ts"
import { Scene } from "./Scene.ts"

/** Checks of writes that have to be refused. */

const unknownId = "00000000-0000-4000-8000-0000000000dd"
const unknownCard = Schema.decodeSync(IssueId)(unknownId)

export const checkRefusals = Effect.fnUntraced(function* (card: TaskerIssue) {
  const { note, ticket } = yield* Scene
  const { send, ticket: ticketOf } = yield* Probe
  const found: Array<Finding> = []
  const accepts =
    (what: string) =>
    ({ exchange }: Sent<unknown>): ReadonlyArray<Finding> => [without(exchange.call, `refusal of ${what}`)]

  const named = yield* bare("E, refused")
  const wrongState = { ...named, state_id: unknownId }
  const withState = yield* create("E state", wrongState, "a create with an unknown state")
  found.push(...refusal(withState, ["rejected", "not_found"], accepts("unknown states")))
  const tooLong = { ...named, name: `${named.name} `.padEnd(300, "x") }
  const withName = yield* create("E name", tooLong, "a create with a name of 300 characters")
  found.push(...refusal(withName, ["rejected"], accepts("names over 255 characters")))

  const on = { project_id: card.project_id, seen_updated_at: card.updated_at }
  const missing = Calls.updateIssue(ticket("E update"), {
    ...{ _tag: "UpdateIssue", ...on, issue_id: unknownCard, fields: { priority: "low" } }
  })
  const update = yield* send(missing, "a change of an unknown card")
  found.push(
    ...refusal(update, ["not_found", "rejected", "no_access"], (sent) => [wrong(sent, "is executed")])
  )

  const asStranger = Calls.createIssue(ticketOf(stranger, "E stranger"), named)
  const outside = yield* send(asStranger, "a create for an owner who is no member")
  if (outside.outcome._tag === "Done") yield* note(outside.outcome.value)
  found.push(...asOutsider(outside))
  return found
})
