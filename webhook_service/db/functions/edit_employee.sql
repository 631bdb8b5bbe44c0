-- An admin corrects an employee's e-mail, names or number on the dashboard.

-- Writes these values of an employee: {column: value} of email, first_name, last_name and employee_number. Returns {"employee_id",
-- "changed": the columns that differed}, or {"refused": ...} with the column if the employees table refuses one. The triggers on employees
-- request the change of the login's e-mail, as for a change by HR. The statement runs under the search_path of the table's owner, so it
-- names the schema of each function and operator.
create or replace function public.auth_sync_edit_employee_v1(p_employee_id bigint, p_values jsonb) returns jsonb
language plpgsql security definer set search_path = '' set plan_cache_mode = force_custom_plan set lock_timeout = '1500ms' set statement_timeout = '3s' as $$
#variable_conflict use_variable
declare
  present jsonb;
  wanted text[];
  holder bigint;
  state text;
  violated text;
  wrong_column text;
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
    if state = '23505' and 'email' = any (wanted) then
      select e.employee_id into holder from public.employees e
       where lower(btrim(e.email::varchar::text, public.auth_sync_invisible_v1()) collate "C") collate "default"
             = public.auth_sync_normal_v1(p_values ->> 'email') and e.employee_id <> p_employee_id limit 1;
      if holder is not null then
        return jsonb_build_object('refused', 'email_taken', 'side', 'employees', 'employee_id', holder);
      end if;
    end if;
    return public.auth_sync_refusal_v1(state, violated, coalesce(nullif(wrong_column, ''), case when cardinality(wanted) = 1 then wanted[1] end));
  end;
  return jsonb_build_object('employee_id', p_employee_id, 'changed', to_jsonb(wanted));
end $$;
