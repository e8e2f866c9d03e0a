import { Schema, SchemaTransformation } from "effect"

/**
 * A UUID in any of RFC 9562's versions, read in either case and kept in lower case, so that two
 * spellings of one id are one id everywhere (grants, fingerprints, comparisons).
 */
export const Uuid = Schema.String.check(
  Schema.isGUID({ message: "Expected a UUID such as 7f0c1c9e-5a0b-4b8e-9d57-6a4f0c0e1a2b" })
).pipe(Schema.decodeTo(Schema.String, SchemaTransformation.toLowerCase()))

export const AgentId = Uuid.pipe(Schema.brand("AgentId"))
export type AgentId = typeof AgentId.Type

export const GrantId = Uuid.pipe(Schema.brand("GrantId"))
export type GrantId = typeof GrantId.Type

export const TokenId = Uuid.pipe(Schema.brand("TokenId"))
export type TokenId = typeof TokenId.Type

export const ProjectId = Uuid.pipe(Schema.brand("ProjectId"))
export type ProjectId = typeof ProjectId.Type

export const IssueId = Uuid.pipe(Schema.brand("IssueId"))
export type IssueId = typeof IssueId.Type

export const CommentId = Uuid.pipe(Schema.brand("CommentId"))
export type CommentId = typeof CommentId.Type

/** One write that was asked for: the row behind an idempotency key. */
export const OperationId = Uuid.pipe(Schema.brand("OperationId"))
export type OperationId = typeof OperationId.Type

/** People's ids are Tasker's: any string of 1 to 128 characters. */
export const UserId = Schema.String.check(
  Schema.isBetweenCodePoints(1, 128),
  Schema.makeFilter((id: string) => id.isWellFormed() && !/\p{Cc}/u.test(id), {
    message: "Expected an id without control characters"
  })
).pipe(Schema.brand("UserId"))
export type UserId = typeof UserId.Type
