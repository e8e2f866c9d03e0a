import { hash } from "node:crypto"
import { Schema } from "effect"
import { canonicalJson } from "./CanonicalJson.ts"

/** Fields of a card or a comment in the words of agents: names beside ids, Markdown. */
export const ChangedFields = Schema.Record(Schema.String, Schema.Unknown)
export type ChangedFields = typeof ChangedFields.Type

/** A change, as the fields that it is about: how they stood, null for what is made anew, and how they stand then. */
export const Change = Schema.Struct({
  before: Schema.NullOr(ChangedFields),
  after: ChangedFields
}).annotate({ identifier: "Change" })
export type Change = typeof Change.Type

/** What stands for a change in the audit trail: SHA-256 of its canonical JSON (RFC 8785), in hex. */
export const changeHash = ({ after, before }: Change): string =>
  hash("sha256", canonicalJson({ before, after }))
