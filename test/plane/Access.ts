import { PgClient } from "@effect/sql-pg"
import { Context, Effect, Layer, Schema } from "effect"
import { badKey, type Denial, forbidden, unauthenticated } from "./Denial.ts"
import type { StoreError } from "./Store.ts"

/** Says what the workspace and the project of a request know of a key's user. */
const Seat = Schema.Struct({
  workspace_id: Schema.String,
  workspace_role: Schema.Int,
  /** True if the user is an active member of any project of the workspace. */
  seated: Schema.Boolean,
  project_id: Schema.NullOr(Schema.String),
  network: Schema.NullOr(Schema.Int),
  default_assignee: Schema.NullOr(Schema.String),
  /** Null without an active membership. */
  project_role: Schema.NullOr(Schema.Int)
})
export type Seat = typeof Seat.Type

const decodeSeats = Schema.decodeUnknownEffect(Schema.Array(Seat))
const decodeUsers = Schema.decodeUnknownEffect(Schema.Array(Schema.Struct({ user_id: Schema.String })))

export class Access extends Context.Service<
  Access,
  {
    readonly userOf: (key: string | undefined) => Effect.Effect<string, Denial | StoreError>
    /** Fails if the workspace does not exist or the user is no member of it. */
    readonly seatOf: (
      userId: string,
      params: Readonly<Record<string, string>>
    ) => Effect.Effect<Seat, Denial | StoreError>
  }
>()("reference-plane/Access") {
  static readonly layer = Layer.effect(
    Access,
    Effect.gen(function* () {
      const sql = yield* PgClient.PgClient

      const userOf: Access["Service"]["userOf"] = Effect.fnUntraced(function* (key) {
        if (key === undefined || key === "") return yield* unauthenticated
        const [user] = yield* Effect.flatMap(
          sql`select user_id from api_keys where token = ${key} and active`,
          decodeUsers
        )
        return user === undefined ? yield* badKey : user.user_id
      })

      /** Finds the project by its id, or by the identifier in a card's number. */
      const findSeat = (userId: string, params: Readonly<Record<string, string>>) => sql`
        select w.id as workspace_id, wm.role as workspace_role,
          exists (
            select from project_members m join projects q on q.id = m.project_id
            where m.user_id = wm.user_id and m.active and q.workspace_id = w.id
          ) as seated,
          p.id as project_id, p.network, p.default_assignee, pm.role as project_role
        from workspaces w
        join workspace_members wm on wm.workspace_id = w.id and wm.user_id = ${userId}
        left join projects p on p.workspace_id = w.id
          and (p.id = ${params.project_id ?? null} or p.identifier = ${params.identifier ?? null})
        left join project_members pm on pm.project_id = p.id and pm.user_id = wm.user_id and pm.active
        where w.slug = ${params.slug ?? ""}`

      const seatOf: Access["Service"]["seatOf"] = Effect.fnUntraced(function* (userId, params) {
        const [seat] = yield* Effect.flatMap(findSeat(userId, params), decodeSeats)
        return seat === undefined ? yield* forbidden : seat
      })

      return { userOf, seatOf }
    })
  )
}
