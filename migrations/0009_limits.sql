-- Limits that all instances share.

-- An agent's calls of one class in the current minute. Unlogged: counting costs no wait for the disk,
-- and a crash of the database forgets a minute at most.
create unlogged table call_rates (
  agent_id uuid not null,
  class text not null check (class in ('reads', 'writes')),
  minute timestamptz not null,
  calls integer not null check (calls > 0),
  primary key (agent_id, class)
);

-- An agent's denials, minute by minute, and how often one and the same write of it was refused: what
-- the rules of suspension count.
create unlogged table denial_counts (
  agent_id uuid not null,
  minute timestamptz not null,
  denials integer not null check (denials > 0),
  primary key (agent_id, minute)
);

create unlogged table refused_writes (
  agent_id uuid not null,
  fingerprint text not null,
  minute timestamptz not null,
  refusals integer not null check (refusals > 0),
  primary key (agent_id, fingerprint, minute)
);

create index denial_counts_by_minute on denial_counts (minute);
create index refused_writes_by_minute on refused_writes (minute);

-- Why an agent is disabled, where a rule did it.
alter table agents add column disabled_reason text
  check (disabled_reason is null or status = 'disabled');
