import { Effect, Schema } from "effect"
import { ProjectId, UserId } from "../../domain/Ids.ts"
import type { ProjectContext } from "../../domain/Tasker.ts"
import * as Calls from "../../layers/tasker/taskerCalls.ts"
import type { OnBehalf } from "../../services/TaskerAdapter.ts"
import { breaks, type Finding, failed, holds, refusal, untried, without, works, wrong } from "./findings.ts"
import { Probe, type Sent, told } from "./Probe.ts"
import { Scene } from "./Scene.ts"

/** Checks of the two calls about a project, and of the bearer and the owner. */

const decodeProjectId = Schema.decodeUnknownSync(ProjectId)
const decodeUserId = Schema.decodeUnknownSync(UserId)

/** Ids that are nobody's. */
export const unknownProject = decodeProjectId("00000000-0000-4000-8000-0000000000ff")
export const stranger = {
  id: decodeUserId("00000000-0000-4000-8000-0000000000ee"),
  email: "stranger@example.invalid"
}

const missing = ["not_found", "no_access", "rejected", "owner_not_member"]

/** What a project's context lacks, given that it could be read. */
const lacks = ({ labels, members, states }: ProjectContext): ReadonlyArray<Finding> => {
  const lack = (what: string) => without("projectContext", what)
  const defaults = states.filter((state) => state.default).length
  const repeated = (["states", "labels", "members"] as const).filter((kind) => {
    const ids = { states, labels, members }[kind].map(({ id }) => id)
    return new Set(ids).size < ids.length
  })
  return [
    works("projectContext"),
    ...(states.length === 0 ? [lack("states: no card can be moved")] : []),
    ...(defaults === 1 || states.length === 0 ? [] : [lack(`one default state (it has ${defaults})`)]),
    ...(members.some(({ role }) => role != null) ? [] : [lack("roles of members: nobody can be assigned")]),
    ...(members.some(({ email }) => (email ?? "") !== "")
      ? []
      : [lack("e-mail addresses of members: they are named by id or display name only")]),
    ...repeated.map((kind) => lack(`unrepeated ids of ${kind}`))
  ]
}

/** `sent` is the read at the start. */
export const checkContext = Effect.fnUntraced(function* (sent: Sent<ProjectContext>, who: OnBehalf) {
  const { send } = yield* Probe
  const { outcome } = sent
  const unknown = yield* send(Calls.projectContext(who, unknownProject), "an unknown project")
  return [
    ...(outcome._tag === "Done" ? lacks(outcome.value) : failed(sent)),
    ...refusal(unknown, missing, (accepted) => [wrong(accepted, `answers ${told(accepted.outcome)}`)])
  ]
})

export const checkResolve = Effect.fnUntraced(function* (
  who: OnBehalf,
  workspaceSlug: string,
  projectId: ProjectId
) {
  const { send } = yield* Probe
  const on = { workspace_slug: workspaceSlug }
  const byId = yield* send(Calls.resolveProject(who, { ...on, project_id: projectId }), "by id")
  if (byId.outcome._tag !== "Done") return failed(byId)
  const project = byId.outcome.value
  const found: Array<Finding> = [works("resolveProject")]
  const also = [
    { what: "the identifier", query: { identifier: project.identifier } },
    { what: "the name", query: { name: project.name } }
  ]
  for (const { query, what } of also) {
    const sent = yield* send(Calls.resolveProject(who, { ...on, ...query }), `by ${what}`)
    if (sent.outcome._tag === "Done" && sent.outcome.value.id !== project.id) {
      found.push(wrong(sent, "finds another project"))
    } else if (sent.outcome._tag !== "Done") {
      found.push(without("resolveProject", `look-up by ${what} (${told(sent.outcome)})`))
    }
  }
  const unknown = yield* send(
    Calls.resolveProject(who, { ...on, project_id: unknownProject }),
    "an unknown project"
  )
  return [...found, ...refusal(unknown, missing, (sent) => [wrong(sent, "finds a project")])]
})

/** A wrong bearer, and an owner who is no member. */
export const checkAccess = Effect.gen(function* () {
  const { onBehalf, send } = yield* Probe
  const { place, who } = yield* Scene
  const call = Calls.projectContext(who, place.projectId)
  const unauthorised = yield* send(call, "a wrong bearer", { token: "a-wrong-bearer" })
  const bearer = refusal(unauthorised, ["unauthorized", "no_access"], (sent) => [
    wrong(sent, "is answered as if the bearer were right")
  ])
  const outside = onBehalf(stranger)
  const tries = [
    yield* send(Calls.projectContext(outside, place.projectId), "an owner who is no member"),
    yield* send(
      Calls.listIssues(outside, { project_id: place.projectId, limit: 1 }),
      "an owner who is no member"
    )
  ]
  return [...bearer, ...tries.flatMap(asOutsider)]
})

export const asOutsider = (sent: Sent<unknown>): ReadonlyArray<Finding> => {
  const { exchange, outcome } = sent
  const call = `${exchange.method} ${exchange.call}`
  if (outcome._tag === "Refused" && outcome.means === "owner_not_member") return [holds("owner.member")]
  if (outcome._tag === "Done" || outcome._tag === "Exists") {
    return [breaks("owner.member", `${call} is answered for a stranger`)]
  }
  return outcome._tag === "Refused"
    ? [breaks("owner.member", `${call} refuses a stranger otherwise (${told(outcome)})`)]
    : [untried("owner.member", `${call}: ${told(outcome)}`)]
}
