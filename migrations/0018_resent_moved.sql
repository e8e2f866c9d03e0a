-- Whether a change in doubt may have been sent again over another hand's.

alter table idempotency_keys
  -- True if a change was or may have been sent again after its card's `updated_at` had moved.
  add column resent_moved boolean not null default false;
