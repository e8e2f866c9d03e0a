import { PgClient } from "@effect/sql-pg"
import { Context, Effect, Layer, Result, Schema } from "effect"
import { type Denial, fields, rule } from "./Denial.ts"
import {
  boolean,
  check,
  choice,
  date,
  integer,
  isUuid,
  orNull,
  reference,
  references,
  text
} from "./Fields.ts"
import { respell } from "./Html.ts"
import type { Settings } from "./Settings.ts"
import type { StoreError } from "./Store.ts"

type Body = Readonly<Record<string, unknown>>

const Id = Schema.Array(Schema.String)
const Known = Schema.Tuple([
  Schema.Struct({
    labels: Id,
    own_labels: Id,
    users: Id,
    assignable: Id,
    states: Id,
    own_states: Id,
    issues: Id,
    own_issues: Id
  })
])
const decodeKnown = Schema.decodeUnknownEffect(Known)

/** Checks the writable fields of a card; others are ignored. */
const checks = (known: (typeof Known.Type)[0], { refuse_empty_html }: Settings) => ({
  assignees: references(new Set(known.users)),
  labels: references(new Set(known.labels)),
  name: text({ max: 255 }),
  description_html: text({ blank: true, nullable: !refuse_empty_html }),
  priority: choice("urgent", "high", "medium", "low", "none"),
  start_date: date,
  target_date: date,
  archived_at: date,
  is_draft: boolean,
  sequence_id: integer,
  external_source: text({ blank: true, max: 255, nullable: true }),
  external_id: text({ blank: true, max: 255, nullable: true }),
  created_by: orNull(reference(new Set(known.users))),
  parent: orNull(reference(new Set(known.issues))),
  state: orNull(reference(new Set(known.states)))
})

/** Holds what a valid body asks for, with sets reduced to what can be set. */
export type Change = Result.Result.Success<ReturnType<ReturnType<typeof checkBody>>>

const checkBody = (known: (typeof Known.Type)[0], settings: Settings) => (body: Body, isNew: boolean) =>
  check(checks(known, settings), body, isNew ? ["name"] : [])

const idsIn = (...values: ReadonlyArray<unknown>) => values.flat().filter(isUuid)

/** Validates the body of a create or change of a card. */
export class Changes extends Context.Service<
  Changes,
  {
    readonly read: (
      projectId: string,
      body: Body,
      isNew: boolean,
      settings: Settings
    ) => Effect.Effect<Change, Denial | StoreError>
  }
>()("reference-plane/Changes") {
  static readonly layer = Layer.effect(
    Changes,
    Effect.gen(function* () {
      const sql = yield* PgClient.PgClient

      const findKnown = (projectId: string, body: Body) => {
        const labels = idsIn(body.labels)
        const users = idsIn(body.assignees, body.created_by)
        const states = idsIn(body.state)
        const issues = idsIn(body.parent)
        return sql`
          select
            array(select id from labels where id = any(${labels}::uuid[])) as labels,
            array(select id from labels where id = any(${labels}::uuid[]) and project_id = ${projectId})
              as own_labels,
            array(select id from users where id = any(${users}::uuid[])) as users,
            array(select user_id from project_members where user_id = any(${users}::uuid[])
              and project_id = ${projectId} and active and role >= 15) as assignable,
            array(select id from states where id = any(${states}::uuid[])) as states,
            array(select id from states where id = any(${states}::uuid[]) and project_id = ${projectId})
              as own_states,
            array(select id from issues where id = any(${issues}::uuid[]) and deleted_at is null) as issues,
            array(select id from issues where id = any(${issues}::uuid[]) and deleted_at is null
              and project_id = ${projectId}) as own_issues`
      }

      const read: Changes["Service"]["read"] = Effect.fn("Plane.readChange")(
        function* (projectId, body, isNew, settings) {
          const [known] = yield* Effect.flatMap(findKnown(projectId, body), decodeKnown)
          const checked = checkBody(known, settings)(body, isNew)
          if (Result.isFailure(checked)) return yield* fields(checked.failure as Record<string, unknown>)
          const change = checked.success
          const { description_html, parent, start_date, state, target_date } = change
          if (start_date && target_date && start_date > target_date) {
            return yield* rule("Start date cannot exceed target date")
          }
          const html =
            typeof description_html === "string" && settings.respell_html
              ? respell(description_html)
              : (description_html ?? undefined)
          if (typeof description_html === "string" && html === undefined && settings.refuse_empty_html) {
            return yield* rule("Invalid HTML passed")
          }
          if (state && !known.own_states.includes(state)) {
            return yield* rule("State is not valid please pass a valid state_id")
          }
          if (parent && !known.own_issues.includes(parent)) {
            return yield* rule("Parent is not valid issue_id please pass a valid issue_id")
          }
          return {
            ...change,
            ...(description_html !== undefined && { description_html: html ?? "<p></p>" }),
            ...(change.labels && { labels: change.labels.filter((id) => known.own_labels.includes(id)) }),
            ...(change.assignees && {
              assignees: change.assignees.filter((id) => known.assignable.includes(id))
            })
          }
        }
      )

      return { read }
    })
  )
}
