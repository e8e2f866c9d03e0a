import { PgClient } from "@effect/sql-pg"
import { Context, Effect, Layer, Schema } from "effect"
import { Text, Uuid } from "../tasker/Fields.ts"
import { cardColumns, decodeCards, toJson } from "./Card.ts"
import { type Denial, missing } from "./Denial.ts"
import { decodeIds, type Item, type StoreError } from "./Store.ts"
import { Writes } from "./Writes.ts"

/** Sets what is given; the rest stays. */
export const Edit = Schema.Struct({
  name: Schema.optionalKey(Text),
  /** Not respelled, so that a test can plant what the editor of the board makes. */
  description_html: Schema.optionalKey(Text),
  priority: Schema.optionalKey(Text),
  state: Schema.optionalKey(Uuid),
  labels: Schema.optionalKey(Schema.Array(Uuid)),
  assignees: Schema.optionalKey(Schema.Array(Uuid)),
  target_date: Schema.optionalKey(Schema.NullOr(Text)),
  archived: Schema.optionalKey(Schema.Boolean),
  draft: Schema.optionalKey(Schema.Boolean),
  deleted: Schema.optionalKey(Schema.Boolean)
})
export type Edit = typeof Edit.Type

export const Remark = Schema.Struct({ user_id: Uuid, comment_html: Text })

/** Does what people do on the board: without keys, limits, faults and the log of writes. */
export class People extends Context.Service<
  People,
  {
    /** Reads any card, also one that is archived, a draft or deleted. */
    readonly card: (issueId: string) => Effect.Effect<Item, Denial | StoreError>
    readonly edit: (issueId: string, edit: Edit) => Effect.Effect<Item, Denial | StoreError>
    readonly comment: (
      issueId: string,
      remark: typeof Remark.Type
    ) => Effect.Effect<string, Denial | StoreError>
    /** Makes a second card with the external id of the first, as a race would. */
    readonly twin: (issueId: string) => Effect.Effect<string, Denial | StoreError>
  }
>()("reference-plane/People") {
  static readonly layer = Layer.effect(
    People,
    Effect.gen(function* () {
      const sql = yield* PgClient.PgClient
      const { bump } = yield* Writes

      const card: People["Service"]["card"] = Effect.fnUntraced(function* (issueId) {
        const [found] = yield* Effect.flatMap(
          sql`select ${sql.literal(cardColumns)} from issues i join projects p on p.id = i.project_id
            where i.id = ${issueId}`,
          decodeCards
        )
        return found === undefined ? yield* missing : toJson(found)
      })

      const set = (name: string, value: string | boolean | null | undefined) =>
        value === undefined ? [] : [sql`${sql(name)} = ${value}`]
      const now = (name: string, given: boolean | undefined) =>
        given === undefined ? [] : [sql`${sql(name)} = case when ${given} then clock_timestamp() end`]
      const replace = (
        table: string,
        column: string,
        issueId: string,
        ids: ReadonlyArray<string> | undefined
      ) =>
        ids === undefined
          ? Effect.void
          : Effect.andThen(
              sql`delete from ${sql(table)} where issue_id = ${issueId}`,
              sql`insert into ${sql(table)} (issue_id, ${sql(column)}) select ${issueId}, unnest(${ids}::uuid[])`
            )

      const edit: People["Service"]["edit"] = Effect.fnUntraced(function* (issueId, asked) {
        yield* sql`
          update issues set ${sql.csv([
            sql`updated_at = clock_timestamp()`,
            ...set("name", asked.name),
            ...set("description_html", asked.description_html),
            ...set("priority", asked.priority),
            ...set("state_id", asked.state),
            ...set("target_date", asked.target_date),
            ...set("is_draft", asked.draft),
            ...now("archived_at", asked.archived),
            ...now("deleted_at", asked.deleted)
          ])}
          where id = ${issueId}`
        yield* replace("issue_labels", "label_id", issueId, asked.labels)
        yield* replace("issue_assignees", "user_id", issueId, asked.assignees)
        yield* bump(issueId)
        return yield* card(issueId)
      })

      const one = (rows: Effect.Effect<unknown, StoreError>) =>
        Effect.flatMap(Effect.flatMap(rows, decodeIds), ([row]) =>
          row === undefined ? Effect.fail(missing) : Effect.succeed(row.id)
        )

      const comment: People["Service"]["comment"] = (issueId, { comment_html, user_id }) =>
        Effect.tap(
          one(sql`
            insert into comments (project_id, issue_id, comment_html, access, actor, created_by)
            select project_id, id, ${comment_html}, 'INTERNAL', ${user_id}, ${user_id} from issues where id = ${issueId}
            returning id`),
          () => bump(issueId)
        )

      const twin: People["Service"]["twin"] = (issueId) =>
        one(sql`
          with numbered as (
            update projects set last_sequence = last_sequence + 1
            where id = (select project_id from issues where id = ${issueId}) returning last_sequence
          )
          insert into issues (project_id, sequence_id, name, description_html, priority, state_id, sort_order,
            external_source, external_id, created_by)
          select project_id, last_sequence, name, description_html, priority, state_id, sort_order + 1, external_source,
            external_id, created_by
          from issues, numbered where id = ${issueId} returning id`)

      return { card, edit, comment, twin }
    })
  )
}
