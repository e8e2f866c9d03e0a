-- Logins by OAuth: a login is a token like any other (listed, revoked, audited), whose secrets change.

alter table tokens
  add column kind text not null default 'agent' check (kind in ('agent', 'oauth')),
  alter column hash drop not null,
  -- What the person ticked: narrows what the grants hold. Null: all of it.
  add column scopes text[] check (
    cardinality(scopes) > 0
    and scopes <@ array[
      'project:read', 'issue:read', 'issue:create', 'issue:update',
      'issue:move', 'comment:create', 'label:set', 'assignee:set'
    ]
  ),
  add column client_id text check (char_length(client_id) between 1 and 512),
  -- An agent token is found by its own hash; a login by those of its secrets.
  add constraint hash_of_agent_token check ((kind = 'agent') = (hash is not null)),
  add constraint client_of_login check ((kind = 'oauth') = (client_id is not null)),
  add constraint scopes_of_login check ((kind = 'oauth') = (scopes is not null)),
  add constraint end_of_login check (kind = 'agent' or expires_at is not null);

create index tokens_of_client on tokens (client_id) where client_id is not null;

-- The secrets of a login: SHA-256 of access and refresh tokens. Each turn is a pair that was issued together.
--
--   live        good
--   previous    a refresh token that was used; good until the one that it gave is used
--   superseded  a refresh token whose successor was used: using it again ends the login
--   void        its turn was taken back, since the refresh token before it was asked again
create table oauth_secrets (
  hash bytea primary key check (octet_length(hash) = 32),
  token_id uuid not null references tokens (id),
  kind text not null check (kind in ('access', 'refresh')),
  turn integer not null check (turn > 0),
  state text not null default 'live' check (state in ('live', 'previous', 'superseded', 'void')),
  -- Of an access token that was asked for with less than the login has.
  scopes text[],
  issued_at timestamptz not null default now(),
  expires_at timestamptz not null,
  -- When a refresh token was last exchanged, and the answer under a key that only the token itself opens, for
  -- who asked at the same time.
  exchanged_at timestamptz,
  sealed_answer bytea,
  unique (token_id, turn, kind),
  constraint access_is_live_or_void check (kind = 'refresh' or state in ('live', 'void')),
  constraint only_access_is_narrowed check (kind = 'access' or scopes is null),
  constraint answer_of_previous check (sealed_answer is null or state = 'previous')
);

-- One refresh token of a login is the newest, and one at most is the one before it.
create unique index oauth_secrets_newest on oauth_secrets (token_id) where kind = 'refresh' and state = 'live';
create unique index oauth_secrets_previous on oauth_secrets (token_id) where kind = 'refresh' and state = 'previous';
create index oauth_secrets_by_end on oauth_secrets (expires_at);
create index oauth_secrets_sealed on oauth_secrets (exchanged_at) where sealed_answer is not null;

-- Programs that registered themselves (RFC 7591). Nothing that they say of themselves is proven.
create table oauth_clients (
  id uuid primary key,
  name text check (char_length(name) between 1 and 128),
  redirect_uris text[] not null check (cardinality(redirect_uris) between 1 and 10),
  address text not null check (char_length(address) between 1 and 64),
  network text not null check (char_length(network) between 1 and 64),
  created_at timestamptz not null default now()
);

create index oauth_clients_of_network on oauth_clients (network, created_at);
create index oauth_clients_by_age on oauth_clients (created_at);

-- A page on which a person who typed a good pairing code is asked. It belongs to one browser and to one request.
create table oauth_consents (
  id uuid primary key,
  pairing_id uuid not null references pairing_codes (id),
  browser_hash bytea not null check (octet_length(browser_hash) = 32),
  request_hash bytea not null check (octet_length(request_hash) = 32),
  created_at timestamptz not null default now(),
  expires_at timestamptz not null
);

create index oauth_consents_by_end on oauth_consents (expires_at);
create index oauth_consents_of_pairing on oauth_consents (pairing_id);

-- Authorization codes. The login that one stands for is there from the first, and lives no longer than the code
-- until that is exchanged.
create table oauth_codes (
  hash bytea primary key check (octet_length(hash) = 32),
  token_id uuid not null unique references tokens (id),
  pairing_id uuid not null references pairing_codes (id),
  redirect_uri text not null,
  -- SHA-256 of the verifier (RFC 7636, S256).
  challenge bytea not null check (octet_length(challenge) = 32),
  resource text not null,
  created_at timestamptz not null default now(),
  expires_at timestamptz not null,
  used_at timestamptz,
  -- A wrong verifier, client or redirect URI came along: good for nobody any more.
  voided_at timestamptz,
  check (used_at is null or voided_at is null)
);

create index oauth_codes_by_end on oauth_codes (expires_at);
create index oauth_codes_of_pairing on oauth_codes (pairing_id);
