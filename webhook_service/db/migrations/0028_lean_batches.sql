-- A batch of ordinary events as in 0026, in one statement that reads what they come to and writes it: starting a statement, its checks and
-- its triggers cost more than a few events do. So the triggers on employees also look first whether a change is any of their business.

set local lock_timeout = '5s';

-- As in 0007; but the plan is kept, which SQL functions do only since PostgreSQL 18, and where nobody has such a setting there is nothing to choose.
create or replace function public.auth_sync_owner_path_v1() returns text
language plpgsql stable security definer set search_path = '' as $$
begin
  if not exists (select from pg_catalog.pg_db_role_setting s where array_to_string(s.setconfig, ' ') like '%search\_path=%') then
    return 'public, extensions, pg_temp';
  end if;
  return coalesce((
    select substr(c.setting, length('search_path=') + 1)
      from pg_catalog.pg_db_role_setting s
      left join pg_catalog.pg_database d on d.oid = s.setdatabase
      cross join unnest(s.setconfig) as c (setting)
     where c.setting like 'search\_path=%'
       and (s.setdatabase = 0 or d.datname = current_database())
       and (s.setrole = 0 or s.setrole = (select oid from pg_catalog.pg_roles where rolname = current_user))
     order by s.setdatabase = 0, s.setrole = 0
     limit 1), 'public, extensions') || ', pg_temp';
end $$;

-- Applies those of these works that are ordinary, and returns their results; null where there are none. Unless the works are locked, it
-- is all or none. An empty list where nothing could be kept: somebody has changed what was read, or employees refuse what is written or
-- make something else of it.
--
-- Ordinary is an event that is open, newer than what is known and not waiting for an older one; the only one here of its user; that
-- keeps a link, makes one or finds nobody; that changes no e-mail; and after which Auth is as the employee asks. A row that this rests on is
-- known by its place and its xmin: if these are others, so is the row. The locks come in the order of lock_v1: of the
-- writing parts, each begins by asking what the one before has written.
create or replace function public.auth_sync_apply_ordinary_v1(p_works jsonb, p_are_locked boolean) returns jsonb
language plpgsql security definer set search_path = '' set enable_sort = off as $$
declare
  ordinary integer;
  to_change integer;
  in_ledger integer;
  in_states integer;
  in_employees integer;
  results jsonb;
begin
  with judged as materialized (
    -- A link copies what older events have said, too; a sync what this one says.
    select m.*,
           case when m.columns ? 'first_name' and m.copy ? 'first_name' then coalesce(m.copy ->> 'first_name', m.first_name)
                when m.columns ? 'first_name' and m.step = 'link' then coalesce(m.known_fields -> 'first_name' ->> 0, m.first_name)
                else m.first_name end as new_first_name,
           case when m.columns ? 'last_name' and m.copy ? 'last_name' then coalesce(m.copy ->> 'last_name', m.last_name)
                when m.columns ? 'last_name' and m.step = 'link' then coalesce(m.known_fields -> 'last_name' ->> 0, m.last_name)
                else m.last_name end as new_last_name,
           (m.is_open
             and case when m.situation = 'none' then m.step in ('unmatched', 'unconfirmed', 'ignored') else
               (m.situation, m.step) in (('linked', 'sync'), ('one', 'link'))
               and m.is_active is not false
               and case when m.columns ? 'email' and m.copy ? 'email'
                          then lower(btrim(m.copy ->> 'email', E' \t\r\n')) = lower(btrim(m.employee_email, E' \t\r\n'))
                        when m.columns ? 'email' and m.step = 'link' and m.known_fields ? 'email'
                          then lower(btrim(m.known_fields -> 'email' ->> 0, E' \t\r\n')) = lower(btrim(m.employee_email, E' \t\r\n'))
                        when m.columns ? 'email' then true
                        else m.employee_email not like '%_@_%'
                             or coalesce(m.email = lower(btrim(m.employee_email, E' \t\r\n')), m.employee_email is null) end end) is true
           as is_ordinary
      from (
        select g.event_id, g.operation, g.auth_user_id, g.version, g.via, g."user", g.copy, g.columns,
               lower(btrim(g."user" ->> 'email', E' \t\r\n')) as email,
               l.id as known_log_id, l.ctid as log_row, l.xmin as log_xmin,
               md5(nullif(l.request_data -> 'record', 'null')::text)::uuid as record_hash,
               s.fields as known_fields, s.ctid as state_row, s.xmin as state_xmin,
               coalesce(e.employee_id, f.employee_id) as employee_id, coalesce(e.email::text, f.email) as employee_email,
               coalesce(e.first_name::text, f.first_name) as first_name, coalesce(e.last_name::text, f.last_name) as last_name,
               coalesce(e.is_active, f.is_active) as is_active, coalesce(e.orphaned_at, f.orphaned_at) as orphaned_at,
               coalesce(e.orphaned_auth_user_id, f.orphaned_auth_user_id) as orphaned_auth_user_id,
               coalesce(e.ctid, f.ctid) as employee_row, coalesce(e.xmin, f.xmin) as employee_xmin,
               case when e.employee_id is not null then 'linked' when f.employee_id is null then 'none'
                    when f.auth_user_id is null then 'one' else 'taken' end as situation,
               g.steps ->> case when e.employee_id is not null then 'linked' when f.employee_id is null then 'none' else 'one' end as step,
               g."user" -> 'deleted_at' = 'null'
                 and case when l.id is null then g.via <> 'replay' and g.lease is null else
                       l.status = 'PENDING' and (l.auth_user_id, l.version) = (g.auth_user_id, g.version)
                       and case g.via when 'replay' then false when 'relay' then coalesce(g.lease = l.lease, g.lease is null)
                                      else coalesce(l.leased_until < now(), true) end end
                 and (s.auth_user_id is null
                      or (g.version, coalesce(l.id, 9223372036854775807)) > (s.version, s.log_id) and s.deleted_at is null
                         and s.disabled_at is null and (s.email is null or s.email = lower(btrim(g."user" ->> 'email', E' \t\r\n'))))
                 and (e.employee_id is not null or s.employee_id is null and g.key ->> 'employee_number' is null)
                 -- Pending is what has no outcome. So said, and with an order that only one index has, it is found by its user among those
                 -- that are open: by its status it would be looked for among all that are, whoever's they are.
                 and (select o.version from public.integration_sync_log o
                       where o.auth_user_id = g.auth_user_id and o.version < g.version and o.status <> 'SUCCESS'
                         and o.outcome is null and o.direction = 'inbound'
                       order by o.version limit 1) is null
               as is_open
          from jsonb_to_recordset(p_works) as g (event_id text, operation text, auth_user_id uuid, version bigint, via text, lease text,
                                                 "user" jsonb, copy jsonb, columns jsonb, key jsonb, steps jsonb)
          -- Each looked up for itself: as a plain join, a table that was empty when the plan was made is gone through as a whole.
          left join lateral (
            select l.id, l.status, l.auth_user_id, l.version, l.lease, l.leased_until, l.request_data, l.ctid, l.xmin
              from public.integration_sync_log l where l.event_id = g.event_id
            offset 0) as l on true
          left join lateral (
            select s.auth_user_id, s.version, s.log_id, s.email, s.deleted_at, s.disabled_at, s.employee_id, s.fields, s.ctid, s.xmin
              from public.auth_user_state s where s.auth_user_id = g.auth_user_id
            offset 0) as s on true
          left join lateral (
            select e.employee_id, e.email, e.first_name, e.last_name, e.is_active, e.orphaned_at, e.orphaned_auth_user_id, e.ctid, e.xmin
              from public.employees e where e.auth_user_id = g.auth_user_id
            offset 0) as e on true
          left join lateral (  -- where two match, the event is here twice, and so not ordinary
            select f.employee_id, f.auth_user_id, f.email::text, f.first_name::text, f.last_name::text, f.is_active, f.orphaned_at,
                   f.orphaned_auth_user_id, f.ctid, f.xmin
              from public.employees f
             where e.employee_id is null and lower(btrim(f.email::text, E' \t\r\n')) = lower(btrim(g.key ->> 'email', E' \t\r\n'))
             limit 2) as f on true
         -- True of all, and thought to be of one in 200: so the planner takes a batch for one row, and goes from it to the tables. Taken for
         -- a hundred, it would seem cheaper to go through a whole table that was empty when the plan was made.
         where coalesce(g.version, 0) >= -9223372036854775808 and coalesce(g.version, 0) <= 9223372036854775807
         offset 0) as m  -- each column is worked out once
  ), ordinary as materialized (
    select o.event_id, o.operation, o.auth_user_id, o.version, o.via, o."user", o.email, o.record_hash, o.log_id, o.log_row, o.log_xmin, o.state_row,
           o.state_xmin, o.employee_id, o.employee_email, o.new_first_name, o.new_last_name, o.employee_row, o.employee_xmin, o.is_changed,
           case o.step when 'link' then 'linked' when 'sync' then case when o.is_changed then 'synced' else 'unchanged' end else o.step end as outcome,
           coalesce(o.known_fields, '{}') || jsonb_strip_nulls(jsonb_build_object(
             'email', case when o.copy ? 'email' then jsonb_build_array(o.copy -> 'email', o.version, o.log_id) end,
             'first_name', case when o.copy ? 'first_name' then jsonb_build_array(o.copy -> 'first_name', o.version, o.log_id) end,
             'last_name', case when o.copy ? 'last_name' then jsonb_build_array(o.copy -> 'last_name', o.version, o.log_id) end)) as fields,
           case when not o.is_changed then '{}' else
             case when o.new_first_name is distinct from o.first_name
               then jsonb_build_object('first_name', jsonb_build_object('from', o.first_name, 'to', o.new_first_name)) else '{}' end
             || case when o.new_last_name is distinct from o.last_name
               then jsonb_build_object('last_name', jsonb_build_object('from', o.last_name, 'to', o.new_last_name)) else '{}' end
             || case when o.step = 'link'
               then jsonb_build_object('auth_user_id', jsonb_build_object('from', null, 'to', o.auth_user_id)) else '{}' end
             || case when o.orphaned_at is not null
               then jsonb_build_object('orphaned_at', jsonb_build_object('from', o.orphaned_at, 'to', null)) else '{}' end
             || case when o.orphaned_auth_user_id is not null
               then jsonb_build_object('orphaned_auth_user_id', jsonb_build_object('from', o.orphaned_auth_user_id, 'to', null)) else '{}' end
           end as changes
      from (select j.*, coalesce(j.known_log_id, nextval('public.integration_sync_log_id_seq')) as log_id,
                   j.step = 'link' or j.step = 'sync' and (
                     (j.new_first_name, j.new_last_name) is distinct from (j.first_name, j.last_name)
                     or j.orphaned_at is not null or j.orphaned_auth_user_id is not null) as is_changed
              from judged j
             -- Whom an employee is linked to may depend on the others: among such, those that look for one keep the order of the versions.
             where j.is_ordinary
               and ((select bool_and(j.is_ordinary) and count(distinct j.auth_user_id) = count(*) from judged j)
                    or p_are_locked and j.step not in ('link', 'unmatched')
                       and (select count(*) from judged o where o.auth_user_id = j.auth_user_id or o.event_id = j.event_id) = 1)
             order by j.event_id collate "C") as o
  ), added as (
    insert into public.integration_sync_log
      (id, event_id, direction, operation, status, outcome, auth_user_id, employee_id, version, request_data, changes, attempts, via, completed_at)
    overriding system value
    select o.log_id, o.event_id, 'inbound', o.operation, 'SUCCESS', o.outcome, o.auth_user_id, o.employee_id, o.version, o."user",
           o.changes, 1, o.via, now()
      from ordinary o where o.log_row is null  -- no "on conflict": that costs each row a look and a record more, and a conflict is rare
    returning 1
  ), closed as (
    update public.integration_sync_log l
       set status = 'SUCCESS', outcome = o.outcome, employee_id = coalesce(o.employee_id, l.employee_id), changes = o.changes,
           attempts = l.attempts + 1, next_attempt_at = null, lease = null, leased_until = null, via = o.via, completed_at = now()
      from ordinary o
     where o.log_row is not null and l.ctid = o.log_row and l.xmin = o.log_xmin and l.id = o.log_id
    returning 1
  ), ledger as materialized (
    select count(*) as written from (select from added union all select from closed) as l
  ), users_added as (
    insert into public.auth_user_state
      (auth_user_id, version, log_id, email, email_confirmed, employee_number, is_anonymous, banned_until, fields, employee_id, record_hash)
    select o.auth_user_id, o.version, o.log_id, o.email, (o."user" ->> 'email_confirmed')::boolean, o."user" ->> 'employee_number',
           (o."user" ->> 'is_anonymous')::boolean, (o."user" ->> 'banned_until')::timestamptz, o.fields, o.employee_id, o.record_hash
      from ordinary o where o.state_row is null and (select written from ledger) > 0 order by o.auth_user_id
    returning 1
  ), users_known as (
    update public.auth_user_state s
       set version = o.version, log_id = o.log_id, email = o.email, email_confirmed = (o."user" ->> 'email_confirmed')::boolean,
           employee_number = o."user" ->> 'employee_number', is_anonymous = (o."user" ->> 'is_anonymous')::boolean,
           banned_until = (o."user" ->> 'banned_until')::timestamptz, deleted_at = null, fields = o.fields,
           employee_id = coalesce(o.employee_id, s.employee_id), record_hash = coalesce(o.record_hash, s.record_hash), updated_at = now()
      from (select o.auth_user_id, o.version, o.log_id, o.email, o."user", o.fields, o.employee_id, o.record_hash, o.state_row, o.state_xmin
              from ordinary o
             where o.state_row is not null and (select written from ledger) > 0
             order by o.auth_user_id) as o
     where s.ctid = o.state_row and s.xmin = o.state_xmin and s.auth_user_id = o.auth_user_id
    returning 1
  ), states as materialized (
    select count(*) as written from (select from users_added union all select from users_known) as s
  ), became as (
    update public.employees e
       set first_name = o.new_first_name, last_name = o.new_last_name, auth_user_id = o.auth_user_id, orphaned_at = null, orphaned_auth_user_id = null
      from (select o.auth_user_id, o.employee_id, o.employee_row, o.employee_xmin, o.employee_email, o.new_first_name, o.new_last_name
              from ordinary o
             where o.is_changed  -- triggers of the employees' owner expect the search_path they always have
               and (select set_config('search_path', public.auth_sync_owner_path_v1(), true) from states where written > 0) <> ''
             order by o.employee_id) as o
     where e.ctid = o.employee_row and e.xmin = o.employee_xmin and e.employee_id = o.employee_id
    returning (e.email::text, e.first_name::text, e.last_name::text, e.auth_user_id, e.orphaned_at is null, e.orphaned_auth_user_id is null)
              is not distinct from (o.employee_email, o.new_first_name, o.new_last_name, o.auth_user_id, true, true) as is_as_planned
  )
  select count(*), count(*) filter (where o.is_changed), (select written from ledger), (select written from states), (select count(*) from became where is_as_planned),
         jsonb_agg(jsonb_build_object('event_id', o.event_id, 'status', 'SUCCESS', 'outcome', o.outcome, 'employee_id', o.employee_id))
    into ordinary, to_change, in_ledger, in_states, in_employees, results
    from ordinary o;
  perform set_config('search_path', 'pg_catalog, pg_temp', true);
  if in_ledger < ordinary or in_states < ordinary or in_employees < to_change then
    raise exception 'a row is no longer as it was read, or does not become what it should' using errcode = 'WHNEW';
  end if;
  return results;
exception when others or assert_failure then
  if sqlstate ~ '^(40|53|55P03)' then
    raise;  -- somebody in the way, or no room
  end if;
  return '[]';
end $$;

-- As in 0026. Everything is found by an index, row by row: a plan made while the tables were small would read them whole, through
-- an index too, and it is kept.
create or replace function public.auth_sync_process_v2(
  p_works jsonb, p_dry_run boolean default false, p_lock_timeout text default '1500ms', p_limit integer default 64,
  p_skip_held boolean default false
) returns jsonb
language plpgsql security definer set search_path = ''
set lock_timeout = '1500ms' set statement_timeout = '3s' set jit = off
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set enable_material = off set plan_cache_mode = force_generic_plan as $$
declare
  earlier jsonb;
  held jsonb := '[]';
  work jsonb;
  results jsonb;
  done text[];
begin
  if p_dry_run then
    return jsonb_build_object('results', public.auth_sync_process_v1(p_works, true, p_lock_timeout), 'held', held);
  end if;
  perform set_config('lock_timeout', p_lock_timeout, true);
  set constraints all immediate;  -- what a deferred one would refuse at the commit, it refuses here
  if not p_skip_held then
    results := public.auth_sync_apply_ordinary_v1(p_works, false);
    if results <> '[]' then
      return jsonb_build_object('results', results, 'held', held);
    end if;
  end if;

  earlier := public.auth_sync_earlier_v1(p_works, p_limit);
  if earlier is not null then
    return jsonb_build_object('earlier', earlier);
  end if;
  if p_skip_held then
    held := public.auth_sync_held_v1(p_works);
    select coalesce(jsonb_agg(w), '[]') into p_works from jsonb_array_elements(p_works) as w where not held ? (w ->> 'event_id');
  end if;
  perform public.auth_sync_lock_v1(p_works);  -- all of them, before any is written
  if results is null then
    results := coalesce(public.auth_sync_apply_ordinary_v1(p_works, true), '[]');
  end if;
  if jsonb_array_length(results) < jsonb_array_length(p_works) then
    done := array(select r ->> 'event_id' from jsonb_array_elements(results) as r);
    for work in
      select w from jsonb_array_elements(p_works) as w join public.integration_sync_log l on l.event_id = w ->> 'event_id'
       where w ->> 'event_id' <> all (done)
       order by (w ->> 'version')::bigint, l.id
    loop
      results := results || public.auth_sync_apply_v1(work);
    end loop;
  end if;
  return jsonb_build_object('results', results, 'held', held);
end $$;

-- As in 0011, but first whether anybody has no login: where all have one, as after a batch, nobody waits for them.
-- Before and after are put together by a full join, which is never done row by row: a plan made during a batch, which has only that, would
-- cost a later import in the same session the square of its rows.
create or replace function public.auth_sync_employees_changed_v1() returns trigger
language plpgsql security definer set search_path = '' set lock_timeout = '200ms' set enable_seqscan = off set jit = off as $$
declare
  ids bigint[];
begin
  if tg_op = 'INSERT' then
    select array_agg(n.employee_id) into ids from after_rows n
     where n.auth_user_id is null and (n.email is not null or n.employee_number is not null);
  elsif exists (select from after_rows n where n.auth_user_id is null) then
    select array_agg(n.employee_id) into ids
      from after_rows n full join before_rows o on o.employee_id = n.employee_id
     where coalesce(n.employee_id = o.employee_id, false) and n.auth_user_id is null
       and ((n.email::text, n.employee_number::text) is distinct from (o.email::text, o.employee_number::text)
            or o.auth_user_id is not null and n.orphaned_auth_user_id = o.auth_user_id);  -- the login is gone: another may wait
  end if;
  if ids is null then
    return null;
  end if;
  -- No NOTIFY here: it forbids a two-phase commit, and an import may be one. The relay looks every two seconds.
  perform public.auth_sync_link_waiting_v1(ids, true);
  insert into public.auth_sync_hires (employee_id)
  select e.employee_id from public.employees e where e.employee_id = any (ids) and e.auth_user_id is null;
  return null;
exception when others or assert_failure then
  raise warning 'webhook-service: employees were not linked (%); reconciliation will find them', sqlstate;
  return null;
end $$;

-- As in 0014, but first whether a change is one that may ask for something; and with a full join.
create or replace function public.auth_sync_employees_wish_v1() returns trigger
language plpgsql security definer set search_path = '' set lock_timeout = '200ms' set enable_seqscan = off set jit = off as $$
declare
  wishes jsonb;
  employees_own_email boolean;  -- read below, where an error is caught
begin
  if tg_op = 'UPDATE' then
    if not exists (
      select from after_rows n full join before_rows o on o.employee_id = n.employee_id
       where coalesce(n.employee_id = o.employee_id, false) and coalesce(o.auth_user_id, n.auth_user_id) is not null
         and (o.auth_user_id, o.is_active, o.email::text) is distinct from (n.auth_user_id, n.is_active, n.email::text)
    ) then
      return null;
    end if;
  end if;
  select not columns ? 'email' into employees_own_email from public.auth_sync_settings;
  if tg_op = 'INSERT' then
    select jsonb_agg(jsonb_build_object('operation', case when n.is_active is false then 'disable_auth_user' else 'enable_auth_user' end,
                                        'auth_user_id', n.auth_user_id, 'employee_id', n.employee_id))
      into wishes from after_rows n
     where n.auth_user_id is not null and (n.is_active is false or public.auth_sync_may_be_disabled_v1(n.auth_user_id));
  elsif tg_op = 'DELETE' then
    select jsonb_agg(jsonb_build_object('operation', 'disable_auth_user', 'auth_user_id', o.auth_user_id, 'employee_id', o.employee_id))
      into wishes from before_rows o where o.auth_user_id is not null;
    insert into public.auth_sync_hires (employee_id)  -- somebody else may have the e-mail of a login that is free now
    select e.employee_id
      from before_rows o
      join public.auth_user_state s on s.auth_user_id = o.auth_user_id
      join public.employees e on e.auth_user_id is null and lower(btrim(e.email::text, E' \t\r\n')) = s.email;
  else
    with changed as (
      select n.employee_id, o.auth_user_id as before_user, n.auth_user_id, o.is_active is false as was_inactive, n.is_active is false as is_inactive,
             public.auth_sync_normal_v1(o.email::text) as before_email, public.auth_sync_normal_v1(n.email::text) as email
        from after_rows n full join before_rows o on o.employee_id = n.employee_id
       where coalesce(n.employee_id = o.employee_id, false) and coalesce(o.auth_user_id, n.auth_user_id) is not null
         and (o.auth_user_id, o.is_active, o.email::text) is distinct from (n.auth_user_id, n.is_active, n.email::text)
    ), wished as (
      select 'disable_auth_user' as operation, before_user as auth_user_id, employee_id, null::jsonb as data
        from changed where before_user is not null and is_inactive and not was_inactive
      union all
      select 'disable_auth_user', auth_user_id, employee_id, null
        from changed where auth_user_id is not null and auth_user_id is distinct from before_user and is_inactive
      union all
      select 'enable_auth_user', auth_user_id, employee_id, null
        from changed
       where auth_user_id is not null and not is_inactive
         and (was_inactive or auth_user_id is distinct from before_user and public.auth_sync_may_be_disabled_v1(auth_user_id))
      union all
      select 'update_auth_email', c.auth_user_id, c.employee_id, jsonb_build_object('email', c.email, 'was', s.email)
        from changed c left join public.auth_user_state s on s.auth_user_id = c.auth_user_id
       where c.email like '%_@_%'
         and (c.auth_user_id = c.before_user and c.email is distinct from c.before_email
              or c.auth_user_id is distinct from c.before_user and employees_own_email and s.email is distinct from c.email)
         and (c.email is distinct from s.email and (employees_own_email or c.email is distinct from public.auth_sync_normal_v1(s.fields -> 'email' ->> 0))
              or exists (select from public.integration_sync_log a  -- what we have sent, or are about to, is not known yet
                          where a.auth_user_id = c.auth_user_id and a.operation = 'update_auth_email' and a.id > s.log_id
                            and a.request_data ->> 'email' <> c.email))
         and c.auth_user_id is not null
    )
    select jsonb_agg(to_jsonb(wished)) into wishes from wished;
  end if;
  if wishes is not null then
    -- No NOTIFY here: it forbids a two-phase commit, and an import may be one. The relay looks every two seconds.
    perform public.auth_sync_enter_actions_v1(wishes, 'employees');
  end if;
  return null;
exception when others or assert_failure then
  raise warning 'webhook-service: changes of employees were not captured (%); reconciliation will find them', sqlstate;
  return null;
end $$;

drop function if exists public.auth_sync_plan_v1(jsonb), public.auth_sync_write_v1(public.auth_sync_planned[]);
drop type if exists public.auth_sync_planned;

select public.auth_sync_secure_v1();
