-- A person who was hired again in a new row: the login moves from the former row, at an admin's request.

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
                       and (e.employee_number::varchar::text = login.employee_number
                            or login.email_confirmed
                               and lower(btrim(e.email::varchar::text, public.auth_sync_invisible_v1()) collate "C") collate "default" = login.email)) then
    return '{"refused": "login_taken"}';
  end if;
  begin
    perform set_config('search_path', public.auth_sync_owner_path_v1(), true);
    update public.employees e set auth_user_id = null where e.auth_user_id = p_auth_user_id;
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
