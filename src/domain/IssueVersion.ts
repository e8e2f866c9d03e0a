import { hash } from "node:crypto"
import { canonicalJson } from "./CanonicalJson.ts"
import type { TaskerIssue } from "./Tasker.ts"
import type { IssueChange } from "./Write.ts"

/**
 * A card's version: a hash of each field that a client can write, over the value exactly as Tasker returned
 * it. `updated_at` is no version, since Plane's worker moves it without a change of content.
 */

const values = {
  name: ({ name }: TaskerIssue) => name,
  description: ({ description_html }: TaskerIssue) => description_html,
  priority: ({ priority }: TaskerIssue) => priority,
  state: ({ state_id }: TaskerIssue) => state_id,
  labels: ({ label_ids }: TaskerIssue) => [...label_ids].sort(),
  assignees: ({ assignee_ids }: TaskerIssue) => [...assignee_ids].sort(),
  start_date: ({ start_date }: TaskerIssue) => start_date,
  target_date: ({ target_date }: TaskerIssue) => target_date,
  parent_id: ({ parent_id }: TaskerIssue) => parent_id
} as const

/** A field that a client can write, as tools name it. */
export type IssueField = keyof typeof values

/** In the order in which a version holds them. */
export const issueFields = Object.keys(values) as ReadonlyArray<IssueField>

const hashBytes = 4

const hashOf = (field: IssueField, issue: TaskerIssue): Buffer =>
  hash("sha256", canonicalJson([field, values[field](issue)]), "buffer").subarray(0, hashBytes)

/** The hash of one field: 32 bits, in hex. */
export const fieldHash = (field: IssueField, issue: TaskerIssue): string =>
  hashOf(field, issue).toString("hex")

/** Length of a version in characters of base64url. */
export const versionLength = Math.ceil((issueFields.length * hashBytes * 4) / 3)

export const versionOf = (issue: TaskerIssue): string =>
  Buffer.concat(issueFields.map((field) => hashOf(field, issue))).toString("base64url")

/** The fields in which two versions differ. */
export const changedFields = (one: string, other: string): ReadonlyArray<IssueField> => {
  const [left, right] = [Buffer.from(one, "base64url"), Buffer.from(other, "base64url")]
  return issueFields.filter((_, index) => {
    const [start, end] = [index * hashBytes, (index + 1) * hashBytes]
    return !left.subarray(start, end).equals(right.subarray(start, end))
  })
}

/** The fields that a change touches. */
export const touchedFields = (write: IssueChange): ReadonlyArray<IssueField> => {
  switch (write._tag) {
    case "UpdateIssue":
      return Object.keys(write.fields).map((field) =>
        field === "description_html"
          ? "description"
          : (field as Exclude<keyof typeof write.fields, "description_html">)
      )
    case "MoveIssue":
      return ["state"]
    case "SetLabels":
      return ["labels"]
    case "SetAssignees":
      return ["assignees"]
  }
}

/** Hashes of fields as they stand on the card that a change is planned on. */
export const fieldHashes = (
  fields: ReadonlyArray<IssueField>,
  issue: TaskerIssue
): Readonly<Record<string, string>> =>
  Object.fromEntries(fields.map((field) => [field, fieldHash(field, issue)]))
