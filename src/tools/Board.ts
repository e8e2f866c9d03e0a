import { Effect } from "effect"
import { GrantDenied, InputInvalid, type LimitReached } from "../domain/Failure.ts"
import { folded } from "../domain/folded.ts"
import type { IssueId, ProjectId } from "../domain/Ids.ts"
import type { Issue, Label, Person, State } from "../domain/Issue.ts"
import { invalidInput } from "../domain/inputs.ts"
import type { StandingGrant } from "../domain/Principal.ts"
import type { Scope } from "../domain/Scope.ts"
import type {
  IssuePage,
  IssueQuery,
  ListedComment,
  Page,
  ProjectContext,
  TaskerIssue
} from "../domain/Tasker.ts"
import type { IssueChange } from "../domain/Write.ts"
import type { OnBehalf, TaskerAdapter, TaskerError } from "../services/TaskerAdapter.ts"
import type { AgentTexts, PeopleNames, Texts } from "../services/Texts.ts"
import { issueView, nameAll, namesOf, peopleOf, plain, quoted, type Summary, summaryView } from "./present.ts"
import { countFitting } from "./size.ts"

/**
 * One project as a tool sees it: cards that are proven to lie in it, names turned into ids, ids into
 * names. It is made for one call, after that call was authorised, and asks Tasker on its account.
 */
export interface Board {
  readonly projectId: ProjectId
  readonly may: (scope: Scope) => boolean
  /** A card of this project, read now. Fails with `grant.wrong_project` for any other id. */
  readonly issue: (id: IssueId, field?: string) => Effect.Effect<TaskerIssue, TaskerError>
  /**
   * A card that is to become the parent of `child`. Fails with `input.invalid` if it is the card itself or
   * stands below it, as far as a bounded walk up the parents shows.
   */
  readonly parentOf: (
    child: TaskerIssue,
    parentId: IssueId
  ) => Effect.Effect<TaskerIssue, TaskerError | InputInvalid>
  /** The card with this identifier, such as `OPS-12`; undefined if the project shows none. */
  readonly issueNamed: (identifier: string) => Effect.Effect<TaskerIssue | undefined, TaskerError>
  /** One page of the project's cards, as Tasker lists them: it may have ignored a filter. */
  readonly issues: (query: Omit<IssueQuery, "project_id">) => Effect.Effect<IssuePage, TaskerError>
  /** True if this Tasker was found to ignore filters of a list. */
  readonly ignoresFilters: Effect.Effect<boolean>
  /** Proves that the card is of this project. Returns how its comments are read, page by page. */
  readonly comments: (
    id: IssueId
  ) => Effect.Effect<
    (page: {
      readonly cursor?: string
      readonly limit: number
    }) => Effect.Effect<Page<ListedComment>, TaskerError>,
    TaskerError
  >
  /** The project with its states, labels and members, read now. */
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
  /** Cards with names beside their ids, without their texts. */
  readonly summaries: (
    issues: ReadonlyArray<TaskerIssue>
  ) => Effect.Effect<ReadonlyArray<Summary>, TaskerError>
  /** States, labels and members that name every id on these cards as far as Tasker knows them. */
  readonly contextFor: (issues: ReadonlyArray<TaskerIssue>) => Effect.Effect<ProjectContext, TaskerError>
  /** A card with names beside its ids, without its text. */
  readonly summary: (issue: TaskerIssue) => Effect.Effect<Summary, TaskerError>
  /** A card with names beside its ids, and its text. */
  readonly view: (issue: TaskerIssue) => Effect.Effect<Issue, TaskerError | LimitReached>
  /** Names for those whom the HTML mentions. Without an answer from Tasker they keep their ids. */
  readonly people: (html: ReadonlyArray<string>) => Effect.Effect<PeopleNames>
  /** Conversions of texts on the account of the calling agent. */
  readonly texts: AgentTexts<LimitReached>
  /** A card of this project that is to be changed. `target` is what every change of a card says of it. */
  readonly change: (args: ChangeArguments) => Effect.Effect<Changing, TaskerError>
}

/** What the arguments of every change of a card hold. */
export interface ChangeArguments {
  readonly issue_id: IssueId
}

export interface Changing {
  readonly issue: TaskerIssue
  readonly target: Pick<IssueChange, "project_id" | "issue_id" | "seen_updated_at">
}

/** Below this role Tasker drops an assignee without a word, so the gateway refuses it first. */
const assignableRole = 15

/** Parents above a new parent that are read to find a circle. */
const longestWalk = 10

/** As many choices as help; a refusal is not a directory. */
const shownChoices = 40
const shownName = 80

/** The first of them also stand in the message, for whoever reads only that. */
const toldChoices = 10

export interface BoardServices {
  readonly tasker: TaskerAdapter["Service"]
  readonly texts: Texts["Service"]
}

/** Longest name of Tasker's that is folded to be compared with a reference, which is 255 characters at most. */
const longestFolded = 4096

interface Choice {
  readonly id: string
  readonly names: ReadonlyArray<string>
}

/** Those that a reference may mean: its id, else the exact name, else the name however it is written. */
const matches = <A extends Choice>(choices: ReadonlyArray<A>, reference: string): ReadonlyArray<A> => {
  const byId = choices.filter(({ id }) => id === reference || id === reference.toLowerCase())
  if (byId.length > 0) return byId
  const exact = choices.filter(({ names }) => names.includes(reference))
  if (exact.length > 0) return exact
  const sought = folded(reference)
  // A name that is much longer is another one: no form of a character folds to so many.
  return choices.filter(({ names }) =>
    names.some((name) => name.length <= longestFolded && folded(name) === sought)
  )
}

export const makeBoard = (
  { tasker, texts: allTexts }: BoardServices,
  who: OnBehalf,
  grant: Pick<StandingGrant, "project_id" | "scopes">
): Board => {
  const projectId = grant.project_id
  const texts = allTexts.of(who.agent.id)
  const may = (scope: Scope) => grant.scopes.includes(scope)
  const recent = tasker.recentContext(who, projectId)
  const context = tasker.projectContext(who, projectId)

  const refuse = Effect.fnUntraced(function* (
    field: string,
    reference: string,
    choices: ReadonlyArray<Choice>,
    found: ReadonlyArray<Choice>
  ) {
    const some = (found.length > 0 ? found : choices).slice(0, shownChoices).map(({ id, names }) => ({
      id,
      name: [...plain(names[0] ?? id)].slice(0, shownName).join("")
    }))
    const shown = some.slice(
      0,
      yield* countFitting(texts, some, (few) => [few, few.slice(0, toldChoices), reference])
    )
    const what =
      found.length > 0
        ? `${field} ${quoted(reference)} means ${found.length} in this project: name one by its id`
        : field === "assignee"
          ? `Nobody who could be assigned in this project is ${quoted(reference)}`
          : `${field} ${quoted(reference)} is not one of this project's`
    const hint = may("project:read")
      ? `. Choices: ${
          shown
            .slice(0, toldChoices)
            .map(({ name }) => quoted(name))
            .join(", ") || "none"
        }`
      : ""
    return yield* new InputInvalid({
      reason: "unknown_reference",
      message: `${what}${hint}. Nothing was changed.`,
      details: { field, ...(may("project:read") ? { choices: shown } : {}) }
    })
  })

  /** Looks in what is at hand first, and once more in what Tasker says now before it refuses. */
  const resolve = <A extends Choice>(
    field: string,
    reference: string,
    choicesOf: (context: ProjectContext) => ReadonlyArray<A>
  ): Effect.Effect<A, TaskerError | InputInvalid> =>
    Effect.gen(function* () {
      const known = matches(choicesOf(yield* recent), reference)
      if (known.length === 1 && known[0] !== undefined) return known[0]
      const choices = choicesOf(yield* context)
      const found = matches(choices, reference)
      if (found.length === 1 && found[0] !== undefined) return found[0]
      return yield* refuse(field, reference, choices, found)
    })

  const named = <A extends { readonly id: string; readonly name: string }>(item: A) => ({
    ...item,
    names: [item.name]
  })
  const choosable = (of: ProjectContext) =>
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
      resolve("assignee", reference, choosable),
      ({ id, display_name }): Person => ({ id, display_name })
    )
  const assignee = (reference: string) =>
    Effect.map(
      resolve("assignee", reference, (of) =>
        choosable(of).filter(({ role }) => (role ?? 0) >= assignableRole)
      ),
      ({ id, display_name }): Person => ({ id, display_name })
    )

  const distinct = <A extends { readonly id: string }>(items: ReadonlyArray<A>): ReadonlyArray<A> => [
    ...new Map(items.map((item) => [item.id, item])).values()
  ]

  const issues = (query: Omit<IssueQuery, "project_id">) =>
    tasker.listIssues(who, { ...query, project_id: projectId })

  const issue = Effect.fnUntraced(function* (id: IssueId, field = "issue_id") {
    const found = yield* tasker.issue(who, { project_id: projectId, issue_id: id })
    if (found !== undefined) return found
    return yield* new GrantDenied({
      reason: "wrong_project",
      message: `Tasker shows no card ${id} (${field}) in project ${projectId}: it may be archived, deleted, unknown or of another project. Nothing was changed.`,
      details: { field, issue_id: id, project_id: projectId }
    })
  })

  const parentOf = Effect.fnUntraced(function* (child: TaskerIssue, parentId: IssueId) {
    if (parentId === child.id) return yield* invalidInput("parent_id", "A card can't be its own parent.")
    const parent = yield* issue(parentId, "parent_id")
    let above: TaskerIssue | undefined = parent
    for (let steps = 0; above?.parent_id != null && steps < longestWalk; steps++) {
      if (above.parent_id === child.id) {
        return yield* invalidInput(
          "parent_id",
          `Card ${quoted(parent.identifier)} stands below this card, so it can't become its parent.`
        )
      }
      above = yield* tasker.issue(who, { project_id: projectId, issue_id: above.parent_id })
    }
    return parent
  })

  const issueNamed = (identifier: string) => tasker.issue(who, { project_id: projectId, identifier })

  const comments = (id: IssueId) =>
    Effect.as(issue(id), (page: { readonly cursor?: string; readonly limit: number }) =>
      tasker.listComments(who, { project_id: projectId, issue_id: id, ...page })
    )

  const contextFor = Effect.fnUntraced(function* (shown: ReadonlyArray<TaskerIssue>) {
    const known = yield* recent
    const names = namesOf(known)
    return shown.every((card) => nameAll(names, card)) ? known : yield* context
  })

  const summaries = (shown: ReadonlyArray<TaskerIssue>) =>
    Effect.map(contextFor(shown), (context) => {
      const names = namesOf(context)
      return shown.map((card) => summaryView(card, names))
    })

  const summary = (shown: TaskerIssue) =>
    Effect.map(contextFor([shown]), (context) => summaryView(shown, namesOf(context)))

  const view = (shown: TaskerIssue) =>
    Effect.flatMap(contextFor([shown]), (names) => issueView(shown, names, texts))

  const people = (html: ReadonlyArray<string>): Effect.Effect<PeopleNames> =>
    html.some((text) => text.includes("mention"))
      ? recent.pipe(
          Effect.map(peopleOf),
          Effect.orElseSucceed(() => nobody)
        )
      : Effect.succeed(nobody)

  const change = Effect.fnUntraced(function* (args: ChangeArguments) {
    const seen = yield* issue(args.issue_id)
    return {
      issue: seen,
      target: { project_id: projectId, issue_id: seen.id, seen_updated_at: seen.updated_at }
    }
  })

  return {
    projectId,
    may,
    issue,
    parentOf,
    issueNamed,
    issues,
    ignoresFilters: Effect.map(tasker.capabilities, ({ filters }) => filters === "no"),
    comments,
    context,
    state,
    label,
    member,
    labels: (references) => Effect.map(Effect.forEach(references, label), distinct),
    assignees: (references) => Effect.map(Effect.forEach(references, assignee), distinct),
    summaries,
    contextFor,
    summary,
    view,
    people,
    texts,
    change
  }
}

const nobody: PeopleNames = new Map()

/**
 * For a change of which nothing has to be asked beforehand: it is planned before the call is
 * authenticated, which its reservation does. Asking all the same is a defect.
 */
export const unaskedBoard = (projectId: ProjectId, texts: AgentTexts<LimitReached>): Board => {
  const asked = Effect.die(new Error("A tool asked Tasker for a change that it said needs no asking"))
  return {
    projectId,
    may: () => false,
    issue: () => asked,
    parentOf: () => asked,
    issueNamed: () => asked,
    issues: () => asked,
    ignoresFilters: asked,
    comments: () => asked,
    context: asked,
    state: () => asked,
    label: () => asked,
    member: () => asked,
    labels: (references) => (references.length === 0 ? Effect.succeed([]) : asked),
    assignees: (references) => (references.length === 0 ? Effect.succeed([]) : asked),
    summaries: () => asked,
    contextFor: () => asked,
    summary: () => asked,
    view: () => asked,
    people: () => asked,
    texts,
    change: () => asked
  }
}
