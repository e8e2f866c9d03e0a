import { Effect, Predicate, Record } from "effect"
import type { Comment, Issue } from "../domain/Issue.ts"
import type { ProjectContext, TaskerIssue } from "../domain/Tasker.ts"
import { withoutSecrets } from "../domain/Token.ts"
import type { CommentWritten } from "../domain/Write.ts"
import type { AgentTexts, PeopleNames } from "../services/Texts.ts"
import { stripInvisible } from "../text/PlainText.ts"

/** A line of Tasker's, as it may be shown and kept: nothing hidden in it, and no token that somebody pasted there. */
export const plain = (text: string): string => withoutSecrets(stripInvisible(text))

/** A name of Tasker's within a message: quoted as JSON, so that it can't be read as a part of what is said. */
export const quoted = (name: string): string => JSON.stringify(plain(name))

/** All texts in a value, likewise. */
export const plainWithin = (value: unknown): unknown => {
  if (Predicate.isString(value)) return plain(value)
  if (Array.isArray(value)) return value.map(plainWithin)
  return Predicate.isObject(value)
    ? Record.map(value as Readonly<Record<string, unknown>>, plainWithin)
    : value
}

/** The people of a project, for texts that mention them by their ids. */
export const peopleOf = ({ members }: Pick<ProjectContext, "members">): PeopleNames =>
  new Map<string, string>(members.map(({ id, display_name }) => [id, plain(display_name)]))

/** A card without its text, as lists show it. */
export type Summary = Omit<Issue, "description" | "plain_text">

/** A project's names by their ids: cards in a list are many, and so are the names. */
export interface Names {
  readonly states: ReadonlyMap<string, ProjectContext["states"][number]>
  readonly labels: ReadonlyMap<string, string>
  readonly members: ReadonlyMap<string, string>
}

export const namesOf = ({ labels, members, states }: ProjectContext): Names => ({
  states: new Map(states.map((state) => [state.id, state])),
  labels: new Map(labels.map(({ id, name }) => [id, name])),
  members: new Map(members.map(({ display_name, id }) => [id, display_name]))
})

/** True if there is a name for every id that a card holds. */
export const nameAll = (names: Names, card: TaskerIssue): boolean =>
  names.states.has(card.state_id) &&
  card.label_ids.every((id) => names.labels.has(id)) &&
  card.assignee_ids.every((id) => names.members.has(id))

/**
 * A card in the words of agents. An id that the project's context does not know (somebody left, a
 * label was deleted) stands for its own name: nothing is dropped.
 */
export const summaryView = (issue: TaskerIssue, names: Names): Summary => {
  const state = names.states.get(issue.state_id)
  return {
    id: issue.id,
    identifier: issue.identifier,
    project_id: issue.project_id,
    name: plain(issue.name),
    priority: issue.priority,
    state: {
      id: issue.state_id,
      name: plain(state?.name ?? issue.state_id),
      group: state?.group ?? "unknown"
    },
    labels: issue.label_ids.map((id) => ({
      id,
      name: plain(names.labels.get(id) ?? id)
    })),
    assignees: issue.assignee_ids.map((id) => ({
      id,
      display_name: plain(names.members.get(id) ?? id)
    })),
    start_date: issue.start_date,
    target_date: issue.target_date,
    parent_id: issue.parent_id,
    created_at: issue.created_at,
    updated_at: issue.updated_at,
    url: issue.url
  }
}

/** A card with its text. */
export const issueView = Effect.fnUntraced(function* <E>(
  issue: TaskerIssue,
  context: ProjectContext,
  texts: AgentTexts<E>
): Effect.fn.Return<Issue, E> {
  const { markdown, plain } = yield* texts.read(issue.description_html, peopleOf(context))
  return { ...summaryView(issue, namesOf(context)), description: markdown, ...plainMark(plain) }
})

/** Marks a text that took too long to be converted. */
export const plainMark = (plain: boolean): { readonly plain_text?: true } =>
  plain ? { plain_text: true } : {}

/** A card where its project's context could not be had: ids stand for names. */
export const bareView = <E>(issue: TaskerIssue, texts: AgentTexts<E>): Effect.Effect<Issue, E> =>
  issueView(
    issue,
    {
      project: { id: issue.project_id, name: "", identifier: "", workspace_slug: "" },
      states: [],
      labels: [],
      members: []
    },
    texts
  )

export const commentView = <E>(comment: CommentWritten, texts: AgentTexts<E>): Effect.Effect<Comment, E> =>
  Effect.map(texts.read(comment.comment_html), ({ markdown, plain }) => ({
    id: comment.id,
    issue_id: comment.issue_id,
    comment: markdown,
    ...plainMark(plain),
    created_at: comment.created_at
  }))

/** What a writer is shown of a card that it may not read. */
export const alwaysShown: ReadonlyArray<string> = ["id", "identifier", "updated_at", "url"]

/** What a writer sees of a card that it may not read: which it is, and the fields it wrote itself. */
export const writtenOnly = (issue: Issue, wrote: ReadonlyArray<string>): Partial<Issue> =>
  Object.fromEntries(
    Object.entries(issue).filter(
      ([field]) =>
        alwaysShown.includes(field) || wrote.includes(field === "plain_text" ? "description" : field)
    )
  )
