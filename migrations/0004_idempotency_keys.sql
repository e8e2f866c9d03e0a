-- One key of one agent is one write. The row is the intent before anything is sent to Tasker, and
-- the outcome after.

create table idempotency_keys (
  id uuid primary key,
  agent_id uuid not null references agents (id),
  key text not null check (key ~ '^[A-Za-z0-9_:.-]{8,128}$'),
  tool text not null,
  project_id uuid not null,
  issue_id uuid,
  grant_id uuid not null references grants (id),
  token_id uuid not null references tokens (id),
  fingerprint text not null check (fingerprint ~ '^[0-9a-f]{64}$'),
  state text not null check (state in ('in_progress', 'unknown', 'executed')),
  -- Rises each time that the lease changes hands: who holds an older one can write no outcome.
  fence integer not null default 1 check (fence > 0),
  lease_until timestamptz,
  -- The change as it is sent to Tasker: kept while it is in doubt, gone once it is settled.
  intent jsonb,
  answer jsonb,
  request_id text not null,
  created_at timestamptz not null default now(),
  settled_at timestamptz,
  unique (agent_id, key),
  constraint lease_while_in_progress check ((state = 'in_progress') = (lease_until is not null)),
  constraint intent_until_settled check ((state = 'executed') = (intent is null)),
  constraint answer_once_executed check ((state = 'executed') = (answer is not null)),
  constraint settled_once_executed check ((state = 'executed') = (settled_at is not null))
);

-- What waits to be settled, oldest first.
create index idempotency_keys_unsettled on idempotency_keys (created_at) where state <> 'executed';
