-- The names that employees are searched by, in a table of their own. As indexes on employees they had each change of a name write all
-- of that table's indexes anew, on other pages for each person: in a large company that was most of what an event cost.

set local lock_timeout = '5s';

create table if not exists public.auth_sync_names (
  employee_id bigint primary key,
  first_name text,
  last_name text
) with (fillfactor = 80);
alter table public.auth_sync_names enable row level security;
comment on table public.auth_sync_names is 'webhook-service: the names of employees, which they are searched by; kept by triggers on employees';

-- What a human types is the beginning of one of these, as it was in 0019.
create index if not exists auth_sync_names_name_prefix_idx on public.auth_sync_names (
  left(lower(btrim(coalesce(first_name, '') || ' ' || coalesce(last_name, ''))), 100) text_pattern_ops);
create index if not exists auth_sync_names_surname_prefix_idx on public.auth_sync_names (
  left(lower(btrim(coalesce(last_name, '') || ' ' || coalesce(first_name, ''))), 100) text_pattern_ops);

-- Room for the next version of a row beside it, so that its indexes stay as they are.
alter table public.auth_user_state set (fillfactor = 85);

create or replace function public.auth_sync_is_internal_v1(p_function name) returns boolean
language sql immutable set search_path = '' as $$
  select p_function ~ '^auth_sync_(send_to|post_v1|signed_v1|hmac_v1|keys_v1|capture_v1|send_v1|install_v1|fill_names_v1|employees_(changed|wish|named)_v1)$'
$$;

-- Runs for each statement that writes employees, in its transaction: of whom it changed, the names are taken from employees as they are by
-- now, where triggers of its owner may have been at work. Who writes somebody's names holds the employee's row: nobody waits here.
create or replace function public.auth_sync_employees_named_v1() returns trigger
language plpgsql security definer set search_path = '' set lock_timeout = '200ms' set enable_seqscan = off set jit = off as $$
declare
  ids bigint[];
  named bigint;
begin
  if tg_op = 'INSERT' then
    ids := array(select distinct n.employee_id from after_rows n where n.employee_id is not null);
  elsif tg_op = 'UPDATE' then
    ids := array(
      select distinct c.employee_id
        from (select c.employee_id
                from (select n.employee_id, n.first_name::text, n.last_name::text, 1 as side from after_rows n
                      union all select o.employee_id, o.first_name::text, o.last_name::text, -1 from before_rows o) as c
               where c.employee_id is not null
               group by c.employee_id, c.first_name, c.last_name having sum(c.side) <> 0) as c);
  elsif tg_op = 'DELETE' then
    ids := array(select distinct o.employee_id from before_rows o where o.employee_id is not null);
  else
    delete from public.auth_sync_names;
    return null;
  end if;

  insert into public.auth_sync_names (employee_id, first_name, last_name)
  select e.employee_id, e.first_name::text, e.last_name::text
    from unnest(ids) as i (employee_id)
   cross join lateral (  -- each looked up for itself, whatever the tables were like when the plan was made
     select e.employee_id, e.first_name, e.last_name from public.employees e where e.employee_id = i.employee_id offset 0) as e
  on conflict (employee_id) do update set first_name = excluded.first_name, last_name = excluded.last_name;
  get diagnostics named = row_count;
  if named < cardinality(ids) then  -- the others are gone
    delete from public.auth_sync_names n
     where n.employee_id = any (ids) and not exists (select from public.employees e where e.employee_id = n.employee_id);
  end if;
  return null;
exception when others or assert_failure then
  raise warning 'webhook-service: names of employees cannot be searched yet (%); a relay will find them', sqlstate;
  return null;
end $$;

-- Brings the names of the employees above p_above, up to p_upto (null: to the end), whom no trigger saw. With p_since, only of those that this
-- transaction or a later one has written.
create or replace function public.auth_sync_fill_names_v1(p_above bigint default null, p_upto bigint default null, p_since xid default null)
returns void language plpgsql set search_path = '' set jit = off as $$
declare
  above bigint := coalesce(p_above, -9223372036854775808);
  upto bigint := coalesce(p_upto, 9223372036854775807);
begin
  delete from public.auth_sync_names n
   where n.employee_id > above and n.employee_id <= upto
     and not exists (select from public.employees e where e.employee_id = n.employee_id);
  insert into public.auth_sync_names (employee_id, first_name, last_name)
  select e.employee_id, e.first_name::text, e.last_name::text
    from public.employees e left join public.auth_sync_names n on n.employee_id = e.employee_id
   where e.employee_id > above and e.employee_id <= upto and (p_since is null or age(e.xmin) <= age(p_since))
     and (n.employee_id is null or (n.first_name, n.last_name) is distinct from (e.first_name::text, e.last_name::text))
   order by e.employee_id
  on conflict (employee_id) do update set first_name = excluded.first_name, last_name = excluded.last_name;
end $$;

-- As in 0018, and the names'.
create or replace function public.auth_sync_triggers_v1()
returns table (name text, relation regclass, definition text, is_right boolean)
language sql stable security definer set search_path = '' as $$
  select w.name, public.auth_sync_relation_v1(w.relation), w.definition,
         exists (select from pg_catalog.pg_trigger t
                  where t.tgrelid = public.auth_sync_relation_v1(w.relation) and t.tgname = w.name and t.tgenabled in ('O', 'A')
                    and pg_catalog.pg_get_triggerdef(t.oid) = w.definition)
    from (values
      ('auth_sync_capture', 'auth.users',
       'CREATE TRIGGER auth_sync_capture AFTER INSERT OR DELETE OR UPDATE ON auth.users'
       ' FOR EACH ROW EXECUTE FUNCTION public.auth_sync_capture_v1()'),
      ('auth_sync_send', 'public.integration_sync_log',
       'CREATE CONSTRAINT TRIGGER auth_sync_send AFTER INSERT ON public.integration_sync_log'
       ' DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN ((new.via = ''capture''::text)) EXECUTE FUNCTION public.auth_sync_send_v1()'),
      ('auth_sync_failed_inserted', 'public.integration_sync_log',
       'CREATE TRIGGER auth_sync_failed_inserted AFTER INSERT ON public.integration_sync_log'
       ' FOR EACH ROW WHEN ((new.status = ''FAILED''::text)) EXECUTE FUNCTION public.auth_sync_attempt_failed_v1()'),
      ('auth_sync_failed_updated', 'public.integration_sync_log',
       'CREATE TRIGGER auth_sync_failed_updated AFTER UPDATE ON public.integration_sync_log'
       ' FOR EACH ROW WHEN (((new.status = ''FAILED''::text) AND (new.attempts IS DISTINCT FROM old.attempts)))'
       ' EXECUTE FUNCTION public.auth_sync_attempt_failed_v1()'),
      ('auth_sync_employees_inserted', 'public.employees',
       'CREATE TRIGGER auth_sync_employees_inserted AFTER INSERT ON public.employees'
       ' REFERENCING NEW TABLE AS after_rows FOR EACH STATEMENT EXECUTE FUNCTION public.auth_sync_employees_changed_v1()'),
      ('auth_sync_employees_updated', 'public.employees',
       'CREATE TRIGGER auth_sync_employees_updated AFTER UPDATE ON public.employees'
       ' REFERENCING OLD TABLE AS before_rows NEW TABLE AS after_rows'
       ' FOR EACH STATEMENT EXECUTE FUNCTION public.auth_sync_employees_changed_v1()'),
      ('auth_sync_wish_inserted', 'public.employees',
       'CREATE TRIGGER auth_sync_wish_inserted AFTER INSERT ON public.employees'
       ' REFERENCING NEW TABLE AS after_rows FOR EACH STATEMENT EXECUTE FUNCTION public.auth_sync_employees_wish_v1()'),
      ('auth_sync_wish_updated', 'public.employees',
       'CREATE TRIGGER auth_sync_wish_updated AFTER UPDATE ON public.employees'
       ' REFERENCING OLD TABLE AS before_rows NEW TABLE AS after_rows'
       ' FOR EACH STATEMENT EXECUTE FUNCTION public.auth_sync_employees_wish_v1()'),
      ('auth_sync_wish_deleted', 'public.employees',
       'CREATE TRIGGER auth_sync_wish_deleted AFTER DELETE ON public.employees'
       ' REFERENCING OLD TABLE AS before_rows FOR EACH STATEMENT EXECUTE FUNCTION public.auth_sync_employees_wish_v1()'),
      ('auth_sync_names_inserted', 'public.employees',
       'CREATE TRIGGER auth_sync_names_inserted AFTER INSERT ON public.employees'
       ' REFERENCING NEW TABLE AS after_rows FOR EACH STATEMENT EXECUTE FUNCTION public.auth_sync_employees_named_v1()'),
      ('auth_sync_names_updated', 'public.employees',
       'CREATE TRIGGER auth_sync_names_updated AFTER UPDATE ON public.employees'
       ' REFERENCING OLD TABLE AS before_rows NEW TABLE AS after_rows'
       ' FOR EACH STATEMENT EXECUTE FUNCTION public.auth_sync_employees_named_v1()'),
      ('auth_sync_names_deleted', 'public.employees',
       'CREATE TRIGGER auth_sync_names_deleted AFTER DELETE ON public.employees'
       ' REFERENCING OLD TABLE AS before_rows FOR EACH STATEMENT EXECUTE FUNCTION public.auth_sync_employees_named_v1()'),
      ('auth_sync_names_truncated', 'public.employees',
       'CREATE TRIGGER auth_sync_names_truncated AFTER TRUNCATE ON public.employees'
       ' FOR EACH STATEMENT EXECUTE FUNCTION public.auth_sync_employees_named_v1()')
    ) as w (name, relation, definition)
$$;

-- As in 0017. Where a trigger of the names was missing, they are filled: while everybody may write employees, then what was written meanwhile.
create or replace function public.auth_sync_install_v1() returns jsonb
language plpgsql set search_path = '' set lock_timeout = '5s' as $$
declare
  wanted record;
  installed jsonb := '[]';
  filled xid;
begin
  perform pg_advisory_xact_lock(1468927316450918833);  -- any number of processes start at once; the others find it done
  if exists (select from public.auth_sync_triggers_v1() as t where t.name ~ '^auth_sync_names_' and not t.is_right) then
    filled := pg_snapshot_xmin(pg_current_snapshot())::xid;
    perform public.auth_sync_fill_names_v1();
  end if;
  for wanted in select * from public.auth_sync_triggers_v1() as t loop
    continue when wanted.relation is null;
    if not wanted.is_right then
      execute format('drop trigger if exists %I on %s', wanted.name, wanted.relation);
      execute wanted.definition;
      installed := installed || jsonb_build_array(wanted.name);
    end if;
  end loop;
  if filled is not null then
    perform public.auth_sync_fill_names_v1(p_since => filled);
  end if;
  return installed;
end $$;

-- As in 0019, with the names in their table.
create or replace function public.auth_sync_find_people_v1(p_person text)
returns table (employee_id bigint, auth_user_id uuid, name text, email text)
language plpgsql stable security definer
set search_path = '' set plan_cache_mode = force_custom_plan set enable_seqscan = off set jit = off as $$
declare
  typed text := left(lower(regexp_replace(btrim(p_person, E' ,\t\r\n'), '[\s,]+', ' ', 'g')), 100);
  pattern text := replace(replace(replace(typed, '\', '\\'), '%', '\%'), '_', '\_') || '%';
  user_id uuid := case when typed ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' then typed::uuid end;
  number bigint := case when typed ~ '^[0-9]{1,18}$' then typed::bigint end;
begin
  if typed = '' then
    return;
  end if;
  return query
  with found as (
    select e.employee_id from public.employees e where e.auth_user_id = user_id
    union select s.employee_id from public.auth_user_state s where s.auth_user_id = user_id and s.employee_id is not null
    union select e.employee_id from public.employees e where e.employee_id = number
    union (select e.employee_id from public.employees e
            where left(lower(btrim(e.email::text, E' \t\r\n')), 100) like pattern limit 20)
    union (select e.employee_id from public.employees e where left(lower(e.employee_number::text), 100) like pattern limit 20)
    union (select n.employee_id from public.auth_sync_names n
            where left(lower(btrim(coalesce(n.first_name, '') || ' ' || coalesce(n.last_name, ''))), 100) like pattern limit 20)
    union (select n.employee_id from public.auth_sync_names n
            where left(lower(btrim(coalesce(n.last_name, '') || ' ' || coalesce(n.first_name, ''))), 100) like pattern limit 20)
  ), employed as (
    select e.employee_id::bigint, coalesce(e.auth_user_id, e.orphaned_auth_user_id) as auth_user_id,
           nullif(concat_ws(' ', e.first_name::text, e.last_name::text), '') as name, e.email::text as email
      from public.employees e where e.employee_id in (select f.employee_id from found f)
     order by typed in (lower(btrim(e.email::text, E' \t\r\n')), e.employee_id::text, lower(e.employee_number::text)) desc nulls last, e.employee_id
     limit 20
  ), only_users as (
    (select s.auth_user_id, s.email from public.auth_user_state s where left(s.email, 100) like pattern limit 40)
    union select user_id, (select s.email from public.auth_user_state s where s.auth_user_id = user_id) where user_id is not null
  )
  select m.* from employed m
  union all
  (select null, u.auth_user_id, null, u.email from only_users u
    where not exists (select from employed m where m.auth_user_id = u.auth_user_id) order by u.email limit 20);
end $$;

-- As in 0020, and brings the names that no trigger saw: written while triggers were off, or while a trigger could not.
create or replace function public.auth_sync_refresh_mismatches_v1(p_slice integer default 50000) returns jsonb
language plpgsql security definer set search_path = '' set lock_timeout = '1500ms'
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set enable_bitmapscan = off set jit = off as $$
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
  select max(employee_id) into last_id
    from (select employee_id from public.employees where employee_id > first_id order by employee_id limit p_slice) as slice
  having count(*) = p_slice;
  with found as materialized (
    select m.sync_status, m.employee_id from public.auth_sync_standings m
     where m.employee_id > first_id and m.employee_id <= coalesce(last_id, 9223372036854775807)
       and m.sync_status in ('EMAIL_MISMATCH', 'INACTIVE_WITH_AUTH')
  ), gone as (
    delete from public.auth_sync_mismatches c
     where c.employee_id > first_id and c.employee_id <= coalesce(last_id, 9223372036854775807)
       and not exists (select from found f where (f.sync_status, f.employee_id) = (c.sync_status, c.employee_id))
  )
  insert into public.auth_sync_mismatches (sync_status, employee_id) select sync_status, employee_id from found on conflict do nothing;
  perform public.auth_sync_fill_names_v1(first_id, last_id);

  took := extract(epoch from clock_timestamp() - began);
  if last_id is null then
    next_in := greatest(60, 50 * (pass.seconds + took));
  end if;
  update public.auth_sync_mismatch_pass
     set after = last_id, next_at = clock_timestamp() + make_interval(secs => next_in),
         seconds = case when last_id is null then 0 else pass.seconds + took end;
  return jsonb_build_object('found', (select count(*) from public.auth_sync_mismatches), 'seconds', took, 'next_in', next_in);
end $$;

select public.auth_sync_secure_v1();
select public.auth_sync_install_v1();
