-- Requests that the gateway's API keys made of Plane, which all instances share a limit of.

-- Unlogged: counting costs no wait for the disk, and a crash of the database forgets a minute at most.
create unlogged table plane_budgets (
  key_sha256 bytea primary key check (octet_length(key_sha256) = 32),
  -- [[second since the epoch, requests made in it], …], of the last minute.
  made jsonb not null default '[]',
  -- Plane asked to send nothing under this key until then.
  held_until timestamptz
);
