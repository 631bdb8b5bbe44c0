-- An admin or a program corrects an employee's e-mail, names or number, and activates or deactivates the employee with it.

-- Writes these values of an employee: {column: value} of email, first_name, last_name and employee_number. Returns {"employee_id",
-- "changed": the columns that differed}, or {"refused": ...} with the column if the employees table refuses one, or {"refused":
-- "managed_by_directory", "name"} if a directory manages the employee. The triggers on employees
-- request the change of the login's e-mail, as for a change by HR. The statement runs under the search_path of the table's owner, so it
-- names the schema of each function and operator.
create or replace function public.auth_sync_edit_employee_v1(p_employee_id bigint, p_values jsonb) returns jsonb
language plpgsql security definer set search_path = '' set plan_cache_mode = force_custom_plan set lock_timeout = '1500ms' set statement_timeout = '3s' as $$
#variable_conflict use_variable
declare
  present jsonb;
  manager text;
  wanted text[];
  holder bigint;
  state text;
  violated text;
  wrong_column text;
  refused_column text;
begin
  select to_jsonb(e.*) into present from public.employees e where e.employee_id = p_employee_id for no key update;
  if not found then
    return '{"refused": "employee_not_found"}';
  end if;
  select array_agg(v.key order by v.key) into wanted
    from jsonb_each_text(p_values) as v
   where v.key in ('email', 'first_name', 'last_name', 'employee_number') and present ? v.key and v.value is distinct from present ->> v.key;
  if wanted is null then
    return jsonb_build_object('employee_id', p_employee_id, 'changed', '[]'::jsonb);
  end if;
  manager := public.auth_sync_scim_manager_v1(p_employee_id);
  if manager is not null then
    return jsonb_build_object('refused', 'managed_by_directory', 'name', manager);
  end if;
  begin
    perform set_config('search_path', public.auth_sync_owner_path_v1(), true);
    execute format(
      'update public.employees e set (%s) = (select %s from pg_catalog.jsonb_populate_record(null::public.employees, $1) as w)'
      ' where e.employee_id operator(pg_catalog.=) $2',
      (select string_agg(quote_ident(c.name), ', ') from unnest(wanted) as c (name)),
      (select string_agg('w.' || quote_ident(c.name), ', ') from unnest(wanted) as c (name))) using p_values, p_employee_id;
    perform set_config('search_path', 'pg_catalog, pg_temp', true);
    set constraints all immediate;
  exception when others or assert_failure then
    if sqlstate ~ '^(40|53|55P03)' then
      raise;
    end if;
    get stacked diagnostics state = returned_sqlstate, violated = constraint_name, wrong_column = column_name;
    refused_column := coalesce(nullif(wrong_column, ''), public.auth_sync_refused_column_v1(violated, wanted));
    if state = '23505' and 'email' = any (wanted) and coalesce(refused_column, 'email') = 'email' then
      select e.employee_id into holder from public.employees e
       where lower(btrim(e.email::varchar::text, public.auth_sync_invisible_v1()) collate "C") collate "default"
             = public.auth_sync_normal_v1(p_values ->> 'email') and e.employee_id <> p_employee_id limit 1;
      if holder is not null then
        return jsonb_build_object('refused', 'email_taken', 'side', 'employees', 'employee_id', holder);
      end if;
    end if;
    return public.auth_sync_refusal_v1(state, violated, refused_column);
  end;
  return jsonb_build_object('employee_id', p_employee_id, 'changed', to_jsonb(wanted));
end $$;

-- Returns the column among p_columns that employees refuse: the only one, or the only one that the violated constraint or index reads.
-- Returns null if several may be the reason.
create or replace function public.auth_sync_refused_column_v1(p_violated text, p_columns text[]) returns text
language sql stable security definer set search_path = '' as $$
  select case when count(distinct c.name) = 1 then min(c.name) end
    from unnest(p_columns) as c (name)
   where cardinality(p_columns) = 1 or exists (
     select from pg_catalog.pg_depend d
       join pg_catalog.pg_attribute a on a.attrelid = d.refobjid and a.attnum = d.refobjsubid and a.attname = c.name
      where d.refobjid = 'public.employees'::regclass
        and (d.classid = 'pg_catalog.pg_constraint'::regclass
               and d.objid in (select k.oid from pg_catalog.pg_constraint k where k.conrelid = d.refobjid and k.conname = p_violated)
          or d.classid = 'pg_catalog.pg_class'::regclass
               and d.objid in (select i.indexrelid from pg_catalog.pg_index i join pg_catalog.pg_class n on n.oid = i.indexrelid
                                where i.indrelid = d.refobjid and n.relname = p_violated)))
$$;

-- Edits an employee, and then activates or deactivates it unless p_is_active is null. Both take effect, or neither. Returns the results of
-- auth_sync_edit_employee_v1 and auth_sync_set_active_v1 together, or the refusal of one of them. Without p_is_active, the second part is
-- {"is_active"}. If a trigger of employees undoes the activation, the result has the "is_active" that the employee keeps.
create or replace function public.auth_sync_change_employee_v1(p_employee_id bigint, p_values jsonb, p_is_active boolean, p_via text)
returns jsonb
language plpgsql security definer set search_path = '' set lock_timeout = '1500ms' set statement_timeout = '3s' as $$
#variable_conflict use_variable
declare
  edited jsonb;
  switched jsonb;
begin
  edited := public.auth_sync_edit_employee_v1(p_employee_id, p_values);
  if edited ? 'refused' then
    return edited;
  elsif p_is_active is null then
    return edited || (select jsonb_build_object('is_active', e.is_active is not false)
                        from public.employees e where e.employee_id = p_employee_id);
  end if;
  switched := public.auth_sync_set_active_v1(p_employee_id, p_is_active, p_via);
  if switched ? 'refused' or (switched ->> 'is_active')::boolean is distinct from p_is_active then
    raise exception 'not changed' using errcode = 'WSCHG';
  end if;
  return edited || switched;
exception when sqlstate 'WSCHG' then
  return switched;  -- the edit is rolled back
end $$;
