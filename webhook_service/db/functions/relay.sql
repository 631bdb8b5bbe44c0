-- Relays claim events of the ledger with these functions.

-- Claims up to p_limit due events for p_lease_seconds, the oldest first, and records the time of the relay's pass. Returns {"events": [{id,
-- event_id, operation, version, auth_user_id, request_data}], "next_in": seconds until the next event is due, or null}. Skips rows that
-- another relay has leased, unless the lease has ended. Before that, it retries the links of employees who were added at the same time as
-- their auth users (link_employees.sql).
create or replace function public.auth_sync_claim_v1(p_relay text, p_limit integer, p_lease_seconds integer) returns jsonb
language plpgsql security definer
set search_path = '' set plan_cache_mode = force_custom_plan set lock_timeout = '1500ms' set statement_timeout = '3s' set enable_seqscan = off set enable_sort = off set enable_bitmapscan = off set jit = off as $$
#variable_conflict use_variable
declare
  claimed jsonb;
  more boolean;
begin
  insert into public.auth_sync_relays as r (relay) values (p_relay)
  on conflict (relay) do update set last_run_at = now() where r.last_run_at < now() - interval '3 seconds';

  more := public.auth_sync_retry_hires_v1(p_limit * 5);
  with due as (
    select id from public.integration_sync_log
     where status <> 'SUCCESS' and direction = 'inbound' and next_attempt_at <= now()
       and (leased_until is null or leased_until < now())
     order by next_attempt_at, id
     limit p_limit
     for update skip locked
  ), taken as (
    update public.integration_sync_log l
       set lease = p_relay, leased_until = now() + make_interval(secs => p_lease_seconds)
      from due where l.id = due.id
    returning l.id, l.event_id, l.operation, l.version, l.auth_user_id, l.request_data
  )
  select coalesce(jsonb_agg(to_jsonb(taken) order by version, id), '[]') into claimed from taken;

  return jsonb_build_object('events', claimed, 'next_in', case when more then 0 else (
    select extract(epoch from min(greatest(next_attempt_at, coalesce(leased_until, next_attempt_at))) - now())
      from (select next_attempt_at, leased_until from public.integration_sync_log
             where status <> 'SUCCESS' and direction = 'inbound' and next_attempt_at is not null
             order by next_attempt_at limit 100) as soon) end);
end $$;

-- Gives back events that another transaction blocks. They are due again in about five seconds, and this does not count as an attempt.
-- Always returns true.
create or replace function public.auth_sync_postpone_v1(p_event_ids jsonb, p_lease text) returns boolean
language sql security definer set search_path = '' set enable_seqscan = off as $$
  update public.integration_sync_log
     set lease = null, leased_until = null, next_attempt_at = now() + interval '5 seconds' * (0.75 + random() / 2)
   where event_id = any (array(select jsonb_array_elements_text(p_event_ids))) and status <> 'SUCCESS' and lease = p_lease;
  select true
$$;
