-- The monitor: the sync_status of each employee, the lists of employees who have a problem, and the details of one employee.

-- Returns the employees who have no login and have this e-mail or this number. Either may be null.
create or replace function public.auth_sync_free_matches_v1(p_email text, p_employee_number text) returns setof bigint
language sql stable security definer set search_path = '' set enable_seqscan = off set jit = off rows 2 as $$
  select e.employee_id from public.employees e
   where lower(btrim(e.email::varchar::text, public.auth_sync_invisible_v1()) collate "C") collate "default" = auth_sync_free_matches_v1.p_email
     and e.auth_user_id is null
  union
  select e.employee_id from public.employees e
   where btrim(e.employee_number::varchar::text, public.auth_sync_invisible_v1()) = auth_sync_free_matches_v1.p_employee_number and e.auth_user_id is null
$$;

-- Returns the inactive employee whose login has this confirmed e-mail or this number, or null: the former row of a person who was hired
-- again.
create or replace function public.auth_sync_login_holder_v1(p_email text, p_employee_number text) returns bigint
language sql stable set search_path = '' set enable_seqscan = off set jit = off as $$
  select h.employee_id
    from (
      (select s.auth_user_id from public.auth_user_state s
        where s.email = public.auth_sync_normal_v1(auth_sync_login_holder_v1.p_email) and s.email <> '' and s.email_confirmed
          and s.deleted_at is null limit 20)
      union
      (select s.auth_user_id from public.auth_user_state s
        where s.employee_number = btrim(auth_sync_login_holder_v1.p_employee_number, public.auth_sync_invisible_v1()) and s.deleted_at is null limit 20)) as u
   cross join lateral (
     select e.employee_id from public.employees e where e.auth_user_id = u.auth_user_id and e.is_active is false offset 0) as h
   order by h.employee_id limit 1
$$;

-- Compares the next p_slice employees with Auth, if the comparison is due. Returns {"found": mismatches known now, "seconds": duration of
-- this call, "next_in": seconds until the next slice is due}. Only one caller compares at a time. A pass begins a minute after the last
-- one, or 50 times the duration of the last one.
create or replace function public.auth_sync_refresh_mismatches_v1(p_slice integer default 50000) returns jsonb
language plpgsql security definer set search_path = '' set plan_cache_mode = force_custom_plan set lock_timeout = '1500ms'
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set enable_bitmapscan = off set jit = off as $$
#variable_conflict use_variable
declare
  pass public.auth_sync_mismatch_pass;
  first_id bigint;
  last_id bigint;
  began timestamptz := clock_timestamp();
  took double precision;
  next_in double precision := 0;
begin
  select * into pass from public.auth_sync_mismatch_pass;
  if pass.next_at > began or not pg_try_advisory_xact_lock(6102548893071165507) then
    return jsonb_build_object('found', 0, 'seconds', 0, 'next_in', greatest(1, extract(epoch from pass.next_at - began)));
  end if;
  select * into pass from public.auth_sync_mismatch_pass for update;
  first_id := coalesce(pass.after, -9223372036854775808);
  select max(slice.employee_id) into last_id
    from (select e.employee_id from public.employees e where e.employee_id > first_id order by e.employee_id limit p_slice) as slice
  having count(*) = p_slice;
  with found as materialized (
    select m.sync_status, m.employee_id from public.auth_sync_standings m
     where m.employee_id > first_id and m.employee_id <= coalesce(last_id, 9223372036854775807)
       and m.sync_status in ('EMAIL_MISMATCH', 'INACTIVE_WITH_AUTH')
    union all
    select 'SAME_NUMBER', e.employee_id from public.employees e  -- the first of the active employees with a number
     where e.employee_id > first_id and e.employee_id <= coalesce(last_id, 9223372036854775807)
       and e.is_active is not false and btrim(e.employee_number::varchar::text, public.auth_sync_invisible_v1()) <> ''
       and not exists (select from public.employees o where btrim(o.employee_number::varchar::text, public.auth_sync_invisible_v1()) = btrim(e.employee_number::varchar::text, public.auth_sync_invisible_v1())
                        and o.employee_id < e.employee_id and o.is_active is not false offset 0)
       and exists (select from public.employees o where btrim(o.employee_number::varchar::text, public.auth_sync_invisible_v1()) = btrim(e.employee_number::varchar::text, public.auth_sync_invisible_v1())
                    and o.employee_id > e.employee_id and o.is_active is not false offset 0)
  ), gone as (
    delete from public.auth_sync_mismatches c
     where c.employee_id > first_id and c.employee_id <= coalesce(last_id, 9223372036854775807)
       and not exists (select from found f where (f.sync_status, f.employee_id) = (c.sync_status, c.employee_id))
  )
  insert into public.auth_sync_mismatches (sync_status, employee_id) select sync_status, employee_id from found on conflict do nothing;

  took := extract(epoch from clock_timestamp() - began);
  if last_id is null then
    next_in := greatest(60, 50 * (pass.seconds + took));
  end if;
  update public.auth_sync_mismatch_pass
     set after = last_id, next_at = clock_timestamp() + make_interval(secs => next_in),
         seconds = case when last_id is null then 0 else pass.seconds + took end
   where only_row;
  return jsonb_build_object('found', (select count(*) from public.auth_sync_mismatches), 'seconds', took, 'next_in', next_in);
end $$;

-- Returns the number of employees with each problem, exact up to 10,000: {"MISSING_AUTH_UID": …, …, "is_capped", "checked_at"}. The
-- employees without a login and those whose login was deleted may be many. They are counted by their standing, without those who have a
-- rarer problem, because the sync_status of each would take ten times as long.
create or replace function public.auth_sync_problems_v1() returns jsonb
language plpgsql stable security definer
set search_path = '' set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
set enable_bitmapscan = off set enable_sort = off set jit = off as $$
#variable_conflict use_variable
declare
  problem text;
  found bigint[];
  rarer bigint[] := array[]::bigint[];
  counts jsonb := '{}';
  n bigint;
begin
  foreach problem in array array['INACTIVE_WITH_AUTH', 'EMAIL_MISMATCH', 'AMBIGUOUS', 'UNUSABLE_EMAIL'] loop
    execute format('select coalesce(array_agg(employee_id), ''{}'') from (select employee_id from (%s) as parts limit $2) as few',
                   public.auth_sync_people_query_v1(problem, null, 'asc'))
      into found using -9223372036854775808, 10001;
    counts := counts || jsonb_build_object(problem, cardinality(found));
    if problem in ('AMBIGUOUS', 'UNUSABLE_EMAIL') then
      rarer := rarer || found;
    end if;
  end loop;
  foreach problem in array array['ORPHANED', 'MISSING_AUTH_UID'] loop
    select count(*) into n from public.employees e
     where e.employee_id = any (rarer) and e.auth_user_id is null and (e.orphaned_at is not null) = (problem = 'ORPHANED')
       and (problem = 'ORPHANED' or e.is_active is not false);
    select greatest(count(*) - n, 0) into n
      from (select from public.employees e  -- the expression of its index
             where case when e.auth_user_id is not null and e.is_active is false then 'linked_inactive' when e.auth_user_id is not null then 'linked'
                        when e.orphaned_at is not null then 'orphaned' when e.is_active is false then 'none' else 'missing' end
                   = case problem when 'ORPHANED' then 'orphaned' else 'missing' end
             limit 10001 + n) as few;
    counts := counts || jsonb_build_object(problem, n);
  end loop;
  return (select jsonb_object_agg(c.key, least(c.value::bigint, 10000)) || jsonb_build_object('is_capped', max(c.value::bigint) > 10000)
            from jsonb_each_text(counts) as c)
         || jsonb_build_object('checked_at', now());
end $$;

-- Returns the auth users that match this employee by e-mail or number: [{auth_user_id, email, email_confirmed, banned_until, linked_to,
-- holder_is_inactive}].
create or replace function public.auth_sync_candidates_v1(p_email text, p_employee_number text) returns jsonb
language sql stable security definer set search_path = '' set enable_seqscan = off set jit = off as $$
  with matching as (
    (select s.auth_user_id from public.auth_user_state s
      where left(s.email, 100) = left(public.auth_sync_normal_v1(p_email), 100) and s.email = public.auth_sync_normal_v1(p_email)
        and s.email <> '' and s.deleted_at is null limit 20)
    union
    (select s.auth_user_id from public.auth_user_state s where s.employee_number = btrim(p_employee_number, public.auth_sync_invisible_v1()) and s.deleted_at is null limit 20)
  )
  select coalesce(jsonb_agg(to_jsonb(c)), '[]')
    from (select s.auth_user_id, s.email, s.email_confirmed, case when s.banned_until > now() then s.banned_until end as banned_until, e.employee_id as linked_to,
                 e.is_active is false as holder_is_inactive
            from matching join public.auth_user_state s using (auth_user_id) left join public.employees e on e.auth_user_id = s.auth_user_id
           order by e.employee_id is not null, s.email_confirmed desc, s.auth_user_id limit 20) as c
$$;

-- Returns the first employees with this number, without the employee p_except: [{"employee_id", "name"}].
create or replace function public.auth_sync_with_number_v1(p_employee_number text, p_except bigint) returns jsonb
language sql stable security definer set search_path = '' set plan_cache_mode = force_custom_plan set enable_seqscan = off set jit = off as $$
  select coalesce(jsonb_agg(jsonb_build_object('employee_id', o.employee_id, 'name', o.name) order by o.employee_id), '[]')
    from (select e.employee_id, nullif(concat_ws(' ', e.first_name::text, e.last_name::text), '') as name from public.employees e
           where btrim(e.employee_number::varchar::text, public.auth_sync_invisible_v1()) = btrim(auth_sync_with_number_v1.p_employee_number, public.auth_sync_invisible_v1())
             and btrim(auth_sync_with_number_v1.p_employee_number, public.auth_sync_invisible_v1()) <> '' and e.employee_id is distinct from auth_sync_with_number_v1.p_except
           limit 5) as o
$$;

-- Returns one employee, or null: {"employee": as in auth_sync_monitor, "events": the newest 20, "candidates": the auth users that match the
-- employee, if it has no login, "action": the newest open or failed ban or lifted ban of the login, {event_id, operation, status, outcome,
-- error_message, next_attempt_at}, or null, "same_number": the first other employees with the employee's number (auth_sync_with_number_v1),
-- "auth_failure": why Auth is unavailable now, or null, "is_ban_newer": whether Auth confirmed a ban in the last seconds, after the newest
-- change of the login that was applied, "managed_by": the name of the directory that manages the employee, or null}. A ban that was performed
-- is not open, although its sessions end again.
create or replace function public.auth_sync_person_v1(p_employee_id bigint) returns jsonb
language sql stable security definer set search_path = '' set plan_cache_mode = force_custom_plan set enable_seqscan = off set jit = off as $$
  select jsonb_build_object(
    'employee', to_jsonb(m),
    'events', public.auth_sync_events_json_v1(public.auth_sync_page_v1('{}', null, 20, array[m.employee_id::bigint], (
      select array_remove(array[e.auth_user_id, e.orphaned_auth_user_id], null) from public.employees e where e.employee_id = m.employee_id))),
    'candidates', case when m.auth_user_id is null and m.sync_status <> 'OK'
                       then public.auth_sync_candidates_v1(m.email, m.employee_number) else '[]' end,
    'action', (select jsonb_build_object('event_id', a.event_id, 'operation', a.operation, 'status', a.status, 'outcome', a.outcome,
                                         'error_message', a.error_message, 'next_attempt_at', a.next_attempt_at)
                 from public.integration_sync_log a
                where a.auth_user_id = m.auth_user_id and a.status <> 'SUCCESS' and a.operation in ('disable_auth_user', 'enable_auth_user')
                  and not (a.status = 'PENDING' and a.changes ? 'sessions_end_again_at')
                order by a.id desc limit 1),
    'is_ban_newer', exists (select from public.integration_sync_log a join public.auth_user_state s on s.auth_user_id = a.auth_user_id
                             where a.auth_user_id = m.auth_user_id and a.operation = 'disable_auth_user' and a.status <> 'SUCCESS' and a.status <> 'FAILED'
                               and public.auth_sync_version_at_v1((a.changes ->> 'sessions_end_again_at')::timestamptz - public.auth_sync_sessions_end_after_v1())
                                   > s.version),
    'auth_failure', (select r.failure from public.auth_sync_rate r where r.failing_since is not null),
    'managed_by', public.auth_sync_scim_manager_v1(m.employee_id::bigint),
    'same_number', public.auth_sync_with_number_v1(m.employee_number, m.employee_id))
  from public.auth_sync_monitor m where m.employee_id = p_employee_id
$$;

-- Returns one auth user and the employees that match it: {"auth_user": {auth_user_id, email, email_confirmed, employee_number,
-- banned_until, deleted_at, linked_to}, "employees": rows of auth_sync_monitor}. Returns null if the auth user is unknown.
create or replace function public.auth_sync_login_candidates_v1(p_auth_user_id uuid) returns jsonb
language sql stable security definer set search_path = '' set plan_cache_mode = force_custom_plan set enable_seqscan = off set jit = off as $$
  select jsonb_build_object(
    'auth_user', jsonb_build_object(
      'auth_user_id', s.auth_user_id, 'email', s.email, 'email_confirmed', s.email_confirmed, 'employee_number', s.employee_number,
      'banned_until', case when s.banned_until > now() then s.banned_until end, 'deleted_at', s.deleted_at,
      'linked_to', (select e.employee_id from public.employees e where e.auth_user_id = s.auth_user_id)),
    'employees', (
      select coalesce(jsonb_agg(to_jsonb(m) order by m.employee_id), '[]') from public.auth_sync_monitor m where m.employee_id = any (array(
        select e.employee_id from public.employees e
         where lower(btrim(e.email::varchar::text, public.auth_sync_invisible_v1()) collate "C") collate "default" = s.email and s.email <> ''
        union select e.employee_id from public.employees e where btrim(e.employee_number::varchar::text, public.auth_sync_invisible_v1()) = s.employee_number
        order by employee_id limit 20))))
  from public.auth_user_state s where s.auth_user_id = p_auth_user_id
$$;

-- Returns the number of employees by state: {"all", "linked", "orphaned", "inactive_and_linked", "is_estimated"}. The numbers are exact up
-- to 250,000 employees. In a larger company, frequent states have the planner's estimate.
create or replace function public.auth_sync_employees_summary_v1() returns jsonb
language plpgsql stable security definer set search_path = '' set plan_cache_mode = force_custom_plan set jit = off as $$
#variable_conflict use_variable
declare
  all_of_them bigint := (select reltuples from pg_catalog.pg_class where oid = 'public.employees'::regclass);
  shares jsonb;
  counts jsonb := '{}';
  kind text;
  n bigint;
begin
  select jsonb_object_agg(v.standing, v.share) into shares
    from pg_catalog.pg_stats s, unnest(s.most_common_vals::text::text[], s.most_common_freqs) as v (standing, share)
   where s.schemaname = 'public' and s.tablename = 'auth_sync_employees_standing_idx' and s.attname = 'case';
  if all_of_them <= 250000 or shares is null then
    return (select jsonb_build_object('all', count(*), 'linked', count(e.auth_user_id), 'orphaned', count(*) filter (where e.orphaned_at is not null),
                                      'inactive_and_linked', count(*) filter (where e.auth_user_id is not null and not e.is_active),
                                      'is_estimated', false)
              from public.employees e);
  end if;
  foreach kind in array array['orphaned', 'linked_inactive'] loop
    select count(*) into n from (select from public.auth_sync_standings m where m.standing = kind limit 10001) as few;
    counts := counts || jsonb_build_object(kind, case when n <= 10000 then n else round((shares ->> kind)::numeric * all_of_them) end);
  end loop;
  return jsonb_build_object('all', all_of_them, 'is_estimated', true, 'orphaned', counts -> 'orphaned',
                            'inactive_and_linked', counts -> 'linked_inactive',
                            'linked', round(coalesce((shares ->> 'linked')::numeric, 0) * all_of_them) + (counts ->> 'linked_inactive')::bigint);
end $$;
