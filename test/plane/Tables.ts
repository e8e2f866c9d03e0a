import { PgClient } from "@effect/sql-pg"
import { Effect } from "effect"

const audit = `
    created_at timestamptz not null default clock_timestamp(),
    updated_at timestamptz not null default clock_timestamp(),
    created_by uuid references users`

const tables = [
  `create table if not exists users (
    id uuid primary key default gen_random_uuid(),
    first_name text not null,
    last_name text not null,
    email text not null unique,
    display_name text not null
  )`,
  `create table if not exists api_keys (
    token text primary key,
    user_id uuid not null references users,
    active boolean not null default true
  )`,
  `create table if not exists workspaces (
    id uuid primary key default gen_random_uuid(),
    slug text not null unique,
    name text not null
  )`,
  `create table if not exists workspace_members (
    joined int generated always as identity,
    workspace_id uuid not null references workspaces,
    user_id uuid not null references users,
    role int not null check (role in (5, 15, 20)),
    primary key (workspace_id, user_id)
  )`,
  `create table if not exists projects (
    id uuid primary key default gen_random_uuid(),
    workspace_id uuid not null references workspaces,
    name text not null,
    identifier text not null,
    network int not null default 2 check (network in (0, 2)),
    default_assignee uuid references users,
    last_sequence int not null default 0,
    ${audit},
    unique (workspace_id, identifier)
  )`,
  `create table if not exists project_members (
    joined int generated always as identity,
    project_id uuid not null references projects,
    user_id uuid not null references users,
    role int not null check (role in (5, 15, 20)),
    active boolean not null,
    primary key (project_id, user_id)
  )`,
  `create table if not exists states (
    id uuid primary key default gen_random_uuid(),
    project_id uuid not null references projects,
    name text not null,
    "group" text not null,
    color text not null,
    is_default boolean not null,
    sequence int not null,
    ${audit}
  )`,
  `create table if not exists labels (
    id uuid primary key default gen_random_uuid(),
    project_id uuid not null references projects,
    name text not null,
    color text not null,
    sort_order int not null,
    ${audit},
    unique (project_id, name)
  )`,
  `create table if not exists issues (
    id uuid primary key default gen_random_uuid(),
    project_id uuid not null references projects,
    sequence_id int not null,
    name text not null,
    description_html text not null,
    priority text not null,
    state_id uuid not null references states,
    parent_id uuid references issues,
    start_date date,
    target_date date,
    sort_order int not null,
    completed_at timestamptz,
    archived_at date,
    is_draft boolean not null default false,
    external_source text,
    external_id text,
    updated_by uuid references users,
    deleted_at timestamptz,
    ${audit}
  )`,
  `create index if not exists issues_newest on issues (project_id, created_at desc)`,
  // Not unique: Plane has no constraint, which is why two cards can share an external id.
  `create index if not exists issues_external on issues (project_id, external_id)`,
  `create table if not exists issue_labels (
    issue_id uuid not null references issues,
    label_id uuid not null references labels,
    unique (issue_id, label_id)
  )`,
  `create table if not exists issue_assignees (
    issue_id uuid not null references issues,
    user_id uuid not null references users,
    unique (issue_id, user_id)
  )`,
  `create table if not exists comments (
    id uuid primary key default gen_random_uuid(),
    description uuid not null default gen_random_uuid(),
    project_id uuid not null references projects,
    issue_id uuid not null references issues,
    comment_html text not null,
    access text not null,
    actor uuid not null references users,
    external_source text,
    external_id text,
    ${audit}
  )`,
  `create index if not exists comments_newest on comments (issue_id, created_at desc)`,
  `create index if not exists comments_external on comments (project_id, external_id)`,
  `create table if not exists writes (
    n int generated always as identity primary key,
    op text not null,
    user_id uuid not null,
    project_id uuid not null,
    issue_id uuid not null,
    comment_id uuid,
    external_id text,
    at timestamptz not null default clock_timestamp(),
    body json not null,
    whole boolean not null default true
  )`
]

/** Creates the schema and its tables. The lock is needed because `if not exists` does not hold under a race. */
export const createTables = (schema: string) =>
  Effect.flatMap(PgClient.PgClient, (sql) =>
    sql.withTransaction(
      Effect.gen(function* () {
        yield* sql`select pg_advisory_xact_lock(hashtextextended('reference-plane.tables', 0))`
        yield* sql.unsafe(`create schema if not exists ${schema}`)
        yield* Effect.forEach(tables, (table) => sql.unsafe(table), { discard: true })
      })
    )
  )
