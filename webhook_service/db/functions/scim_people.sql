-- The employees as a directory sees them by SCIM: one employee, and the search with a filter.
--
-- A directory sees all employees but those that it has deleted. It writes an employee only while no other directory manages it
-- (scim_changes.sql). The places of a filter and of p_values are: user_name, email, first_name, last_name, employee_number, active, external_id, the
-- attributes of SCIM_ATTRIBUTES, in p_values also email_parts, and in a filter also id, created and modified. p_attributes is
-- SCIM_ATTRIBUTES: {attribute: column of employees}.

-- Returns an employee as a directory sees it: {"id", "email", "first_name", "last_name", "employee_number", "active", "external_id",
-- "user_name", "email_parts", "extra": {attribute: value}, "created", "modified", "version": a digest of the values}. p_employee is the row of employees, and p_link
-- the row of auth_sync_scim_people, or null. Both times are those of the directory's writes, because employees has none. Without a write,
-- they are the time of the installation.
create or replace function public.auth_sync_scim_person_v1(p_employee jsonb, p_link jsonb, p_attributes jsonb) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
#variable_conflict use_variable
declare
  person jsonb := jsonb_build_object(
    'id', p_employee ->> 'employee_id', 'email', p_employee ->> 'email', 'first_name', p_employee ->> 'first_name',
    'last_name', p_employee ->> 'last_name', 'employee_number', p_employee ->> 'employee_number',
    'active', (p_employee ->> 'is_active')::boolean is not false, 'external_id', p_link ->> 'external_id',
    'user_name', p_link ->> 'user_name', 'email_parts', p_link -> 'email_parts',
    'extra', coalesce((select jsonb_object_agg(a.key, p_employee -> a.value) from jsonb_each_text(p_attributes) as a (key, value)), '{}'));
  installed timestamptz;
begin
  if p_link is null then
    installed := public.auth_sync_scim_installed_at_v1();
  end if;
  return person || jsonb_build_object(
    'created', coalesce((p_link ->> 'created_at')::timestamptz, installed),
    'modified', coalesce((p_link ->> 'modified_at')::timestamptz, installed),
    'version', left(encode(sha256(convert_to(person::text, 'UTF8')), 'hex'), 32));
end $$;

-- Returns the time at which the tables of SCIM were created here.
create or replace function public.auth_sync_scim_installed_at_v1() returns timestamptz
language sql stable security definer set search_path = '' as $$
  select coalesce((select m.applied_at from public.auth_sync_migrations m where m.number = 6), '2026-01-01 00:00:00+00')
$$;

-- Returns an employee as a directory sees it, or null.
create or replace function public.auth_sync_scim_get_v1(p_client_id bigint, p_employee_id bigint, p_attributes jsonb) returns jsonb
language plpgsql stable security definer set search_path = '' set plan_cache_mode = force_custom_plan as $$
#variable_conflict use_variable
begin
  return (
    select public.auth_sync_scim_person_v1(to_jsonb(e.*), l.link, p_attributes)
      from public.employees e
      left join lateral (
        select to_jsonb(k.*) as link from public.auth_sync_scim_people k
         where k.client_id = p_client_id and k.employee_id = e.employee_id offset 0) as l on true
     where e.employee_id = p_employee_id and l.link ->> 'hidden_at' is null);
end $$;

-- Returns the expression of a place for employees e and their rows p of auth_sync_scim_people, in the form of an index on employees where
-- there is one. Text is compared without case, but for external_id and employee_number. Returns null for an unknown place.
create or replace function public.auth_sync_scim_place_v1(p_place text, p_attributes jsonb) returns text
language sql immutable set search_path = '' as $$
  select case p_place
    when 'id' then 'e.employee_id'
    when 'email' then 'lower(btrim(e.email::varchar::text, public.auth_sync_invisible_v1()) collate "C") collate "default"'
    when 'user_name' then 'lower(coalesce(p.user_name, e.email::varchar::text) collate "C")'
    when 'employee_number' then 'btrim(e.employee_number::varchar::text, public.auth_sync_invisible_v1())'
    when 'first_name' then 'lower(e.first_name::text)'
    when 'last_name' then 'lower(e.last_name::text)'
    when 'active' then '(e.is_active is not false)'
    when 'external_id' then 'p.external_id'
    when 'created' then 'coalesce(p.created_at, $3)'
    when 'modified' then 'coalesce(p.modified_at, $3)'
    else case when p_attributes ? p_place then format('lower(e.%I::text)', p_attributes ->> p_place) end end
$$;

-- Returns the SQL of a filter on employees e and their rows p of auth_sync_scim_people. The text contains no value of the filter: it reads
-- the values from the filter itself, which is the parameter $1 of the query. $2 is the directory, and $3 the time of the installation.
-- p_path is the path of p_condition in the filter. Raises invalid_parameter_value for a condition that is not possible.
create or replace function public.auth_sync_scim_condition_v1(p_condition jsonb, p_path text[], p_attributes jsonb) returns text
language plpgsql immutable set search_path = '' as $$
#variable_conflict use_variable
declare
  place text := p_condition ->> 'place';
  operator text := p_condition ->> 'operator';
  left_side text := public.auth_sync_scim_place_v1(place, p_attributes);
  given text := format('($1 #>> %L::text[])', p_path || array['value']);
  joined text;
  parts text[];
begin
  if cardinality(p_path) > 250 or p_condition is null or jsonb_typeof(p_condition) <> 'object' then
    raise exception 'the filter is malformed or too deep' using errcode = 'invalid_parameter_value';
  end if;
  foreach joined in array array['and', 'or'] loop
    if p_condition ? joined then
      parts := array(select public.auth_sync_scim_condition_v1(c.value, p_path || array[joined, (c.place - 1)::text], p_attributes)
                       from jsonb_array_elements(p_condition -> joined) with ordinality as c (value, place) order by c.place);
      return '(' || array_to_string(parts, ' ' || joined || ' ') || ')';
    end if;
  end loop;
  if p_condition ? 'not' then
    return format('not coalesce(%s, false)', public.auth_sync_scim_condition_v1(p_condition -> 'not', p_path || array['not'], p_attributes));
  end if;
  if left_side is null or operator not in ('eq', 'ne', 'co', 'sw', 'ew', 'pr', 'gt', 'ge', 'lt', 'le') then
    raise exception 'the filter has an unknown attribute or operator' using errcode = 'invalid_parameter_value';
  elsif operator = 'ne' then
    return format('not coalesce(%s, false)',
                  public.auth_sync_scim_condition_v1(p_condition || '{"operator": "eq"}', p_path, p_attributes));
  elsif operator = 'pr' or operator = 'eq' and coalesce(p_condition -> 'value', 'null') = 'null' then
    return case when operator = 'eq' then 'not ' else '' end
      || case when place in ('id', 'active', 'created', 'modified') then 'true' else format('coalesce(%s <> '''', false)', left_side) end;
  elsif place in ('id', 'active') and operator <> 'eq' or place in ('created', 'modified') and operator in ('co', 'sw', 'ew')
     or (place = 'active') <> (jsonb_typeof(p_condition -> 'value') = 'boolean') then
    raise exception 'the operator or the value does not fit the attribute' using errcode = 'invalid_parameter_value';
  elsif place = 'id' then
    return case when p_condition ->> 'value' ~ '^(0|[1-9][0-9]{0,17})$' then format('e.employee_id = %s::bigint', given) else 'false' end;
  elsif place = 'active' then
    return format('%s = %s::boolean', left_side, given);
  elsif place in ('created', 'modified') then
    given := given || '::timestamptz';
  elsif place = 'email' then
    given := format('public.auth_sync_normal_v1(%s)', given);
  elsif place = 'employee_number' then
    given := format('btrim(%s, public.auth_sync_invisible_v1())', given);
  elsif place = 'user_name' then
    given := format('lower(%s collate "C")', given);
  elsif place <> 'external_id' then
    given := format('lower(%s)', given);
  end if;
  if operator = 'co' and place = 'email' then  -- the removal of invisible characters takes seconds for a million employees
    left_side := 'lower(e.email::varchar::text collate "C") collate "default"';
  end if;
  joined := case operator
    when 'eq' then format('%s = %s', left_side, given)
    when 'co' then format('strpos(%s, %s) > 0', left_side, given)
    when 'sw' then format('starts_with(%s, %s)', left_side, given)
    when 'ew' then format('right(%s, length(%s)) = %2$s', left_side, given)
    else format('%s %s %s', left_side, case operator when 'gt' then '>' when 'ge' then '>=' when 'lt' then '<' else '<=' end, given) end;
  if operator = 'sw' and place = 'email' then  -- the index on the first 100 characters
    joined := format(E'(left(%s, 100) like regexp_replace(left(%s, 100), ''([\\\\%%_])'', ''\\\\\\1'', ''g'') || ''%%'' and %s)',
                     left_side, given, joined);
  elsif operator = 'eq' and place = 'user_name' then
    joined := format('e.employee_id = any ((select public.auth_sync_scim_named_v1($2, $1 #>> %L::text[]))::bigint[])', p_path || array['value']);
  elsif operator = 'eq' and place = 'external_id' then
    joined := format('e.employee_id = any (array(select k.employee_id from public.auth_sync_scim_people k'
                     ' where k.client_id = $2 and k.external_id = %s))', given);
  end if;
  return joined;
end $$;

-- Returns whether a filter finds few employees by an index, so that their rows of auth_sync_scim_people are read one by one.
create or replace function public.auth_sync_scim_is_selective_v1(p_condition jsonb) returns boolean
language plpgsql immutable set search_path = '' as $$
#variable_conflict use_variable
begin
  return case
    when p_condition ? 'and' then (select bool_or(public.auth_sync_scim_is_selective_v1(c.value)) from jsonb_array_elements(p_condition -> 'and') as c (value))
    when p_condition ? 'or' then (select bool_and(public.auth_sync_scim_is_selective_v1(c.value)) from jsonb_array_elements(p_condition -> 'or') as c (value))
    else coalesce(p_condition ->> 'operator' = 'eq' and p_condition ->> 'place' in ('id', 'user_name', 'email', 'employee_number', 'external_id')
                  and p_condition ->> 'value' is not null
                  or p_condition ->> 'operator' = 'sw' and p_condition ->> 'place' = 'email', false) end;
end $$;

-- Returns the employees that a directory sees and that match a filter, or all of them if p_condition is null: {"total", "people": from the
-- p_start-th (the first is 1), at most p_count}. Returns {"refused": "invalid_filter"} for a filter that is not possible. Sorts by p_sort_by,
-- a place, or by employee_id if it is null. People without a value are last, or first if p_is_descending.
create or replace function public.auth_sync_scim_find_v1(
  p_client_id bigint, p_condition jsonb, p_sort_by text, p_is_descending boolean, p_start bigint, p_count integer, p_attributes jsonb
) returns jsonb
language plpgsql stable security definer
set search_path = '' set plan_cache_mode = force_custom_plan set enable_seqscan = on set statement_timeout = '3s' set jit = off as $$
#variable_conflict use_variable
declare
  is_selective boolean := public.auth_sync_scim_is_selective_v1(p_condition);
  installed timestamptz := public.auth_sync_scim_installed_at_v1();
  sort_key text := public.auth_sync_scim_place_v1(p_sort_by, p_attributes);
  sort_order text := case when p_is_descending then 'desc' else 'asc' end;
  condition text;
  source text;
  total bigint;
  ids bigint[];
begin
  condition := case when p_condition is null or p_condition = 'null' then 'true'
                    else public.auth_sync_scim_condition_v1(p_condition, '{}', p_attributes) end;
  source := case when is_selective then
      ' from public.employees e left join lateral (select * from public.auth_sync_scim_people k'
      ' where k.client_id = $2 and k.employee_id = e.employee_id offset 0) as p on true'
    else ' from public.employees e left join public.auth_sync_scim_people p on p.client_id = $2 and p.employee_id = e.employee_id' end
    || ' where p.hidden_at is null and ' || condition;
  if is_selective then
    perform set_config('enable_seqscan', 'off', true);  -- until the end of this function, because of its SET
  end if;
  if condition = 'true' then
    total := public.auth_sync_size_v1('public.employees') - (
      select count(*) from public.auth_sync_scim_people h join public.employees e on e.employee_id = h.employee_id
       where h.client_id = p_client_id and h.hidden_at is not null);
  else
    execute 'select count(*)' || source into total using p_condition, p_client_id, installed;
  end if;
  if p_count > 0 and p_start <= total then
    execute format('select array_agg(n.id order by n.place) from (select m.id, row_number() over () as place from ('
                   'select e.employee_id::bigint as id %s order by %s %s %s offset $4 limit $5) as m) as n',
                   source, case when p_sort_by <> 'id' then sort_key || ' ' || sort_order || ',' end,
                   case when is_selective then 'e.employee_id + 0' else 'e.employee_id' end, sort_order)  -- few are sorted after the search
      into ids using p_condition, p_client_id, installed, greatest(p_start, 1) - 1, p_count;
  end if;
  return jsonb_build_object('total', total, 'people', (
    select coalesce(jsonb_agg(public.auth_sync_scim_person_v1(f.employee, l.link, p_attributes) order by i.place), '[]')
      from unnest(ids) with ordinality as i (id, place)
     cross join lateral (select to_jsonb(e.*) as employee from public.employees e where e.employee_id = i.id offset 0) as f
      left join lateral (
        select to_jsonb(k.*) as link from public.auth_sync_scim_people k
         where k.client_id = p_client_id and k.employee_id = i.id offset 0) as l on true));
exception when data_exception then
  return '{"refused": "invalid_filter"}';
end $$;
