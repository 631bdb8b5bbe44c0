-- An admin says whose login an auth user is: of an ambiguous one, or a new one for who was orphaned.

set local lock_timeout = '5s';

-- Gives the login to the employee, who may be inactive: it is banned then, as wherever somebody inactive gets one. Never one that is another's,
-- nor one whose owner has not shown to be anybody: neither is its e-mail confirmed, nor has it the employee's number, which the service role wrote.
-- {"employee_id", "auth_user_id", "event_id"}, or {"refused": why}.
create or replace function public.auth_sync_choose_v1(p_employee_id bigint, p_auth_user_id uuid, p_requested_by text) returns jsonb
language plpgsql security definer set search_path = '' set lock_timeout = '1500ms' set enable_seqscan = off as $$
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
  select e.auth_user_id, e.employee_number::text as number into person from public.employees e where e.employee_id = p_employee_id for update;
  if not found then
    return '{"refused": "employee_not_found"}';
  elsif person.auth_user_id is not null then
    return '{"refused": "has_login"}';
  elsif login.email_confirmed is not true and (login.employee_number = person.number) is not true then
    return '{"refused": "unconfirmed"}';
  end if;
  begin
    perform set_config('search_path', public.auth_sync_owner_path_v1(), true);
    update public.employees set auth_user_id = p_auth_user_id, orphaned_at = null, orphaned_auth_user_id = null
     where employee_id = p_employee_id;
    perform set_config('search_path', 'pg_catalog, pg_temp', true);
    set constraints all immediate;
    if not exists (select from public.employees where employee_id = p_employee_id and auth_user_id = p_auth_user_id) then
      raise exception 'a trigger did not let the link be written' using errcode = 'triggered_action_exception';
    end if;
    update public.auth_user_state set employee_id = p_employee_id where auth_user_id = p_auth_user_id;
  exception when others or assert_failure then
    if sqlstate ~ '^(40|53|55P03)' then
      raise;
    end if;
    get stacked diagnostics state = returned_sqlstate, violated = constraint_name, wrong_column = column_name;
    if violated = 'auth_sync_employees_auth_user_id_key' then  -- somebody was faster
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

select public.auth_sync_secure_v1();
