-- An admin or a program activates or deactivates one employee, and the login follows. outbound/employee_changes.py calls this function.

-- Activates or deactivates an employee. Returns {"employee_id", "is_active", "auth_user_id", "event_id": the action that the login needs,
-- or null, "is_held": whether the ban of the login waits for an admin}. Returns null if there is no such employee, and {"refused": ...} if
-- the employees table refuses the change, or if a directory manages an inactive employee that would become active. A deactivation is
-- always possible. The action is entered even if nothing changes, so that the caller can wait for the confirmation
-- of Auth. With p_via admin, a person has decided, and the ban is not held.
create or replace function public.auth_sync_set_active_v1(p_employee_id bigint, p_is_active boolean, p_via text) returns jsonb
language plpgsql security definer set search_path = '' set plan_cache_mode = force_custom_plan set lock_timeout = '1500ms' set statement_timeout = '3s' as $$
#variable_conflict use_variable
declare
  changed public.employees;
  manager text;
  wanted text := case when p_is_active then 'enable_auth_user' else 'disable_auth_user' end;
  action text;
  state text;
  violated text;
  wrong_column text;
begin
  if p_via = 'admin' then
    perform public.auth_sync_set_flag_v1('confirmed=admin');
  end if;
  begin
    perform from public.employees e where e.employee_id = p_employee_id for no key update;
    manager := public.auth_sync_scim_manager_v1(p_employee_id);
    if p_is_active and manager is not null
       and exists (select from public.employees e where e.employee_id = p_employee_id and e.is_active is false) then
      return jsonb_build_object('refused', 'managed_by_directory', 'name', manager);
    end if;
    perform set_config('search_path', public.auth_sync_owner_path_v1(), true);
    update public.employees e set is_active = p_is_active  -- the operators of pg_catalog, because of the owner's search_path
     where e.employee_id operator(pg_catalog.=) p_employee_id and coalesce(e.is_active operator(pg_catalog.<>) p_is_active, true);
    perform set_config('search_path', 'pg_catalog, pg_temp', true);
    set constraints all immediate;
  exception when others or assert_failure then
    if sqlstate ~ '^(40|53|55P03)' then
      raise;
    end if;
    get stacked diagnostics state = returned_sqlstate, violated = constraint_name, wrong_column = column_name;
    return public.auth_sync_refusal_v1(state, violated, wrong_column);
  end;
  select e.* into changed from public.employees e where e.employee_id = p_employee_id;
  if not found then
    return null;
  end if;
  if changed.auth_user_id is not null and changed.is_active is not distinct from p_is_active then
    select event_id into action from public.integration_sync_log
     where auth_user_id = changed.auth_user_id and status <> 'SUCCESS' and direction = 'outbound' and operation = wanted
       and outcome is distinct from 'changed_by_client'
       and not (status = 'PENDING' and changes ? 'sessions_end_again_at')  -- a performed ban is no longer open here
     order by id desc limit 1;
    if not found then
      perform public.auth_sync_enter_actions_v1(jsonb_build_array(jsonb_build_object(
        'operation', wanted, 'auth_user_id', changed.auth_user_id, 'employee_id', p_employee_id)), p_via);
      select event_id into action from public.integration_sync_log
       where auth_user_id = changed.auth_user_id and status <> 'SUCCESS' and direction = 'outbound' and operation = wanted
         and outcome is distinct from 'changed_by_client'
       order by id desc limit 1;
    end if;
  end if;
  return jsonb_build_object(
    'employee_id', p_employee_id, 'is_active', changed.is_active, 'auth_user_id', changed.auth_user_id, 'event_id', action,
    'is_held', action is null and not p_is_active
      and exists (select from public.auth_sync_held_actions h where h.auth_user_id = changed.auth_user_id));
end $$;
