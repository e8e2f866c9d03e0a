-- Recovery without a caller: what is left in doubt is looked at again until it is known, given up to
-- its owner after a bound, or expired.
--
--   in_progress   leased; once the lease ran out it is due
--   unknown       nobody knows; due at look_at
--   unresolved    looking again would not help: the owner decides, or a later call with the key
--   executed      done; its answer is kept for replay, then it is an expired key without one
--   not_executed  settled as not done, without its caller: the key is free again, the row tells the story

alter table idempotency_keys drop constraint idempotency_keys_state_check;
alter table idempotency_keys drop constraint intent_until_settled;
alter table idempotency_keys drop constraint answer_once_executed;
alter table idempotency_keys drop constraint settled_once_executed;

alter table idempotency_keys
  -- When an unknown outcome is looked at next.
  add column look_at timestamptz,
  -- How often recovery looked while Tasker was there to be asked.
  add column looks integer not null default 0 check (looks >= 0),
  -- Why it is not known, or why it counts as not done.
  add column reason text,
  -- Once the answer is kept no longer: the key still stands, so that it never executes again.
  add column expired_at timestamptz;

update idempotency_keys set look_at = now() where state = 'unknown';

alter table idempotency_keys
  add constraint idempotency_keys_state_check
    check (state in ('in_progress', 'unknown', 'unresolved', 'executed', 'not_executed')),
  add constraint look_while_unknown check ((state = 'unknown') = (look_at is not null)),
  add constraint intent_until_settled
    check ((state in ('executed', 'not_executed')) = (intent is null)),
  add constraint answer_once_executed
    check ((state = 'executed' and expired_at is null) = (answer is not null)),
  add constraint settled_once_known
    check ((state in ('executed', 'not_executed')) = (settled_at is not null)),
  add constraint expired_once_executed check (expired_at is null or state = 'executed');

-- One key of one agent is one write; one that turned out not to be done frees the key.
alter table idempotency_keys drop constraint idempotency_keys_agent_id_key_key;
create unique index idempotency_keys_one_write on idempotency_keys (agent_id, key)
  where state <> 'not_executed';
create index idempotency_keys_of_key on idempotency_keys (agent_id, key, created_at desc);

drop index idempotency_keys_unsettled;
-- What recovery is due to look at, oldest first.
create index idempotency_keys_due on idempotency_keys (coalesce(lease_until, look_at))
  where state in ('in_progress', 'unknown');
-- What people look for: newest first.
create index idempotency_keys_open on idempotency_keys (state, created_at desc, id desc)
  where state in ('in_progress', 'unknown', 'unresolved');
-- What the reaper looks for.
create index idempotency_keys_settled on idempotency_keys (settled_at)
  where state in ('executed', 'not_executed');

-- The story of one key.
create index audit_events_of_key on audit_events (agent_id, idempotency_key, position)
  where idempotency_key is not null;
