import { Effect } from "effect"
import type { TaskerIssue } from "../../domain/Tasker.ts"
import * as Calls from "../../layers/tasker/taskerCalls.ts"
import { checkAssignees, checkLabels, checkMove, checkUpdate } from "./changes.ts"
import { checkComments } from "./comments.ts"
import { checkComment, checkCreate } from "./creates.ts"
import { type Finding, untried } from "./findings.ts"
import { checkLists } from "./lists.ts"
import { findOwner } from "./owner.ts"
import type { Owner, Place } from "./Place.ts"
import { Probe } from "./Probe.ts"
import { checkFields, checkLate, checkLost, checkRaces, checkStill } from "./races.ts"
import { checkAccess, checkContext, checkResolve } from "./reads.ts"
import { checkRefusals } from "./refusals.ts"
import * as SceneModule from "./Scene.ts"
import { type MadeCard, Scene } from "./Scene.ts"

export interface Checked {
  readonly owner: Owner
  /** Undefined if the project could not be read. */
  readonly project: { readonly identifier: string; readonly name: string } | undefined
  readonly findings: ReadonlyArray<Finding>
  readonly made: ReadonlyArray<MadeCard>
}

/** Checks a Tasker. Reads only, unless `write`. Fails if there is nothing that could be checked. */
export const check = Effect.fnUntraced(function* (place: Place, write: boolean) {
  const { onBehalf } = yield* Probe
  const { context, owner, sent } = yield* findOwner(place)
  const who = onBehalf(owner)
  const findings = [
    ...(yield* checkResolve(who, place.workspaceSlug, place.projectId)),
    ...(yield* checkContext(sent, who))
  ]
  if (context === undefined) {
    // The rest depends on the context. The lists are read all the same: they tell whether anything answers.
    const scene = yield* SceneModule.make(place, noContext(place), owner)
    const lists = yield* Effect.provideService(checkLists, Scene, scene)
    return {
      owner,
      project: undefined,
      findings: [...findings, ...lists],
      made: []
    } satisfies Checked as Checked
  }
  const scene = yield* SceneModule.make(place, context, owner)
  const rest = Effect.gen(function* () {
    const access = yield* checkAccess
    const written = write ? yield* checkWrites : []
    const lists = yield* checkLists
    const comments = yield* newest
    return [...access, ...written, ...lists, ...comments]
  })
  const more = yield* Effect.provideService(rest, Scene, scene)
  return {
    owner,
    project: context.project,
    findings: [...findings, ...more],
    made: yield* scene.made
  } satisfies Checked as Checked
})

const noContext = ({ projectId, workspaceSlug }: Place) => ({
  project: { id: projectId, name: "", identifier: "", workspace_slug: workspaceSlug },
  states: [],
  labels: [],
  members: []
})

const newest = Effect.gen(function* () {
  const { place, who } = yield* Scene
  const { send } = yield* Probe
  const { outcome } = yield* send(
    Calls.listIssues(who, { project_id: place.projectId, limit: 1 }),
    "the newest card"
  )
  const card: TaskerIssue | undefined = outcome._tag === "Done" ? outcome.value.results[0] : undefined
  return card === undefined
    ? [untried("comments.listed", "the project has no card; run with --write")]
    : yield* checkComments(card)
})

const checkWrites = Effect.gen(function* () {
  const created = yield* checkCreate
  const { card, write } = created
  if (card === undefined) return created.findings
  const findings: Array<Finding> = [...created.findings, ...(yield* checkComment(card))]
  const updated = yield* checkUpdate(card)
  const moved = yield* checkMove(updated.card)
  const labelled = yield* checkLabels(moved.card)
  const assigned = yield* checkAssignees(labelled.card)
  findings.push(...updated.findings, ...moved.findings, ...labelled.findings, ...assigned.findings)
  findings.push(...(yield* checkStill("F, left alone")))
  findings.push(...(yield* checkFields(assigned.card)))
  findings.push(...(yield* checkRaces(card)))
  findings.push(...(yield* checkRefusals(card)))
  findings.push(...(yield* checkLost(findings)))
  findings.push(...(yield* checkLate(card, write)))
  return findings
})
