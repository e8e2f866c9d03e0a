-- Who may call: agents, what each is granted, and the hashes of its tokens.

-- An instant as it goes over the wire: ISO 8601, UTC, milliseconds.
create function iso(instant timestamptz) returns text
language sql stable parallel safe
return to_char(instant at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"');

create table agents (
  id uuid primary key,
  owner_user_id text not null check (char_length(owner_user_id) between 1 and 128),
  owner_email text not null check (char_length(owner_email) between 3 and 254),
  display_name text not null check (char_length(display_name) between 1 and 128),
  status text not null default 'active' check (status in ('active', 'disabled')),
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);

create index agents_newest on agents (created_at desc, id desc);
create index agents_of_owner on agents (owner_user_id, created_at desc, id desc);

create table grants (
  id uuid primary key,
  agent_id uuid not null references agents (id),
  workspace_slug text not null check (char_length(workspace_slug) between 1 and 128),
  project_id uuid not null,
  scopes text[] not null check (
    cardinality(scopes) > 0
    and scopes <@ array[
      'project:read', 'issue:read', 'issue:create', 'issue:update',
      'issue:move', 'comment:create', 'label:set', 'assignee:set'
    ]
  ),
  expires_at timestamptz,
  max_writes_per_day integer check (max_writes_per_day > 0),
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  revoked_at timestamptz
);

-- One live grant an agent and project. It is also how a call finds its grants.
create unique index grants_one_live on grants (agent_id, project_id) where revoked_at is null;
create index grants_of_agent on grants (agent_id, created_at desc, id desc);

-- The writes of a grant on one day (UTC). A count past the limit fails the statement that made it,
-- and with it the reservation that it stands for, so no race passes the limit.
create table grant_writes (
  grant_id uuid not null references grants (id),
  day date not null,
  writes integer not null check (writes >= 0),
  max_writes integer not null,
  primary key (grant_id, day),
  constraint grant_writes_within_quota check (writes <= max_writes)
);

create table tokens (
  id uuid primary key,
  agent_id uuid not null references agents (id),
  name text not null check (char_length(name) between 1 and 128),
  hash bytea not null unique check (octet_length(hash) = 32),
  created_at timestamptz not null default now(),
  expires_at timestamptz,
  revoked_at timestamptz
);

create index tokens_of_agent on tokens (agent_id, created_at desc, id desc);
