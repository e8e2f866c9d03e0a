-- What an agent called its latest cards, so that the same card under another key is noticed. One row a
-- title: two reservations at the same instant meet here, and one wins.

create table recent_titles (
  agent_id uuid not null references agents (id),
  project_id uuid not null,
  -- SHA-256 of the normalised title.
  title_hash bytea not null check (octet_length(title_hash) = 32),
  operation_id uuid not null,
  reserved_at timestamptz not null default now(),
  primary key (agent_id, project_id, title_hash)
);

create index recent_titles_of_operation on recent_titles (operation_id);
create index recent_titles_by_age on recent_titles (reserved_at);
