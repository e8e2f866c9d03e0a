-- Keys of writes that were carried out and whose rows are gone: they are never carried out again.

create table used_keys (
  agent_id uuid not null,
  key_sha256 bytea not null check (octet_length(key_sha256) = 32),
  -- No foreign key to the agent: a key outlives whatever becomes of its agent.
  primary key (agent_id, key_sha256)
);

-- Moves the key in the statement that deletes the row, whoever deletes it: instances of earlier versions, which
-- delete rows without keeping the key, may still run beside newer ones.
create function keep_used_key() returns trigger
language plpgsql as $$
begin
  insert into used_keys (agent_id, key_sha256)
  values (old.agent_id, sha256(convert_to(old.key, 'UTF8')))
  on conflict do nothing;
  return null;
end
$$;

create trigger used_key_is_kept
  after delete on idempotency_keys
  for each row when (old.state = 'executed') execute function keep_used_key();

-- Also where a session plays the part of a replica, which skips ordinary triggers.
alter table idempotency_keys enable always trigger used_key_is_kept;
