import { Effect, Predicate } from "effect"
import type { Change, ChangedFields } from "../domain/Change.ts"
import type { Warning } from "../domain/Issue.ts"
import type { ProjectContext, TaskerIssue } from "../domain/Tasker.ts"
import type { IssueWrite } from "../domain/Write.ts"
import type { AgentTexts } from "../services/Texts.ts"
import { plain } from "../tools/present.ts"
import { unmet } from "./unmet.ts"

/** The words of an answer's `warnings`: where the card does not stand as the write asked. */

interface Known {
  /** The touched fields as they stood before, with names. */
  readonly before: Change["before"]
  readonly context: ProjectContext | undefined
  /** True if the card was found, not answered. */
  readonly found: boolean
}

export const warningsOf = <E>(
  write: IssueWrite,
  issue: TaskerIssue,
  known: Known,
  texts: AgentTexts<E>
): Effect.Effect<ReadonlyArray<Warning>, E> =>
  Effect.map(unmet(write, issue, texts), (missing) =>
    missing.map((warning) => told(warning, write, issue, known))
  )

const told = ({ field, message }: Warning, write: IssueWrite, issue: TaskerIssue, known: Known): Warning => {
  switch (field) {
    case "assignees":
      return {
        field,
        message: setMessage(write, issue.assignee_ids, assigneesOf(write), peopleIn(known), known, "assigned")
      }
    case "labels":
      return {
        field,
        message: setMessage(write, issue.label_ids, labelsOf(write), labelsIn(known), known, "labelled")
      }
    default:
      return { field, message: known.found ? `${message} ${since}` : message }
  }
}

const since = "It may have been changed since this write was made."

const assigneesOf = (write: IssueWrite): ReadonlyArray<string> =>
  "assignee_ids" in write ? write.assignee_ids : []
const labelsOf = (write: IssueWrite): ReadonlyArray<string> => ("label_ids" in write ? write.label_ids : [])

/** Names by id, of the project's context and of what stood before. */
type Names = ReadonlyMap<string, string>

const peopleIn = ({ before, context }: Known): Names =>
  new Map([
    ...standing(before, "assignees", "display_name"),
    ...(context?.members ?? []).map(({ display_name, id }) => [id, display_name] as const)
  ])

const labelsIn = ({ before, context }: Known): Names =>
  new Map([
    ...standing(before, "labels", "name"),
    ...(context?.labels ?? []).map(({ id, name }) => [id, name] as const)
  ])

const standing = (
  before: Change["before"],
  field: string,
  nameField: string
): ReadonlyArray<readonly [string, string]> => {
  const items = before?.[field]
  return Array.isArray(items)
    ? items.flatMap((item: unknown) =>
        Predicate.isObject(item) && "id" in item && nameField in item
          ? [[String(item.id), String((item as ChangedFields)[nameField])] as const]
          : []
      )
    : []
}

/** States first what stands now, then what stood before: a set that Tasker cut may have lost what was there. */
const setMessage = (
  write: IssueWrite,
  stands: ReadonlyArray<string>,
  asked: ReadonlyArray<string>,
  names: Names,
  { before, found }: Known,
  done: "assigned" | "labelled"
): string => {
  const named = (ids: ReadonlyArray<string>) =>
    ids.length === 0 ? "nobody" : ids.map((id) => JSON.stringify(plain(names.get(id) ?? id))).join(", ")
  const none = (text: string) => (done === "labelled" ? text.replace("nobody", "no label") : text)
  const extra = stands.filter((id) => !asked.includes(id))
  if (write._tag === "CreateIssue" && asked.length === 0 && done === "assigned") {
    return `Tasker assigned ${named(extra)}, the project's default assignee.${found ? ` ${since}` : ""}`
  }
  const missing = asked.filter((id) => !stands.includes(id))
  const earlier = standing(
    before,
    done === "assigned" ? "assignees" : "labels",
    done === "assigned" ? "display_name" : "name"
  )
  return [
    none(`Now ${done}: ${named(stands)}.`),
    ...(write._tag === "CreateIssue" ? [] : [none(`Before: ${named(earlier.map(([id]) => id))}.`)]),
    ...(missing.length === 0 ? [] : [`Tasker did not set ${named(missing)}.`]),
    ...(extra.length === 0 ? [] : [`Tasker kept ${named(extra)}, which this call did not ask for.`]),
    ...(found ? [since] : [])
  ].join(" ")
}
