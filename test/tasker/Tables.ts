import { PgClient } from "@effect/sql-pg"
import { Effect } from "effect"

/** Schema names go into SQL and into `search_path` unquoted, so they are kept to what needs no quotes. */
export const schemaName = /^[a-z_][a-z0-9_]{0,62}$/

const tables = [
  `create table if not exists projects (
    id uuid primary key default gen_random_uuid(),
    workspace_slug text not null,
    name text not null,
    name_folded text not null,
    identifier text not null,
    last_sequence int not null default 0,
    default_assignee text,
    unique (workspace_slug, name_folded),
    unique (workspace_slug, identifier)
  )`,
  `create table if not exists states (
    id uuid primary key default gen_random_uuid(),
    project_id uuid not null references projects,
    name text not null,
    "group" text not null check ("group" in ('backlog', 'unstarted', 'started', 'completed', 'cancelled')),
    color text not null,
    is_default boolean not null,
    position int not null
  )`,
  `create unique index if not exists states_one_default on states (project_id) where is_default`,
  `create index if not exists states_by_project on states (project_id, position)`,
  `create table if not exists labels (
    id uuid primary key default gen_random_uuid(),
    project_id uuid not null references projects,
    name text not null,
    color text not null
  )`,
  `create index if not exists labels_by_project on labels (project_id)`,
  `create table if not exists members (
    project_id uuid not null references projects,
    id text not null,
    display_name text not null,
    email text not null,
    role int not null check (role in (5, 15, 20)),
    active boolean not null,
    primary key (project_id, id)
  )`,
  `create table if not exists issues (
    id uuid primary key default gen_random_uuid(),
    project_id uuid not null references projects,
    sequence_id int not null,
    name text not null,
    name_folded text not null,
    description_html text not null,
    priority text not null check (priority in ('urgent', 'high', 'medium', 'low', 'none')),
    state_id uuid not null references states,
    label_ids uuid[] not null,
    assignee_ids text[] not null,
    start_date date,
    target_date date,
    parent_id uuid references issues on delete set null,
    external_source text,
    external_id text,
    archived boolean not null default false,
    draft boolean not null default false,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    unique (project_id, sequence_id)
  )`,
  `create index if not exists issues_newest on issues (project_id, created_at desc, id desc)`,
  `create index if not exists issues_external on issues (project_id, external_id)`,
  `create index if not exists issues_parent on issues (parent_id)`,
  `create table if not exists comments (
    id uuid primary key default gen_random_uuid(),
    issue_id uuid not null references issues on delete cascade,
    comment_html text not null,
    author_id text not null,
    author_display_name text not null,
    external_source text,
    external_id text,
    created_at timestamptz not null
  )`,
  `create index if not exists comments_oldest on comments (issue_id, created_at, id)`,
  // One row a key that was carried out. A row without a body is the lock of a write under way: it is
  // never committed.
  `create table if not exists answers (
    idempotency_key text primary key,
    status int,
    body text
  )`,
  `create table if not exists writes (
    n int generated always as identity primary key,
    idempotency_key text not null,
    agent_id uuid not null,
    op text not null,
    project_id uuid not null,
    issue_id uuid,
    comment_id uuid,
    at timestamptz not null default clock_timestamp(),
    body json not null
  )`
]

/**
 * Makes the schema and its tables where they are not there yet. Several Taskers may start on one
 * database at once: `if not exists` alone does not hold under a race, the lock does.
 */
export const createTables = (schema: string) =>
  Effect.flatMap(PgClient.PgClient, (sql) =>
    sql.withTransaction(
      Effect.gen(function* () {
        yield* sql`select pg_advisory_xact_lock(hashtextextended('reference-tasker.tables', 0))`
        yield* sql.unsafe(`create schema if not exists ${schema}`)
        yield* Effect.forEach(tables, (table) => sql.unsafe(table), { discard: true })
      })
    )
  )
