-- Links employees who are added after their auth users.
-- A trigger links an employee when it is inserted, or when its e-mail or number changes. It does so in the same transaction, and in one
-- statement for a whole import. An error cannot make the import fail. If a link cannot be made at once, it is entered into the ledger as an
-- event, which the relay applies separately.
--
-- A concurrent import and event do not see each other. So the import records each employee that it could not link (auth_sync_hires). The
-- relay tries these links again when it finds the record, and once more when every transaction of that time has ended. By then the auth
-- user may have another e-mail or may be deleted. So the former keys of unlinked auth users are kept for a day (auth_sync_former_keys), and
-- the relay finds the auth user that had the employee's key at the time of the record.

-- Returns the employees among these that an unlinked auth user matches, by its employee number or else by its confirmed e-mail. The
-- employee must be the only free employee that matches. For an active employee, inactive ones do not count. If several auth users match an
-- employee, the first known one is returned. Each employee is searched by its key, even under a plan that a smaller import in the same
-- session has cached.
create or replace function public.auth_sync_matches_v1(p_employee_ids bigint[])
returns table (employee_id bigint, auth_user_id uuid) language sql stable security definer set search_path = '' as $$
  with free as (
    select e.employee_id, e.is_active is false as is_inactive, btrim(e.employee_number::varchar::text, public.auth_sync_invisible_v1()) as number,
           lower(btrim(e.email::varchar::text, public.auth_sync_invisible_v1()) collate "C") collate "default" as email
      from unnest(p_employee_ids) as i (employee_id)
     cross join lateral (
       select e.employee_id, e.is_active, e.employee_number, e.email from public.employees e
        where e.employee_id = i.employee_id and e.auth_user_id is null offset 0) as e
  ), fitting as (
    select f.employee_id, s.auth_user_id, s.log_id, true as by_number,
           (select count(*) from (select from public.employees o
                                   where btrim(o.employee_number::varchar::text, public.auth_sync_invisible_v1()) = s.employee_number and o.auth_user_id is null
                                     and (f.is_inactive or o.is_active is not false) limit 2) as at_most_two) as fit
      from free f
     cross join lateral (
       select s.auth_user_id, s.log_id, s.employee_number from public.auth_user_state s
        where s.employee_number = f.number and s.deleted_at is null and not s.is_anonymous offset 0) as s
    union all
    select f.employee_id, s.auth_user_id, s.log_id, false,
           (select count(*) from (select from public.employees o
                                   where lower(btrim(o.email::varchar::text, public.auth_sync_invisible_v1()) collate "C") collate "default" = s.email
                                     and o.auth_user_id is null and (f.is_inactive or o.is_active is not false) limit 2) as at_most_two)
      from free f
     cross join lateral (
       select s.auth_user_id, s.log_id, s.email from public.auth_user_state s
        where s.email = f.email and s.deleted_at is null and s.email_confirmed and not s.is_anonymous and s.employee_number is null
       offset 0) as s
     where public.auth_sync_links_by_email_v1()
  )
  select distinct on (f.employee_id) f.employee_id, f.auth_user_id
    from fitting f
   where f.fit = 1 and not exists (select from public.employees o where o.auth_user_id = f.auth_user_id offset 0)
   order by f.employee_id, f.by_number desc, f.log_id
$$;

-- Links these employees together, and records each link in the ledger. p_matches: [{employee_id, auth_user_id}]. Skips an auth user
-- whose state is locked, because another transaction is applying an event of that user, or no longer matches.
create or replace function public.auth_sync_link_all_v1(p_matches jsonb, p_cause text) returns void
language plpgsql security definer set search_path = '' as $$
#variable_conflict use_variable
declare
  linking jsonb;
begin
  -- Everything is read before anything is written: the current row of each employee, and its new values.
  select jsonb_agg(to_jsonb(w)) into linking
    from (select e.employee_id, s.auth_user_id, s.version, public.auth_sync_state_json_v1(s) as state,
                 jsonb_build_object('email', e.email, 'first_name', e.first_name, 'last_name', e.last_name,
                                    'auth_user_id', e.auth_user_id, 'orphaned_at', e.orphaned_at,
                                    'orphaned_auth_user_id', e.orphaned_auth_user_id) as was,
                 jsonb_build_object(
                   'first_name', coalesce(case when o.columns ? 'first_name' then s.fields -> 'first_name' ->> 0 end, e.first_name),
                   'last_name', coalesce(case when o.columns ? 'last_name' then s.fields -> 'last_name' ->> 0 end, e.last_name),
                   'email', case
                     when o.columns ? 'email' and lower(btrim(s.fields -> 'email' ->> 0, public.auth_sync_invisible_v1()) collate "C") collate "default"
                          <> lower(btrim(e.email::varchar::text, public.auth_sync_invisible_v1()) collate "C") collate "default"
                     then s.fields -> 'email' ->> 0 else e.email::text end,
                   'auth_user_id', s.auth_user_id, 'orphaned_at', null, 'orphaned_auth_user_id', null) as becomes
            from (select m.* from jsonb_to_recordset(p_matches) as m (employee_id bigint, auth_user_id uuid)
                   order by m.auth_user_id offset 0) as m  -- locks are taken in this order
           cross join public.auth_sync_settings o
           cross join lateral (
             select e.employee_id, e.email, e.employee_number, e.first_name, e.last_name, e.auth_user_id, e.orphaned_at, e.orphaned_auth_user_id
               from public.employees e where e.employee_id = m.employee_id offset 0) as e
           cross join lateral (
             select * from public.auth_user_state s
              where s.auth_user_id = m.auth_user_id and s.deleted_at is null  -- an event may have changed the state since the match was found
                and case when s.employee_number is not null then s.employee_number = btrim(e.employee_number::varchar::text, public.auth_sync_invisible_v1())
                         else s.email = lower(btrim(e.email::varchar::text, public.auth_sync_invisible_v1()) collate "C") collate "default" end
                for no key update skip locked) as s) as w;
  if linking is null then
    return;
  end if;

  -- This transaction has written the rows, so no other transaction can.
  perform public.auth_sync_write_employees_v1((
    select jsonb_agg(jsonb_build_object('employee_id', w.employee_id, 'wanted', w.becomes))
      from jsonb_to_recordset(linking) as w (employee_id bigint, becomes jsonb)));
  update public.auth_user_state s
     set employee_id = w.employee_id
    from jsonb_to_recordset(linking) as w (employee_id bigint, auth_user_id uuid)
   where s.auth_user_id = w.auth_user_id and s.employee_id is distinct from w.employee_id;

  insert into public.integration_sync_log
    (event_id, direction, operation, status, outcome, auth_user_id, employee_id, version, request_data, changes, attempts,
     via, completed_at)
  select format('employee-%s-%s', w.employee_id, p_cause), 'inbound', 'UPDATE', 'SUCCESS', 'linked', w.auth_user_id, w.employee_id,
         w.version, w.state,
         (select coalesce(jsonb_object_agg(b.key, jsonb_build_object('from', w.was -> b.key, 'to', b.value)), '{}')
            from jsonb_each(w.becomes) as b where b.value is distinct from w.was -> b.key),
         1, 'employees', now()
    from jsonb_to_recordset(linking) as w (employee_id bigint, auth_user_id uuid, version bigint, state jsonb, was jsonb, becomes jsonb);
end $$;

-- Returns whether employees has a deferrable trigger or constraint. Its check at the commit could make the importer's transaction fail.
create or replace function public.auth_sync_is_checked_late_v1() returns boolean
language sql stable set search_path = '' as $$
  select exists (select from pg_catalog.pg_trigger where tgrelid = 'public.employees'::regclass and tgdeferrable)
$$;

-- Links the employees among these that an unlinked auth user matches. With p_at_once, it links them in this transaction if possible. All
-- other matches are entered into the ledger as events, and the relay applies each separately.
create or replace function public.auth_sync_link_waiting_v1(p_employee_ids bigint[], p_at_once boolean) returns void
language plpgsql security definer set search_path = '' as $$
#variable_conflict use_variable
declare
  cause text := format('%s-%s', public.auth_sync_version_at_v1(clock_timestamp()) / 4, pg_current_xact_id());
  matches jsonb := (select jsonb_agg(to_jsonb(m)) from public.auth_sync_matches_v1(p_employee_ids) as m);
begin
  if matches is null then
    return;
  end if;
  if p_at_once and not public.auth_sync_is_checked_late_v1() then
    begin
      perform public.auth_sync_link_all_v1(matches, cause);
    exception when others or assert_failure then
      raise warning 'webhook-service: employees could not be linked at once (%); the relay tries each', sqlstate;
    end;
  end if;
  insert into public.integration_sync_log (event_id, direction, operation, auth_user_id, version, request_data, via, next_attempt_at)
  select format('employee-%s-%s', m.employee_id, cause), 'inbound', 'UPDATE', s.auth_user_id, s.version,
         public.auth_sync_state_json_v1(s), 'employees', now()
    from jsonb_to_recordset(matches) as m (employee_id bigint, auth_user_id uuid)
   cross join lateral (select * from public.auth_user_state s where s.auth_user_id = m.auth_user_id offset 0) as s
   where not exists (select from public.employees e where e.auth_user_id = m.auth_user_id offset 0)
     and not exists (select from public.integration_sync_log o
                      where o.auth_user_id = m.auth_user_id and o.status <> 'SUCCESS' and o.outcome is null and o.direction = 'inbound'
                     offset 0)
     -- A failed event is retried itself. A retry of the hire would only add a second failure.
     and (p_at_once or not exists (select from public.integration_sync_log o where o.id = s.log_id and o.status = 'FAILED' offset 0));
end $$;

-- Trigger: runs after each statement that inserts or changes employees, and links them. The first check returns early if every employee has
-- a login, as after a batch of events. Old and new rows are joined by a full join, because PostgreSQL never makes it a nested loop. A
-- nested loop, planned for one row and then cached, would cost a later import in the same session the square of its rows. For the same
-- reason the end of the function searches each row by its key.
create or replace function public.auth_sync_employees_changed_v1() returns trigger
language plpgsql security definer set search_path = '' set lock_timeout = '200ms' set enable_seqscan = off set jit = off as $$
#variable_conflict use_variable
declare
  ids bigint[];
  -- This time is not later than the snapshot in which auth users are read. A key that is lost later was held at this time.
  noted timestamptz := case when current_setting('transaction_isolation') in ('repeatable read', 'serializable')
                            then transaction_timestamp() else clock_timestamp() end;
begin
  if tg_op = 'INSERT' then
    select array_agg(n.employee_id) into ids from after_rows n
     where n.auth_user_id is null and (n.email is not null or n.employee_number is not null);
  elsif exists (select from after_rows n where n.auth_user_id is null) then
    select array_agg(n.employee_id) into ids
      from after_rows n full join before_rows o on o.employee_id = n.employee_id
     where coalesce(n.employee_id = o.employee_id, false) and n.auth_user_id is null
       and ((n.email::text, n.employee_number::text) is distinct from (o.email::text, o.employee_number::text)
            or o.auth_user_id is not null and n.orphaned_auth_user_id = o.auth_user_id);  -- the login was deleted: another one may match
  end if;
  if ids is null then
    return null;
  end if;
  -- No NOTIFY here: it would forbid a two-phase commit of the import. The relay polls every two seconds.
  perform public.auth_sync_link_waiting_v1(ids, true);
  insert into public.auth_sync_hires (employee_id, noted_at)
  select i.employee_id, noted from unnest(ids) as i (employee_id)
   where exists (select from public.employees e where e.employee_id = i.employee_id and e.auth_user_id is null offset 0);
  return null;
exception when others or assert_failure then
  raise warning 'webhook-service: employees were not linked (%); reconciliation will find them', sqlstate;
  return null;
end $$;

-- Enters events into the ledger that link these employees to auth users that had their keys at the time of the record and have lost them
-- since. p_noted: [{employee_id, noted_at}]. An event has the state and the version that the auth user had with the key, so the relay
-- applies it as an older event that was delayed.
create or replace function public.auth_sync_link_former_v1(p_noted jsonb) returns void
language plpgsql security definer set search_path = '' as $$
#variable_conflict use_variable
begin
  insert into public.integration_sync_log (event_id, direction, operation, auth_user_id, version, request_data, via, next_attempt_at)
  select distinct on (n.employee_id)
         format('former-key-%s-%s', f.id, n.employee_id), 'inbound', 'UPDATE', f.auth_user_id, f.version, f.state, 'employees', now()
    from jsonb_to_recordset(p_noted) as n (employee_id bigint, noted_at timestamptz)
   cross join lateral (
     select e.employee_number, e.email from public.employees e
      where e.employee_id = n.employee_id and e.auth_user_id is null and e.orphaned_auth_user_id is null offset 0) as e
   cross join lateral (
     select * from (select * from public.auth_sync_former_keys f where f.key = 'number:' || btrim(e.employee_number::varchar::text, public.auth_sync_invisible_v1()) offset 0) as by_number
     union all
     select * from (select * from public.auth_sync_former_keys f
                     where public.auth_sync_links_by_email_v1() and f.key = 'email:' || lower(btrim(e.email::varchar::text, public.auth_sync_invisible_v1()) collate "C") collate "default" offset 0) as by_email) as f
   where f.left_at >= n.noted_at
     and not exists (select from public.employees o where o.auth_user_id = f.auth_user_id offset 0)
     and exists (select from public.auth_user_state s where s.auth_user_id = f.auth_user_id and s.employee_id is null offset 0)
   order by n.employee_id, f.id
  on conflict (event_id) do nothing;
end $$;

-- Requests the bans of the logins that have the keys of these inactive employees and could not be linked to them, for example because two
-- employees match. p_noted: [{employee_id}].
create or replace function public.auth_sync_request_bans_v1(p_noted jsonb) returns void
language plpgsql security definer set search_path = '' as $$
#variable_conflict use_variable
declare
  keys jsonb;
  bans jsonb;
begin
  select jsonb_agg(jsonb_build_object('email', e.email, 'number', e.number)) into keys
    from jsonb_to_recordset(p_noted) as n (employee_id bigint)
   cross join lateral (
     select e.email::text, btrim(e.employee_number::varchar::text, public.auth_sync_invisible_v1()) as number from public.employees e
      where e.employee_id = n.employee_id and e.auth_user_id is null and e.is_active is false offset 0) as e;
  if keys is not null then
    select jsonb_agg(to_jsonb(l) || '{"operation": "disable_auth_user"}') into bans from public.auth_sync_dismissed_logins_v1(keys) as l;
  end if;
  if bans is not null then
    perform public.auth_sync_enter_actions_v1(bans, 'employees');
  end if;
end $$;

-- Retries the links that the employees' own transaction could not make (auth_sync_hires): at the next pass of a relay, and once more after
-- 10 seconds, when every call of that time has ended (a call takes 3 seconds at most). Enters events into the ledger and makes no link
-- itself. Returns whether more employees are due. Also deletes keys that were lost more than a day ago.
create or replace function public.auth_sync_retry_hires_v1(p_limit integer) returns boolean
language plpgsql security definer set search_path = '' set lock_timeout = '200ms' as $$
#variable_conflict use_variable
declare
  first_time jsonb;
  last_time jsonb;
  noted jsonb;
begin
  with due as (
    select id from public.auth_sync_hires where seen_at is null order by id limit p_limit for update skip locked
  ), seen as (
    update public.auth_sync_hires h set seen_at = clock_timestamp() from due where h.id = due.id returning h.employee_id, h.noted_at
  )
  select coalesce(jsonb_agg(to_jsonb(seen)), '[]') into first_time from seen;
  with due as (
    select id from public.auth_sync_hires
     where seen_at < clock_timestamp() - interval '10 seconds' order by seen_at limit p_limit for update skip locked
  ), seen as (
    delete from public.auth_sync_hires h using due where h.id = due.id returning h.employee_id, h.noted_at
  )
  select coalesce(jsonb_agg(to_jsonb(seen)), '[]') into last_time from seen;
  noted := first_time || last_time;
  if noted <> '[]' then
    perform public.auth_sync_link_waiting_v1(
      array(select n.employee_id from jsonb_to_recordset(noted) as n (employee_id bigint)), false);
    perform public.auth_sync_link_former_v1(noted);
  end if;
  if last_time <> '[]' then
    perform public.auth_sync_request_bans_v1(last_time);
  end if;
  delete from public.auth_sync_former_keys
   where id = any (array(select f.id from public.auth_sync_former_keys f
                          where f.left_at < now() - interval '1 day' order by f.left_at limit 100 for update skip locked));
  return jsonb_array_length(first_time) = p_limit or jsonb_array_length(last_time) = p_limit;
exception when others or assert_failure then
  raise warning 'webhook-service: new employees could not be checked (%)', sqlstate;
  return false;
end $$;
