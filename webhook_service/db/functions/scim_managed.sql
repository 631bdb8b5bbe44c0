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

-- Deletes the rows of auth_sync_scim_people of these employee_ids. Leaves out rows that another transaction has locked, so that it never
-- waits.
create or replace function public.auth_sync_scim_forget_v1(p_employee_ids bigint[]) returns void
language plpgsql security definer set search_path = '' set enable_seqscan = off as $$
#variable_conflict use_variable
declare
  link record;
begin
  for link in
    select k.client_id, k.employee_id from unnest(p_employee_ids) as i (id)
     cross join lateral (
       select p.client_id, p.employee_id from public.auth_sync_scim_people p where p.employee_id = i.id for update skip locked) as k
  loop
    delete from public.auth_sync_scim_people p where p.client_id = link.client_id and p.employee_id = link.employee_id;
  end loop;
end $$;

-- Trigger: runs after each statement that inserts or deletes employees. Forgets the rows of directories about these employee_ids: a new
-- employee with a former id, for example after a TRUNCATE, is another person. It cannot make the statement fail.
create or replace function public.auth_sync_scim_ids_changed_v1() returns trigger
language plpgsql security definer set search_path = '' set jit = off as $$
#variable_conflict use_variable
begin
  if exists (select from public.auth_sync_scim_people) then
    perform public.auth_sync_scim_forget_v1(array(select r.employee_id::bigint from changed_rows r));
  end if;
  return null;
exception when others or assert_failure then
  raise warning 'webhook-service: directories may still know deleted employees (%)', sqlstate;
  return null;
end $$;
