import { folded } from "./folded.ts"
import { compareInstants } from "./Instant.ts"
import type { IssueFilters, TaskerIssue } from "./Tasker.ts"

/** The filters of a list of cards, as the gateway checks them: a Tasker may ignore one. */

type FilterName = keyof IssueFilters

/** Longest description that is searched. */
const searchedLength = 200_000

const holds: { readonly [F in FilterName]: (issue: TaskerIssue, value: string) => boolean } = {
  state_id: (issue, id) => issue.state_id === id,
  label_id: (issue, id) => issue.label_ids.includes(id),
  assignee_id: (issue, id) => issue.assignee_ids.includes(id),
  priority: (issue, priority) => issue.priority === priority,
  search: ({ description_html, identifier, name }, text) => {
    const sought = folded(text)
    return (
      folded(name).includes(sought) ||
      folded(identifier).includes(sought) ||
      (description_html !== null && folded(textOf(description_html)).includes(sought))
    )
  },
  updated_after: (issue, instant) => compareInstants(issue.updated_at, instant) > 0
}

/** The filters that a card fails. */
export const failedFilters = (issue: TaskerIssue, filters: IssueFilters): ReadonlyArray<FilterName> =>
  filterNames(filters).filter((name) => !holds[name](issue, filters[name] ?? ""))

export const passesFilters = (issue: TaskerIssue, filters: IssueFilters): boolean =>
  failedFilters(issue, filters).length === 0

/** The filters that are set. */
export const filterNames = (filters: IssueFilters): ReadonlyArray<FilterName> =>
  (Object.keys(holds) as ReadonlyArray<FilterName>).filter((name) => filters[name] !== undefined)

const references: Readonly<Record<string, string>> = {
  "&amp;": "&",
  "&lt;": "<",
  "&gt;": ">",
  "&quot;": '"',
  "&#39;": "'",
  "&#x27;": "'",
  "&nbsp;": " "
}

/** The text between the tags, in time linear to the length whatever the HTML is. */
const textOf = (html: string): string => {
  const parts: Array<string> = []
  const source = html.slice(0, searchedLength)
  for (let at = 0; at < source.length; ) {
    const open = source.indexOf("<", at)
    const close = open < 0 ? -1 : source.indexOf(">", open)
    parts.push(source.slice(at, close < 0 ? source.length : open))
    at = close < 0 ? source.length : close + 1
  }
  return parts
    .join("")
    .replace(/&(?:amp|lt|gt|quot|nbsp|#39|#x27);/g, (reference) => references[reference] ?? reference)
}
