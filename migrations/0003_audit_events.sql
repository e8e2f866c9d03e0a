-- Who did what. Rows can be added and read; nothing changes or removes one, whatever the role.

create table audit_events (
  position bigint generated always as identity primary key,
  id uuid not null unique,
  at timestamptz not null,
  action text not null check (char_length(action) between 1 and 128),
  outcome text not null check (outcome in ('executed', 'replayed', 'denied', 'failed', 'unknown', 'dry_run')),
  reason text,
  agent_id uuid,
  owner_user_id text,
  token_id uuid,
  project_id uuid,
  issue_id uuid,
  idempotency_key text,
  arguments_sha256 text check (arguments_sha256 ~ '^[0-9a-f]{64}$'),
  request_id text not null,
  via text not null check (via in ('mcp', 'rest', 'recovery', 'admin')),
  count integer not null default 1 check (count > 0)
);

create index audit_events_of_agent on audit_events (agent_id, position desc);

create function audit_events_are_append_only() returns trigger
language plpgsql as $$
begin
  raise exception 'audit events can be added and read, never changed or removed'
    using errcode = 'insufficient_privilege';
end
$$;

create trigger audit_events_append_only
  before update or delete or truncate on audit_events
  for each statement execute function audit_events_are_append_only();

-- Also where a session plays the part of a replica, which skips ordinary triggers.
alter table audit_events enable always trigger audit_events_append_only;

-- Equal denials of one minute: the first sixty are events of their own, the rest are counted here
-- and become one event when the minute is over.
create table denial_tallies (
  agent_id uuid not null,
  action text not null,
  reason text not null,
  minute timestamptz not null,
  denials integer not null check (denials > 0),
  last_event jsonb not null,
  primary key (agent_id, action, reason, minute)
);

create index denial_tallies_by_minute on denial_tallies (minute);
