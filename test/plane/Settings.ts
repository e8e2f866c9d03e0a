import { Context, Effect, Layer, Schema, Struct } from "effect"

const Milliseconds = Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))

/** Switches each behaviour that a client has to survive. The defaults are as Plane was measured. */
export const Settings = Schema.Struct({
  /** False: an older server, which knows the paths as `issues/` only. */
  work_items: Schema.Boolean,
  /** A background job sets `updated_at` after every create, change and comment. */
  bump_updated_at: Schema.Boolean,
  bump_min_ms: Milliseconds,
  bump_max_ms: Milliseconds,
  /** External ids are looked up and then inserted without a lock. False: requests with one id take turns. */
  race_external_ids: Schema.Boolean,
  /** Time between a look or read and the write that follows from it. */
  gap_ms: Milliseconds,
  /** The look-up of an external id that two cards share is a 500. False: the newest card. */
  fail_doubled_lookup: Schema.Boolean,
  /** A page begins at page number × the request's per_page. False: × the per_page in the cursor. */
  page_by_request: Schema.Boolean,
  /** A change reads the row and later writes every column as it was read, without a lock. False: under a lock. */
  race_changes: Schema.Boolean,
  /** A card, its assignees and its labels are separate commits. */
  commits_apart: Schema.Boolean,
  /** Time for which a set of labels or assignees that is replaced shows as empty, if it is in commits of its own. */
  set_gap_ms: Milliseconds,
  /** The response to a create has an earlier `created_at` than every later response. */
  early_created_at: Schema.Boolean,
  honour_created_by: Schema.Boolean,
  default_assignee: Schema.Boolean,
  /** Own parents and cycles are accepted. False: a card can't be its own parent. */
  accept_own_parent: Schema.Boolean,
  /** GET by id and lists hide archived and draft cards, PATCH changes them. False: PATCH is a 404 as well. */
  change_hidden: Schema.Boolean,
  /** HTML is respelled as lxml and nh3 do. False: stored as it is sent. */
  respell_html: Schema.Boolean,
  refuse_empty_html: Schema.Boolean,
  /** Project members include people who were removed. */
  list_removed: Schema.Boolean,
  /** A comment's external id is looked up in the whole project. False: on its card. */
  comment_ids_by_project: Schema.Boolean,
  /** Comments are accepted on cards of other projects and on deleted cards. */
  comment_anywhere: Schema.Boolean,
  /** The message broker is out: writes are carried out, then answered 500 after `broker_ms`; reads take half of it. */
  broker_out: Schema.Boolean,
  broker_ms: Milliseconds,
  /** Requests per key and window; 0 is no limit. */
  rate_limit: Schema.Int.check(Schema.isGreaterThanOrEqualTo(0)),
  rate_window_ms: Milliseconds
})
export type Settings = typeof Settings.Type

export const SettingsChange = Schema.Struct(Struct.map(Settings.fields, Schema.optionalKey))

export const measured: Settings = {
  work_items: true,
  bump_updated_at: true,
  bump_min_ms: 20,
  bump_max_ms: 500,
  race_external_ids: true,
  gap_ms: 0,
  fail_doubled_lookup: true,
  page_by_request: true,
  race_changes: true,
  commits_apart: true,
  set_gap_ms: 20,
  early_created_at: true,
  honour_created_by: true,
  default_assignee: true,
  accept_own_parent: true,
  change_hidden: true,
  respell_html: true,
  refuse_empty_html: true,
  list_removed: true,
  comment_ids_by_project: true,
  comment_anywhere: true,
  broker_out: false,
  broker_ms: 12_000,
  rate_limit: 60,
  rate_window_ms: 60_000
}

export class Behaviour extends Context.Service<
  Behaviour,
  {
    readonly settings: Effect.Effect<Settings>
    readonly set: (change: Partial<Settings>) => Effect.Effect<Settings>
    readonly reset: Effect.Effect<Settings>
  }
>()("reference-plane/Behaviour") {
  static readonly layer = (initial: Partial<Settings>) =>
    Layer.sync(Behaviour, () => {
      const first = { ...measured, ...initial }
      let current = first
      const put = (next: Settings) =>
        Effect.sync(() => {
          current = next
          return current
        })
      return {
        settings: Effect.sync(() => current),
        set: (change) => Effect.suspend(() => put({ ...current, ...change })),
        reset: put(first)
      }
    })
}
