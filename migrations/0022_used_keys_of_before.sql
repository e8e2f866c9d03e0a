-- Keys whose rows were deleted before 0021. It reads the whole trail, blocks nobody, and stands apart from 0021 so
-- that the lock that its trigger takes is short.

insert into used_keys (agent_id, key_sha256)
select distinct e.agent_id, sha256(convert_to(e.idempotency_key, 'UTF8'))
from audit_events e
-- Administrative acts have keys of their own, which are not an agent's.
where e.outcome = 'executed' and e.action like 'tasker\_%'
  and e.agent_id is not null and e.idempotency_key is not null
  and not exists (
    select from idempotency_keys k
    where k.agent_id = e.agent_id and k.key = e.idempotency_key and k.state = 'executed'
  )
on conflict do nothing;
