import { Schema } from "effect"

/** Switches each behaviour that a client has to survive. */
export const Switches = Schema.Struct({
  /** False: `Idempotency-Key` means nothing. */
  dedupe_key: Schema.Boolean,
  /** False: `external_source` and `external_id` may be there twice. */
  dedupe_external: Schema.Boolean,
  /** `expected_updated_at` means nothing. */
  ignore_expected: Schema.Boolean,
  /** An older Tasker: the listing of comments is a 404 with an HTML page. */
  no_comments_listing: Schema.Boolean,
  /** A background job sets `updated_at` after every create, change and comment. */
  bump_updated_at: Schema.Boolean,
  /** A page begins at page number × the limit of the request. False: after the last row of the page before. */
  page_by_request: Schema.Boolean,
  newest_comments_first: Schema.Boolean,
  /** External ids are looked up and then inserted without a lock. False: calls with one id take turns. */
  race_external_ids: Schema.Boolean,
  /** A comment's external id is looked up in the whole project. False: on its card. */
  comment_ids_by_project: Schema.Boolean,
  /** The look-up of an external id that two cards share is a 500. False: both are listed. */
  fail_doubled_lookup: Schema.Boolean,
  /** A change reads the card without a lock and writes every column as it was read. False: under a lock. */
  race_changes: Schema.Boolean,
  refuse_empty_html: Schema.Boolean,
  /** Descriptions are respelled as Plane does. False: sanitised only. */
  respell_html: Schema.Boolean,
  /** Comments are stored as they are sent. False: sanitised. */
  comments_verbatim: Schema.Boolean,
  /** A create without assignees gets the project's default assignee. */
  default_assignee: Schema.Boolean,
  /** Members who were removed are listed, without a role. */
  list_removed: Schema.Boolean,
  /** Errors have the statuses and bodies that were measured. False: those of the contract. */
  plane_errors: Schema.Boolean,
  /** False: a card can't be its own parent. */
  accept_own_parent: Schema.Boolean,
  /** The response to a create has an earlier `created_at` than every later response. */
  early_created_at: Schema.Boolean,
  /** Labels, assignees, a state or a parent that no project has are refused. False: labels and assignees are dropped. */
  refuse_unknown_ids: Schema.Boolean,
  /** Start and target date are compared only if the request has both. False: as the card would have them. */
  dates_by_request: Schema.Boolean,
  /** A comment's card is not looked for in the project. False: a card of another project is not found. */
  comments_unbound: Schema.Boolean,
  /** Cards are listed by `project_id` alone, all of them in one response. */
  only_by_project: Schema.Boolean,
  /** Cards and comments carry their `external_id`. */
  external_ids_shown: Schema.Boolean
})
export type Switches = typeof Switches.Type

const strict: Switches = {
  dedupe_key: true,
  dedupe_external: true,
  ignore_expected: false,
  no_comments_listing: false,
  bump_updated_at: false,
  page_by_request: false,
  newest_comments_first: false,
  race_external_ids: false,
  comment_ids_by_project: false,
  fail_doubled_lookup: false,
  race_changes: false,
  refuse_empty_html: false,
  respell_html: false,
  comments_verbatim: false,
  default_assignee: false,
  list_removed: false,
  plane_errors: false,
  accept_own_parent: false,
  early_created_at: false,
  refuse_unknown_ids: false,
  dates_by_request: false,
  comments_unbound: false,
  only_by_project: false,
  external_ids_shown: true
}

/** Sets of switches, each a Tasker that a gateway may stand before. */
export const profiles = {
  /** Keeps every rule of the contract. */
  strict,
  /** Behaves as Plane v1.3.1 was measured to behave. */
  "plane-like": {
    dedupe_key: false,
    dedupe_external: true,
    ignore_expected: true,
    no_comments_listing: false,
    bump_updated_at: true,
    page_by_request: true,
    newest_comments_first: true,
    race_external_ids: true,
    comment_ids_by_project: true,
    fail_doubled_lookup: true,
    race_changes: true,
    refuse_empty_html: true,
    respell_html: true,
    comments_verbatim: true,
    default_assignee: true,
    list_removed: true,
    plane_errors: true,
    accept_own_parent: true,
    early_created_at: true,
    refuse_unknown_ids: true,
    dates_by_request: true,
    comments_unbound: true,
    only_by_project: false,
    external_ids_shown: true
  },
  /** Has the nine calls that the contract began with, and none of their later additions. */
  seed: {
    ...strict,
    dedupe_key: false,
    dedupe_external: false,
    ignore_expected: true,
    no_comments_listing: true,
    race_external_ids: true,
    only_by_project: true,
    external_ids_shown: false
  }
} satisfies Record<string, Switches>

export const Profile = Schema.Literals(["strict", "plane-like", "seed"])
export type Profile = typeof Profile.Type

export const defaultProfile: Profile = "plane-like"
