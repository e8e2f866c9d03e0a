-- A seal holds the hash that the sealer computed from the event, and beside it the hash that the event was
-- inserted with, if that is another. So an event that is inserted with a wrong hash, or with a text of
-- megabytes, is sealed and shown as such, and what others wrote can still be verified.
--
-- Each table is locked for a moment only: new constraints are not checked against the rows that are there.
-- A row of before may break one, and no row may be changed.
set local lock_timeout = '3s';

alter table audit_events
  add constraint audit_event_has_bounds check (
    char_length(reason) <= 128
    -- As it is read, so that no row keeps the others of its agent from being shown.
    and char_length(owner_user_id) between 1 and 128
    and owner_user_id !~ '[\u0001-\u001f\u007f-\u009f]'
    and char_length(idempotency_key) <= 128
    and char_length(request_id) <= 128
    -- Years that RFC 3339 can spell.
    and at >= '1970-01-01 00:00:00+00' and at < '10000-01-01 00:00:00+00'
  ) not valid,
  add constraint audit_event_client_has_bounds check (
    octet_length(client::text) <= 8192
    and not jsonb_path_exists(client, 'strict $.* ? (@.type() != "string")')
  ) not valid;

alter table audit_seals
  -- The hash that the event was inserted with, if it is not `event_hash`.
  add column stored_hash bytea,
  -- The event can't be written as a line of an export; `event_hash` is its `audit_event_digest`.
  add column oversize boolean not null default false,
  add constraint audit_seal_stored_hash check (
    stored_hash is null or (octet_length(stored_hash) = 32 and stored_hash <> event_hash and not oversize)
  ) not valid;

-- Checkpoints of format 2 name the one before them, so that none can be taken out between two others.
alter table audit_checkpoints
  add column format integer not null default 1,
  -- SHA-256 of the canonical JSON of the checkpoint before; 32 zero bytes if there is none.
  add column previous bytea,
  add constraint audit_checkpoint_format check (
    (format = 1 and previous is null) or (format = 2 and octet_length(previous) = 32)
  ) not valid;

-- One row, which a sealer locks while it seals. The role of calls has no right to it, so it can't hold sealing up.
create table audit_sealing (single boolean primary key default true check (single));
insert into audit_sealing default values;

-- Stands for an event that is too large for a line: docs/AUDIT.md says over what.
create function audit_event_digest(e audit_events) returns bytea
language sql stable parallel safe
return sha256(
  coalesce('\x01'::bytea || sha256(convert_to(e.id::text, 'UTF8')), '\x00')
    || coalesce('\x01'::bytea || sha256(convert_to(iso(e.at), 'UTF8')), '\x00')
    || coalesce('\x01'::bytea || sha256(convert_to(e.action, 'UTF8')), '\x00')
    || coalesce('\x01'::bytea || sha256(convert_to(e.outcome, 'UTF8')), '\x00')
    || coalesce('\x01'::bytea || sha256(convert_to(e.reason, 'UTF8')), '\x00')
    || coalesce('\x01'::bytea || sha256(convert_to(e.agent_id::text, 'UTF8')), '\x00')
    || coalesce('\x01'::bytea || sha256(convert_to(e.owner_user_id, 'UTF8')), '\x00')
    || coalesce('\x01'::bytea || sha256(convert_to(e.token_id::text, 'UTF8')), '\x00')
    || coalesce('\x01'::bytea || sha256(convert_to(e.project_id::text, 'UTF8')), '\x00')
    || coalesce('\x01'::bytea || sha256(convert_to(e.issue_id::text, 'UTF8')), '\x00')
    || coalesce('\x01'::bytea || sha256(convert_to(e.idempotency_key, 'UTF8')), '\x00')
    || coalesce('\x01'::bytea || sha256(convert_to(e.arguments_sha256, 'UTF8')), '\x00')
    || coalesce('\x01'::bytea || sha256(convert_to(e.request_id, 'UTF8')), '\x00')
    || coalesce('\x01'::bytea || sha256(convert_to(e.via, 'UTF8')), '\x00')
    || coalesce('\x01'::bytea || sha256(convert_to(e.count::text, 'UTF8')), '\x00')
    || coalesce('\x01'::bytea || sha256(convert_to(e.client::text, 'UTF8')), '\x00')
    || coalesce('\x01'::bytea || sha256(convert_to(e.change_sha256, 'UTF8')), '\x00')
    || coalesce('\x01'::bytea || sha256(convert_to(e.duration_ms::text, 'UTF8')), '\x00')
);

create or replace function audit_seals_continue() returns trigger
language plpgsql as $$
begin
  if exists (
    select from added a
    left join audit_events e on e.position = a.position
    where e.position is null
      or (not a.oversize and a.stored_hash is distinct from nullif(e.hash, a.event_hash))
      or (a.oversize and a.event_hash <> audit_event_digest(e))
  ) then
    raise exception 'a seal has to be of an event that is there, by its hash'
      using errcode = 'insufficient_privilege';
  end if;
  -- What the link of an event is over: docs/AUDIT.md.
  if exists (
    select from added a
    left join audit_seals p on p.sequence = a.sequence - 1
    where a.link is distinct from sha256(
      case
        when a.oversize then 'nodedc-audit/oversize/v1'::bytea
        when a.stored_hash is not null then 'nodedc-audit/altered/v1'::bytea
        else 'nodedc-audit/link/v1'::bytea
      end
        || '\x00'::bytea
        || case when a.sequence = 1 then decode(repeat('00', 32), 'hex') else p.link end
        || int8send(a.sequence) || a.event_hash
        || case when a.oversize then int8send(a.position) else coalesce(a.stored_hash, ''::bytea) end
    )
  ) then
    raise exception 'a seal has to continue the chain' using errcode = 'insufficient_privilege';
  end if;
  if exists (
    select from (select max(sequence) as sequence from added) as last
    where sequence is not null
      and not exists (select from audit_checkpoints c where c.sequence = last.sequence)
  ) then
    raise exception 'the last of the seals has to come with its checkpoint'
      using errcode = 'insufficient_privilege';
  end if;
  return null;
end
$$;

create or replace function audit_checkpoints_continue() returns trigger
language plpgsql as $$
declare
  one record;
  previous record;
begin
  for one in select * from added loop
    if one.sequence <> (select max(sequence) from audit_seals) then
      raise exception 'a checkpoint has to be of the last seal' using errcode = 'insufficient_privilege';
    end if;
    select c.at, c.horizon, sha256(convert_to(
      '{"at":"' || iso(c.at)
        || case when c.format = 2 then '","format":2' else '"' end
        || ',"key_id":"' || c.key_id || '","link":"' || encode(s.link, 'hex')
        || case when c.format = 2 then '","previous":"' || encode(c.previous, 'hex') else '' end
        || '","sequence":' || c.sequence || ',"signature":"' || encode(c.signature, 'hex') || '"}',
      'UTF8'
    )) as digest
    into previous
    from audit_checkpoints c join audit_seals s using (sequence)
    where c.sequence < one.sequence order by c.sequence desc limit 1;
    if one.format <> 2
      or one.previous is distinct from coalesce(previous.digest, decode(repeat('00', 32), 'hex'))
    then
      raise exception 'a checkpoint has to name the one before it' using errcode = 'insufficient_privilege';
    end if;
    -- The clock of a server that took over may be behind that of the one before.
    if one.at < previous.at or one.at > greatest(previous.at, clock_timestamp() + interval '1 second') then
      raise exception 'a checkpoint is of now, and not before the one before it'
        using errcode = 'insufficient_privilege';
    end if;
    if one.horizon < previous.horizon or (
      one.horizon > coalesce(previous.horizon, 0) and (
        one.horizon > (select max(position) from audit_seals)
        or exists (
          select from audit_events e
          where e.position > coalesce(previous.horizon, 0) and e.position <= one.horizon
            and not exists (
              select from audit_seals s
              where s.position = e.position and s.position > coalesce(previous.horizon, 0)
                and s.position <= one.horizon
            )
        )
      )
    ) then
      raise exception 'up to its horizon every event has to be sealed'
        using errcode = 'insufficient_privilege';
    end if;
  end loop;
  return null;
end
$$;

-- Whatever the session calls a table: theirs are meant. And each row is looked for by its key, also by a
-- session that planned it while there were few.
do $$
declare
  name text;
  setting text;
begin
  foreach name in array array['audit_seals_continue', 'audit_checkpoints_continue'] loop
    execute format('alter function %I() set search_path = %I, pg_temp', name, current_schema());
    foreach setting in array array['enable_seqscan', 'enable_hashjoin', 'enable_mergejoin'] loop
      execute format('alter function %I() set %I = off', name, setting);
    end loop;
  end loop;
end
$$;
