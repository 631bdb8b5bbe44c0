-- Enters the actions that a change of employees requires in Auth into the ledger.
-- An action is a signal, not a command: the relay that claims it (actions_performed.sql) makes the call that is still needed then. Two
-- functions find the required actions: the trigger on employees (auth_sync_employees_request_actions_v1), and
-- auth_sync_needed_actions_v1, which an event calls to find differences between Auth and the employee. A change of a condition must be
-- made in both.

-- Returns whether an auth user is banned for more than 50 years. A shorter ban could end while the employee is still inactive.
create or replace function public.auth_sync_is_banned_permanently_v1(p_banned_until timestamptz) returns boolean
language sql stable set search_path = '' as $$
  select coalesce(p_banned_until > now() + interval '50 years', false)
$$;

-- Returns whether this service has banned an auth user or may have banned it: a call is running, or its response was lost.
create or replace function public.auth_sync_may_be_disabled_v1(p_auth_user_id uuid) returns boolean
language sql stable security definer set search_path = '' as $$
  select exists (select from public.auth_user_state where auth_user_id = p_auth_user_id and disabled_at is not null)
      or exists (select from public.integration_sync_log
                  where auth_user_id = p_auth_user_id and status <> 'SUCCESS' and direction = 'outbound' and operation = 'disable_auth_user')
$$;

-- Makes the e-mail actions that Auth refused for this e-mail due now, because the auth user that had the e-mail no longer has it.
create or replace function public.auth_sync_email_freed_v1(p_email text) returns void
language sql security definer set search_path = '' as $$
  update public.integration_sync_log set next_attempt_at = now()
   where direction = 'outbound' and operation = 'update_auth_email' and coalesce(outcome, '') = 'email_taken'  -- only failed actions; kind_idx
     and next_attempt_at is null and request_data ->> 'email' = p_email
$$;

-- Enters actions: [{operation, auth_user_id, employee_id, data}]. They are bulk if the transaction has entered more than twenty actions,
-- including these. Bans of an unusual share of the company are held instead (held_actions.sql), unless an admin has confirmed them: then
-- p_via is admin, or the transaction has the flag confirmed=admin or confirmed=reconcile. After a transaction has held bans, its further
-- bans are held too. A held ban is dropped if its auth user gets a newer action. Actions that follow from a client's change wait for an
-- admin (client_changes.sql).
create or replace function public.auth_sync_enter_actions_v1(p_actions jsonb, p_via text) returns void
language plpgsql security definer set search_path = '' as $$
#variable_conflict use_variable
declare
  so_far bigint := coalesce(substring(current_setting('auth_sync.actions', true) from '^[0-9]{1,9}$')::bigint, 0) + jsonb_array_length(p_actions);
  confirmed text := case when public.auth_sync_has_flag_v1('confirmed=admin') then 'admin'
                         when public.auth_sync_has_flag_v1('confirmed=reconcile') then 'reconcile' else '' end;
  bans jsonb;
begin
  p_actions := public.auth_sync_await_admin_v1(p_actions, p_via);
  if p_actions = '[]' then
    return;
  end if;
  perform set_config('auth_sync.actions', so_far::text, true);
  select jsonb_agg(a) into bans from jsonb_array_elements(p_actions) as a where a ->> 'operation' = 'disable_auth_user';
  if bans is not null and confirmed = '' and p_via <> 'admin'
     and (public.auth_sync_has_flag_v1('holds') or public.auth_sync_must_hold_v1(bans)) then
    perform public.auth_sync_set_flag_v1('holds');
    perform public.auth_sync_hold_v1(bans, p_via);
    select coalesce(jsonb_agg(a), '[]') into p_actions
      from jsonb_array_elements(p_actions) as a where a ->> 'operation' <> 'disable_auth_user';
  end if;
  if confirmed = 'reconcile' then
    p_via := confirmed;
  end if;
  delete from public.auth_sync_held_actions h
   using jsonb_to_recordset(p_actions) as w (operation text, auth_user_id uuid)
   where h.auth_user_id = w.auth_user_id and w.operation in ('disable_auth_user', 'enable_auth_user');
  insert into public.integration_sync_log
    (event_id, direction, operation, auth_user_id, employee_id, request_data, via, next_attempt_at, priority)
  select format('%s:%s', gen_random_uuid(), w.operation), 'outbound', w.operation, w.auth_user_id, w.employee_id, coalesce(w.data, '{}'),
         p_via, now(), (so_far > 20)::integer
    from jsonb_to_recordset(p_actions) as w (operation text, auth_user_id uuid, employee_id bigint, data jsonb);
end $$;

-- Returns whether the newest open action of its kind (a ban, or an e-mail) is this one. A newer action replaces those before it, so an open
-- ban does not count if its lift was requested since.
create or replace function public.auth_sync_is_requested_v1(p_auth_user_id uuid, p_operation text, p_data jsonb) returns boolean
language sql stable security definer set search_path = '' as $$
  select coalesce((
    select (array_agg(a.operation order by a.id desc))[1] = p_operation from public.integration_sync_log a
     where a.auth_user_id = p_auth_user_id and a.status <> 'SUCCESS' and a.direction = 'outbound'
       and (p_operation = 'update_auth_email') = (a.operation = 'update_auth_email') and a.operation <> 'create_auth_user'
       and not (a.status = 'PENDING' and a.changes ? 'sessions_end_again_at')  -- this ban was performed, and may have been lifted since
       and (a.next_attempt_at is not null or a.request_data -> 'email' is not distinct from p_data -> 'email')), false)
$$;

-- Enters the actions that an auth user still needs and that are not open. Each event calls this, so that a missed action is entered, and a
-- change that was undone in Auth is made again.
create or replace function public.auth_sync_request_actions_v1(p_auth_user_id uuid, p_columns jsonb, p_via text) returns void
language plpgsql security definer set search_path = '' as $$
#variable_conflict use_variable
declare
  actions jsonb;
begin
  select jsonb_agg(jsonb_build_object('operation', w.operation, 'auth_user_id', p_auth_user_id, 'employee_id', w.employee_id, 'data', w.data))
    into actions
    from public.auth_sync_needed_actions_v1(p_auth_user_id, p_columns) as w
   where not (w.operation = 'disable_auth_user'
              and exists (select from public.auth_sync_held_actions h where h.auth_user_id = p_auth_user_id offset 0))
     and not public.auth_sync_is_requested_v1(p_auth_user_id, w.operation, w.data);
  if actions is not null then
    perform public.auth_sync_enter_actions_v1(actions, p_via);
  end if;
end $$;

-- Returns the actions that an auth user needs according to its last known state, with the employee and the action's data. p_columns are the
-- columns that Auth owns.
create or replace function public.auth_sync_needed_actions_v1(p_auth_user_id uuid, p_columns jsonb)
returns table (operation text, employee_id bigint, data jsonb) language sql stable security definer set search_path = '' as $$
  with known as (
    select * from public.auth_user_state where auth_user_id = p_auth_user_id and deleted_at is null
  )
  select case when e.is_active is false then 'disable_auth_user' else 'enable_auth_user' end, e.employee_id, '{}'::jsonb
    from known k
   cross join lateral (
     select e.employee_id, e.is_active from public.employees e where e.auth_user_id = k.auth_user_id offset 0) as e
   where case when e.is_active is false then not public.auth_sync_is_banned_permanently_v1(k.banned_until)
              else k.disabled_at is not null and public.auth_sync_is_banned_permanently_v1(k.banned_until) end
  union all
  select 'disable_auth_user', o.employee_id, '{}'
    from known k
   cross join lateral (select public.auth_sync_dismissed_owner_v1(k.auth_user_id) as employee_id offset 0) as o
   where o.employee_id is not null and not public.auth_sync_is_banned_permanently_v1(k.banned_until)
  union all
  select 'enable_auth_user', e.employee_id, '{}'
    from known k
   cross join lateral (
     select e.employee_id from public.employees e where e.employee_id = k.employee_id and e.is_active is not false offset 0) as e
   where k.disabled_at is not null and public.auth_sync_is_banned_permanently_v1(k.banned_until)
     and not exists (select from public.employees e where e.auth_user_id = k.auth_user_id offset 0)
  union all
  select 'update_auth_email', e.employee_id, jsonb_build_object('email', public.auth_sync_normal_v1(e.email::text), 'was', k.email)
    from known k
   cross join lateral (
     select e.employee_id, e.email from public.employees e where e.auth_user_id = k.auth_user_id offset 0) as e
   where not p_columns ? 'email' and e.email::text like '%_@_%'
     and k.email is distinct from public.auth_sync_normal_v1(e.email::text)
$$;

-- Trigger: runs after each statement that writes employees, and enters the actions for all its rows at once. It cannot make the statement
-- fail. The service's own writes need no action, because Auth already has their values. The first check returns early if no changed column
-- concerns Auth. Old and new rows are joined by a full join, as in auth_sync_employees_changed_v1. If the statement changes an employee_id,
-- they are joined by their order, because PostgreSQL adds the old and the new version of a row to the two tables at the same time.
create or replace function public.auth_sync_employees_request_actions_v1() returns trigger
language plpgsql security definer set search_path = '' set lock_timeout = '200ms' set enable_seqscan = off set jit = off as $$
#variable_conflict use_variable
declare
  actions jsonb;
  unclear jsonb;
  renumbered jsonb;
  has_new_ids boolean := false;
  employees_own_email boolean;  -- assigned in the body, where an error is caught
  client text;
begin
  client := public.auth_sync_client_v1();
  if client is not null and public.auth_sync_has_flag_v1('own_write') then
    client := null;  -- this service writes employees in a client's transaction
  end if;
  if client is not null and tg_op = 'INSERT' then
    perform public.auth_sync_record_client_changes_v1((
      select coalesce(jsonb_agg(jsonb_build_object('employee_id', n.employee_id, 'auth_user_id', n.auth_user_id, 'email', n.email)), '[]')
        from after_rows n where n.auth_user_id is not null or n.email is not null), client);
  elsif client is not null and tg_op = 'UPDATE' then
    perform public.auth_sync_record_client_changes_v1((
      select coalesce(jsonb_agg(jsonb_build_object(
               'employee_id', n.employee_id,
               'auth_user_id', case when n.auth_user_id is distinct from o.auth_user_id then n.auth_user_id end,
               'email', case when n.email::text is distinct from o.email::text then n.email end)), '[]')
        from after_rows n full join before_rows o on o.employee_id = n.employee_id
       where n.employee_id is not null
         and (n.auth_user_id is distinct from o.auth_user_id or n.email::text is distinct from o.email::text)), client);
  end if;
  if tg_op = 'UPDATE' then
    if not exists (
      select from after_rows n full join before_rows o on o.employee_id = n.employee_id
       where (n.employee_id = o.employee_id) is not true or (o.is_active is false) <> (n.is_active is false)
          or o.auth_user_id is distinct from n.auth_user_id or o.email::text is distinct from n.email::text
          or o.employee_number::varchar::text is distinct from n.employee_number::varchar::text
    ) then
      return null;
    end if;
    has_new_ids := exists (select from after_rows n full join before_rows o on o.employee_id = n.employee_id
                            where (n.employee_id = o.employee_id) is not true);
  end if;
  select not columns ? 'email' into employees_own_email from public.auth_sync_settings;
  if client is null and tg_op = 'UPDATE' and exists (select from public.auth_sync_client_changes) then
    delete from public.auth_sync_client_changes c  -- another role has written the value since
     using (select n.employee_id, n.email::text is distinct from o.email::text as has_new_email,
                   n.auth_user_id is distinct from o.auth_user_id as has_new_link
              from after_rows n full join before_rows o on o.employee_id = n.employee_id
             where coalesce(n.employee_id = o.employee_id, false)
               and (n.auth_user_id, n.email::text) is distinct from (o.auth_user_id, o.email::text) offset 0) as w
     where c.employee_id = w.employee_id and case c.changed when 'email' then w.has_new_email else w.has_new_link end;
  end if;
  if tg_op = 'INSERT' then
    with requested as (
      select case when n.is_active is false then 'disable_auth_user' else 'enable_auth_user' end as operation, n.auth_user_id, n.employee_id,
             n.is_active is false as is_inactive, n.email::text as email, btrim(n.employee_number::varchar::text, public.auth_sync_invisible_v1()) as number
        from after_rows n
       where n.auth_user_id is not null and (n.is_active is false or public.auth_sync_may_be_disabled_v1(n.auth_user_id))
    ), people as (
      select jsonb_agg(jsonb_build_object('employee_id', r.employee_id, 'former_id', r.employee_id, 'email', r.email, 'number', r.number)) as people
        from requested r
    ), unlinked as (
      select u.employee_id, u.auth_user_id, u.is_certain, r.operation
        from (select p.people from people p where p.people is not null) as p
       cross join lateral public.auth_sync_unlinked_logins_v1(p.people) as u
        join requested r on r.employee_id = u.employee_id
       where case when r.is_inactive then not public.auth_sync_is_disabled_for_another_v1(u.auth_user_id, array[r.employee_id])
                  else public.auth_sync_was_disabled_for_v1(u.auth_user_id, array[r.employee_id]) end
    )
    select (select jsonb_agg(jsonb_build_object('operation', a.operation, 'auth_user_id', a.auth_user_id, 'employee_id', a.employee_id))
              from (select r.operation, r.auth_user_id, r.employee_id from requested r
                    union all
                    select u.operation, u.auth_user_id, u.employee_id from unlinked u
                     where u.is_certain or u.operation = 'enable_auth_user') as a),
           (select jsonb_agg(to_jsonb(u)) from unlinked u where not u.is_certain and u.operation = 'disable_auth_user')
      into actions, unclear;
  elsif tg_op = 'DELETE' then
    with people as (
      select jsonb_agg(jsonb_build_object('employee_id', o.employee_id, 'former_id', o.employee_id, 'email', o.email::text,
                                          'number', btrim(o.employee_number::varchar::text, public.auth_sync_invisible_v1()))) as people
        from before_rows o
    ), unlinked as (
      select u.employee_id, u.auth_user_id, u.is_certain
        from (select p.people from people p where p.people is not null) as p
       cross join lateral public.auth_sync_unlinked_logins_v1(p.people) as u
       where u.auth_user_id not in (select o.auth_user_id from before_rows o where o.auth_user_id is not null)
    )
    select (select jsonb_agg(jsonb_build_object('operation', 'disable_auth_user', 'auth_user_id', a.auth_user_id, 'employee_id', a.employee_id))
              from (select o.auth_user_id, o.employee_id from before_rows o where o.auth_user_id is not null
                    union all
                    select u.auth_user_id, u.employee_id from unlinked u where u.is_certain) as a),
           (select jsonb_agg(to_jsonb(u)) from unlinked u where not u.is_certain)
      into actions, unclear;
    insert into public.auth_sync_hires (employee_id)  -- another employee may match the login that is free now
    select e.employee_id
      from before_rows o
     cross join lateral (select s.email from public.auth_user_state s where s.auth_user_id = o.auth_user_id offset 0) as s
     cross join lateral (
       select e.employee_id from public.employees e
        where e.auth_user_id is null and lower(btrim(e.email::varchar::text, public.auth_sync_invisible_v1()) collate "C") collate "default" = s.email offset 0) as e;
  else
    with changed as materialized (
      select n.employee_id, o.employee_id as former_id, o.auth_user_id as before_user, n.auth_user_id, n.number, o.number as before_number,
             o.is_active is false as was_inactive, n.is_active is false as is_inactive,
             public.auth_sync_normal_v1(o.email) as before_email, public.auth_sync_normal_v1(n.email) as email
        from (select case when has_new_ids then row_number() over () else a.employee_id end as place, a.employee_id, a.auth_user_id,
                     a.is_active, a.email::text, btrim(a.employee_number::varchar::text, public.auth_sync_invisible_v1()) as number from after_rows a) as n
        full join (select case when has_new_ids then row_number() over () else b.employee_id end as place, b.employee_id, b.auth_user_id,
                          b.is_active, b.email::text, btrim(b.employee_number::varchar::text, public.auth_sync_invisible_v1()) as number from before_rows b) as o on o.place = n.place
       where coalesce(n.place = o.place, false)
         and (n.employee_id <> o.employee_id or (o.is_active is false) <> (n.is_active is false)
              or (o.auth_user_id, o.email, o.number) is distinct from (n.auth_user_id, n.email, n.number))
    ), linked as materialized (
      select 'disable_auth_user' as operation, before_user as auth_user_id, employee_id
        from changed where before_user is not null and is_inactive and not was_inactive
      union
      select 'disable_auth_user', auth_user_id, employee_id
        from changed where auth_user_id is not null and auth_user_id is distinct from before_user and is_inactive
      union
      select 'enable_auth_user', auth_user_id, employee_id
        from changed
       where auth_user_id is not null and not is_inactive
         and (was_inactive or auth_user_id is distinct from before_user and public.auth_sync_may_be_disabled_v1(auth_user_id))
    ), people as (
      select jsonb_agg(jsonb_build_object('employee_id', c.employee_id, 'former_id', r.id, 'email', r.email, 'number', r.number)) as people
        from changed c
       cross join lateral (values (c.former_id, c.before_email, c.before_number), (c.employee_id, c.email, c.number)) as r (id, email, number)
       where c.is_inactive <> c.was_inactive or exists (select from linked l where l.employee_id = c.employee_id)
    ), unlinked as (
      select case when c.is_inactive then 'disable_auth_user' else 'enable_auth_user' end as operation, u.auth_user_id, u.employee_id, u.is_certain
        from (select p.people from people p where p.people is not null) as p
       cross join lateral public.auth_sync_unlinked_logins_v1(p.people) as u
        join changed c on c.employee_id = u.employee_id
       where u.auth_user_id not in (select l.auth_user_id from linked l)
         and case when c.is_inactive then not public.auth_sync_is_disabled_for_another_v1(u.auth_user_id, array[c.former_id, c.employee_id])
                  else public.auth_sync_was_disabled_for_v1(u.auth_user_id, array[c.former_id, c.employee_id]) end
    ), keys as (
      select jsonb_agg(jsonb_build_object('email', k.email, 'number', k.number)) as keys
        from changed c
       cross join lateral (values (c.is_inactive, c.email, c.number),
                                  (not c.was_inactive, c.before_email, c.before_number)) as k (is_due, email, number)
       where k.is_due and c.is_inactive = c.was_inactive and (c.before_email, c.before_number) is distinct from (c.email, c.number)
    ), requested as (
      select l.operation, l.auth_user_id, l.employee_id, null::jsonb as data from linked l
      union all
      select u.operation, u.auth_user_id, u.employee_id, null from unlinked u where u.is_certain or u.operation = 'enable_auth_user'
      union all
      select 'disable_auth_user', f.auth_user_id, f.employee_id, null
        from (select k.keys from keys k where k.keys is not null) as k
       cross join lateral public.auth_sync_dismissed_logins_v1(k.keys) as f
      union all
      select 'update_auth_email', c.auth_user_id, c.employee_id, jsonb_build_object('email', c.email, 'was', s.email)
        from changed c
        left join lateral (
          select s.email, s.fields, s.log_id from public.auth_user_state s where s.auth_user_id = c.auth_user_id offset 0) as s on true
       where c.email like '%_@_%'
         and (c.auth_user_id = c.before_user and c.email is distinct from c.before_email
              or c.auth_user_id is distinct from c.before_user and employees_own_email and s.email is distinct from c.email)
         and (c.email is distinct from s.email and (employees_own_email or c.email is distinct from public.auth_sync_normal_v1(s.fields -> 'email' ->> 0))
              or exists (select from public.integration_sync_log a  -- an action newer than the state has sent or will send another e-mail
                          where a.auth_user_id = c.auth_user_id and a.operation = 'update_auth_email' and a.id > s.log_id
                            and a.request_data ->> 'email' <> c.email offset 0))
         and c.auth_user_id is not null
    )
    select (select jsonb_agg(to_jsonb(requested)) from requested),
           (select jsonb_agg(to_jsonb(u)) from unlinked u where not u.is_certain and u.operation = 'disable_auth_user'),
           (select jsonb_agg(to_jsonb(c)) from changed c where c.employee_id <> c.former_id)
      into actions, unclear, renumbered;
  end if;
  if renumbered is not null then  -- the logins remember the new id; a locked state is left out, and its next event writes the id
    update public.auth_user_state s set employee_id = f.employee_id
      from (select r.employee_id, k.auth_user_id
              from jsonb_to_recordset(renumbered) as r (employee_id bigint, former_id bigint)
             cross join lateral (
               select k.auth_user_id from public.auth_user_state k where k.employee_id = r.former_id for update skip locked) as k) as f
     where s.auth_user_id = f.auth_user_id;
    perform public.auth_sync_scim_forget_v1(array(
      select unnest(array[r.employee_id, r.former_id]) from jsonb_to_recordset(renumbered) as r (employee_id bigint, former_id bigint)));
  end if;
  if actions is not null then
    -- No NOTIFY here: it forbids a two-phase commit, which an import may use. The relay polls every two seconds.
    perform public.auth_sync_enter_actions_v1(actions, 'employees');
  end if;
  if unclear is not null then
    perform public.auth_sync_hold_unclear_v1(unclear);
  end if;
  return null;
exception when others or assert_failure then
  raise warning 'webhook-service: a change of employees was not entered for Auth (%); reconciliation will find it', sqlstate;
  return null;
end $$;
