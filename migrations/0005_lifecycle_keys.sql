-- Idempotency keys of the lifecycle API: the same request again within a day answers the same resource.

create table lifecycle_keys (
  path text not null,
  key text not null check (char_length(key) between 1 and 255),
  fingerprint bytea not null check (octet_length(fingerprint) = 32),
  resource_id uuid not null,
  created_at timestamptz not null default now(),
  primary key (path, key)
);

create index lifecycle_keys_by_age on lifecycle_keys (created_at);
