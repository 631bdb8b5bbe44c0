-- The employees that a directory manages, as the dashboard and the admin API see them.

-- Returns the name of the directory that manages an employee and has a valid token, or null.
create or replace function public.auth_sync_scim_manager_v1(p_employee_id bigint) returns text
language sql stable security definer set search_path = '' as $$
  select c.name
    from public.auth_sync_scim_people p join public.auth_sync_scim_clients c on c.client_id = p.client_id
   where p.employee_id = p_employee_id and p.manages
     and exists (select from public.auth_sync_scim_tokens t where t.client_id = p.client_id and t.revoked_at is null)
$$;

-- Releases an employee from its directory, for which the employee does not exist any more, until it adds the person again. Returns the
-- name of the directory, or null if none manages the employee. The row of the employee is locked first, as by a directory that writes.
create or replace function public.auth_sync_scim_release_v1(p_employee_id bigint) returns text
language plpgsql security definer set search_path = '' set lock_timeout = '1500ms' as $$
#variable_conflict use_variable
declare
  manager text;
begin
  perform from public.employees e where e.employee_id = p_employee_id for no key update;
  manager := public.auth_sync_scim_manager_v1(p_employee_id);
  update public.auth_sync_scim_people p set manages = false, hidden_at = now(), external_id = null, user_name = null, email_parts = null
   where p.employee_id = p_employee_id and p.manages and manager is not null;
  return manager;
end $$;
