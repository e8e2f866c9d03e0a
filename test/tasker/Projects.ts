import { PgClient } from "@effect/sql-pg"
import { Context, Effect, Layer, Schema } from "effect"
import type { StoreError } from "./Once.ts"
import { noSuchProject, notFound, ownerNotMember } from "./Refusal.ts"
import type { Switches } from "./Switches.ts"

const Project = Schema.Struct({
  id: Schema.String,
  name: Schema.String,
  identifier: Schema.String,
  workspace_slug: Schema.String
})
export type Project = typeof Project.Type

const State = Schema.Struct({
  id: Schema.String,
  name: Schema.String,
  group: Schema.String,
  color: Schema.String,
  default: Schema.Boolean
})

const Label = Schema.Struct({ id: Schema.String, name: Schema.String, color: Schema.String })

const Member = Schema.Struct({
  id: Schema.String,
  display_name: Schema.String,
  email: Schema.String,
  /** Absent for a member who was removed. */
  role: Schema.optionalKey(Schema.Int)
})

const ProjectContext = Schema.Struct({
  project: Project,
  states: Schema.Array(State),
  labels: Schema.Array(Label),
  members: Schema.Array(Member)
})
export type ProjectContext = typeof ProjectContext.Type

const decodeResolved = Schema.decodeUnknownEffect(
  Schema.Array(Schema.Struct({ ...Project.fields, seat: Schema.Boolean }))
)
const decodeContext = Schema.decodeUnknownEffect(Schema.Array(ProjectContext))
const decodeSeat = Schema.decodeUnknownEffect(Schema.Array(Schema.Struct({ seat: Schema.Boolean })))

/** By which a project is looked for; all that is given has to fit. */
export interface ProjectQuery {
  readonly workspace_slug: string
  readonly project_id?: string
  readonly identifier?: string
  readonly name?: string
}

/** Case is folded here, not in PostgreSQL, whose `lower` depends on how the cluster was made. */
export const fold = (text: string) => text.toLowerCase()

export class Projects extends Context.Service<
  Projects,
  {
    readonly resolve: (ownerId: string, query: ProjectQuery) => Effect.Effect<Project, StoreError>
    /** Active members are listed whatever their role, and removed ones if switched. */
    readonly context: (projectId: string, switches: Switches) => Effect.Effect<ProjectContext, StoreError>
    /** Refuses a project that is not there, and an owner who is not an active member of it. */
    readonly requireSeat: (projectId: string, ownerId: string) => Effect.Effect<void, StoreError>
  }
>()("reference-tasker/Projects") {
  static readonly layer = Layer.effect(
    Projects,
    Effect.gen(function* () {
      const sql = yield* PgClient.PgClient

      const seatOf = (ownerId: string) =>
        sql`exists (select from members where project_id = p.id and id = ${ownerId} and active) as seat`

      const find = (ownerId: string, query: ProjectQuery) => sql`
        select id, name, identifier, workspace_slug, ${seatOf(ownerId)}
        from projects p
        where ${sql.and([
          sql`workspace_slug = ${query.workspace_slug}`,
          ...(query.project_id === undefined ? [] : [sql`id = ${query.project_id}`]),
          ...(query.identifier === undefined ? [] : [sql`identifier = ${query.identifier.toUpperCase()}`]),
          ...(query.name === undefined ? [] : [sql`name_folded = ${fold(query.name)}`])
        ])}`

      const findContext = (projectId: string, { list_removed }: Switches) => sql`
        select
          json_build_object('id', id, 'name', name, 'identifier', identifier, 'workspace_slug', workspace_slug)
            as project,
          (select coalesce(json_agg(json_build_object('id', id, 'name', name, 'group', "group", 'color', color,
            'default', is_default) order by position), '[]') from states where project_id = p.id) as states,
          (select coalesce(json_agg(json_build_object('id', id, 'name', name, 'color', color) order by name, id),
            '[]') from labels where project_id = p.id) as labels,
          (select coalesce(json_agg(json_strip_nulls(json_build_object('id', id, 'display_name', display_name,
            'email', email, 'role', case when active then role end)) order by display_name, id), '[]')
            from members where project_id = p.id and (active or ${list_removed})) as members
        from projects p where id = ${projectId}`

      const findSeat = (projectId: string, ownerId: string) =>
        sql`select ${seatOf(ownerId)} from projects p where id = ${projectId}`

      const resolve = Effect.fn("Projects.resolve")(function* (ownerId: string, query: ProjectQuery) {
        const [found] = yield* Effect.flatMap(find(ownerId, query), decodeResolved)
        if (found === undefined) return yield* notFound("No such project.")
        const { seat, ...project } = found
        return seat ? project : yield* ownerNotMember
      })

      const context = Effect.fn("Projects.context")(function* (projectId: string, switches: Switches) {
        const [found] = yield* Effect.flatMap(findContext(projectId, switches), decodeContext)
        return found ?? (yield* noSuchProject)
      })

      const requireSeat = Effect.fn("Projects.requireSeat")(function* (projectId: string, ownerId: string) {
        const [found] = yield* Effect.flatMap(findSeat(projectId, ownerId), decodeSeat)
        if (found === undefined) return yield* noSuchProject
        if (!found.seat) return yield* ownerNotMember
      })

      return { resolve, context, requireSeat }
    })
  )
}
