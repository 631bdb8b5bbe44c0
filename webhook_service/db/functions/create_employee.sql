-- Creates an employee together with its login.
-- outbound/logins.py calls these functions; outbound/accounts.py performs actions with the functions in actions_performed.sql.
-- The ledger records an intent, with the id that the auth user will have, before Auth is called. One transaction then writes the employee
-- and its link, and settles the intent.

-- Returns the active employees who have no login, ordered by employee_id. Reads the index of standings. Orphans are included, because their
-- login was deleted.
create or replace function public.find_employees_without_auth()
returns table (employee_id bigint, email text, first_name text, last_name text, employee_number text, orphaned_at timestamptz)
language sql stable security definer set search_path = '' as $$
  select m.employee_id, m.email, m.first_name, m.last_name, m.employee_number, m.orphaned_at
    from (select e.employee_id::bigint, e.email::text, e.first_name::text, e.last_name::text, e.employee_number::varchar::text, e.orphaned_at
            from public.employees e
           where case when e.auth_user_id is not null and e.is_active is false then 'linked_inactive'
                      when e.auth_user_id is not null then 'linked' when e.orphaned_at is not null then 'orphaned'
                      when e.is_active is false then 'none' else 'missing' end in ('missing', 'orphaned')
             and e.is_active is not false) as m
   order by m.employee_id
$$;

-- Returns up to p_limit employees after p_after who can get a login: {"employees": [{employee_id, email}]}. Leaves out employees who have
-- no e-mail, and orphans unless p_orphans is true.
create or replace function public.auth_sync_without_login_v1(p_after bigint, p_limit integer, p_orphans boolean) returns jsonb
language sql stable security definer set search_path = '' as $$
  select jsonb_build_object('employees', coalesce(jsonb_agg(to_jsonb(page) order by page.employee_id), '[]'))
    from (select f.employee_id, public.auth_sync_normal_v1(f.email) as email
            from public.find_employees_without_auth() as f
           where f.employee_id > p_after and f.email like '%_@_%' and (p_orphans or f.orphaned_at is null)
             and public.auth_sync_changed_by_v1(f.employee_id, null, public.auth_sync_normal_v1(f.email)) is null
           order by f.employee_id limit p_limit) as page
$$;

-- Returns the e-mails among p_emails (in lower case) that several active employees without a login have, with orphans if p_orphans. Two rows
-- can be one person or two, so a list gives a login to neither.
create or replace function public.auth_sync_shared_emails_v1(p_emails jsonb, p_orphans boolean) returns jsonb
language sql stable security definer set search_path = '' set plan_cache_mode = force_custom_plan set enable_seqscan = off set jit = off as $$
  select coalesce(jsonb_agg(g.email), '[]')
    from jsonb_array_elements_text(p_emails) as g (email)
   where 1 < (select count(*) from (
           select from public.employees e
            where lower(btrim(e.email::varchar::text, public.auth_sync_invisible_v1()) collate "C") collate "default" = g.email
              and e.auth_user_id is null and e.is_active is not false and (auth_sync_shared_emails_v1.p_orphans or e.orphaned_at is null) limit 2) as several)
$$;

-- Returns the auth user that has an e-mail: {auth_user_id, email_confirmed, employee_id}, or null. Reads auth.users if this database has
-- the table and this role may read it. Otherwise reads the last known states.
create or replace function public.auth_sync_email_holder_v1(p_email text) returns jsonb
language plpgsql stable security definer set search_path = '' set plan_cache_mode = force_custom_plan set statement_timeout = '3s' as $$
#variable_conflict use_variable
declare
  holder jsonb;
  is_read boolean := false;
begin
  if public.auth_sync_relation_v1('auth.users') is not null then
    begin
      select jsonb_build_object('auth_user_id', u.id, 'email_confirmed', u.email_confirmed_at is not null) into holder
        from auth.users u where u.email = public.auth_sync_normal_v1(p_email) and not u.is_sso_user limit 1;
      is_read := true;
    exception when insufficient_privilege or undefined_column then
      null;
    end;
  end if;
  if not is_read then
    select jsonb_build_object('auth_user_id', s.auth_user_id, 'email_confirmed', s.email_confirmed) into holder
      from public.auth_user_state s
     where s.email = public.auth_sync_normal_v1(p_email) and s.deleted_at is null order by s.email_confirmed desc limit 1;
  end if;
  return holder || jsonb_build_object('employee_id', (
    select e.employee_id from public.employees e where e.auth_user_id = (holder ->> 'auth_user_id')::uuid));
end $$;

-- Inserts an employee with the columns that p_employee names. Returns its employee_id.
create or replace function public.auth_sync_insert_employee_v1(p_employee jsonb) returns bigint
language plpgsql security definer set search_path = '' as $$
#variable_conflict use_variable
declare
  columns text := (select string_agg(quote_ident(k), ', ') from jsonb_object_keys(p_employee) as k);
  new_id bigint;
begin
  perform set_config('search_path', public.auth_sync_owner_path_v1(), true);  -- the triggers of the table's owner expect it
  execute format('insert into public.employees (%s) select %s from pg_catalog.jsonb_populate_record(null::public.employees, $1) returning employee_id',
                 columns, columns) into new_id using p_employee;
  perform set_config('search_path', 'pg_catalog, pg_temp', true);
  if new_id is null then
    raise exception 'a trigger on employees prevented the insert' using errcode = 'triggered_action_exception';
  end if;
  set constraints all immediate;  -- an error of a deferred constraint is raised here, not at the commit
  return new_id;
end $$;

-- Returns the reason why the employees table refuses a row, without the values of the row.
create or replace function public.auth_sync_refusal_v1(p_sqlstate text, p_constraint text, p_column text) returns jsonb
language sql immutable set search_path = '' as $$
  select jsonb_build_object('refused', 'employee_rejected', 'sqlstate', p_sqlstate,
                            'constraint', nullif(p_constraint, ''), 'column', nullif(p_column, ''))
$$;

-- Returns the reason why this employee cannot be created with a login, or null. Reasons are unknown columns, columns that only this service
-- writes, an e-mail that is taken, and a constraint or trigger of the employees table. To find the last reason, the function tries the
-- insert and rolls it back.
create or replace function public.auth_sync_hire_refusal_v1(p_employee jsonb) returns jsonb
language plpgsql security definer set search_path = '' as $$
#variable_conflict use_variable
declare
  unknown jsonb;
  found_id bigint;
  state text;
  violated text;
  wrong_column text;
begin
  select jsonb_agg(k) into unknown
    from jsonb_object_keys(p_employee) as k
   where k in ('employee_id', 'auth_user_id', 'orphaned_at', 'orphaned_auth_user_id')
      or not exists (select from pg_catalog.pg_attribute a
                      where a.attrelid = 'public.employees'::regclass and a.attname = k and a.attnum > 0 and not a.attisdropped
                        and a.attgenerated = '' and a.attidentity <> 'a');
  if unknown is not null then
    return jsonb_build_object('refused', 'unknown_fields', 'fields', unknown);
  end if;
  select e.employee_id into found_id from public.employees e
   where lower(btrim(e.email::varchar::text, public.auth_sync_invisible_v1()) collate "C") collate "default"
         = public.auth_sync_normal_v1(p_employee ->> 'email') limit 1;
  if found then
    return jsonb_build_object('refused', 'email_taken', 'side', 'employees', 'employee_id', found_id);
  end if;
  begin
    perform public.auth_sync_insert_employee_v1(p_employee);
    raise exception 'only a trial' using errcode = 'WSTRY';
  exception when others or assert_failure then
    if sqlstate = 'WSTRY' then
      return null;
    elsif sqlstate ~ '^(40|53|55P03)' then
      raise;
    end if;
    get stacked diagnostics state = returned_sqlstate, violated = constraint_name, wrong_column = column_name;
    return public.auth_sync_refusal_v1(state, violated, wrong_column);
  end;
end $$;

-- Writes the intent to create a login, for a new employee (p_employee: its columns) or an existing one ({"employee_id"}). Returns
-- {"event_id"}, or {"refused": reason} with details. Reasons: unknown_fields, email_taken (with "side": auth or employees),
-- employee_rejected, employee_not_found, has_login, inactive, under_way.
create or replace function public.auth_sync_intend_v1(
  p_employee jsonb, p_email text, p_auth_user_id uuid, p_lease text, p_lease_seconds integer, p_via text, p_requested_by text
) returns jsonb
language plpgsql security definer set search_path = '' set plan_cache_mode = force_custom_plan set lock_timeout = '1500ms' set statement_timeout = '3s' as $$
#variable_conflict use_variable
declare
  existing public.employees;
  refusal jsonb;
  holder jsonb := public.auth_sync_email_holder_v1(p_email);
  intent text := format('%s:create_auth_user', p_auth_user_id);
begin
  if p_employee ? 'employee_id' then
    select e.* into existing from public.employees e where e.employee_id = (p_employee ->> 'employee_id')::bigint for no key update;
    refusal := case
      when not found then '{"refused": "employee_not_found"}'
      when existing.auth_user_id is not null then jsonb_build_object('refused', 'has_login', 'auth_user_id', existing.auth_user_id)
      when existing.is_active is false then '{"refused": "inactive"}'
      when exists (select from public.integration_sync_log a
                    where a.employee_id = existing.employee_id and a.operation = 'create_auth_user' and a.status <> 'SUCCESS')
      then '{"refused": "under_way"}' end;
  else
    refusal := public.auth_sync_hire_refusal_v1(p_employee);
  end if;
  if refusal is null and holder is not null then
    refusal := holder || '{"refused": "email_taken", "side": "auth"}';
  end if;
  if refusal is not null then
    return refusal;
  end if;
  insert into public.integration_sync_log
    (event_id, direction, operation, auth_user_id, employee_id, request_data, via, next_attempt_at, lease, leased_until)
  values (intent, 'outbound', 'create_auth_user', p_auth_user_id, existing.employee_id,
          jsonb_build_object('employee', p_employee, 'email', p_email, 'requested_by', p_requested_by), p_via, now(),
          p_lease, now() + make_interval(secs => p_lease_seconds));
  return jsonb_build_object('event_id', intent);
end $$;

-- Writes the employee and its link, and settles the intent. The caller calls this when Auth has created the auth user. Returns
-- {"employee_id"}. Returns {"refused": reason} if nothing was written; the caller must then delete the auth user. After the reason
-- lease_lost the caller must not delete it, because another process has claimed the intent.
create or replace function public.auth_sync_hire_v1(p_event_id text, p_lease text) returns jsonb
language plpgsql security definer set search_path = '' set plan_cache_mode = force_custom_plan set lock_timeout = '1500ms' set statement_timeout = '3s' as $$
#variable_conflict use_variable
declare
  intent public.integration_sync_log;
  hired bigint;
  state text;
  violated text;
  wrong_column text;
begin
  select * into intent from public.integration_sync_log
   where event_id = p_event_id and operation = 'create_auth_user' and status <> 'SUCCESS' and lease = p_lease for update;
  if not found then
    return '{"refused": "lease_lost"}';
  end if;
  if not intent.request_data -> 'employee' ? 'employee_id' then
    select e.employee_id into hired from public.employees e
     where lower(btrim(e.email::varchar::text, public.auth_sync_invisible_v1()) collate "C") collate "default"
         = public.auth_sync_normal_v1(intent.request_data ->> 'email') limit 1;
    if found then  -- an import has added the same person in the meantime
      return jsonb_build_object('refused', 'email_taken', 'side', 'employees', 'employee_id', hired);
    end if;
  end if;
  begin
    hired := public.auth_sync_give_login_v1(intent.request_data -> 'employee', intent.auth_user_id);
  exception when others or assert_failure then
    if sqlstate ~ '^(40|53|55P03)' then
      raise;
    end if;
    get stacked diagnostics state = returned_sqlstate, violated = constraint_name, wrong_column = column_name;
    return public.auth_sync_refusal_v1(state, violated, wrong_column);
  end;
  if hired is null then
    return '{"refused": "has_login"}';
  end if;
  update public.integration_sync_log set employee_id = hired where id = intent.id;
  perform public.auth_sync_settle_v1(p_event_id, p_lease, 'created');
  return jsonb_build_object('employee_id', hired);
end $$;

-- Prepares the deletion of an auth user that this service created: from now on no employee is linked to it. Returns the employee_id of an
-- employee who is linked to it already, or null. If an employee is linked, the caller must keep the auth user.
create or replace function public.auth_sync_forget_v1(p_auth_user_id uuid) returns bigint
language plpgsql security definer set search_path = '' set plan_cache_mode = force_custom_plan set lock_timeout = '1500ms' set statement_timeout = '3s' as $$
#variable_conflict use_variable
declare
  holder bigint;
  newest bigint;
begin
  perform from public.integration_sync_log
    where auth_user_id = p_auth_user_id and status <> 'SUCCESS' and direction = 'inbound' order by event_id collate "C" for update;
  insert into public.auth_user_state (auth_user_id) values (p_auth_user_id) on conflict do nothing;
  perform from public.auth_user_state where auth_user_id = p_auth_user_id for update;
  select e.employee_id into holder from public.employees e where e.auth_user_id = p_auth_user_id;
  if found then
    return holder;
  end if;
  newest := public.auth_sync_newest_version_v1(p_auth_user_id);
  update public.integration_sync_log
     set status = 'SUCCESS', outcome = 'ignored', error_message = null, next_attempt_at = null, attempts = attempts + 1, lease = null,
         leased_until = null, completed_at = now()
   where auth_user_id = p_auth_user_id and status <> 'SUCCESS' and direction = 'inbound';
  update public.auth_user_state
     set version = newest + 1, email = null, email_confirmed = false, fields = '{}', deleted_at = now(), updated_at = now()
   where auth_user_id = p_auth_user_id;
  return null;
end $$;

-- Opens an undone intent again, because its auth user appeared after the intent was undone. Always returns true. The feed (deliveries.sql)
-- remembers no row that is SUCCESS, so the row is open for it again, and no pass reads meanwhile.
create or replace function public.auth_sync_reopen_v1(p_event_id text) returns boolean
language sql security definer set search_path = '' as $$
  select pg_advisory_xact_lock(5093387412675531206);
  with reopened as (
    update public.integration_sync_log
       set status = 'PENDING', outcome = null, completed_at = null, changes = '{}', next_attempt_at = now()
     where event_id = p_event_id and operation = 'create_auth_user' and status = 'SUCCESS' and outcome = 'undone'
    returning id
  )
  insert into public.auth_sync_feed_open (log_id) select r.id from reopened r on conflict do nothing;
  select true
$$;

-- Links an auth user to a new employee, or to an existing employee who is active and has no login. Returns the employee_id, or null if the
-- existing employee is inactive, has another login or is missing.
create or replace function public.auth_sync_give_login_v1(p_employee jsonb, p_auth_user_id uuid) returns bigint
language plpgsql security definer set search_path = '' as $$
#variable_conflict use_variable
declare
  hired bigint;
begin
  if p_employee ? 'employee_id' then
    select e.employee_id into hired from public.employees e
     where e.employee_id = (p_employee ->> 'employee_id')::bigint and e.is_active is not false
       and coalesce(e.auth_user_id, p_auth_user_id) = p_auth_user_id
       for no key update;
    if hired is not null then
      perform public.auth_sync_set_login_v1(hired, p_auth_user_id);
    end if;
  else
    hired := public.auth_sync_insert_employee_v1(p_employee || jsonb_build_object('auth_user_id', p_auth_user_id));
    perform public.auth_sync_require_login_v1(hired, p_auth_user_id);
  end if;
  if hired is not null then
    update public.auth_user_state set employee_id = hired where auth_user_id = p_auth_user_id;
  end if;
  return hired;
end $$;

-- Links an existing auth user that has this e-mail. The e-mail must be confirmed, and no employee may be linked to the auth user. Returns
-- {"employee_id", "auth_user_id", "event_id"}, or {"refused": reason}.
create or replace function public.auth_sync_adopt_v1(p_employee jsonb, p_email text, p_auth_user_id uuid, p_via text, p_requested_by text) returns jsonb
language plpgsql security definer set search_path = '' set plan_cache_mode = force_custom_plan set lock_timeout = '1500ms' set statement_timeout = '3s' as $$
#variable_conflict use_variable
declare
  refusal jsonb := case when not p_employee ? 'employee_id' then public.auth_sync_hire_refusal_v1(p_employee) end;
  holder jsonb := public.auth_sync_email_holder_v1(p_email);
  adopted text := format('%s:create_auth_user', gen_random_uuid());
  hired bigint;
  state text;
  violated text;
  wrong_column text;
begin
  if refusal is not null then
    return refusal;
  end if;
  if holder is null then
    return '{"refused": "login_not_found"}';
  end if;
  if (holder ->> 'auth_user_id')::uuid is distinct from p_auth_user_id or not (holder ->> 'email_confirmed')::boolean
     or p_via = 'provision' and not public.auth_sync_links_by_email_v1()  -- an admin may choose an unproven login, a list may not
     or holder ->> 'employee_id' is not null then
    return holder || '{"refused": "email_taken", "side": "auth"}';
  end if;
  begin
    hired := public.auth_sync_give_login_v1(p_employee, p_auth_user_id);
  exception when others or assert_failure then
    if sqlstate ~ '^(40|53|55P03)' then
      raise;
    end if;
    get stacked diagnostics state = returned_sqlstate, violated = constraint_name, wrong_column = column_name;
    if violated = 'auth_sync_employees_auth_user_id_key' then  -- another transaction linked it first
      return holder || '{"refused": "email_taken", "side": "auth"}';
    end if;
    return public.auth_sync_refusal_v1(state, violated, wrong_column);
  end;
  if hired is null then
    return '{"refused": "has_login"}';
  end if;
  insert into public.integration_sync_log
    (event_id, direction, operation, status, outcome, auth_user_id, employee_id, request_data, attempts, via, completed_at)
  values (adopted, 'outbound', 'create_auth_user', 'SUCCESS', 'linked', p_auth_user_id, hired,
          jsonb_build_object('email', p_email, 'requested_by', p_requested_by), 1, p_via, now());
  return jsonb_build_object('employee_id', hired, 'auth_user_id', p_auth_user_id, 'event_id', adopted);
end $$;
