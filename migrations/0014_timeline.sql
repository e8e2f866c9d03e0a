-- What a person needs to replay an agent's work: where a call came from by its client's own account, how long
-- it took, and what stood on the card before and after.

alter table audit_events
  -- Claims of the client: its session, thread, turn, model and the like. Good for showing, never for deciding.
  add column client jsonb check (jsonb_typeof(client) = 'object'),
  -- SHA-256 of the canonical JSON of the change that stands in `changes` for as long as it is kept.
  add column change_sha256 text check (change_sha256 ~ '^[0-9a-f]{64}$'),
  -- From the call's receipt to this event.
  add column duration_ms integer check (duration_ms >= 0);

-- Which turn an event is of, by its client's claims; one value for all that claim none. The parts can't hold
-- the separator, which is a control character.
create function turn_of(client jsonb) returns bigint
language sql immutable parallel safe
return hashtextextended(
  coalesce(client ->> 'session_id', '') || chr(31) || coalesce(client ->> 'thread_id', '') || chr(31)
    || coalesce(client ->> 'turn_id', ''),
  0
);

-- Whether a turn goes on beyond a page.
create index audit_events_of_turn on audit_events (agent_id, turn_of(client), position desc);

-- Before and after of a change, in a table apart: the event stays for good, this goes after
-- CHANGE_RETENTION_DAYS. No foreign key to the event: its check would lock the event's row.
create table changes (
  event_id uuid primary key,
  agent_id uuid not null,
  issue_id uuid,
  -- Of the card, as Tasker answered; null for a comment, whose answer does not say them.
  identifier text,
  name text,
  -- The fields that the change is about; null for what was made anew.
  before jsonb check (jsonb_typeof(before) = 'object'),
  after jsonb not null check (jsonb_typeof(after) = 'object'),
  created_at timestamptz not null default now()
);

-- What the reaper looks for.
create index changes_by_age on changes (created_at);
-- What an agent last knew a card as.
create index changes_of_card on changes (agent_id, issue_id, created_at desc) where identifier is not null;

-- Kept while the outcome is in doubt, so that a write that is settled without its caller tells the same story.
-- No constraint says that it goes then: an instance of before this migration, which settles beside newer ones
-- while they are exchanged, does not know of it. The reaper sees to that.
alter table idempotency_keys
  -- How the fields that the write is to change stood when it was planned; null where it makes something anew.
  add column before jsonb check (jsonb_typeof(before) = 'object'),
  -- Claims of the client that asked for it.
  add column client jsonb check (jsonb_typeof(client) = 'object');
