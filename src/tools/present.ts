import { Predicate, Record } from "effect"
import type { Comment, Issue } from "../domain/Issue.ts"
import type { ProjectContext, TaskerIssue } from "../domain/Tasker.ts"
import { withoutSecrets } from "../domain/Token.ts"
import type { CommentWritten } from "../domain/Write.ts"
import type { Naming } from "../text/HtmlTree.ts"
import { htmlToMarkdown } from "../text/Markdown.ts"
import { stripInvisible } from "../text/PlainText.ts"

/** A line of Tasker's, as it may be shown and kept: nothing hidden in it, and no token that somebody pasted there. */
export const plain = (text: string): string => withoutSecrets(stripInvisible(text))

/** All texts in a value, likewise. */
export const plainWithin = (value: unknown): unknown => {
  if (Predicate.isString(value)) return plain(value)
  if (Array.isArray(value)) return value.map(plainWithin)
  return Predicate.isObject(value)
    ? Record.map(value as Readonly<Record<string, unknown>>, plainWithin)
    : value
}

/** HTML of Tasker's as Markdown, likewise. */
export const markdownOf = (html: string | null, naming?: Naming): string =>
  withoutSecrets(htmlToMarkdown(withoutSplitSecrets(html ?? ""), naming))

/** Names for the people whom a text mentions by their ids. */
export const namingOf = ({ members }: Pick<ProjectContext, "members">): Naming => {
  const names = new Map<string, string>(members.map(({ id, display_name }) => [id, plain(display_name)]))
  return { nameOf: (id) => names.get(id) }
}

/** Text without spaces in which tags stand. */
const tagged = /(?<![^<>\s])[^<>\s]+(?:(?:<[^<>]*>)+[^<>\s]+)+/g
const tag = /(<[^<>]*>)/

/**
 * Where a part of a token is bold or linked, or a tag stands close by, Markdown would spell it so that it is
 * no token to the letter, and still one to its reader. Of a token in parts the tags stay, behind it.
 */
const withoutSplitSecrets = (html: string): string =>
  html.replace(tagged, (run) => {
    const parts = run.split(tag).map((part, at) => (at % 2 === 0 ? withoutSecrets(part) : part))
    const text = stripInvisible(parts.filter((_, at) => at % 2 === 0).join(""))
    const shown = withoutSecrets(text)
    return shown === text ? parts.join("") : shown + parts.filter((_, at) => at % 2 === 1).join("")
  })

/** A card without its text, as lists show it. */
export type Summary = Omit<Issue, "description">

/**
 * A card in the words of agents. An id that the project's context does not know (somebody left, a
 * label was deleted) stands for its own name: nothing is dropped.
 */
export const summaryView = (issue: TaskerIssue, context: ProjectContext): Summary => {
  const state = context.states.find(({ id }) => id === issue.state_id)
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
      name: plain(context.labels.find((label) => label.id === id)?.name ?? id)
    })),
    assignees: issue.assignee_ids.map((id) => ({
      id,
      display_name: plain(context.members.find((member) => member.id === id)?.display_name ?? id)
    })),
    start_date: issue.start_date,
    target_date: issue.target_date,
    parent_id: issue.parent_id,
    created_at: issue.created_at,
    updated_at: issue.updated_at,
    url: issue.url
  }
}

export const issueView = (issue: TaskerIssue, context: ProjectContext): Issue => ({
  ...summaryView(issue, context),
  description: markdownOf(issue.description_html, namingOf(context))
})

/** A card where its project's context could not be had: ids stand for names. */
export const bareView = (issue: TaskerIssue): Issue =>
  issueView(issue, {
    project: { id: issue.project_id, name: "", identifier: "", workspace_slug: "" },
    states: [],
    labels: [],
    members: []
  })

export const commentView = (comment: CommentWritten): Comment => ({
  id: comment.id,
  issue_id: comment.issue_id,
  comment: markdownOf(comment.comment_html),
  created_at: comment.created_at
})

/** What a writer is shown of a card that it may not read. */
export const alwaysShown: ReadonlyArray<string> = ["id", "identifier", "updated_at", "url"]

/** What a writer sees of a card that it may not read: which it is, and the fields it wrote itself. */
export const writtenOnly = (issue: Issue, wrote: ReadonlyArray<string>): Partial<Issue> =>
  Object.fromEntries(
    Object.entries(issue).filter(([field]) => alwaysShown.includes(field) || wrote.includes(field))
  )
