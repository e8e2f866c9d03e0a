-- The pace of recovery, titles that were taken over, and indexes for what is looked for among very many keys.

alter table idempotency_keys
  -- When recovery's next look is due once whoever holds the key has let go of it: callers who repeat a key
  -- in doubt neither put it off nor bring it nearer.
  add column next_look timestamptz;

-- Whose title it was before a card of the same title was made on purpose, should that one not be made.
alter table recent_titles
  add column previous_operation_id uuid,
  add column previous_reserved_at timestamptz;

drop index idempotency_keys_settled;
create index idempotency_keys_answered on idempotency_keys (settled_at)
  where state = 'executed' and expired_at is null;
create index idempotency_keys_expired on idempotency_keys (expired_at) where expired_at is not null;
create index idempotency_keys_not_executed on idempotency_keys (settled_at) where state = 'not_executed';

-- Which write of an agent made a card.
create index idempotency_keys_made on idempotency_keys (agent_id, issue_id)
  where state = 'executed' and tool = 'tasker_create_issue';
