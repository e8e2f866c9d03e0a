import { PgClient } from "@effect/sql-pg"
import { Context, Effect, Layer } from "effect"
import type { Expansions } from "./Shapes.ts"
import { decodeItems, type Item, instant, type StoreError } from "./Store.ts"

const audit = (table: string) => `
  'created_at', ${instant(`${table}.created_at`)}, 'updated_at', ${instant(`${table}.updated_at`)}, 'deleted_at', null`

const authors = (table: string) => `'created_by', ${table}.created_by, 'updated_by', null`
const external = `'external_source', null, 'external_id', null`

const user = `'id', u.id, 'first_name', u.first_name, 'last_name', u.last_name, 'email', u.email, 'avatar', '',
  'avatar_url', null, 'display_name', u.display_name`

const projectItem = `json_build_object('id', p.id,
  'total_members', (select count(*)::int from project_members m where m.project_id = p.id and m.active),
  'total_cycles', 0, 'total_modules', 0, 'is_member', me.role is not null, 'sort_order', 65535,
  'member_role', me.role, 'is_deployed', false, 'cover_image_url', null, ${audit("p")}, 'name', p.name,
  'description', '', 'description_text', null, 'description_html', null, 'network', p.network,
  'identifier', p.identifier, 'emoji', null, 'icon_prop', null, 'module_view', true, 'cycle_view', true,
  'issue_views_view', true, 'page_view', true, 'intake_view', false, 'is_time_tracking_enabled', false,
  'is_issue_type_enabled', false, 'guest_view_all_features', false, 'cover_image', null, 'archive_in', 0,
  'close_in', 0, 'logo_props', json_build_object('in_use', 'emoji', 'emoji', json_build_object('value', '128640')),
  'archived_at', null, 'timezone', 'UTC', ${external}, ${authors("p")}, 'workspace', p.workspace_id,
  'default_assignee', p.default_assignee, 'project_lead', null, 'cover_image_asset', null, 'estimate', null,
  'default_state', null) as item`

const stateItem = `json_build_object('id', s.id, ${audit("s")}, 'name', s.name, 'description', '', 'color', s.color,
  'slug', '', 'sequence', s.sequence, 'group', s."group", 'is_triage', false, 'default', s.is_default, ${external},
  ${authors("s")}, 'project', s.project_id, 'workspace', p.workspace_id) as item`

const labelItem = `json_build_object('id', l.id, ${audit("l")}, 'name', l.name, 'description', '', 'color', l.color,
  'sort_order', l.sort_order, ${external}, ${authors("l")}, 'workspace', p.workspace_id, 'project', l.project_id,
  'parent', null) as item`

/** Reads projects, and what belongs to them, as the JSON that goes out. */
export class Boards extends Context.Service<
  Boards,
  {
    readonly me: (userId: string) => Effect.Effect<ReadonlyArray<Item>, StoreError>
    /** Lists projects with an active seat, and public ones; only one if an id is given. */
    readonly projects: (
      workspaceId: string,
      userId: string,
      projectId?: string
    ) => Effect.Effect<ReadonlyArray<Item>, StoreError>
    readonly states: (projectId: string) => Effect.Effect<ReadonlyArray<Item>, StoreError>
    readonly labels: (projectId: string) => Effect.Effect<ReadonlyArray<Item>, StoreError>
    /** Lists members without roles, the last to join first. */
    readonly members: (
      projectId: string,
      removedToo: boolean
    ) => Effect.Effect<ReadonlyArray<Item>, StoreError>
    /** Lists members with their role in the workspace. */
    readonly workspaceMembers: (workspaceId: string) => Effect.Effect<ReadonlyArray<Item>, StoreError>
    /** Returns undefined if the name is taken. */
    readonly addLabel: (
      projectId: string,
      userId: string,
      name: string,
      color: string
    ) => Effect.Effect<Item | undefined, StoreError>
    readonly expansions: (projectId: string) => Effect.Effect<Expansions, StoreError>
  }
>()("reference-plane/Boards") {
  static readonly layer = Layer.effect(
    Boards,
    Effect.gen(function* () {
      const sql = yield* PgClient.PgClient
      const items = (rows: Effect.Effect<unknown, StoreError>) =>
        Effect.map(Effect.flatMap(rows, decodeItems), (found) => found.map(({ item }) => item))
      const one = (projectId: string | undefined) =>
        projectId === undefined ? sql`true` : sql`p.id = ${projectId}`

      const projects: Boards["Service"]["projects"] = (workspaceId, userId, projectId) =>
        items(sql`
          select ${sql.literal(projectItem)} from projects p
          left join project_members me on me.project_id = p.id and me.user_id = ${userId} and me.active
          where p.workspace_id = ${workspaceId} and ${one(projectId)} and (me.role is not null or p.network = 2)
          order by p.created_at, p.id`)

      const states: Boards["Service"]["states"] = (projectId) =>
        items(sql`
          select ${sql.literal(stateItem)} from states s join projects p on p.id = s.project_id
          where s.project_id = ${projectId} order by s.sequence`)

      const labelsWhere = (projectId: string, name: string | null) =>
        items(sql`
          select ${sql.literal(labelItem)} from labels l join projects p on p.id = l.project_id
          where l.project_id = ${projectId} and l.name = coalesce(${name}, l.name) order by l.created_at desc, l.id`)

      const members: Boards["Service"]["members"] = (projectId, removedToo) =>
        items(sql`
          select json_build_object(${sql.literal(user)}) as item
          from project_members m join users u on u.id = m.user_id
          where m.project_id = ${projectId} and (m.active or ${removedToo}) order by m.joined desc`)

      const workspaceMembers: Boards["Service"]["workspaceMembers"] = (workspaceId) =>
        items(sql`
          select json_build_object(${sql.literal(user)}, 'role', m.role) as item
          from workspace_members m join users u on u.id = m.user_id
          where m.workspace_id = ${workspaceId} order by m.joined desc`)

      const addLabel: Boards["Service"]["addLabel"] = Effect.fnUntraced(
        function* (projectId, userId, name, color) {
          const made = yield* sql`
            insert into labels (project_id, name, color, sort_order, created_by)
            select ${projectId}, ${name}, ${color}, coalesce(max(sort_order) + 10000, 65535), ${userId}
            from labels where project_id = ${projectId}
            on conflict do nothing returning id`
          return made.length === 0 ? undefined : (yield* labelsWhere(projectId, name))[0]
        }
      )

      const byId = (found: ReadonlyArray<Item>) => new Map(found.map((item) => [String(item.id), item]))

      const expansions: Boards["Service"]["expansions"] = Effect.fnUntraced(function* (projectId) {
        const users = byId(
          yield* items(sql`select json_build_object(${sql.literal(user)}) as item from users u`)
        )
        const project = yield* items(sql`
          select json_build_object('id', id, 'identifier', identifier, 'name', name, 'cover_image', null,
            'icon_prop', null, 'emoji', null, 'description', '', 'cover_image_url', null) as item
          from projects where id = ${projectId}`)
        const workspace = yield* items(sql`
          select json_build_object('name', w.name, 'slug', w.slug, 'id', w.id) as item
          from workspaces w join projects p on p.workspace_id = w.id where p.id = ${projectId}`)
        const parent = yield* items(sql`
          select json_build_object('id', id, 'sequence_id', sequence_id, 'project_id', project_id) as item
          from issues i where project_id = ${projectId} and exists (select from issues c where c.parent_id = i.id)`)
        const brief = ({ color, group, id, name }: Item): Item => ({ id, name, color, group })
        return {
          actor: users,
          assignees: users,
          created_by: users,
          updated_by: users,
          labels: byId(yield* labelsWhere(projectId, null)),
          parent: byId(parent),
          project: byId(project),
          state: byId((yield* states(projectId)).map(brief)),
          workspace: byId(workspace)
        }
      })

      return {
        me: (userId) =>
          items(
            sql`select json_build_object(${sql.literal(user)}) as item from users u where id = ${userId}`
          ),
        projects,
        states,
        labels: (projectId) => labelsWhere(projectId, null),
        members,
        workspaceMembers,
        addLabel,
        expansions
      }
    })
  )
}
