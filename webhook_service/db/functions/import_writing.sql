-- Writes the lines of an import into employees, and finds out which of them employees refuses. import_employees.sql calls these functions.

-- Writes all lines of an import that are not refused, and returns the refusals [{"at": the line, "reason", ...}]. New employees come last,
-- so that they can have an e-mail or a number that another employee had.
create or replace function public.auth_sync_write_import_v1(p_import uuid) returns jsonb
language plpgsql security definer set search_path = '' set plan_cache_mode = force_custom_plan as $$
#variable_conflict use_variable
declare
  part record;
  refusals jsonb := '[]';
begin
  for part in
    select l.kind = 'new' as is_new, c.columns, array_agg(l.line order by abs(l.line)) as lines,
           array_agg(l.wanted || jsonb_build_object('employee_id', l.employee_id) order by abs(l.line)) as wanted
      from public.auth_sync_import_lines l
     cross join lateral (select array_agg(k.name order by k.name) as columns from jsonb_object_keys(l.changes) as k (name)) as c
     where l.import_id = p_import and l.kind in ('new', 'changed', 'leaves')
     group by 1, 2 order by 1, 2
  loop
    refusals := refusals || public.auth_sync_write_import_part_v1(part.lines, part.wanted, part.columns, part.is_new, true);
  end loop;
  return refusals;
end $$;

-- Writes lines of one kind that have the same columns, and returns the refusals. p_wanted has the values of each line. If employees refuses
-- one of the lines, the lines that seem to violate a constraint are written after the others (p_has_suspects: they are not sought yet), and
-- then the function cuts the lines into eight parts until it has found each refused line. So only employees itself refuses a line. The
-- statement runs under the search_path of the table's owner, so it names the schema of each function and operator.
create or replace function public.auth_sync_write_import_part_v1(
  p_lines integer[], p_wanted jsonb[], p_columns text[], p_is_new boolean, p_has_suspects boolean
) returns jsonb
language plpgsql security definer set search_path = '' set plan_cache_mode = force_custom_plan as $$
#variable_conflict use_variable
declare
  suspects integer[];
  part record;
  refusals jsonb := '[]';
  written bigint;
  holder bigint;
  state text;
  violated text;
  refused_column text;
begin
  perform set_config('search_path', public.auth_sync_owner_path_v1(), true);
  if p_is_new then
    execute format('with w as (insert into public.employees (%s) select %s from pg_catalog.unnest($1) as l (wanted)'
                   '  cross join lateral pg_catalog.jsonb_populate_record(null::public.employees, l.wanted) as w returning 1)'
                   ' select pg_catalog.count(*) from w',
                   (select string_agg(quote_ident(c.name), ', ') from unnest(p_columns) as c (name)),
                   (select string_agg('w.' || quote_ident(c.name), ', ') from unnest(p_columns) as c (name))) into written using p_wanted;
  else
    execute format(
      'with w as (update public.employees e set (%s) = row(%s)'
      '  from (select w.*::public.employees as wanted, found.place'
      '          from pg_catalog.unnest($1) as l (wanted)'
      '         cross join lateral pg_catalog.jsonb_populate_record(null::public.employees, l.wanted) as w'
      '         cross join lateral ('
      '           select f.ctid as place from public.employees f where f.employee_id operator(pg_catalog.=) w.employee_id offset 0) as found'
      '        offset 0) as n'
      '  where e.ctid operator(pg_catalog.=) n.place returning %s as is_kept)'
      ' select pg_catalog.count(*) filter (where w.is_kept) from w',
      (select string_agg(quote_ident(c.name), ', ') from unnest(p_columns) as c (name)),
      (select string_agg('(n.wanted).' || quote_ident(c.name), ', ') from unnest(p_columns) as c (name)),
      case when 'is_active' = any (p_columns) then '(e.is_active operator(pg_catalog.=) (n.wanted).is_active)' else 'true' end)
      into written using p_wanted;
  end if;
  perform set_config('search_path', 'pg_catalog, pg_temp', true);
  set constraints all immediate;
  if written <> cardinality(p_lines) then
    raise exception 'a trigger on employees prevented the write' using errcode = 'triggered_action_exception';
  end if;
  return '[]';
exception when others or assert_failure then
  if sqlstate ~ '^(40|53|55P03)' then
    raise;
  end if;
  if cardinality(p_lines) > 1 then
    suspects := case when p_has_suspects then public.auth_sync_import_suspects_v1(p_lines, p_wanted, p_is_new) else '{}' end;
    for part in
      select array_agg(l.line order by l.place) as lines, array_agg(l.wanted order by l.place) as wanted
        from unnest(p_lines, p_wanted) with ordinality as l (line, wanted, place)
       cross join lateral (select case when cardinality(suspects) between 1 and cardinality(p_lines) - 1 then (l.line = any (suspects))::integer
                                       else (l.place - 1) * 8 / cardinality(p_lines) end as number) as p
       group by p.number order by p.number
    loop
      refusals := refusals || public.auth_sync_write_import_part_v1(part.lines, part.wanted, p_columns, p_is_new, false);
    end loop;
    return refusals;
  end if;
  get stacked diagnostics state = returned_sqlstate, violated = constraint_name, refused_column = column_name;
  refused_column := coalesce(nullif(refused_column, ''), public.auth_sync_refused_column_v1(violated, p_columns));
  if state = '23505' and p_wanted[1] ? 'email' and coalesce(refused_column, 'email') = 'email' then
    select e.employee_id into holder from public.employees e
     where lower(btrim(e.email::varchar::text, public.auth_sync_invisible_v1()) collate "C") collate "default"
           = public.auth_sync_normal_v1(p_wanted[1] ->> 'email') and e.employee_id is distinct from (p_wanted[1] ->> 'employee_id')::bigint
     limit 1;
    if holder is not null then
      return jsonb_build_array(jsonb_build_object('at', p_lines[1], 'reason', 'email_of_other', 'other', holder, 'column', 'email'));
    end if;
  end if;
  return jsonb_build_array(jsonb_build_object(
    'at', p_lines[1], 'reason', 'rejected', 'sqlstate', state, 'constraint', nullif(violated, ''), 'column', refused_column));
end $$;

-- Returns the lines that seem to violate a constraint of employees, if no trigger changes them: NOT NULL, CHECK, a foreign key, or a unique
-- index, which a former line or another employee may hold. A condition that raises an error, or that depends on the search_path of the
-- owner, finds nothing.
create or replace function public.auth_sync_import_suspects_v1(p_lines integer[], p_wanted jsonb[], p_is_new boolean) returns integer[]
language plpgsql security definer set search_path = '' set plan_cache_mode = force_custom_plan as $$
#variable_conflict use_variable
declare
  proposed constant text := 'from unnest($1, $2) as l (line, wanted) left join lateral ('
    'select f as present from public.employees f where f.employee_id = (l.wanted ->> ''employee_id'')::bigint offset 0) as p on true'
    ' cross join lateral ';
  suspects integer[] := '{}';
  query text;
  lines integer[];
begin
  for query in
    select format('select array_agg(l.line) %s (select (%s) as is_wrong from jsonb_populate_record(p.present, l.wanted) as employees offset 0)'
                  ' as c where c.is_wrong', proposed, c.condition)
      from public.auth_sync_violations_v1(p_is_new) as c (condition)
     union all
    select format(
      'with n as materialized (select l.line, (l.wanted ->> ''employee_id'')::bigint as id, %1$s %2$s'
      '  (select %3$s from jsonb_populate_record(p.present, l.wanted) as employees where %4$s offset 0) as k where %5$s)'
      ' select array_agg(n.line) from (select n.*, row_number() over (partition by %1$s order by abs(n.line)) as place from n) as n'
      '  where n.place > 1 or exists (select from (select employees.employee_id as id, %3$s from public.employees as employees where %4$s) as o'
      '                                where %6$s and o.id is distinct from n.id)',
      string_agg(format('k%s', k.place), ', ' order by k.place), proposed,
      string_agg(format('(%s) as k%s', pg_catalog.pg_get_indexdef(i.indexrelid, k.place, true), k.place), ', ' order by k.place),
      coalesce(pg_catalog.pg_get_expr(i.indpred, i.indrelid), 'true'),
      string_agg(format('k%s is not null', k.place), ' and ' order by k.place),
      string_agg(format('o.k%1$s = n.k%1$s', k.place), ' and ' order by k.place))
      from pg_catalog.pg_index i cross join generate_series(1, i.indnkeyatts) as k (place)
     where i.indrelid = 'public.employees'::regclass and i.indisunique and i.indisvalid
       and not (i.indnkeyatts = 1 and pg_catalog.pg_get_indexdef(i.indexrelid, 1, true) = 'employee_id')
     group by i.indexrelid, i.indrelid, i.indpred
  loop
    begin
      execute query into lines using p_lines, p_wanted;
      suspects := suspects || coalesce(lines, '{}');
    exception when others or assert_failure then
      if sqlstate ~ '^(40|53|55P03)' then
        raise;
      end if;
    end;
  end loop;
  return array(select distinct s.line from unnest(suspects) as s (line));
end $$;

-- Returns a condition for each NOT NULL, CHECK and foreign key of employees, which is true for a row that violates it.
create or replace function public.auth_sync_violations_v1(p_is_new boolean) returns setof text
language sql stable security definer set search_path = '' as $$
  select format('employees.%I is null', a.attname)
    from pg_catalog.pg_attribute a
   where a.attrelid = 'public.employees'::regclass and a.attnum > 0 and not a.attisdropped
     and a.attnotnull and not (p_is_new and (a.atthasdef or a.attidentity <> ''))
   union all
  select format('(%s) is false', pg_catalog.pg_get_expr(c.conbin, c.conrelid))
    from pg_catalog.pg_constraint c
   where c.conrelid = 'public.employees'::regclass and c.contype = 'c'
   union all
  select format('%s and not exists (select from %s as r where %s)',
                string_agg(format('employees.%I is not null', a.attname), ' and '), c.confrelid::regclass,
                string_agg(format('r.%I = employees.%I', b.attname, a.attname), ' and '))
    from pg_catalog.pg_constraint c
   cross join unnest(c.conkey, c.confkey) as k (here, there)
    join pg_catalog.pg_attribute a on a.attrelid = c.conrelid and a.attnum = k.here
    join pg_catalog.pg_attribute b on b.attrelid = c.confrelid and b.attnum = k.there
   where c.conrelid = 'public.employees'::regclass and c.contype = 'f'
   group by c.oid, c.confrelid
$$;
