-- The directory that manages an employee, and the employee that a directory means. scim_changes.sql calls these functions.

-- Returns the name of another directory that manages an employee, or null.
create or replace function public.auth_sync_scim_other_manager_v1(p_client_id bigint, p_employee_id bigint) returns text
language sql stable security definer set search_path = '' as $$
  select c.name
    from public.auth_sync_scim_people p join public.auth_sync_scim_clients c on c.client_id = p.client_id
   where p.employee_id = p_employee_id and p.manages and p.client_id <> p_client_id
     and exists (select from public.auth_sync_scim_tokens t where t.client_id = p.client_id and t.revoked_at is null)
$$;

-- Returns the values of p_values that a directory has for itself and that differ from its row of auth_sync_scim_people, p_link, or null.
create or replace function public.auth_sync_scim_own_values_v1(p_link jsonb, p_values jsonb) returns jsonb
language sql immutable set search_path = '' as $$
  select coalesce(jsonb_object_agg(v.key, v.value), '{}') from jsonb_each(p_values) as v (key, value)
   where v.key in ('external_id', 'user_name', 'email_parts') and v.value is distinct from coalesce(p_link -> v.key, 'null')
$$;

-- Returns external_id or user_name if another person of this directory has this value of p_values, or null. Forgets employees that do not
-- exist any more. The userName of an employee without a user_name is the e-mail. Employees who share an e-mail, such as a person hired again
-- and the former row, may each have it as userName.
create or replace function public.auth_sync_scim_own_taken_v1(p_client_id bigint, p_values jsonb, p_employee_id bigint) returns text
language plpgsql security definer set search_path = '' set plan_cache_mode = force_custom_plan set enable_seqscan = off as $$
#variable_conflict use_variable
declare
  name text := p_values ->> 'user_name';
  is_email boolean := exists (select from public.employees e
                               where e.employee_id = p_employee_id and public.auth_sync_normal_v1(e.email::varchar::text) = public.auth_sync_normal_v1(name));
begin
  delete from public.auth_sync_scim_people p
   where p.client_id = p_client_id and p.external_id = p_values ->> 'external_id'
     and (select e.employee_id from public.employees e where e.employee_id = p.employee_id) is null;
  delete from public.auth_sync_scim_people p
   where p.client_id + 0 = p_client_id and lower(p.user_name collate "C") = lower(name collate "C")
     and (select e.employee_id from public.employees e where e.employee_id = p.employee_id) is null;
  if exists (select from public.auth_sync_scim_people p
              where p.client_id = p_client_id and p.external_id = p_values ->> 'external_id' and p.employee_id is distinct from p_employee_id) then
    return 'external_id';
  elsif exists (select from unnest(public.auth_sync_scim_named_v1(p_client_id, name)) as n (id)
                 where n.id is distinct from p_employee_id
                   and (not is_email or (select p.user_name from public.auth_sync_scim_people p
                                          where p.client_id = p_client_id and p.employee_id = n.id) is not null)) then
    return 'user_name';
  end if;
  return null;
end $$;

-- Returns the ids of the employees that have this userName for a directory, in any case: in user_name, or without one, in the e-mail. `+ 0`
-- excludes an index on client_id, by which all people of the directory would be read.
create or replace function public.auth_sync_scim_named_v1(p_client_id bigint, p_name text) returns bigint[]
language plpgsql stable security definer set search_path = '' set plan_cache_mode = force_custom_plan set enable_seqscan = off as $$
#variable_conflict use_variable
begin
  return array(
    select p.employee_id from public.auth_sync_scim_people p
     where p.client_id + 0 = p_client_id and lower(p.user_name collate "C") = lower(p_name collate "C")
    union all
    select e.employee_id from public.employees e
     where lower(btrim(e.email::varchar::text, public.auth_sync_invisible_v1()) collate "C") collate "default" = public.auth_sync_normal_v1(p_name)
       and (select p.user_name is null and p.hidden_at is null from public.auth_sync_scim_people p
             where p.client_id = p_client_id and p.employee_id = e.employee_id) is not false);
end $$;

-- Makes a directory the manager of an employee, and writes the external_id, the user_name and the email_parts that p_values has. p_is_new also
-- begins the time of creation. A value or an employee that another transaction has taken at the same time is a conflict, after which the caller retries.
create or replace function public.auth_sync_scim_manage_v1(p_client_id bigint, p_employee_id bigint, p_values jsonb, p_is_new boolean)
returns void
language plpgsql security definer set search_path = '' as $$
#variable_conflict use_variable
begin
  update public.auth_sync_scim_people p set manages = false
   where p.employee_id = p_employee_id and p.manages and p.client_id <> p_client_id;
  insert into public.auth_sync_scim_people as p (client_id, employee_id, external_id, user_name, email_parts)
  values (p_client_id, p_employee_id, p_values ->> 'external_id', p_values ->> 'user_name', nullif(p_values -> 'email_parts', 'null'))
  on conflict (client_id, employee_id) do update
    set manages = true, hidden_at = null, modified_at = now(), created_at = case when p_is_new then now() else p.created_at end,
        external_id = case when p_values ? 'external_id' then p_values ->> 'external_id' when not p_is_new then p.external_id end,
        user_name = case when p_values ? 'user_name' then p_values ->> 'user_name' when not p_is_new then p.user_name end,
        email_parts = case when p_values ? 'email_parts' then nullif(p_values -> 'email_parts', 'null') when not p_is_new then p.email_parts end;
exception when unique_violation then
  raise exception 'another transaction has linked the person' using errcode = 'serialization_failure';
end $$;

-- Returns the employee that a POST means: {"employee_id"}, null if the person is new, or a refusal. An employee with the number is meant,
-- else one with the e-mail. If several have it, the only active one is meant. An employee with the e-mail and another number is another
-- person.
create or replace function public.auth_sync_scim_match_v1(p_values jsonb) returns jsonb
language plpgsql stable security definer set search_path = '' set plan_cache_mode = force_custom_plan set enable_seqscan = off as $$
#variable_conflict use_variable
declare
  number text := nullif(btrim(p_values ->> 'employee_number', public.auth_sync_invisible_v1()), '');
  address text := nullif(public.auth_sync_normal_v1(p_values ->> 'email'), '');
  place text := 'employee_number';
  ids bigint[];
  active_ids bigint[];
  other_number text;
begin
  select array_agg(f.id), array_agg(f.id) filter (where f.is_active) into ids, active_ids
    from (select e.employee_id as id, e.is_active is not false as is_active from public.employees e
           where btrim(e.employee_number::varchar::text, public.auth_sync_invisible_v1()) = number limit 20) as f;
  if ids is null then
    place := 'email';
    select array_agg(f.id), array_agg(f.id) filter (where f.is_active) into ids, active_ids
      from (select e.employee_id as id, e.is_active is not false as is_active from public.employees e
             where lower(btrim(e.email::varchar::text, public.auth_sync_invisible_v1()) collate "C") collate "default" = address limit 20) as f;
  end if;
  if ids is null then
    return null;
  elsif cardinality(ids) > 1 then
    ids := coalesce(active_ids, '{}');
  end if;
  if place = 'email' and number is not null then
    select btrim(e.employee_number::varchar::text, public.auth_sync_invisible_v1()) into other_number from public.employees e where e.employee_id = ids[1];
  end if;
  if cardinality(ids) <> 1 or coalesce(other_number, '') not in ('', number) then
    return jsonb_build_object('refused', 'uniqueness', 'place', place);
  end if;
  return jsonb_build_object('employee_id', ids[1]);
end $$;
