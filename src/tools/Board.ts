import { Effect } from "effect"
import { GrantDenied, InputInvalid, TaskerFailure } from "../domain/Failure.ts"
import type { IssueId, ProjectId } from "../domain/Ids.ts"
import type { Issue, Label, Person, State } from "../domain/Issue.ts"
import { stripInvisible } from "../domain/PlainText.ts"
import type { StandingGrant } from "../domain/Principal.ts"
import type { Scope } from "../domain/Scope.ts"
import type { ProjectContext, TaskerIssue } from "../domain/Tasker.ts"
import type { OnBehalf, TaskerAdapter, TaskerError } from "../services/TaskerAdapter.ts"
import { issueView } from "./present.ts"
import { showIssue } from "./show.ts"

/**
 * One project as a tool sees it: cards that are proven to lie in it, names turned into ids, ids into
 * names. It is made for one call, after that call was authorised, and asks Tasker on its account.
 */
export interface Board {
  readonly projectId: ProjectId
  readonly who: OnBehalf
  readonly tasker: TaskerAdapter["Service"]
  readonly may: (scope: Scope) => boolean
  /** A card of this project, read now. Fails with `grant.wrong_project` for any other id. */
  readonly issue: (id: IssueId, field?: string) => Effect.Effect<TaskerIssue, TaskerError>
  /** The project's states, labels and members, perhaps some seconds old. */
  readonly context: Effect.Effect<ProjectContext, TaskerError>
  readonly state: (reference: string) => Effect.Effect<State, TaskerError | InputInvalid>
  readonly label: (reference: string) => Effect.Effect<Label, TaskerError | InputInvalid>
  readonly labels: (
    references: ReadonlyArray<string>
  ) => Effect.Effect<ReadonlyArray<Label>, TaskerError | InputInvalid>
  /** Anyone in the project, by id, e-mail or display name. */
  readonly member: (reference: string) => Effect.Effect<Person, TaskerError | InputInvalid>
  /** The same, of those whom Tasker lets be assigned. */
  readonly assignees: (
    references: ReadonlyArray<string>
  ) => Effect.Effect<ReadonlyArray<Person>, TaskerError | InputInvalid>
  /** Cards with names beside their ids. */
  readonly views: (issues: ReadonlyArray<TaskerIssue>) => Effect.Effect<ReadonlyArray<Issue>, TaskerError>
  readonly view: (issue: TaskerIssue) => Effect.Effect<Issue, TaskerError>
  /** Refuses a change to a card that is no longer as the caller saw it. */
  readonly unchanged: (issue: TaskerIssue, expected: string | undefined) => Effect.Effect<void, TaskerError>
}

/** Below this role Tasker drops an assignee without a word, so the gateway refuses it first. */
const assignableRole = 15

/** As many choices as help; a refusal is not a directory. */
const shownChoices = 50
const shownName = 80

interface Choice {
  readonly id: string
  readonly names: ReadonlyArray<string>
}

/** Names are compared as people read them: case and Unicode form do not tell two apart. */
const folded = (name: string): string => name.normalize("NFKC").trim().toLocaleLowerCase("und")

/** Those that a reference may mean: its id, else the exact name, else the name however it is written. */
const matches = <A extends Choice>(choices: ReadonlyArray<A>, reference: string): ReadonlyArray<A> => {
  const byId = choices.filter(({ id }) => id === reference || id === reference.toLowerCase())
  if (byId.length > 0) return byId
  const exact = choices.filter(({ names }) => names.includes(reference))
  return exact.length > 0
    ? exact
    : choices.filter(({ names }) => names.some((name) => folded(name) === folded(reference)))
}

export const makeBoard = (tasker: TaskerAdapter["Service"], who: OnBehalf, grant: StandingGrant): Board => {
  const projectId = grant.project_id
  const may = (scope: Scope) => grant.scopes.includes(scope)
  const context = tasker.recentContext(who, projectId)

  const refuse = (
    field: string,
    reference: string,
    choices: ReadonlyArray<Choice>,
    found: ReadonlyArray<Choice>
  ) => {
    const shown = (found.length > 0 ? found : choices).slice(0, shownChoices).map(({ id, names }) => ({
      id,
      name: stripInvisible(names[0] ?? id).slice(0, shownName)
    }))
    const what =
      found.length > 0
        ? `${field} "${reference}" means ${found.length} in this project: name one by its id`
        : field === "assignee"
          ? `Nobody who could be assigned in this project is "${reference}"`
          : `${field} "${reference}" is not one of this project's`
    const hint = may("project:read") ? `. Choices: ${shown.map(({ name }) => name).join(", ") || "none"}` : ""
    return new InputInvalid({
      reason: "unknown_reference",
      message: `${what}${hint}. Nothing was changed.`,
      details: { field, ...(may("project:read") ? { choices: shown } : {}) }
    })
  }

  /** Looks in what is at hand first, and once more in what Tasker says now before it refuses. */
  const resolve = <A extends Choice>(
    field: string,
    reference: string,
    choicesOf: (context: ProjectContext) => ReadonlyArray<A>
  ): Effect.Effect<A, TaskerError | InputInvalid> =>
    Effect.gen(function* () {
      const known = matches(choicesOf(yield* context), reference)
      if (known.length === 1 && known[0] !== undefined) return known[0]
      const choices = choicesOf(yield* tasker.projectContext(who, projectId))
      const found = matches(choices, reference)
      if (found.length === 1 && found[0] !== undefined) return found[0]
      return yield* refuse(field, reference, choices, found)
    })

  const named = <A extends { readonly id: string; readonly name: string }>(item: A) => ({
    ...item,
    names: [item.name]
  })
  const people = (of: ProjectContext) =>
    of.members.map((member) => ({
      ...member,
      names: [member.display_name, ...(member.email == null ? [] : [member.email])]
    }))

  const state = (reference: string) =>
    Effect.map(
      resolve("state", reference, (of) => of.states.map(named)),
      ({ id, name, group }): State => ({ id, name, group })
    )
  const label = (reference: string) =>
    Effect.map(
      resolve("label", reference, (of) => of.labels.map(named)),
      ({ id, name }): Label => ({ id, name })
    )
  const member = (reference: string) =>
    Effect.map(
      resolve("assignee", reference, people),
      ({ id, display_name }): Person => ({ id, display_name })
    )
  const assignee = (reference: string) =>
    Effect.map(
      resolve("assignee", reference, (of) => people(of).filter(({ role }) => role >= assignableRole)),
      ({ id, display_name }): Person => ({ id, display_name })
    )

  const distinct = <A extends { readonly id: string }>(items: ReadonlyArray<A>): ReadonlyArray<A> => [
    ...new Map(items.map((item) => [item.id, item])).values()
  ]

  const issue = (id: IssueId, field = "issue_id") =>
    Effect.gen(function* () {
      const page = yield* tasker.listIssues(who, { project_id: projectId, issue_id: id, limit: 1 })
      const found = page.results.find((candidate) => candidate.id === id)
      if (found === undefined || found.project_id !== projectId) {
        return yield* new GrantDenied({
          reason: "wrong_project",
          message: `${field} ${id} is not an issue of project ${projectId}: it does not exist there or belongs to another project. Nothing was changed.`,
          details: { field, issue_id: id, project_id: projectId }
        })
      }
      return found
    })

  const views = (issues: ReadonlyArray<TaskerIssue>) =>
    Effect.gen(function* () {
      const recent = yield* context
      const known = issues.every(
        (shown) =>
          recent.states.some(({ id }) => id === shown.state_id) &&
          shown.label_ids.every((labelId) => recent.labels.some(({ id }) => id === labelId)) &&
          shown.assignee_ids.every((person) => recent.members.some(({ id }) => id === person))
      )
      const names = known ? recent : yield* tasker.projectContext(who, projectId)
      return issues.map((shown) => issueView(shown, names))
    })
  const view = (shown: TaskerIssue) => Effect.map(views([shown]), ([only]) => only as Issue)

  const unchanged = Effect.fnUntraced(function* (seen: TaskerIssue, expected: string | undefined) {
    if (expected === undefined || expected === seen.updated_at) return
    return yield* new TaskerFailure({
      reason: "conflict",
      message: `${seen.identifier} was changed since: its updated_at is ${seen.updated_at}, not ${expected}. Nothing was changed. Read it again and decide anew, with a new idempotency_key if the change is another.`,
      details: {
        issue_id: seen.id,
        updated_at: seen.updated_at,
        ...(may("issue:read") ? yield* showIssue(yield* view(seen), {}) : {})
      }
    })
  })

  return {
    projectId,
    who,
    tasker,
    may,
    context,
    issue,
    state,
    label,
    member,
    labels: (references) => Effect.map(Effect.forEach(references, label), distinct),
    assignees: (references) => Effect.map(Effect.forEach(references, assignee), distinct),
    views,
    view,
    unchanged
  }
}

/**
 * For a change of which nothing has to be asked beforehand: it is planned before the call is
 * authenticated, which its reservation does. Asking all the same is a defect.
 */
export const unaskedBoard = (projectId: ProjectId): Board => {
  const asked = Effect.die(new Error("A tool asked Tasker for a change that it said needs no asking"))
  return {
    projectId,
    may: () => false,
    who: undefined as never,
    tasker: undefined as never,
    context: asked,
    issue: () => asked,
    state: () => asked,
    label: () => asked,
    member: () => asked,
    labels: (references) => (references.length === 0 ? Effect.succeed([]) : asked),
    assignees: (references) => (references.length === 0 ? Effect.succeed([]) : asked),
    views: () => asked,
    view: () => asked,
    unchanged: () => asked
  }
}
