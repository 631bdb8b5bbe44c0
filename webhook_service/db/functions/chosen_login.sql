-- An admin gives an existing login to an employee, or takes a login away.
-- The given login is unlinked, or belongs to a person who was hired again in a new row.

-- Links an employee to the login that an admin chose. Returns {"employee_id", "auth_user_id", "event_id"}, or {"refused": reason}. The
-- employee may be inactive. The trigger on employees then requests a ban of the login, as for every inactive employee who gets a login.
-- Refuses the login of another employee. Also refuses a login whose owner is unproven: its e-mail is unconfirmed, and it does not have the
-- employee's number, which only the service role can write.
create or replace function public.auth_sync_choose_v1(p_employee_id bigint, p_auth_user_id uuid, p_requested_by text) returns jsonb
language plpgsql security definer set search_path = '' set lock_timeout = '1500ms' set enable_seqscan = off as $$
#variable_conflict use_variable
declare
  login public.auth_user_state;
  person record;
  chosen text := format('%s:create_auth_user', gen_random_uuid());
  state text;
  violated text;
  wrong_column text;
begin
  select * into login from public.auth_user_state s where s.auth_user_id = p_auth_user_id for update;
  if login.auth_user_id is null or login.deleted_at is not null then
    return '{"refused": "login_not_found"}';
  elsif exists (select from public.employees e where e.auth_user_id = p_auth_user_id and e.employee_id <> p_employee_id) then
    return '{"refused": "login_taken"}';
  end if;
  select e.auth_user_id, btrim(e.employee_number::varchar::text, public.auth_sync_invisible_v1()) as number into person from public.employees e where e.employee_id = p_employee_id for update;
  if not found then
    return '{"refused": "employee_not_found"}';
  elsif person.auth_user_id is not null then
    return '{"refused": "has_login"}';
  elsif login.email_confirmed is not true and (login.employee_number = person.number) is not true then
    return '{"refused": "unconfirmed"}';
  end if;
  begin
    perform public.auth_sync_set_login_v1(p_employee_id, p_auth_user_id);
    update public.auth_user_state set employee_id = p_employee_id where auth_user_id = p_auth_user_id;
  exception when others or assert_failure then
    if sqlstate ~ '^(40|53|55P03)' then
      raise;
    end if;
    get stacked diagnostics state = returned_sqlstate, violated = constraint_name, wrong_column = column_name;
    if violated = 'auth_sync_employees_auth_user_id_key' then  -- another transaction linked it first
      return '{"refused": "login_taken"}';
    end if;
    return public.auth_sync_refusal_v1(state, violated, wrong_column);
  end;
  insert into public.integration_sync_log
    (event_id, direction, operation, status, outcome, auth_user_id, employee_id, request_data, attempts, via, completed_at)
  values (chosen, 'outbound', 'create_auth_user', 'SUCCESS', 'linked', p_auth_user_id, p_employee_id,
          jsonb_build_object('email', login.email, 'requested_by', p_requested_by), 1, 'admin', now());
  return jsonb_build_object('employee_id', p_employee_id, 'auth_user_id', p_auth_user_id, 'event_id', chosen);
end $$;

-- Moves a login from an inactive employee to the active one who has the same e-mail or number: a person who was hired again in a new row.
-- Returns the same as auth_sync_choose_v1. Also refuses the login of an active employee, and a login whose e-mail and number both differ.
create or replace function public.auth_sync_move_login_v1(p_employee_id bigint, p_auth_user_id uuid, p_requested_by text) returns jsonb
language plpgsql security definer set search_path = '' set lock_timeout = '1500ms' set enable_seqscan = off as $$
#variable_conflict use_variable
declare
  login public.auth_user_state;
  chosen jsonb;
begin
  select * into login from public.auth_user_state s where s.auth_user_id = p_auth_user_id for update;
  perform from public.employees e
    where e.employee_id = p_employee_id or e.auth_user_id = p_auth_user_id order by e.employee_id for update;
  if not exists (select from public.employees e where e.auth_user_id = p_auth_user_id and e.is_active is false)
     or not exists (select from public.employees e
                     where e.employee_id = p_employee_id and e.is_active is not false
                       and (btrim(e.employee_number::varchar::text, public.auth_sync_invisible_v1()) = login.employee_number
                            or login.email_confirmed
                               and lower(btrim(e.email::varchar::text, public.auth_sync_invisible_v1()) collate "C") collate "default" = login.email)) then
    return '{"refused": "login_taken"}';
  end if;
  begin
    perform set_config('search_path', public.auth_sync_owner_path_v1(), true);
    update public.employees e set auth_user_id = null where e.auth_user_id operator(pg_catalog.=) p_auth_user_id;
    perform set_config('search_path', 'pg_catalog, pg_temp', true);
    chosen := public.auth_sync_choose_v1(p_employee_id, p_auth_user_id, p_requested_by);
    if chosen ? 'refused' then
      raise exception using errcode = 'WHREF';
    end if;
  exception when sqlstate 'WHREF' then
    null;
  end;
  return chosen;
end $$;

-- Returns the e-mail and the names that an employee had before this login was linked, {column: value}: only the columns whose current value
-- came from the login. Follows the changes in the ledger back to the link, newest first.
create or replace function public.auth_sync_values_before_v1(p_employee_id bigint, p_auth_user_id uuid) returns jsonb
language plpgsql stable security definer set search_path = '' set enable_seqscan = off set jit = off as $$
#variable_conflict use_variable
declare
  present jsonb := (select to_jsonb(e.*) - array['auth_user_id', 'orphaned_at', 'orphaned_auth_user_id']
                      from public.employees e where e.employee_id = p_employee_id);
  before jsonb := present;
  linked_at timestamptz := (select max(l.completed_at) from public.integration_sync_log l
                             where l.id = any (public.auth_sync_page_v1('{"operation": "create_auth_user"}', null, 100, '{}', array[p_auth_user_id]))
                               and l.employee_id = p_employee_id and l.status = 'SUCCESS');
  entry record;
begin
  for entry in
    select l.changes from public.integration_sync_log l
     where l.id = any (public.auth_sync_page_v1('{"direction": "inbound", "status": "SUCCESS"}', null, 1000, '{}', array[p_auth_user_id]))
       and l.employee_id = p_employee_id and l.changes <> '{}' and coalesce(l.completed_at >= linked_at, true)
     order by l.completed_at desc, l.id desc
  loop
    select before || coalesce(jsonb_object_agg(c.key, c.value -> 'from'), '{}') into before
      from jsonb_each(entry.changes) as c where before ? c.key and c.value -> 'to' = before -> c.key;
    exit when entry.changes ? 'auth_user_id';
  end loop;
  return (select coalesce(jsonb_object_agg(b.key, b.value), '{}') from jsonb_each(before) as b where b.value is distinct from present -> b.key);
end $$;

-- Takes a login away from an employee, and gives the employee the e-mail and the names from before the link. Returns {"employee_id",
-- "auth_user_id", "restored": {column: value}}, or {"refused": reason}. p_auth_user_id is the login that the admin has seen. Refuses if the
-- login would be linked to the employee again, because only this employee matches it. An active employee is forgotten by the login. The
-- login of an inactive one stays banned.
create or replace function public.auth_sync_unlink_v1(p_employee_id bigint, p_auth_user_id uuid) returns jsonb
language plpgsql security definer set search_path = '' set lock_timeout = '1500ms' set statement_timeout = '3s' set enable_seqscan = off as $$
#variable_conflict use_variable
declare
  person public.employees;
  restored jsonb;
  state text;
  violated text;
  wrong_column text;
begin
  perform from public.auth_user_state s where s.auth_user_id = p_auth_user_id for update;
  select e.* into person from public.employees e where e.employee_id = p_employee_id for update;
  if not found then
    return '{"refused": "employee_not_found"}';
  elsif person.auth_user_id is distinct from p_auth_user_id then
    return '{"refused": "login_changed"}';
  end if;
  restored := public.auth_sync_values_before_v1(p_employee_id, p_auth_user_id);
  begin
    update public.auth_user_state s set employee_id = null where s.auth_user_id = p_auth_user_id and person.is_active is not false;
    perform public.auth_sync_write_employees_v1(jsonb_build_array(jsonb_build_object(
      'employee_id', p_employee_id, 'wanted', restored || '{"auth_user_id": null}'::jsonb)));
    set constraints all immediate;
    if exists (select from public.employees e where e.employee_id = p_employee_id and e.auth_user_id = p_auth_user_id)
       or exists (select from public.auth_sync_matches_v1(array[p_employee_id]) as m where m.auth_user_id = p_auth_user_id) then
      raise exception using errcode = 'WHREF';
    end if;
  exception
    when sqlstate 'WHREF' then
      return '{"refused": "linked_again"}';
    when others or assert_failure then
      if sqlstate ~ '^(40|53|55P03)' then
        raise;
      end if;
      get stacked diagnostics state = returned_sqlstate, violated = constraint_name, wrong_column = column_name;
      return public.auth_sync_refusal_v1(state, violated, wrong_column);
  end;
  return jsonb_build_object('employee_id', p_employee_id, 'auth_user_id', p_auth_user_id, 'restored', restored);
end $$;
