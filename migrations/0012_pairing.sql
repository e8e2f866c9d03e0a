-- What becomes of a pairing code: used by whom, locked, tried again; and the wrong tries of codes that never were.

alter table pairing_codes
  add column locked_at timestamptz,
  -- The token that the code was used for, and by whom: the client's own name for itself, and its address.
  add column token_id uuid references tokens (id),
  add column used_by text check (char_length(used_by) between 1 and 128),
  add column used_from text check (char_length(used_from) between 1 and 128),
  -- For a minute after a redemption: SHA-256 of its nonce, and the token under a key that only the nonce opens.
  add column nonce_hash bytea check (octet_length(nonce_hash) = 32),
  add column wrapped_token bytea,
  -- Tries of the code after it was used, which were refused.
  add column refused_after_use integer not null default 0 check (refused_after_use >= 0),
  add column last_refused_at timestamptz,
  add check (locked_at is null or (used_at is null and cancelled_at is null)),
  add check ((used_at is null) = (token_id is null)),
  add check ((used_at is null) = (used_by is null)),
  add check ((used_at is null) = (used_from is null)),
  add check ((wrapped_token is null) = (nonce_hash is null)),
  add check (wrapped_token is null or used_at is not null);

-- Those that are pending, and those that nobody used in time.
create index pairing_codes_unused on pairing_codes (expires_at) where used_at is null;
create index pairing_codes_wrapped on pairing_codes (used_at) where wrapped_token is not null;

-- Wrong tries, minute by minute, by whose account they are on: an address, its network, its block, and `all`.
-- Logged, unlike other counts: after a crash too nobody shall begin anew.
create table pairing_guesses (
  account text not null check (char_length(account) between 1 and 64),
  minute timestamptz not null,
  guesses integer not null check (guesses > 0),
  -- How many codes they could have hit, together.
  chances bigint not null check (chances > 0),
  primary key (account, minute)
);

create index pairing_guesses_by_minute on pairing_guesses (minute);
