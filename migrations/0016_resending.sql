-- When a write may be sent again, and doubles that its resend may have made.

alter table idempotency_keys
  -- Latest moment at which a request of an earlier holder of the lease can have been sent; the epoch if none
  -- was. For a holder that died it is the end of its lease. Null if an instance of an earlier version, which
  -- may still run beside this one, reserved the key: nobody knows.
  add column sent_until timestamptz,
  -- True if the key was used before for a write that was not executed: then what stands in Tasker under it
  -- may be that earlier write's.
  add column reused boolean not null default false,
  -- When an executed create or comment that was sent again is looked at once more for a double.
  add column check_at timestamptz,
  -- True if more than one card or comment stands in Tasker under this key.
  add column doubled boolean not null default false,
  add constraint check_once_executed check (check_at is null or state = 'executed');

-- A write that was in doubt before this migration may have been sent until its lease ended.
update idempotency_keys set sent_until = coalesce(lease_until, now())
  where state in ('in_progress', 'unknown', 'unresolved');

create index idempotency_keys_to_check on idempotency_keys (check_at) where check_at is not null;

-- The answer in which an agent was shown a card's `updated_at`.
create index idempotency_keys_answered_card on idempotency_keys (agent_id, issue_id)
  where state = 'executed' and answer is not null;
