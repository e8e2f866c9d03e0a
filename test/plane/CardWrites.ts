import { PgClient } from "@effect/sql-pg"
import { Context, Effect, Layer } from "effect"
import { type Card, cardColumns, decodeCards } from "./Card.ts"
import { type Change, Changes } from "./Changes.ts"
import { type Denial, error, internal, invalidDetail, missing, rule } from "./Denial.ts"
import { isDated } from "./Fields.ts"
import { Issues } from "./Issues.ts"
import type { Settings } from "./Settings.ts"
import { decodeIds, type StoreError } from "./Store.ts"
import { Writes } from "./Writes.ts"

/** Ends a request during which the server died. */
export class Died {
  readonly _tag = "Died"
}

type Failure = Denial | Died | StoreError

/** Describes a write on a card, and what is wrong with the server meanwhile. */
export interface CardWrite {
  readonly userId: string
  readonly projectId: string
  readonly defaultAssignee: string | null
  readonly body: Readonly<Record<string, unknown>>
  readonly settings: Settings
  /** True if labels, assignees and state don't take. */
  readonly drop: boolean
  /** True if the server dies after the card's row is committed. */
  readonly dieBetween: boolean
}

const taken = (id: string) =>
  error(409, "Issue with the same external id and external source already exists", { id })

/** Creates, changes and deletes cards. */
export class CardWrites extends Context.Service<
  CardWrites,
  {
    readonly create: (write: CardWrite) => Effect.Effect<Card, Failure>
    readonly change: (issueId: string, write: CardWrite) => Effect.Effect<Card, Failure>
    /** Deletes a card: admins any, others their own. */
    readonly remove: (issueId: string, write: CardWrite, role: number) => Effect.Effect<void, Failure>
  }
>()("reference-plane/CardWrites") {
  static readonly layer = Layer.effect(
    CardWrites,
    Effect.gen(function* () {
      const sql = yield* PgClient.PgClient
      const issues = yield* Issues
      const changes = yield* Changes
      const writes = yield* Writes

      const stored = (issueId: string) =>
        Effect.flatMap(
          Effect.flatMap(
            sql`select ${sql.literal(cardColumns)} from issues i join projects p on p.id = i.project_id
              where i.id = ${issueId}`,
            decodeCards
          ),
          ([card]) => (card === undefined ? Effect.fail(missing) : Effect.succeed(card))
        )

      const log = (
        op: "create" | "update" | "delete",
        { body, projectId, userId }: CardWrite,
        issueId: string,
        externalId: string | null
      ) =>
        writes.log({
          op,
          userId,
          projectId,
          issueId,
          commentId: null,
          externalId,
          body,
          whole: op === "delete"
        })

      /** Selects the state that is asked for, else the project's default. */
      const target = (projectId: string, stateId: string | null) => sql`
        select id, "group" from states where project_id = ${projectId}
        order by id = ${stateId}::uuid desc nulls last, is_default desc, sequence limit 1`

      const insert = (write: CardWrite, change: Change) => sql`
        with numbered as (
          update projects set last_sequence = last_sequence + 1 where id = ${write.projectId} returning last_sequence
        ), target as (${target(write.projectId, change.state ?? null)})
        insert into issues (project_id, sequence_id, name, description_html, priority, state_id, parent_id, start_date,
          target_date, archived_at, is_draft, sort_order, completed_at, external_source, external_id, created_by)
        select ${write.projectId}, last_sequence, ${change.name ?? ""}, ${change.description_html ?? "<p></p>"},
          ${change.priority ?? "none"}, target.id, ${change.parent ?? null}, ${change.start_date ?? null},
          ${change.target_date ?? null}, ${change.archived_at ?? null}, ${change.is_draft ?? false},
          (select coalesce(max(sort_order) + 10000, 65535) from issues where state_id = target.id),
          case when target."group" = 'completed' then clock_timestamp() end,
          ${change.external_source ?? null}, ${change.external_id ?? null}, ${write.userId}
        from numbered, target
        returning id`

      /** Writes every column as it was read, with the change over it. */
      const save = (before: Card, { projectId, userId }: CardWrite, change: Change) => {
        const after = { ...before, ...change }
        const state = change.state === undefined ? before.state_id : change.state
        const parent = change.parent === undefined ? before.parent_id : change.parent
        return sql`
          with target as (${target(projectId, state)})
          update issues set name = ${after.name}, description_html = ${after.description_html},
            priority = ${after.priority}, state_id = target.id, parent_id = ${parent},
            start_date = ${after.start_date}, target_date = ${after.target_date},
            archived_at = ${after.archived_at}, is_draft = ${after.is_draft}, sequence_id = ${after.sequence_id},
            external_source = ${after.external_source}, external_id = ${after.external_id},
            created_by = ${after.created_by}, updated_by = ${userId}, updated_at = clock_timestamp(),
            completed_at = case
              when ${change.state === null} then ${before.completed_at}::timestamptz
              when target."group" = 'completed' then clock_timestamp()
            end
          from target where issues.id = ${before.id}`
      }

      /** Replaces a set in two statements, each a commit of its own unless a transaction is around them. */
      const replace = (
        table: "labels" | "assignees",
        issueId: string,
        ids: ReadonlyArray<string> | undefined,
        { set_gap_ms }: Settings
      ) =>
        ids === undefined
          ? Effect.void
          : sql`delete from ${sql(`issue_${table}`)} where issue_id = ${issueId}`.pipe(
              Effect.andThen(Effect.sleep(set_gap_ms)),
              Effect.andThen(
                sql`insert into ${sql(`issue_${table}`)} select ${issueId}, unnest(${ids}::uuid[]) on conflict do nothing`
              )
            )

      const takes = ({ drop, settings }: CardWrite, change: Change): Change => {
        const { assignees, created_by, labels, state, ...rest } = change
        return {
          ...rest,
          ...(settings.honour_created_by && created_by !== undefined && { created_by }),
          ...(!drop && {
            ...(assignees && { assignees }),
            ...(labels && { labels }),
            ...(state !== undefined && { state })
          })
        }
      }

      const standIn = ({ defaultAssignee, drop, settings }: CardWrite) =>
        settings.default_assignee && !drop && defaultAssignee !== null ? [defaultAssignee] : []

      const make = Effect.fnUntraced(function* (write: CardWrite, change: Change) {
        const { settings, userId } = write
        const { id, n } = yield* sql.withTransaction(
          Effect.gen(function* () {
            const [made] = yield* Effect.flatMap(insert(write, change), decodeIds)
            if (made === undefined) return yield* internal
            return { id: made.id, n: yield* log("create", write, made.id, change.external_id ?? null) }
          })
        )
        if (write.dieBetween) return yield* Effect.fail(new Died())
        yield* replace(
          "assignees",
          id,
          change.assignees?.length ? change.assignees : standIn(write),
          settings
        )
        yield* replace("labels", id, change.labels, settings)
        yield* writes.complete(n)
        const answered = yield* stored(id)
        if (!isDated(write.body)) return yield* invalidDetail
        // Measured: what is answered has neither the body's author nor the `created_at` that is stored.
        yield* sql`
          update issues set created_by = ${change.created_by ?? userId}, created_at = coalesce(
              ${write.body.created_at ? String(write.body.created_at) : null}::timestamptz,
              case when ${settings.early_created_at} then clock_timestamp() else created_at end)
          where id = ${id}`
        return answered
      })

      const together = <A, E>({ settings }: CardWrite, run: Effect.Effect<A, E>) =>
        settings.commits_apart ? run : sql.withTransaction(run)

      /** Takes turns with other requests about `subject`, unless Plane's race is on. */
      const inTurn = <A, E>(race: boolean, subject: string, run: Effect.Effect<A, E>) =>
        race
          ? run
          : sql.withTransaction(
              Effect.andThen(sql`select pg_advisory_xact_lock(hashtextextended(${subject}, 0))`, run)
            )

      const create: CardWrites["Service"]["create"] = Effect.fn("Plane.create")(function* (write) {
        const { body, projectId, settings } = write
        const change = takes(write, yield* changes.read(projectId, body, true, settings))
        const { external_id, external_source } = change
        const card = yield* inTurn(
          settings.race_external_ids,
          `${projectId} ${external_id}`,
          Effect.gen(function* () {
            if (external_id && external_source) {
              const holder = yield* issues.holder(projectId, external_source, external_id)
              if (holder !== undefined) return yield* taken(holder)
            }
            yield* Effect.sleep(settings.gap_ms)
            return yield* together(write, make(write, change))
          })
        )
        yield* writes.bump(card.id)
        return card
      })

      const found = (issueId: string, { projectId, settings }: CardWrite) =>
        settings.change_hidden ? issues.any(projectId, issueId) : issues.byId(projectId, issueId)

      const apply = Effect.fnUntraced(function* (issueId: string, write: CardWrite) {
        const { body, projectId, settings } = write
        const before = yield* found(issueId, write)
        const change = takes(write, yield* changes.read(projectId, body, false, settings))
        if (change.parent === issueId && !settings.accept_own_parent) {
          return yield* rule("Parent is not valid issue_id please pass a valid issue_id")
        }
        const { external_id, external_source = before.external_source } = change
        if (external_id && external_source && external_id !== before.external_id) {
          const holder = yield* issues.holder(projectId, external_source, external_id)
          // Measured: the id is that of the card to change, not of the one that holds the external id.
          if (holder !== undefined && holder !== issueId) return yield* taken(issueId)
        }
        yield* Effect.sleep(settings.gap_ms)
        const n = yield* sql.withTransaction(
          Effect.andThen(
            save(before, write, change),
            log("update", write, issueId, change.external_id ?? before.external_id)
          )
        )
        if (write.dieBetween) return yield* Effect.fail(new Died())
        yield* replace("assignees", issueId, change.assignees, settings)
        yield* replace("labels", issueId, change.labels, settings)
        yield* writes.complete(n)
        return yield* stored(issueId)
      })

      const change: CardWrites["Service"]["change"] = Effect.fn("Plane.change")(function* (issueId, write) {
        const card = yield* inTurn(
          write.settings.race_changes,
          issueId,
          together(write, apply(issueId, write))
        )
        yield* writes.bump(issueId)
        return card
      })

      const remove: CardWrites["Service"]["remove"] = Effect.fn("Plane.remove")(
        function* (issueId, write, role) {
          const card = yield* found(issueId, write)
          if (role < 20 && card.created_by !== write.userId) {
            return yield* error(403, "Only admin or creator can delete the work item")
          }
          yield* sql.withTransaction(
            Effect.andThen(
              sql`update issues set deleted_at = clock_timestamp() where id = ${issueId}`,
              log("delete", write, issueId, card.external_id)
            )
          )
        }
      )

      return { create, change, remove }
    })
  )
}
