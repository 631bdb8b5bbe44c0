-- Writes the values of a directory into one employee, and finds what prevents it. scim_changes.sql calls these functions.

-- Locks the e-mail and the number that a directory writes until the end of the transaction, so that two directories cannot give them to two
-- employees at once. The locks are taken before those of rows, in a fixed order.
create or replace function public.auth_sync_scim_lock_values_v1(p_values jsonb) returns void
language plpgsql set search_path = '' as $$
#variable_conflict use_variable
declare
  key text;
begin
  foreach key in array array['email:' || public.auth_sync_normal_v1(p_values ->> 'email'), 'number:' || btrim(p_values ->> 'employee_number', public.auth_sync_invisible_v1())] loop
    if key is not null then
      perform pg_advisory_xact_lock(hashtextextended(key, 7643));
    end if;
  end loop;
end $$;

-- Returns the columns of employees that differ from p_values: {column: value}. p_present is the row, or null for a new employee. An e-mail
-- and a number are compared as linking compares them, so that a mere difference of case or space rewrites neither.
create or replace function public.auth_sync_scim_row_v1(p_present jsonb, p_values jsonb, p_attributes jsonb) returns jsonb
language sql immutable set search_path = '' as $$
  select coalesce(jsonb_object_agg(w.name, w.wanted), '{}')
    from (select case when v.key = 'active' then 'is_active' when p_attributes ? v.key then p_attributes ->> v.key else v.key end as name,
                 case when v.key = 'email' then to_jsonb(btrim(v.value #>> '{}', public.auth_sync_invisible_v1()))
                      when v.key = 'employee_number' then to_jsonb(nullif(btrim(v.value #>> '{}', public.auth_sync_invisible_v1()), ''))
                      else v.value end as wanted
            from jsonb_each(p_values) as v (key, value)
           where v.key in ('email', 'first_name', 'last_name', 'employee_number', 'active') or p_attributes ? v.key) as w
   where p_present is null and coalesce(w.wanted, 'null') <> 'null'
      or p_present is not null and case w.name
           when 'email' then public.auth_sync_normal_v1(w.wanted #>> '{}') is distinct from public.auth_sync_normal_v1(p_present ->> 'email')
           when 'employee_number' then w.wanted #>> '{}' is distinct from btrim(p_present ->> 'employee_number', public.auth_sync_invisible_v1())
           when 'is_active' then ((p_present ->> 'is_active')::boolean is not false)::text is distinct from w.wanted #>> '{}'
           else w.wanted #>> '{}' is distinct from p_present ->> w.name end
$$;

-- Returns the place of p_row (columns that are written) whose value another employee has, or null.
create or replace function public.auth_sync_scim_taken_v1(p_row jsonb, p_employee_id bigint) returns text
language plpgsql stable security definer set search_path = '' set plan_cache_mode = force_custom_plan set enable_seqscan = off as $$
#variable_conflict use_variable
begin
  return case
    when p_row ->> 'email' <> '' and exists (
      select from public.employees e
       where lower(btrim(e.email::varchar::text, public.auth_sync_invisible_v1()) collate "C") collate "default"
             = public.auth_sync_normal_v1(p_row ->> 'email') and e.employee_id is distinct from p_employee_id) then 'email'
    when p_row ->> 'employee_number' <> '' and exists (
      select from public.employees e
       where btrim(e.employee_number::varchar::text, public.auth_sync_invisible_v1()) = p_row ->> 'employee_number' and e.employee_id is distinct from p_employee_id)
    then 'employee_number' end;
end $$;

-- Returns the place in p_attributes, or of the directory's own, of a column of employees.
create or replace function public.auth_sync_scim_place_of_v1(p_column text, p_attributes jsonb) returns text
language sql immutable set search_path = '' as $$
  select coalesce((select a.key from jsonb_each_text(p_attributes) as a (key, value) where a.value = p_column order by a.key limit 1),
                  case p_column when 'is_active' then 'active' else p_column end)
$$;

-- Writes columns of employees, {column: value}, into a new employee if p_employee_id is null. Returns {"employee_id"}, or a refusal if the
-- table refuses the row, or a trigger keeps is_active. Then nothing was written. The statement runs under the search_path of the table's
-- owner, so it names the schema of each function and operator.
create or replace function public.auth_sync_scim_write_v1(p_employee_id bigint, p_row jsonb, p_attributes jsonb) returns jsonb
language plpgsql security definer set search_path = '' as $$
#variable_conflict use_variable
declare
  wanted text[] := array(select k.key from jsonb_object_keys(p_row) as k (key) order by k.key);
  written bigint := p_employee_id;
  number bigint;
  is_active boolean;
  state text;
  violated text;
  refused_column text;
begin
  if wanted = '{}' and p_employee_id is not null then
    return jsonb_build_object('employee_id', p_employee_id);
  end if;
  if exists (select from unnest(wanted) as c (name)
              where not exists (select from pg_catalog.pg_attribute a
                                 where a.attrelid = 'public.employees'::regclass and a.attname = c.name and a.attnum > 0 and not a.attisdropped)) then
    raise exception 'employees lacks a column of SCIM_ATTRIBUTES' using errcode = 'undefined_column';
  end if;
  begin
    if p_employee_id is null then
      written := public.auth_sync_insert_employee_v1(p_row);
    else
      perform set_config('search_path', public.auth_sync_owner_path_v1(), true);
      execute format(
        'update public.employees e set (%s) = (select %s from pg_catalog.jsonb_populate_record(null::public.employees, $1) as w)'
        ' where e.employee_id operator(pg_catalog.=) $2',
        (select string_agg(quote_ident(c.name), ', ') from unnest(wanted) as c (name)),
        (select string_agg('w.' || quote_ident(c.name), ', ') from unnest(wanted) as c (name))) using p_row, p_employee_id;
      get diagnostics number = row_count;
      perform set_config('search_path', 'pg_catalog, pg_temp', true);
      set constraints all immediate;
      if number <> 1 then
        raise exception 'a trigger on employees prevented the write' using errcode = 'triggered_action_exception';
      end if;
    end if;
    select e.is_active is not false into is_active from public.employees e where e.employee_id = written;
    if is_active is null or p_row ? 'is_active' and is_active <> (p_row ->> 'is_active')::boolean then
      raise exception 'a trigger on employees kept another value' using errcode = 'WSKPT';
    end if;
  exception when others or assert_failure then
    if sqlstate ~ '^(40|53|55P03)' then
      raise;
    elsif sqlstate = 'WSKPT' then
      return '{"refused": "kept", "place": "active"}';
    end if;
    get stacked diagnostics state = returned_sqlstate, violated = constraint_name, refused_column = column_name;
    refused_column := coalesce(nullif(refused_column, ''), public.auth_sync_refused_column_v1(violated, wanted),
                               public.auth_sync_scim_unfit_column_v1(p_row));
    return jsonb_build_object('refused', case state when '23505' then 'uniqueness' else 'rejected' end,
                              'place', public.auth_sync_scim_place_of_v1(refused_column, p_attributes));
  end;
  return jsonb_build_object('employee_id', written);
end $$;

-- Returns the first column of p_row whose value does not fit its type in employees, or null.
create or replace function public.auth_sync_scim_unfit_column_v1(p_row jsonb) returns text
language plpgsql stable security definer set search_path = '' as $$
#variable_conflict use_variable
declare
  part record;
begin
  for part in select v.key, v.value from jsonb_each(p_row) as v (key, value) loop
    begin
      perform jsonb_populate_record(null::public.employees, jsonb_build_object(part.key, part.value));
    exception when data_exception or integrity_constraint_violation then
      return part.key;
    end;
  end loop;
  return null;
end $$;
