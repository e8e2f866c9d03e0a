-- What makes the audit trail provable. The sealer, one instance at a time, gives each event a sequence
-- number without gaps and a link that stands for it and all before it, and signs the last link.

alter table audit_events
  -- SHA-256 of the event's canonical JSON, written with it. Where it is null a gateway of before this
  -- migration wrote the event: the sealer then hashes it as it finds it.
  add column hash bytea check (octet_length(hash) = 32);

-- Public halves of the keys that signed. They stay, so that what an old key signed can be verified.
create table audit_keys (
  key_id text primary key check (key_id ~ '^[0-9a-f]{32}$'),
  -- DER (SubjectPublicKeyInfo) in base64.
  public_key text not null unique,
  created_at timestamptz not null default now()
);

-- The chain. There is no foreign key to the event: its check would write a lock into every event's row,
-- and events can't go.
create table audit_seals (
  sequence bigint primary key check (sequence > 0),
  position bigint not null unique,
  event_hash bytea not null check (octet_length(event_hash) = 32),
  link bytea not null check (octet_length(link) = 32)
);

create table audit_checkpoints (
  sequence bigint primary key references audit_seals (sequence),
  at timestamptz not null,
  key_id text not null references audit_keys (key_id),
  signature bytea not null check (octet_length(signature) = 64),
  -- Every event up to this position is sealed, and none can come there any more: what is not sealed yet
  -- is looked for after it. Not signed, since it proves nothing.
  horizon bigint not null check (horizon >= 0)
);

create index audit_checkpoints_by_time on audit_checkpoints (at, sequence);

create function audit_proof_is_append_only() returns trigger
language plpgsql as $$
begin
  raise exception '% can be added to and read, never changed or shortened', tg_table_name
    using errcode = 'insufficient_privilege';
end
$$;

create trigger audit_keys_append_only before update or delete or truncate on audit_keys
  for each statement execute function audit_proof_is_append_only();
create trigger audit_seals_append_only before update or delete or truncate on audit_seals
  for each statement execute function audit_proof_is_append_only();
create trigger audit_checkpoints_append_only before update or delete or truncate on audit_checkpoints
  for each statement execute function audit_proof_is_append_only();

alter table audit_keys enable always trigger audit_keys_append_only;
alter table audit_seals enable always trigger audit_seals_append_only;
alter table audit_checkpoints enable always trigger audit_checkpoints_append_only;
