-- A batch of ordinary events in a few statements over all of them. What each comes to is read first (plan_v1) and then written
-- (write_v1): the rows of the ledger once and finished, the states, the employees. What is not ordinary is applied alone, as in 0008; so
-- is everything where somebody has changed what was read, or where employees refuse what is written.

set local lock_timeout = '5s';

-- What one work of a batch comes to. A row that this rests on is known by its place and its xmin: if these are others, so is the row.
do $$
begin
  if to_regtype('public.auth_sync_planned') is null then
    create type public.auth_sync_planned as (
      event_id text, operation text, via text, request_data jsonb, is_ordinary boolean, outcome text, changes jsonb,
      log_id bigint, log_row tid, log_xmin xid,
      auth_user_id uuid, version bigint, email text, fields jsonb, record_hash uuid, state_row tid, state_xmin xid,
      employee_id bigint, employee_email text, first_name text, last_name text, employee_row tid, employee_xmin xid);
  end if;
end $$;

-- Reads what these works come to, each as if it were alone. Ordinary is an event that is open, newer than what is known and not waiting
-- for an older one; the only one here of its user; that keeps a link, makes one or finds nobody; that changes no
-- e-mail; and after which Auth is as the employee asks.
create or replace function public.auth_sync_plan_v1(p_works jsonb) returns public.auth_sync_planned[]
language plpgsql security definer set search_path = '' as $$
declare
  are_single boolean := (select count(distinct w ->> 'auth_user_id') = count(*) and count(distinct w ->> 'event_id') = count(*)
                           from jsonb_array_elements(p_works) as w);
begin
  return (
    with given as (
      select w.*, lower(btrim(w."user" ->> 'email', E' \t\r\n')) as email,
             are_single or (select count(*) from jsonb_array_elements(p_works) as o
                             where (o ->> 'auth_user_id')::uuid = w.auth_user_id or o ->> 'event_id' = w.event_id) = 1 as is_single
        from jsonb_to_recordset(p_works) as w (event_id text, operation text, auth_user_id uuid, version bigint, via text, lease text,
                                               "user" jsonb, copy jsonb, columns jsonb, key jsonb, steps jsonb)
    ), met as (
      select g.*, l.id as known_log_id, l.ctid as log_row, l.xmin as log_xmin,
             md5(nullif(l.request_data -> 'record', 'null')::text)::uuid as record_hash,
             s.fields as known_fields, s.ctid as state_row, s.xmin as state_xmin,
             e.situation, e.employee_id, e.first_name, e.last_name, e.email as employee_email, e.is_active, e.orphaned_at,
             e.orphaned_auth_user_id, e.ctid as employee_row, e.xmin as employee_xmin, g.steps ->> coalesce(e.situation, 'none') as step,
             g.is_single and g."user" -> 'deleted_at' = 'null'
               and case when l.id is null then g.via <> 'replay' and g.lease is null else
                     l.status = 'PENDING' and (l.auth_user_id, l.version) = (g.auth_user_id, g.version)
                     and case g.via when 'replay' then false when 'relay' then coalesce(g.lease = l.lease, g.lease is null)
                                    else coalesce(l.leased_until < now(), true) end end
               and (s.auth_user_id is null
                    or (g.version, coalesce(l.id, 9223372036854775807)) > (s.version, s.log_id) and s.deleted_at is null
                       and s.disabled_at is null and (s.email is null or s.email is not distinct from g.email))
               and (e.situation is not distinct from 'linked' or s.employee_id is null and g.key ->> 'employee_number' is null)
               and not exists (select from public.integration_sync_log o
                                where o.auth_user_id = g.auth_user_id and o.version < g.version and o.status = 'PENDING' and o.direction = 'inbound')
             as is_open
        from given g
        left join public.integration_sync_log l on l.event_id = g.event_id
        left join public.auth_user_state s on s.auth_user_id = g.auth_user_id
        left join lateral (
          (select 'linked' as situation, e.employee_id, e.first_name::text, e.last_name::text, e.email::text, e.is_active, e.orphaned_at,
                  e.orphaned_auth_user_id, e.ctid, e.xmin
             from public.employees e where e.auth_user_id = g.auth_user_id)
           union all
          (select case when e.auth_user_id is null and count(*) over () = 1 then 'one' else 'unclear' end, e.employee_id,
                  e.first_name::text, e.last_name::text, e.email::text, e.is_active, e.orphaned_at, e.orphaned_auth_user_id, e.ctid, e.xmin
             from public.employees e where lower(btrim(e.email::text, E' \t\r\n')) = lower(btrim(g.key ->> 'email', E' \t\r\n')))
           limit 1) as e on true
    ), numbered as (
      select m.*, coalesce(m.known_log_id, case when m.is_open and m.step is not null
                                                then nextval('public.integration_sync_log_id_seq') end) as log_id
        from met m
    ), told as (
      select m.*, coalesce(m.known_fields, '{}') || jsonb_strip_nulls(jsonb_build_object(
               'email', case when m.copy ? 'email' then jsonb_build_array(m.copy -> 'email', m.version, m.log_id) end,
               'first_name', case when m.copy ? 'first_name' then jsonb_build_array(m.copy -> 'first_name', m.version, m.log_id) end,
               'last_name', case when m.copy ? 'last_name' then jsonb_build_array(m.copy -> 'last_name', m.version, m.log_id) end)) as fields,
             -- A link copies what older events have said, too; a sync what this one says.
             m.columns ? 'first_name' and (m.step = 'link' or m.copy ? 'first_name') as copies_first_name,
             m.columns ? 'last_name' and (m.step = 'link' or m.copy ? 'last_name') as copies_last_name,
             m.columns ? 'email' and (m.step = 'link' or m.copy ? 'email') as copies_email
        from numbered m
    ), wanted as (
      select t.*, coalesce(case when t.copies_first_name then t.fields -> 'first_name' ->> 0 end, t.first_name) as new_first_name,
             coalesce(case when t.copies_last_name then t.fields -> 'last_name' ->> 0 end, t.last_name) as new_last_name,
             t.is_open and (
               t.situation is null and t.step in ('unmatched', 'unconfirmed', 'ignored')
               or (t.situation, t.step) in (('linked', 'sync'), ('one', 'link'))
                  and t.is_active is not false
                  and (not t.copies_email or not t.fields ? 'email'
                       or coalesce(lower(btrim(t.fields -> 'email' ->> 0, E' \t\r\n')) = lower(btrim(t.employee_email, E' \t\r\n')), false))
                  and (t.columns ? 'email' or t.employee_email not like '%_@_%'
                       or coalesce(t.email = lower(btrim(t.employee_email, E' \t\r\n')), t.employee_email is null))) as is_ordinary
        from told t
    ), changed as (
      select w.*, case when w.situation is null then '{}' else
               case when w.new_first_name is distinct from w.first_name
                 then jsonb_build_object('first_name', jsonb_build_object('from', w.first_name, 'to', w.new_first_name)) else '{}' end
               || case when w.new_last_name is distinct from w.last_name
                 then jsonb_build_object('last_name', jsonb_build_object('from', w.last_name, 'to', w.new_last_name)) else '{}' end
               || case when w.situation = 'one'
                 then jsonb_build_object('auth_user_id', jsonb_build_object('from', null, 'to', w.auth_user_id)) else '{}' end
               || case when w.orphaned_at is not null
                 then jsonb_build_object('orphaned_at', jsonb_build_object('from', w.orphaned_at, 'to', null)) else '{}' end
               || case when w.orphaned_auth_user_id is not null
                 then jsonb_build_object('orphaned_auth_user_id', jsonb_build_object('from', w.orphaned_auth_user_id, 'to', null)) else '{}' end
             end as changes
        from wanted w
    )
    select array_agg(row(c.event_id, c.operation, c.via, c."user", coalesce(c.is_ordinary, false),
                         case c.step when 'link' then 'linked' when 'sync' then case c.changes when '{}' then 'unchanged' else 'synced' end
                                     else c.step end, c.changes,
                         c.log_id, c.log_row, c.log_xmin,
                         c.auth_user_id, c.version, c.email, c.fields, c.record_hash, c.state_row, c.state_xmin,
                         c.employee_id, c.employee_email, c.new_first_name, c.new_last_name, c.employee_row, c.employee_xmin)::public.auth_sync_planned
                     order by c.event_id collate "C")
      from changed c);
end $$;

-- Writes what was read, and takes its locks in the order of lock_v1. Raises WHNEW where a row is no longer as it was read, or does not
-- become what it should.
create or replace function public.auth_sync_write_v1(p_plan public.auth_sync_planned[]) returns void
language plpgsql security definer set search_path = '' as $$
declare
  planned integer := cardinality(p_plan);
  written integer;
  added integer;
begin
  insert into public.integration_sync_log
    (id, event_id, direction, operation, status, outcome, auth_user_id, employee_id, version, request_data, changes, attempts, via, completed_at)
  overriding system value
  select p.log_id, p.event_id, 'inbound', p.operation, 'SUCCESS', p.outcome, p.auth_user_id, p.employee_id, p.version, p.request_data,
         p.changes, 1, p.via, now()
    from unnest(p_plan) as p where p.log_row is null order by p.event_id collate "C"
  on conflict (event_id) do nothing;
  get diagnostics added = row_count;
  if added < planned then
    update public.integration_sync_log l
       set status = 'SUCCESS', outcome = p.outcome, employee_id = coalesce(p.employee_id, l.employee_id), changes = p.changes,
           attempts = l.attempts + 1, next_attempt_at = null, lease = null, leased_until = null, via = p.via, completed_at = now()
      from (select * from unnest(p_plan) as p where p.log_row is not null order by p.event_id collate "C") as p
     where l.ctid = p.log_row and l.xmin = p.log_xmin and l.id = p.log_id;
    get diagnostics written = row_count;
    added := added + written;
  end if;
  if added < planned then
    raise exception 'an event is no longer as it was read' using errcode = 'WHNEW';
  end if;

  insert into public.auth_user_state
    (auth_user_id, version, log_id, email, email_confirmed, employee_number, is_anonymous, banned_until, fields, employee_id, record_hash)
  select p.auth_user_id, p.version, p.log_id, p.email, u.email_confirmed, u.employee_number, u.is_anonymous, u.banned_until, p.fields,
         p.employee_id, p.record_hash
    from unnest(p_plan) as p
   cross join jsonb_to_record(p.request_data) as u (email_confirmed boolean, employee_number text, is_anonymous boolean, banned_until timestamptz)
   where p.state_row is null order by p.auth_user_id
  on conflict do nothing;
  get diagnostics added = row_count;
  if added < planned then
    update public.auth_user_state s
       set version = p.version, log_id = p.log_id, email = p.email, email_confirmed = u.email_confirmed, employee_number = u.employee_number,
           is_anonymous = u.is_anonymous, banned_until = u.banned_until, deleted_at = null, fields = p.fields,
           employee_id = coalesce(p.employee_id, s.employee_id), record_hash = coalesce(p.record_hash, s.record_hash), updated_at = now()
      from (select * from unnest(p_plan) as p where p.state_row is not null order by p.auth_user_id) as p
     cross join jsonb_to_record(p.request_data) as u (email_confirmed boolean, employee_number text, is_anonymous boolean, banned_until timestamptz)
     where s.ctid = p.state_row and s.xmin = p.state_xmin and s.auth_user_id = p.auth_user_id;
    get diagnostics written = row_count;
    added := added + written;
  end if;
  if added < planned then
    raise exception 'an auth user is no longer as it was read' using errcode = 'WHNEW';
  end if;

  if exists (select from unnest(p_plan) as p where p.changes <> '{}') then
    -- Triggers of the employees' owner expect the search_path they always have.
    perform set_config('search_path', public.auth_sync_owner_path_v1(), true);
    with became as (
      update public.employees e
         set first_name = p.first_name, last_name = p.last_name, auth_user_id = p.auth_user_id, orphaned_at = null, orphaned_auth_user_id = null
        from (select * from unnest(p_plan) as p where p.changes <> '{}' order by p.employee_id) as p
       where e.ctid = p.employee_row and e.xmin = p.employee_xmin and e.employee_id = p.employee_id
      returning (e.email::text, e.first_name::text, e.last_name::text, e.auth_user_id, e.orphaned_at is null, e.orphaned_auth_user_id is null)
                is not distinct from (p.employee_email, p.first_name, p.last_name, p.auth_user_id, true, true) as is_as_planned
    )
    select count(*) into written from became where is_as_planned;
    perform set_config('search_path', 'pg_catalog, pg_temp', true);
    if written < (select count(*) from unnest(p_plan) as p where p.changes <> '{}') then
      raise exception 'an employee is no longer as it was read, or does not become what it should' using errcode = 'WHNEW';
    end if;
  end if;
end $$;

-- As in 0008; but what is ordinary is written for all at once, and only the others each alone. Everything is found by an index, row by
-- row: a plan made while the tables were small would read them whole, through an index too, and it is kept.
create or replace function public.auth_sync_process_v2(
  p_works jsonb, p_dry_run boolean default false, p_lock_timeout text default '1500ms', p_limit integer default 64,
  p_skip_held boolean default false
) returns jsonb
language plpgsql security definer set search_path = ''
set lock_timeout = '1500ms' set statement_timeout = '3s' set jit = off
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set enable_material = off set plan_cache_mode = force_generic_plan as $$
declare
  plan public.auth_sync_planned[];
  ordinary public.auth_sync_planned[];
  earlier jsonb;
  held jsonb := '[]';
  work jsonb;
  results jsonb := '[]';
  is_mixed boolean;
  are_locked boolean := false;
begin
  if p_dry_run then
    return jsonb_build_object('results', public.auth_sync_process_v1(p_works, true, p_lock_timeout), 'held', held);
  end if;
  perform set_config('lock_timeout', p_lock_timeout, true);
  set constraints all immediate;  -- what a deferred one would refuse at the commit, it refuses here
  if not p_skip_held then
    plan := public.auth_sync_plan_v1(p_works);
  end if;
  if plan is null or exists (select from unnest(plan) as p where not p.is_ordinary) then
    earlier := public.auth_sync_earlier_v1(p_works, p_limit);
    if earlier is not null then
      return jsonb_build_object('earlier', earlier);
    end if;
    if p_skip_held then
      held := public.auth_sync_held_v1(p_works);
      select coalesce(jsonb_agg(w), '[]') into p_works from jsonb_array_elements(p_works) as w where not held ? (w ->> 'event_id');
    end if;
    perform public.auth_sync_lock_v1(p_works);  -- all of them, before any is written
    are_locked := true;
    plan := public.auth_sync_plan_v1(p_works);
  end if;

  -- Whom an employee is linked to may depend on the others: among such, those that look for one keep the order of the versions.
  is_mixed := exists (select from unnest(plan) as p where not p.is_ordinary);
  ordinary := array(select p from unnest(plan) as p where p.is_ordinary and not (is_mixed and p.outcome in ('linked', 'unmatched')));
  begin
    perform public.auth_sync_write_v1(ordinary);
  exception when others or assert_failure then
    if sqlstate ~ '^(40|53|55P03)' then
      raise;  -- somebody in the way, or no room
    end if;
    ordinary := '{}';
  end;
  if cardinality(ordinary) < jsonb_array_length(p_works) then
    if not are_locked then
      perform public.auth_sync_lock_v1(p_works);
    end if;
    for work in
      select w from jsonb_array_elements(p_works) as w join public.integration_sync_log l on l.event_id = w ->> 'event_id'
       where not exists (select from unnest(ordinary) as p where p.event_id = w ->> 'event_id')
       order by (w ->> 'version')::bigint, l.id
    loop
      results := results || public.auth_sync_apply_v1(work);
    end loop;
  end if;
  return jsonb_build_object('held', held, 'results', results || (
    select coalesce(jsonb_agg(jsonb_build_object('event_id', p.event_id, 'status', 'SUCCESS', 'outcome', p.outcome, 'employee_id', p.employee_id)), '[]')
      from unnest(ordinary) as p));
end $$;

select public.auth_sync_secure_v1();
