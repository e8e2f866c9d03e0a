-- What may be added to the proof of the trail: only what continues it. Without these rules a role that may
-- insert could have events taken for sealed that are in no proof.
--
-- The triggers are ordinary ones, so a replica that takes the tables over in its own order is not in their
-- way; who may play a replica's part owns the server anyway. They run at the end of a statement, once, and
-- see all of it: the sealer writes a batch's seals and its checkpoint with one. Rows of before are not looked at.

-- Which keys signed in a part of the trail, however many checkpoints it has.
create index audit_checkpoints_by_key on audit_checkpoints (key_id, sequence);

-- A key is known by what it is, so that nobody can take another's id, nor give it another text: Ed25519 in
-- DER (RFC 8410), in base64, and the first 16 bytes of its SHA-256.
alter table audit_keys add constraint audit_key_is_its_own check (
  public_key ~ '^[A-Za-z0-9+/]{59}=$'
  and substring(decode(public_key, 'base64') for 12) = '\x302a300506032b6570032100'::bytea
  and encode(decode(public_key, 'base64'), 'base64') = public_key
  and left(encode(sha256(decode(public_key, 'base64')), 'hex'), 32) = key_id
) not valid;

create function audit_seals_continue() returns trigger
language plpgsql as $$
begin
  if exists (
    select from added a
    left join audit_events e on e.position = a.position
    where e.position is null or e.hash <> a.event_hash
  ) then
    raise exception 'a seal has to be of an event that is there, by its hash'
      using errcode = 'insufficient_privilege';
  end if;
  -- What the link of an event is over: docs/AUDIT.md.
  if exists (
    select from added a
    left join audit_seals p on p.sequence = a.sequence - 1
    where a.link is distinct from sha256(
      'nodedc-audit/link/v1'::bytea || '\x00'::bytea
        || case when a.sequence = 1 then decode(repeat('00', 32), 'hex') else p.link end
        || int8send(a.sequence) || a.event_hash
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

create function audit_checkpoints_continue() returns trigger
language plpgsql as $$
declare
  one record;
  previous record;
begin
  for one in select * from added loop
    if one.sequence <> (select max(sequence) from audit_seals) then
      raise exception 'a checkpoint has to be of the last seal' using errcode = 'insufficient_privilege';
    end if;
    select c.at, c.horizon into previous from audit_checkpoints c
    where c.sequence < one.sequence order by c.sequence desc limit 1;
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

create trigger audit_seals_continue after insert on audit_seals
  referencing new table as added
  for each statement execute function audit_seals_continue();
create trigger audit_checkpoints_continue after insert on audit_checkpoints
  referencing new table as added
  for each statement execute function audit_checkpoints_continue();
