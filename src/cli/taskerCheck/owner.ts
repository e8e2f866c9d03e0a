import { Effect, Schema } from "effect"
import { UserId } from "../../domain/Ids.ts"
import type { ProjectContext } from "../../domain/Tasker.ts"
import * as Calls from "../../layers/tasker/taskerCalls.ts"
import { UsageWrong } from "../failures.ts"
import { type Owner, ownerVariables, type Place } from "./Place.ts"
import { Probe, told } from "./Probe.ts"

const decodeUserId = Schema.decodeUnknownSync(UserId)

/** For whom the members are read before the owner is known: an id that is nobody's. */
export const provisionalOwner: Owner = {
  id: decodeUserId("00000000-0000-4000-8000-000000000000"),
  email: "nobody@example.invalid"
}

const memberRole = 15

/** Finds the first member who can own an agent: role 15 or more, and an e-mail address. */
export const ownerAmong = (members: ProjectContext["members"]): Owner | undefined => {
  const found = members.find(({ email, role }) => (role ?? 0) >= memberRole && (email ?? "") !== "")
  return found?.email == null ? undefined : { id: decodeUserId(found.id), email: found.email }
}

const setThem = `Set ${ownerVariables.id} and ${ownerVariables.email} to a member of the project.`

/** Says why no owner was taken from the members, and which variables name one. */
export const noOwner = (because: string): string => `No owner could be found: ${because}. ${setThem}`

/** Reads the members and takes the owner among them, unless the place names one. */
export const findOwner = Effect.fnUntraced(function* (place: Place) {
  const { onBehalf, send } = yield* Probe
  const call = Calls.projectContext(onBehalf(place.owner ?? provisionalOwner), place.projectId)
  const sent = yield* send(call, "states, labels and members")
  const { outcome } = sent
  if (outcome._tag === "Refused") {
    if (outcome.means === "unauthorized") {
      return yield* new UsageWrong({
        message: "Tasker refuses the bearer. Set NODEDC_INTERNAL_ACCESS_TOKEN to the one that Tasker expects."
      })
    }
    if (outcome.means === "owner_not_member" || outcome.means === "no_access") {
      return yield* new UsageWrong({
        message:
          place.owner === undefined
            ? noOwner("Tasker shows the members of the project to a member only")
            : `The owner ${place.owner.id} has no access to the project (${told(outcome)}). ${setThem}`
      })
    }
  }
  if (outcome._tag === "Broken" && !outcome.sent) {
    return yield* new UsageWrong({
      message: `Tasker at ${place.url.href} can't be reached: ${outcome.because}. Check NODEDC_TASKER_INTERNAL_URL.`
    })
  }
  const context = outcome._tag === "Done" ? outcome.value : undefined
  const owner = place.owner ?? (context && ownerAmong(context.members))
  if (owner === undefined && context !== undefined) {
    return yield* new UsageWrong({
      message: noOwner("no member has role 15 or more and an e-mail address")
    })
  }
  return { context, owner: owner ?? provisionalOwner, sent }
})
