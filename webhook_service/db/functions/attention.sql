-- Failed rows that need an admin: an admin dismisses them, and events whose cause is gone close themselves.

-- Records that a failed row that is no longer retried needs no attention. Returns dismissed, or needs_no_attention if the row is not such a
-- row. Returns null if there is no such row. A replay is still possible.
create or replace function public.auth_sync_dismiss_v1(p_event_id text) returns text
language plpgsql security definer set search_path = '' set plan_cache_mode = force_custom_plan set lock_timeout = '1500ms' as $$
#variable_conflict use_variable
declare
  entry public.integration_sync_log;
begin
  select * into entry from public.integration_sync_log l where l.event_id = p_event_id and l.direction <> 'maintenance' for update;
  if not found then
    return null;
  elsif entry.status <> 'FAILED' or entry.next_attempt_at is not null or entry.lease is not null then
    return 'needs_no_attention';
  end if;
  update public.integration_sync_log l set dismissed_at = coalesce(l.dismissed_at, now()) where l.id = entry.id;
  return 'dismissed';
end $$;

-- Returns the other people that the failure of an event or action is about, [{employee_id, name, email, is_active, auth_user_id}]: the
-- employees that match its auth user, without the employee of the event; or the owner of the login that has the e-mail of an action. The
-- employee is null if the login belongs to nobody. "email" is then the e-mail of the login.
create or replace function public.auth_sync_others_v1(p_event_id text) returns jsonb
language plpgsql stable security definer set search_path = '' set plan_cache_mode = force_custom_plan set enable_seqscan = off set jit = off as $$
#variable_conflict use_variable
declare
  entry public.integration_sync_log;
  known public.auth_user_state;
  holder jsonb;
begin
  select * into entry from public.integration_sync_log l
   where l.event_id = p_event_id and l.status = 'FAILED' and l.outcome in ('already_linked', 'email_taken');
  if not found then
    return '[]';
  elsif entry.direction = 'outbound' then
    holder := public.auth_sync_email_holder_v1(entry.request_data ->> 'email');
    return (
      select coalesce(jsonb_agg(jsonb_build_object(
               'employee_id', e.employee_id, 'name', nullif(concat_ws(' ', e.first_name::text, e.last_name::text), ''),
               'email', coalesce(e.email::text, entry.request_data ->> 'email'), 'is_active', e.is_active is not false,
               'auth_user_id', h.auth_user_id)), '[]')
        from (select (holder ->> 'auth_user_id')::uuid as auth_user_id where holder is not null) as h
        left join public.employees e on e.auth_user_id = h.auth_user_id);
  end if;
  select * into known from public.auth_user_state s where s.auth_user_id = entry.auth_user_id;
  return (
    select coalesce(jsonb_agg(jsonb_build_object(
             'employee_id', e.employee_id, 'name', nullif(concat_ws(' ', e.first_name::text, e.last_name::text), ''), 'email', e.email::text,
             'is_active', e.is_active is not false, 'auth_user_id', e.auth_user_id) order by e.employee_id), '[]')
      from public.employees e
     where e.employee_id = any (array(
             select x.employee_id
               from (select o.employee_id from public.employees o
                      where lower(btrim(o.email::varchar::text, public.auth_sync_invisible_v1()) collate "C") collate "default" = known.email
                        and known.email <> ''
                     union select o.employee_id from public.employees o where btrim(o.employee_number::varchar::text, public.auth_sync_invisible_v1()) = known.employee_number) as x
              order by x.employee_id limit 20))
       and e.auth_user_id is distinct from entry.auth_user_id);
end $$;

-- Closes failed events whose cause is gone, among the newest p_limit failed events. Returns the number of closed events.
--
-- An event is stale if a newer event of its auth user has been applied: a replay would have the same result. An event that found no employee
-- for its auth user (ambiguous, already_linked) is due now if the user has been linked since. The relay then copies its values. Leased rows
-- are left to their relays. Locked rows are skipped, because the transaction that holds them decides about them.
create or replace function public.auth_sync_close_healed_v1(p_limit integer) returns bigint
language plpgsql security definer set search_path = '' set plan_cache_mode = force_custom_plan set lock_timeout = '1500ms'
set statement_timeout = '3s' set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set enable_bitmapscan = off
set jit = off as $$
#variable_conflict use_variable
declare
  overtaken bigint[];
  linked bigint[];
  healed bigint;
begin
  perform public.auth_sync_prune_imports_v1();
  select array_agg(f.id) filter (where f.is_overtaken), array_agg(f.id) filter (where not f.is_overtaken)
    into overtaken, linked
    from (
      select l.id, (s.version, s.log_id) > (l.version, l.id) and n.status is not distinct from 'SUCCESS' as is_overtaken,
             l.outcome in ('ambiguous', 'already_linked') and e.employee_id is not null
               and (l.next_attempt_at is null or l.next_attempt_at > now()) as is_linked
        from (select l.id, l.auth_user_id, l.version, l.outcome, l.next_attempt_at from public.integration_sync_log l
               where l.status = 'FAILED' and l.status in ('PENDING', 'FAILED') and l.direction = 'inbound' and l.lease is null
               order by l.id desc limit p_limit) as l
       cross join lateral (
         select s.version, s.log_id from public.auth_user_state s where s.auth_user_id = l.auth_user_id offset 0) as s
        left join lateral (
          select coalesce((select o.status from public.integration_sync_log o where o.id = s.log_id), 'SUCCESS') as status offset 0) as n on true
        left join lateral (
          select e.employee_id from public.employees e where e.auth_user_id = l.auth_user_id offset 0) as e on true) as f
   where f.is_overtaken or f.is_linked;
  if overtaken is null and linked is null then
    return 0;
  end if;
  with closing as (
    select l.id from public.integration_sync_log l
     where l.id = any (overtaken) and l.status = 'FAILED' and l.lease is null order by l.event_id collate "C" for update skip locked
  ), closed as (
    update public.integration_sync_log l
       set status = 'SUCCESS', outcome = 'stale', error_message = null, next_attempt_at = null, dismissed_at = null, completed_at = now()
      from closing c where l.id = c.id
    returning 1
  ), opening as (
    select l.id from public.integration_sync_log l
     where l.id = any (linked) and l.status = 'FAILED' and l.lease is null order by l.event_id collate "C" for update skip locked
  ), opened as (
    update public.integration_sync_log l set next_attempt_at = now() from opening o where l.id = o.id returning 1
  )
  select (select count(*) from closed) + (select count(*) from opened) into healed;
  return healed;
end $$;
