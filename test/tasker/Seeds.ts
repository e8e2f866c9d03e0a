import { PgClient } from "@effect/sql-pg"
import { Context, Effect, Layer, Schema } from "effect"
import { CardChange } from "./Calls.ts"
import { type Card, cardColumns, decodeCards } from "./Card.ts"
import { Role, StateGroup, Text, UserId, Uuid } from "./Fields.ts"
import { iso, type StoreError } from "./Once.ts"
import { fold, type Project } from "./Projects.ts"
import { alreadyExists, notFound } from "./Refusal.ts"

const Color = Text

const StateSeed = Schema.Struct({
  id: Schema.optionalKey(Uuid),
  name: Text,
  group: StateGroup,
  color: Schema.optionalKey(Color),
  default: Schema.optionalKey(Schema.Boolean)
})

const LabelSeed = Schema.Struct({
  id: Schema.optionalKey(Uuid),
  name: Text,
  color: Schema.optionalKey(Color)
})

const MemberSeed = Schema.Struct({
  id: UserId,
  display_name: Schema.optionalKey(Text),
  email: Schema.optionalKey(Text),
  role: Schema.optionalKey(Role),
  active: Schema.optionalKey(Schema.Boolean)
})

export const NewProject = Schema.Struct({
  id: Schema.optionalKey(Uuid),
  workspace_slug: Text,
  name: Text,
  identifier: Text,
  states: Schema.optionalKey(Schema.Array(StateSeed)),
  labels: Schema.optionalKey(Schema.Array(LabelSeed)),
  members: Schema.optionalKey(Schema.Array(MemberSeed)),
  /** A member's id. */
  default_assignee: Schema.optionalKey(UserId)
})
/** What a person can do to a card. */
export const Edit = Schema.Struct({
  ...CardChange.fields,
  archived: Schema.optionalKey(Schema.Boolean),
  draft: Schema.optionalKey(Schema.Boolean)
})
export type Edit = typeof Edit.Type
export const NewMember = Schema.Struct({ project_id: Uuid, ...MemberSeed.fields })
export const NewLabel = Schema.Struct({ project_id: Uuid, ...LabelSeed.fields })
export const NewComment = Schema.Struct({ author_id: UserId, comment_html: Text })

const Id = Schema.Struct({ id: Schema.String })
const State = Schema.Struct({
  ...Id.fields,
  name: Schema.String,
  group: Schema.String,
  color: Schema.String,
  default: Schema.Boolean
})
const Label = Schema.Struct({ ...Id.fields, name: Schema.String, color: Schema.String })
const Member = Schema.Struct({
  ...Id.fields,
  display_name: Schema.String,
  email: Schema.String,
  role: Schema.Int,
  active: Schema.Boolean
})
const Comment = Schema.Struct({
  ...Id.fields,
  issue_id: Schema.String,
  comment_html: Schema.String,
  author_id: Schema.String,
  created_at: Schema.String
})

const one = <S extends Schema.ConstraintDecoder<unknown>>(schema: S) => {
  const decode = Schema.decodeUnknownEffect(Schema.Array(schema))
  return (rows: unknown, missing: string) =>
    Effect.flatMap(decode(rows), ([row]) =>
      row === undefined ? Effect.fail(notFound(missing)) : Effect.succeed(row)
    )
}
const decodeIds = Schema.decodeUnknownEffect(Schema.Array(Id))
const oneId = one(Id)
const oneState = one(State)
const oneLabel = one(Label)
const oneMember = one(Member)
const oneComment = one(Comment)

/** Plane's own five. */
const planeStates: ReadonlyArray<typeof StateSeed.Type> = [
  { name: "Backlog", group: "backlog", color: "#60646C", default: true },
  { name: "Todo", group: "unstarted", color: "#60646C" },
  { name: "In Progress", group: "started", color: "#F59E0B" },
  { name: "Done", group: "completed", color: "#46A758" },
  { name: "Cancelled", group: "cancelled", color: "#9AA4BC" }
]

const grey = "#60646C"

export interface SeededProject {
  readonly project: Project
  readonly states: ReadonlyArray<typeof State.Type>
  readonly labels: ReadonlyArray<typeof Label.Type>
  readonly members: ReadonlyArray<typeof Member.Type>
}

/**
 * What a test puts into Tasker, and what it does there as a person would: no key, no log of writes, and
 * no sanitiser, so that it can plant what a careless Tasker would have kept.
 */
export class Seeds extends Context.Service<
  Seeds,
  {
    /** Without states it gets Plane's five. The first state is the default where none says so. */
    readonly project: (seed: typeof NewProject.Type) => Effect.Effect<SeededProject, StoreError>
    /** Adds a member, or changes what is given of one that is there. */
    readonly member: (seed: typeof NewMember.Type) => Effect.Effect<typeof Member.Type, StoreError>
    readonly label: (seed: typeof NewLabel.Type) => Effect.Effect<typeof Label.Type, StoreError>
    readonly card: (issueId: string) => Effect.Effect<Card, StoreError>
    readonly edit: (issueId: string, change: Edit) => Effect.Effect<Card, StoreError>
    readonly remove: (issueId: string) => Effect.Effect<void, StoreError>
    readonly comment: (
      issueId: string,
      seed: typeof NewComment.Type
    ) => Effect.Effect<typeof Comment.Type, StoreError>
  }
>()("reference-tasker/Seeds") {
  static readonly layer = Layer.effect(
    Seeds,
    Effect.gen(function* () {
      const sql = yield* PgClient.PgClient
      const columns = sql.literal(cardColumns)
      const orRandom = (id: string | undefined) => sql`coalesce(${id ?? null}::uuid, gen_random_uuid())`

      const insertProject = (seed: typeof NewProject.Type) => sql`
        insert into projects (id, workspace_slug, name, name_folded, identifier, default_assignee)
        values (${orRandom(seed.id)}, ${seed.workspace_slug}, ${seed.name}, ${fold(seed.name)},
          ${seed.identifier.toUpperCase()}, ${seed.default_assignee ?? null})
        on conflict do nothing
        returning id`

      const findClash = (seed: typeof NewProject.Type) => sql`
        select id from projects where id = ${seed.id ?? null} or (workspace_slug = ${seed.workspace_slug}
          and (identifier = ${seed.identifier.toUpperCase()} or name_folded = ${fold(seed.name)})) limit 1`

      const insertState = (
        projectId: string,
        seed: typeof StateSeed.Type,
        position: number,
        isDefault: boolean
      ) => sql`
        insert into states (id, project_id, name, "group", color, is_default, position)
        values (${orRandom(seed.id)}, ${projectId}, ${seed.name}, ${seed.group}, ${seed.color ?? grey},
          ${isDefault}, ${position})
        returning id, name, "group", color, is_default as "default"`

      const insertLabel = (seed: typeof NewLabel.Type) => sql`
        insert into labels (id, project_id, name, color)
        select ${orRandom(seed.id)}, id, ${seed.name}, ${seed.color ?? grey} from projects where id = ${seed.project_id}
        returning id, name, color`

      const upsertMember = (seed: typeof NewMember.Type) => sql`
        insert into members as m (project_id, id, display_name, email, role, active)
        select id, ${seed.id}, ${seed.display_name ?? seed.id}, ${seed.email ?? `${seed.id}@example.org`},
          ${seed.role ?? 15}, ${seed.active ?? true}
        from projects where id = ${seed.project_id}
        on conflict (project_id, id) do update set
          display_name = coalesce(${seed.display_name ?? null}, m.display_name),
          email = coalesce(${seed.email ?? null}, m.email),
          role = coalesce(${seed.role ?? null}::int, m.role),
          active = coalesce(${seed.active ?? null}::boolean, m.active)
        returning id, display_name, email, role, active`

      const findCard = (issueId: string) =>
        sql`select ${columns} from issues i join projects p on p.id = i.project_id where i.id = ${issueId}`

      const setCard = (issueId: string, change: Edit) => sql`
        update issues set ${sql.csv([
          sql`updated_at = greatest(clock_timestamp(), updated_at + interval '1 microsecond')`,
          ...(change.name === undefined
            ? []
            : [sql`name = ${change.name}, name_folded = ${fold(change.name)}`]),
          ...(change.description_html === undefined
            ? []
            : [sql`description_html = ${change.description_html ?? ""}`]),
          ...(change.priority === undefined ? [] : [sql`priority = ${change.priority}`]),
          ...(change.state_id == null ? [] : [sql`state_id = ${change.state_id}`]),
          ...(change.label_ids === undefined ? [] : [sql`label_ids = ${change.label_ids}::uuid[]`]),
          ...(change.assignee_ids === undefined ? [] : [sql`assignee_ids = ${change.assignee_ids}::text[]`]),
          ...(change.start_date === undefined ? [] : [sql`start_date = ${change.start_date}`]),
          ...(change.target_date === undefined ? [] : [sql`target_date = ${change.target_date}`]),
          ...(change.parent_id === undefined ? [] : [sql`parent_id = ${change.parent_id}`]),
          ...(change.archived === undefined ? [] : [sql`archived = ${change.archived}`]),
          ...(change.draft === undefined ? [] : [sql`draft = ${change.draft}`])
        ])}
        where id = ${issueId}`

      const insertComment = (issueId: string, seed: typeof NewComment.Type) => sql`
        insert into comments (issue_id, comment_html, author_id, author_display_name, created_at)
        select i.id, ${seed.comment_html}, m.id, m.display_name, clock_timestamp()
        from issues i join members m on m.project_id = i.project_id and m.id = ${seed.author_id}
        where i.id = ${issueId}
        returning id, issue_id, comment_html, author_id, ${sql.literal(iso("created_at"))} as created_at`

      const member: Seeds["Service"]["member"] = (seed) =>
        Effect.flatMap(upsertMember(seed), (rows) => oneMember(rows, "No such project."))

      const label: Seeds["Service"]["label"] = (seed) =>
        Effect.flatMap(insertLabel(seed), (rows) => oneLabel(rows, "No such project."))

      const card = Effect.fn("Seeds.card")(function* (issueId: string) {
        const [found] = yield* Effect.flatMap(findCard(issueId), decodeCards)
        return found ?? (yield* notFound("No such issue."))
      })

      const project: Seeds["Service"]["project"] = Effect.fn("Seeds.project")(function* (seed) {
        const inserted = yield* insertProject(seed)
        if (inserted.length === 0) {
          const [clash] = yield* Effect.flatMap(findClash(seed), decodeIds)
          return yield* clash === undefined ? notFound("No such project.") : alreadyExists("Issue", clash.id)
        }
        const { id } = yield* oneId(inserted, "No such project.")
        const seeds = seed.states ?? planeStates
        const byDefault = Math.max(
          0,
          seeds.findIndex((state) => state.default === true)
        )
        return {
          project: {
            id,
            name: seed.name,
            identifier: seed.identifier.toUpperCase(),
            workspace_slug: seed.workspace_slug
          },
          states: yield* Effect.forEach(seeds, (state, position) =>
            Effect.flatMap(insertState(id, state, position, position === byDefault), (rows) =>
              oneState(rows, "No such project.")
            )
          ),
          labels: yield* Effect.forEach(seed.labels ?? [], (each) => label({ ...each, project_id: id })),
          members: yield* Effect.forEach(seed.members ?? [], (each) => member({ ...each, project_id: id }))
        }
      }, sql.withTransaction)

      const edit = Effect.fn("Seeds.edit")(function* (issueId: string, change: Edit) {
        yield* setCard(issueId, change)
        return yield* card(issueId)
      })

      const remove = (issueId: string) =>
        Effect.flatMap(sql`delete from issues where id = ${issueId} returning id`, (rows) =>
          Effect.asVoid(oneId(rows, "No such issue."))
        )

      const comment: Seeds["Service"]["comment"] = (issueId, seed) =>
        Effect.flatMap(insertComment(issueId, seed), (rows) => oneComment(rows, "No such issue or member."))

      return { project, member, label, card, edit, remove, comment }
    })
  )
}
