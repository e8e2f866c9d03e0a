import { Effect } from "effect"
import type { Warning } from "../domain/Issue.ts"
import type { TaskerIssue } from "../domain/Tasker.ts"
import type { IssueWrite } from "../domain/Write.ts"
import type { AgentTexts } from "../services/Texts.ts"
import { sameName } from "../text/sameText.ts"

/** A field of a card as a change demands it. */
interface Demand {
  readonly field: string
  readonly met: boolean
  readonly message: string
}

const sameSet = (asked: ReadonlyArray<string>, stands: ReadonlyArray<string>): boolean =>
  asked.length === stands.length && asked.every((id) => stands.includes(id))

const demand = (field: string, met: boolean, message: string): Demand => ({ field, met, message })

const demandsOf = (write: IssueWrite, issue: TaskerIssue, sameText: boolean): ReadonlyArray<Demand> => {
  switch (write._tag) {
    case "CreateIssue":
      return [
        ...fieldDemands(write, issue, sameText),
        ...(write.state_id === null ? [] : [stateDemand(write.state_id, issue)]),
        labelDemand(write.label_ids, issue),
        assigneeDemand(write.assignee_ids, issue)
      ]
    case "UpdateIssue":
      return fieldDemands(write.fields, issue, sameText)
    case "MoveIssue":
      return [stateDemand(write.state_id, issue)]
    case "SetLabels":
      return [labelDemand(write.label_ids, issue)]
    case "SetAssignees":
      return [assigneeDemand(write.assignee_ids, issue)]
  }
}

const fieldDemands = (
  fields: Partial<Pick<TaskerIssue, "name" | "priority" | "start_date" | "target_date" | "parent_id">> & {
    readonly description_html?: string
  },
  issue: TaskerIssue,
  sameText: boolean
): ReadonlyArray<Demand> => {
  const plain = (["priority", "start_date", "target_date", "parent_id"] as const)
    .filter((field) => fields[field] !== undefined)
    .map((field) =>
      demand(
        field,
        fields[field] === issue[field],
        `Tasker did not take it: it stands at ${issue[field] ?? "none"}.`
      )
    )
  return [
    ...(fields.name === undefined
      ? []
      : [demand("name", sameName(fields.name, issue.name), "Tasker changed it.")]),
    ...(fields.description_html === undefined
      ? []
      : [demand("description", sameText, "Tasker changed the text.")]),
    ...plain
  ]
}

const stateDemand = (id: string, issue: TaskerIssue): Demand =>
  demand("state", issue.state_id === id, "Tasker did not move the card to this state.")

const missing = (asked: ReadonlyArray<string>, stands: ReadonlyArray<string>): string => {
  const absent = asked.filter((id) => !stands.includes(id))
  const extra = stands.filter((id) => !asked.includes(id))
  return [
    ...(absent.length > 0 ? [`Tasker did not set ${absent.join(", ")}.`] : []),
    ...(extra.length > 0 ? [`Tasker kept ${extra.join(", ")}.`] : [])
  ].join(" ")
}

const labelDemand = (ids: ReadonlyArray<string>, issue: TaskerIssue): Demand =>
  demand("labels", sameSet(ids, issue.label_ids), missing(ids, issue.label_ids))

const assigneeDemand = (ids: ReadonlyArray<string>, issue: TaskerIssue): Demand =>
  demand("assignees", sameSet(ids, issue.assignee_ids), missing(ids, issue.assignee_ids))

/** Where a card does not hold what a change asks: what an answer warns of. */
export const unmet = <E>(
  write: IssueWrite,
  issue: TaskerIssue,
  texts: AgentTexts<E>
): Effect.Effect<ReadonlyArray<Warning>, E> =>
  Effect.map(holdsText(write, issue, texts), (sameText) =>
    demandsOf(write, issue, sameText)
      .filter(({ met }) => !met)
      .map(({ field, message }) => ({ field, message }))
  )

/** True if the card has the text that a change asks for, or if the change asks for none. */
const holdsText = <E>(
  write: IssueWrite,
  issue: TaskerIssue,
  texts: AgentTexts<E>
): Effect.Effect<boolean, E> => {
  const fields = write._tag === "UpdateIssue" ? write.fields : write
  return "description_html" in fields && fields.description_html !== undefined
    ? texts.same(fields.description_html, issue.description_html)
    : Effect.succeed(true)
}

/** True if a card holds all that a change asks: what lets a change in doubt count as done. */
export const holds = <E>(
  write: IssueWrite,
  issue: TaskerIssue,
  texts: AgentTexts<E>
): Effect.Effect<boolean, E> => Effect.map(unmet(write, issue, texts), (missing) => missing.length === 0)

/** Where a comment is not, to the letter, as it was asked for. */
export const unmetComment = <E>(
  asked: string,
  stands: string,
  found: boolean,
  texts: AgentTexts<E>
): Effect.Effect<ReadonlyArray<Warning>, E> =>
  Effect.map(texts.same(asked, stands), (same) =>
    same
      ? []
      : [
          {
            field: "comment",
            message: found ? "The text differs: it may have been changed since." : "Tasker changed the text."
          }
        ]
  )
