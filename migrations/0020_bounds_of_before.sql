-- Checks the rows that were there before migration 19, while events go on to be inserted. A row that breaks a
-- bound is no reason not to start: it can't be changed, and the sealer deals with it. Then the constraint stays
-- as it is, `not valid`, and holds for new rows all the same.
do $$
declare
  one record;
begin
  for one in
    select conrelid::regclass as of_table, conname from pg_constraint
    where not convalidated and conname in (
      'audit_event_has_bounds', 'audit_event_client_has_bounds', 'audit_seal_stored_hash', 'audit_checkpoint_format'
    )
  loop
    begin
      execute format('alter table %s validate constraint %I', one.of_table, one.conname);
    exception
      when check_violation then
        raise warning 'rows of before break the constraint %', one.conname;
    end;
  end loop;
end
$$;
