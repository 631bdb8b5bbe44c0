-- The timeline of one employee: events, failed attempts, actions and the acts of admins in one list.

-- Returns the newest entries of an employee before p_before ({"at": microseconds since 1970, "source", "id"}, or null): {"entries": [...],
-- "next": the p_before of the next page, or null, "is_cut": whether the ledger has older rows than the list}. Each entry has "source" and
-- "at":
--   event    a row of the ledger, at the time when it was done or last tried, with its changes and request_data
--   attempt  failed attempts of such a row with another outcome than it has now: their row, "outcome", "error_message" and "times"
--   act      an entry of the audit about the employee or one of these rows
-- The rows are the newest 1,000 of the employee, and of its current, deleted and former logins, unless they are about another employee.
create or replace function public.auth_sync_timeline_v1(p_employee_id bigint, p_before jsonb, p_limit integer) returns jsonb
language plpgsql stable security definer set search_path = '' set plan_cache_mode = force_custom_plan set enable_seqscan = off
set enable_hashjoin = off set enable_mergejoin = off set enable_bitmapscan = off set jit = off as $$
#variable_conflict use_variable
declare
  logins uuid[];
  ids bigint[];
  before timestamptz := timestamptz 'epoch' + (p_before ->> 'at')::bigint * interval '1 microsecond';
  found jsonb;
begin
  logins := array(
    select e.auth_user_id from public.employees e where e.employee_id = p_employee_id and e.auth_user_id is not null
    union select e.orphaned_auth_user_id from public.employees e where e.employee_id = p_employee_id and e.orphaned_auth_user_id is not null
    union (select s.auth_user_id from public.auth_user_state s where s.employee_id = p_employee_id limit 20));
  ids := public.auth_sync_page_v1('{}', null, 1001, array[p_employee_id], logins);
  with listed as materialized (
    select l.id, l.event_id, l.status, l.outcome, l.created_at, l.completed_at
      from public.integration_sync_log l
     where l.id = any (ids[:1000]) and l.direction <> 'maintenance' and coalesce(l.employee_id = p_employee_id, true)
  ), tried as materialized (
    select a.log_id, a.outcome, max(a.id) as id, max(a.at) as at
      from listed l
     cross join lateral (select t.log_id, t.outcome, t.id, t.at from public.auth_sync_attempts t where t.log_id = l.id offset 0) as a
     group by a.log_id, a.outcome
  ), places as materialized (
    select 'event' as source, l.id, case when l.status = 'FAILED' then coalesce(t.at, l.created_at) else coalesce(l.completed_at, l.created_at) end as at,
           l.id as log_id
      from listed l left join tried t on t.log_id = l.id and t.outcome = l.outcome
    union all
    select 'attempt', t.id, t.at, t.log_id
      from tried t join listed l on l.id = t.log_id where l.status <> 'FAILED' or l.outcome is distinct from t.outcome
    union all
    select 'act', a.id, a.at, null
      from (select 'employee:' || p_employee_id as target union all select 'event:' || l.event_id from listed l) as k
     cross join lateral (
       select x.id, x.at from public.auth_sync_audit x  -- row comparisons, which allow one index only
        where (x.target, x.id) > (k.target, 0) and (x.target, x.id) < (k.target, 9223372036854775807) and x.target is not null and not x.is_request
        order by x.target desc, x.id desc limit 1000) as a
  ), page as (
    select p.source, p.id, p.at, p.log_id from places p
     where p_before is null or (p.at, p.source, p.id) < (before, p_before ->> 'source', (p_before ->> 'id')::bigint)
     order by p.at desc, p.source desc, p.id desc limit p_limit + 1
  )
  select jsonb_agg(jsonb_build_object('source', p.source, 'id', p.id, 'at', p.at,
                                      'micros', (extract(epoch from p.at) * 1000000)::bigint) || coalesce(d.details, '{}')
                   order by p.at desc, p.source desc, p.id desc)
    into found
    from page p
   cross join lateral (
     select case p.source
              when 'act' then (
                select jsonb_build_object('who', a.who, 'action', a.action, 'target', a.target, 'details', a.details, 'result', a.result,
                                          'reason', a.reason)
                  from public.auth_sync_audit a where a.id = p.id)
              else (
                select public.auth_sync_event_json_v1(l) - array['id'] || jsonb_build_object('changes', l.changes, 'request_data', l.request_data)
                       || case when p.source = 'attempt' then (
                         select jsonb_build_object('outcome', a.outcome, 'error_message', a.error_message, 'times', (
                                  select count(*) from public.auth_sync_attempts t where t.log_id = l.id and t.outcome = a.outcome))
                           from public.auth_sync_attempts a where a.id = p.id) else '{}' end
                  from public.integration_sync_log l where l.id = p.log_id) end as details) as d;
  return jsonb_build_object(
    'entries', (select coalesce(jsonb_agg(f.item - 'micros' order by f.place), '[]')
                  from jsonb_array_elements(found) with ordinality as f (item, place) where f.place <= p_limit),
    'next', case when jsonb_array_length(found) > p_limit
                 then jsonb_build_object('at', found -> (p_limit - 1) -> 'micros', 'source', found -> (p_limit - 1) -> 'source',
                                         'id', found -> (p_limit - 1) -> 'id') end,
    'is_cut', cardinality(ids) > 1000);
end $$;
