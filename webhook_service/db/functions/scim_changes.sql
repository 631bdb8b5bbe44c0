-- A directory creates, changes and deletes employees by SCIM. Each call is one transaction, with its entry of the audit.
--
-- One directory manages an employee: the last that has written it. While a token of this directory is valid, no other directory may write
-- the employee. The row of the employee is locked before the manager is read, so that of two directories one waits for the other.
-- is_active is written like any column, so that the triggers on employees request the ban or its lift, and the brake of mass deactivations
-- (held_actions.sql) holds the ban. scim_people.sql explains p_values and p_attributes.
--
-- A refusal is {"refused": no_such_person, version_mismatch, managed (with "name"), uniqueness, required, kept or rejected, "place"}.

-- A directory adds a person: creates an employee, or takes an existing one over that no directory manages, or that this directory had
-- deleted. p_values is {place: value}; without active, the employee becomes active. Returns {"person", "is_new"}, or a refusal.
create or replace function public.auth_sync_scim_create_v1(p_client_id bigint, p_values jsonb, p_attributes jsonb) returns jsonb
language plpgsql security definer set search_path = '' set plan_cache_mode = force_custom_plan set lock_timeout = '1500ms' set statement_timeout = '3s' as $$
#variable_conflict use_variable
declare
  given jsonb := '{"active": true}' || jsonb_strip_nulls(p_values);
  found_match jsonb;
  present jsonb;
  columns_written jsonb;
  person_id bigint;
  place text;
  answer jsonb;
begin
  if coalesce(public.auth_sync_normal_v1(given ->> 'email'), '') = '' then
    return '{"refused": "required", "place": "email"}';
  end if;
  perform public.auth_sync_scim_lock_values_v1(given);
  found_match := public.auth_sync_scim_match_v1(given);
  if found_match ? 'refused' then
    return found_match;
  end if;
  person_id := (found_match ->> 'employee_id')::bigint;
  if person_id is not null then
    select to_jsonb(e.*) into present from public.employees e where e.employee_id = person_id for no key update;
    if public.auth_sync_scim_match_v1(given) is distinct from found_match then
      raise exception 'the employee has changed' using errcode = 'serialization_failure';
    elsif public.auth_sync_scim_other_manager_v1(p_client_id, person_id) is not null
       or exists (select from public.auth_sync_scim_people p
                   where p.client_id = p_client_id and p.employee_id = person_id and p.manages) then
      return jsonb_build_object('refused', 'uniqueness', 'place', case
        when btrim(given ->> 'employee_number', public.auth_sync_invisible_v1()) = btrim(present ->> 'employee_number', public.auth_sync_invisible_v1()) then 'employee_number' else 'email' end);
    end if;
  end if;
  columns_written := public.auth_sync_scim_row_v1(present, given, p_attributes);
  place := coalesce(public.auth_sync_scim_taken_v1(columns_written, person_id), public.auth_sync_scim_own_taken_v1(p_client_id, given, person_id));
  if place is not null then
    return jsonb_build_object('refused', 'uniqueness', 'place', place);
  end if;
  answer := public.auth_sync_scim_write_v1(person_id, columns_written, p_attributes);
  if answer ? 'refused' then
    return answer;
  end if;
  perform public.auth_sync_scim_manage_v1(p_client_id, (answer ->> 'employee_id')::bigint, given, true);
  perform public.auth_sync_scim_audit_v1(
    p_client_id, case when person_id is null then 'create an employee' else 'manage an employee' end, (answer ->> 'employee_id')::bigint,
    jsonb_build_object('columns', array(select k.key from jsonb_object_keys(columns_written) as k (key) order by k.key)), 'done', null);
  return jsonb_build_object('is_new', person_id is null,
                            'person', public.auth_sync_scim_get_v1(p_client_id, (answer ->> 'employee_id')::bigint, p_attributes));
end $$;

-- Locks an employee that a directory writes. Returns {"present": the row, "link": the row of auth_sync_scim_people, or null}, or a refusal.
-- p_version is the version that the directory knows, or null.
create or replace function public.auth_sync_scim_lock_person_v1(p_client_id bigint, p_employee_id bigint, p_version text, p_attributes jsonb)
returns jsonb
language plpgsql security definer set search_path = '' set enable_seqscan = off set lock_timeout = '1500ms' as $$
#variable_conflict use_variable
declare
  present jsonb;
  link jsonb;
  manager text;
begin
  select to_jsonb(e.*) into present from public.employees e where e.employee_id = p_employee_id for no key update;
  select to_jsonb(p.*) into link from public.auth_sync_scim_people p where p.client_id = p_client_id and p.employee_id = p_employee_id;
  if present is null or link ->> 'hidden_at' is not null then
    return '{"refused": "no_such_person"}';
  end if;
  manager := public.auth_sync_scim_other_manager_v1(p_client_id, p_employee_id);
  if manager is not null then
    return jsonb_build_object('refused', 'managed', 'name', manager);
  elsif p_version <> public.auth_sync_scim_person_v1(present, link, p_attributes) ->> 'version' then
    return '{"refused": "version_mismatch"}';
  end if;
  return jsonb_build_object('present', present, 'link', link);
end $$;

-- A directory changes values of a person: p_values is {place: value or null}. A value that does not differ is not written, and not checked. If
-- none differs, the audit has a request that changed nothing, and not an act.
-- Returns {"person"}, or a refusal.
create or replace function public.auth_sync_scim_change_v1(
  p_client_id bigint, p_employee_id bigint, p_values jsonb, p_version text, p_attributes jsonb
) returns jsonb
language plpgsql security definer set search_path = '' set lock_timeout = '1500ms' set statement_timeout = '3s' as $$
#variable_conflict use_variable
declare
  locked jsonb;
  columns_written jsonb;
  own_values jsonb;
  place text;
  answer jsonb;
begin
  perform public.auth_sync_scim_lock_values_v1(p_values);
  locked := public.auth_sync_scim_lock_person_v1(p_client_id, p_employee_id, p_version, p_attributes);
  if locked ? 'refused' then
    return locked;
  end if;
  columns_written := public.auth_sync_scim_row_v1(locked -> 'present', p_values, p_attributes);
  own_values := public.auth_sync_scim_own_values_v1(locked -> 'link', p_values);
  if columns_written ? 'email' and coalesce(columns_written ->> 'email', '') = '' then
    return '{"refused": "required", "place": "email"}';
  elsif columns_written -> 'is_active' = 'null' then
    return '{"refused": "required", "place": "active"}';
  end if;
  place := coalesce(public.auth_sync_scim_taken_v1(columns_written, p_employee_id),
                    public.auth_sync_scim_own_taken_v1(p_client_id, own_values, p_employee_id));
  if place is not null then
    return jsonb_build_object('refused', 'uniqueness', 'place', place);
  end if;
  answer := public.auth_sync_scim_write_v1(p_employee_id, columns_written, p_attributes);
  if answer ? 'refused' then
    return answer;
  end if;
  if columns_written <> '{}' or own_values <> '{}' or (locked -> 'link' ->> 'manages')::boolean is not true then
    perform public.auth_sync_scim_manage_v1(p_client_id, p_employee_id, own_values, false);
    perform public.auth_sync_scim_audit_v1(
      p_client_id, case when columns_written -> 'is_active' = 'false' then 'deactivate' when columns_written -> 'is_active' = 'true' then 'activate'
                        when columns_written <> '{}' or own_values <> '{}' then 'edit an employee' else 'manage an employee' end, p_employee_id,
      jsonb_build_object('columns', array(select k.key from jsonb_object_keys(columns_written) as k (key) order by k.key)), 'done', null);
  else
    insert into public.auth_sync_audit (who, action, target, details, is_request)
    select 'directory ' || c.name, 'edit an employee', 'employee:' || p_employee_id, '{"columns": []}', true
      from public.auth_sync_scim_clients c where c.client_id = p_client_id;
  end if;
  return jsonb_build_object('person', public.auth_sync_scim_get_v1(p_client_id, p_employee_id, p_attributes));
end $$;

-- A directory deletes a person: the employee becomes inactive, does not exist for the directory any more, and has no manager. With
-- p_removes, the row of the employee is deleted. Returns {"employee_id"}, or a refusal.
create or replace function public.auth_sync_scim_delete_v1(
  p_client_id bigint, p_employee_id bigint, p_version text, p_removes boolean, p_attributes jsonb
) returns jsonb
language plpgsql security definer set search_path = '' set plan_cache_mode = force_custom_plan set lock_timeout = '1500ms' set statement_timeout = '3s' as $$
#variable_conflict use_variable
declare
  locked jsonb := public.auth_sync_scim_lock_person_v1(p_client_id, p_employee_id, p_version, p_attributes);
  number bigint;
  answer jsonb;
begin
  if locked ? 'refused' then
    return locked;
  end if;
  if p_removes then
    begin
      perform set_config('search_path', public.auth_sync_owner_path_v1(), true);
      delete from public.employees e where e.employee_id operator(pg_catalog.=) p_employee_id;
      get diagnostics number = row_count;
      perform set_config('search_path', 'pg_catalog, pg_temp', true);
      set constraints all immediate;
      if number <> 1 then
        raise exception 'a trigger on employees prevented the deletion' using errcode = 'triggered_action_exception';
      end if;
    exception when others or assert_failure then
      if sqlstate ~ '^(40|53|55P03)' then
        raise;
      end if;
      return '{"refused": "rejected", "place": null}';
    end;
    delete from public.auth_sync_scim_people p where p.employee_id = p_employee_id;
  else
    answer := public.auth_sync_scim_write_v1(
      p_employee_id, public.auth_sync_scim_row_v1(locked -> 'present', '{"active": false}', p_attributes), p_attributes);
    if answer ? 'refused' then
      return answer;
    end if;
    perform public.auth_sync_scim_manage_v1(p_client_id, p_employee_id, '{"external_id": null, "user_name": null, "email_parts": null}', false);
    update public.auth_sync_scim_people p set manages = false, hidden_at = now()
     where p.client_id = p_client_id and p.employee_id = p_employee_id;
  end if;
  perform public.auth_sync_scim_audit_v1(
    p_client_id, case when p_removes then 'delete an employee' else 'deactivate' end, p_employee_id,
    jsonb_build_object('deleted', true), 'done', null);
  return jsonb_build_object('employee_id', p_employee_id);
end $$;
