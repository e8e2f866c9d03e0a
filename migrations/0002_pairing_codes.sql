-- Short codes by which a person connects an agent. Only a keyed hash of a code is kept.

create table pairing_codes (
  id uuid primary key,
  agent_id uuid not null references agents (id),
  name text check (char_length(name) between 1 and 128),
  code_hash bytea not null unique check (octet_length(code_hash) = 32),
  created_at timestamptz not null default now(),
  expires_at timestamptz not null,
  used_at timestamptz,
  cancelled_at timestamptz,
  failed_confirmations integer not null default 0 check (failed_confirmations between 0 and 5),
  check (expires_at > created_at),
  check (used_at is null or cancelled_at is null)
);

create index pairing_codes_of_agent on pairing_codes (agent_id, created_at desc, id desc);
