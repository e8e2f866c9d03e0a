-- Whether a write was counted against its grant's max_writes_per_day. Only what was counted is taken
-- back when it turns out not to be done: the grant's terms may have changed in between.

alter table idempotency_keys add column counted boolean not null default false;
