import { PgClient } from "@effect/sql-pg"
import { Context, Effect, Layer, Schema } from "effect"
import { Role, StateGroup, Text, Uuid } from "../tasker/Fields.ts"
import { type Denial, missing } from "./Denial.ts"
import { decodeIds, type StoreError } from "./Store.ts"

const Member = Schema.Struct({
  id: Schema.optionalKey(Uuid),
  email: Text,
  display_name: Schema.optionalKey(Text),
  first_name: Schema.optionalKey(Text),
  last_name: Schema.optionalKey(Text),
  /** In the project. */
  role: Schema.optionalKey(Role),
  /** In the workspace; the project's unless given. */
  workspace_role: Schema.optionalKey(Role),
  /** False: removed from the project, and still in its list of members. */
  active: Schema.optionalKey(Schema.Boolean),
  /** Makes an API key for this user. */
  api_key: Schema.optionalKey(Text)
})

export const NewProject = Schema.Struct({
  id: Schema.optionalKey(Uuid),
  workspace_slug: Text,
  name: Text,
  identifier: Text,
  /** 2 is public, 0 secret. */
  network: Schema.optionalKey(Schema.Literals([0, 2])),
  /** By e-mail. */
  default_assignee: Schema.optionalKey(Text),
  states: Schema.optionalKey(
    Schema.Array(Schema.Struct({ name: Text, group: StateGroup, color: Schema.optionalKey(Text) }))
  ),
  labels: Schema.optionalKey(Schema.Array(Schema.Struct({ name: Text, color: Schema.optionalKey(Text) }))),
  members: Schema.optionalKey(Schema.Array(Member)),
  /** The role of the first key's user in the project; null: no seat there. */
  key_role: Schema.optionalKey(Schema.NullOr(Role))
})
export const NewMember = Schema.Struct({ project_id: Uuid, ...Member.fields })
export const NewLabel = Schema.Struct({ project_id: Uuid, name: Text, color: Schema.optionalKey(Text) })

/** Lists Plane's own five. */
const planeStates = [
  { name: "Backlog", group: "backlog", color: "#60646C" },
  { name: "Todo", group: "unstarted", color: "#60646C" },
  { name: "In Progress", group: "started", color: "#F59E0B" },
  { name: "Done", group: "completed", color: "#46A758" },
  { name: "Cancelled", group: "cancelled", color: "#9AA4BC" }
] as const

const Named = Schema.Struct({ id: Schema.String, name: Schema.String })
const Seeded = Schema.Struct({
  project: Schema.Struct({ ...Named.fields, identifier: Schema.String, workspace_slug: Schema.String }),
  states: Schema.Array(Schema.Struct({ ...Named.fields, group: Schema.String })),
  labels: Schema.Array(Named),
  members: Schema.Array(
    Schema.Struct({ id: Schema.String, email: Schema.String, display_name: Schema.String })
  )
})
export type SeededProject = typeof Seeded.Type
const decodeSeeded = Schema.decodeUnknownEffect(Schema.Tuple([Seeded]))

/** Puts users, keys and projects into the tables, which v1 of the API can't. */
export class Seeds extends Context.Service<
  Seeds,
  {
    /** Makes the user of the first key, who is in every workspace. */
    readonly operator: (key: string) => Effect.Effect<void, StoreError>
    readonly project: (seed: typeof NewProject.Type) => Effect.Effect<SeededProject, Denial | StoreError>
    /** Adds a member, or changes what is given of one. */
    readonly member: (seed: typeof NewMember.Type) => Effect.Effect<string, Denial | StoreError>
    readonly revoke: (key: string) => Effect.Effect<void, StoreError>
    readonly label: (seed: typeof NewLabel.Type) => Effect.Effect<string, Denial | StoreError>
  }
>()("reference-plane/Seeds") {
  static readonly layer = Layer.effect(
    Seeds,
    Effect.gen(function* () {
      const sql = yield* PgClient.PgClient
      const operatorEmail = "agents@example.test"
      const one = (rows: Effect.Effect<unknown, StoreError>) =>
        Effect.flatMap(Effect.flatMap(rows, decodeIds), ([row]) =>
          row === undefined ? Effect.fail(missing) : Effect.succeed(row.id)
        )

      const user = (seed: typeof Member.Type) => {
        const [name = ""] = seed.email.split("@")
        return one(sql`
          insert into users as u (id, email, display_name, first_name, last_name)
          values (coalesce(${seed.id ?? null}::uuid, gen_random_uuid()), ${seed.email}, ${seed.display_name ?? name},
            ${seed.first_name ?? name}, ${seed.last_name ?? ""})
          on conflict (email) do update set
            display_name = coalesce(${seed.display_name ?? null}, u.display_name),
            first_name = coalesce(${seed.first_name ?? null}, u.first_name),
            last_name = coalesce(${seed.last_name ?? null}, u.last_name)
          returning id`)
      }

      const key = (userId: string, token: string) =>
        sql`insert into api_keys (token, user_id) values (${token}, ${userId})
          on conflict (token) do update set user_id = ${userId}, active = true`

      const member: Seeds["Service"]["member"] = Effect.fnUntraced(function* (seed) {
        const id = yield* user(seed)
        if (seed.api_key !== undefined) yield* key(id, seed.api_key)
        yield* sql`
          insert into workspace_members as m (workspace_id, user_id, role)
          select workspace_id, ${id}, ${seed.workspace_role ?? seed.role ?? 15} from projects where id = ${seed.project_id}
          on conflict (workspace_id, user_id)
            do update set role = coalesce(${seed.workspace_role ?? null}::int, m.role)`
        return yield* one(sql`
          insert into project_members as m (project_id, user_id, role, active)
          select id, ${id}, ${seed.role ?? 15}, ${seed.active ?? true} from projects where id = ${seed.project_id}
          on conflict (project_id, user_id) do update set role = coalesce(${seed.role ?? null}::int, m.role),
            active = coalesce(${seed.active ?? null}::boolean, m.active)
          returning user_id as id`)
      })

      const label: Seeds["Service"]["label"] = (seed) =>
        one(sql`
          insert into labels (project_id, name, color, sort_order, created_by)
          select id, ${seed.name}, ${seed.color ?? ""},
            (select coalesce(max(sort_order) + 10000, 65535) from labels where project_id = p.id), created_by
          from projects p where id = ${seed.project_id} returning id`)

      const operator: Seeds["Service"]["operator"] = Effect.fnUntraced(function* (token) {
        yield* sql`insert into users (email, display_name, first_name, last_name)
          values (${operatorEmail}, 'agents', 'Agents', 'Service') on conflict (email) do nothing`
        yield* sql`insert into api_keys (token, user_id) select ${token}, id from users where email = ${operatorEmail}
          on conflict (token) do nothing`
      })

      const workspace = (slug: string) =>
        one(sql`
          with made as (
            insert into workspaces (slug, name) values (${slug}, ${slug}) on conflict (slug) do update set name = ${slug}
            returning id
          ), joined as (
            insert into workspace_members (workspace_id, user_id, role)
            select made.id, users.id, 20 from made, users where users.email = ${operatorEmail} on conflict do nothing
          )
          select id from made`)

      const seeded = (projectId: string) =>
        Effect.flatMap(
          sql`
            select json_build_object('id', p.id, 'name', p.name, 'identifier', p.identifier,
                'workspace_slug', w.slug) as project,
              (select coalesce(json_agg(json_build_object('id', id, 'name', name, 'group', "group") order by sequence),
                '[]') from states where project_id = p.id) as states,
              (select coalesce(json_agg(json_build_object('id', id, 'name', name) order by created_at), '[]')
                from labels where project_id = p.id) as labels,
              (select coalesce(json_agg(json_build_object('id', u.id, 'email', u.email, 'display_name', u.display_name)
                order by m.joined), '[]') from project_members m join users u on u.id = m.user_id
                where m.project_id = p.id) as members
            from projects p join workspaces w on w.id = p.workspace_id where p.id = ${projectId}`,
          decodeSeeded
        )

      const project: Seeds["Service"]["project"] = Effect.fnUntraced(function* (seed) {
        const workspaceId = yield* workspace(seed.workspace_slug)
        const id = yield* one(sql`
          insert into projects (id, workspace_id, name, identifier, network, created_by)
          select coalesce(${seed.id ?? null}::uuid, gen_random_uuid()), ${workspaceId}, ${seed.name},
            ${seed.identifier}, ${seed.network ?? 2}, id from users where email = ${operatorEmail}
          returning id`)
        yield* Effect.forEach(
          seed.states ?? planeStates,
          ({ color, group, name }, position) => sql`
          insert into states (project_id, name, "group", color, is_default, sequence, created_by)
          select ${id}, ${name}, ${group}, ${color ?? "#60646C"}, ${position === 0}, ${15_000 + position * 10_000},
            created_by
          from projects where id = ${id}`
        )
        const { key_role = 20, labels = [], members = [] } = seed
        if (key_role !== null)
          yield* member({ project_id: id, email: operatorEmail, role: key_role, workspace_role: 20 })
        yield* Effect.forEach(labels, (each) => label({ ...each, project_id: id }))
        yield* Effect.forEach(members, (each) => member({ ...each, project_id: id }))
        yield* sql`update projects set default_assignee = (select id from users where email = ${seed.default_assignee ?? null})
          where id = ${id}`
        const [made] = yield* seeded(id)
        return made
      }, sql.withTransaction)

      const revoke = (token: string) =>
        Effect.asVoid(sql`update api_keys set active = false where token = ${token}`)

      return { operator, project, member, revoke, label }
    })
  )
}
