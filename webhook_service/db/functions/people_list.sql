-- The lists of employees for admins: filtered, sorted, page by page, and counted.

-- Returns the query for the employee_ids with this sync_status (null: any) above $1, in order; or, with p_order desc, for those below $1, in
-- descending order. The query returns at most $2 ids from each of its parts.
create or replace function public.auth_sync_people_query_v1(p_sync_status text, p_is_active boolean, p_order text) returns text
language plpgsql stable security definer set search_path = '' set enable_seqscan = off as $$
#variable_conflict use_variable
declare
  standings text[] := case p_sync_status
    when 'MISSING_AUTH_UID' then '{missing}' when 'UNUSABLE_EMAIL' then '{missing}' when 'ORPHANED' then '{orphaned}' when 'INACTIVE_WITH_AUTH' then '{linked_inactive}'
    when 'EMAIL_MISMATCH' then '{linked,linked_inactive}' when 'AMBIGUOUS' then '{missing,orphaned,none}'
    when 'OK' then '{linked,linked_inactive,none}' else '{linked,linked_inactive,missing,orphaned,none}' end;
  rest text := format('(%1$L is null or m.sync_status = %1$L) and (%2$L is null or m.is_active = %2$L::boolean)', p_sync_status, p_is_active);
  many boolean;
  after text := case p_order when 'asc' then '>' when 'desc' then '<' end;
  until text := case p_order when 'asc' then '<=' when 'desc' then '>=' end;
begin
  if p_is_active is not null then
    standings := array(select s from unnest(standings) as s where s = 'orphaned' or (s in ('linked', 'missing')) = p_is_active);
  end if;
  if p_sync_status = 'AMBIGUOUS' then
    return 'select m.employee_id from public.auth_sync_standings m where m.employee_id = any (array('
           'select a.employee_id from public.auth_sync_ambiguous a where a.employee_id ' || after || ' $1)) and ' || rest || format(' order by m.employee_id %s limit $2', p_order);
  elsif p_sync_status = 'UNUSABLE_EMAIL' then  -- the conditions of its index
    return 'select m.employee_id from (select e.employee_id from public.employees e where e.auth_user_id is null and e.orphaned_at is null'
           ' and e.is_active is not false and btrim(e.email::varchar::text, public.auth_sync_invisible_v1()) collate "C" !~ public.auth_sync_usable_v1()'
           || format(' and e.employee_id %s $1 order by e.employee_id %s offset 0) as u join public.auth_sync_standings m on m.employee_id = u.employee_id', after, p_order)
           || ' where ' || rest || format(' order by u.employee_id %s limit $2', p_order);
  elsif p_sync_status in ('EMAIL_MISMATCH', 'INACTIVE_WITH_AUTH') then
    select count(*) > 1000 and public.auth_sync_is_large_v1() into many
      from (select from unnest(standings) as k (standing) join public.auth_sync_standings m on m.standing = k.standing limit 1001) as few;
    if many then
      return format('select m.employee_id from public.auth_sync_mismatches c join public.auth_sync_standings m on m.employee_id = c.employee_id'
                    ' where (c.sync_status, c.employee_id) %3$s (%1$L, $1) and c.sync_status %4$s %1$L and %2$s'
                    ' order by c.sync_status %5$s, c.employee_id %5$s limit $2', p_sync_status, rest, after, until, p_order);
    end if;
  end if;
  return format('select x.employee_id from unnest(%L::text[]) as k (standing) cross join lateral ('
                'select m.employee_id from public.auth_sync_standings m where (m.standing, m.employee_id) %3$s (k.standing, $1)'
                ' and m.standing %4$s k.standing and %2$s order by m.standing %5$s, m.employee_id %5$s limit $2) as x',
                standings, rest, after, until, p_order);
end $$;

-- Returns whether the company has more than 10,000 employees. Its lists are then too long to be read as a whole.
create or replace function public.auth_sync_is_large_v1() returns boolean
language sql stable security definer set search_path = '' set enable_seqscan = off set enable_bitmapscan = off set jit = off as $$
  select count(*) > 10000 from (select e.employee_id from public.employees e order by e.employee_id limit 10001) as few
$$;

-- Returns a page of all employees: {"employees": rows of auth_sync_monitor, "next": the employee_id to continue after, or null}. Keys of
-- p_filter: sync_status, is_active, person (as in auth_sync_search_v1). A search for a person reads at most p_most matches of each kind.
create or replace function public.auth_sync_people_v1(p_filter jsonb, p_after bigint, p_limit integer, p_most integer default 20) returns jsonb
language plpgsql stable security definer
set search_path = '' set plan_cache_mode = force_custom_plan set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
set enable_bitmapscan = off set enable_sort = off set jit = off as $$
#variable_conflict use_variable
declare
  query text;
  ids bigint[];
begin
  if btrim(p_filter ->> 'person', E' ,\t\r\n') <> '' then
    query := format('select m.employee_id from public.auth_sync_standings m where m.employee_id = any (array('
                    'select p from public.auth_sync_matching_employees_v1(%1$L, %4$L) as p where p > $1))'
                    ' and (%2$L is null or m.sync_status = %2$L)'
                    ' and (%3$L is null or m.is_active = %3$L::boolean)',
                    p_filter ->> 'person', p_filter ->> 'sync_status', (p_filter ->> 'is_active')::boolean, p_most);
  else
    query := public.auth_sync_people_query_v1(p_filter ->> 'sync_status', (p_filter ->> 'is_active')::boolean, 'asc');
  end if;
  execute format('select array_agg(employee_id order by employee_id) from (select employee_id from (%s) as parts order by employee_id limit $2) as page',
                 query) into ids using coalesce(p_after, -9223372036854775808), p_limit + 1;
  return jsonb_build_object(
    'employees', (select coalesce(jsonb_agg(to_jsonb(m) order by m.employee_id), '[]')
                    from public.auth_sync_monitor m where m.employee_id = any (ids[:p_limit])),
    'next', case when cardinality(ids) > p_limit then ids[p_limit] end);
end $$;

-- Returns the sort key of employees e: for the sort of a few employees in memory, or, with p_is_indexed, the expression of an index on
-- employees. Returns null if there is none.
create or replace function public.auth_sync_sort_key_v1(p_column text, p_is_indexed boolean) returns text
language sql immutable set search_path = '' as $$
  select case
    when p_column = 'email' then
      'left(lower(btrim(e.email::varchar::text, public.auth_sync_invisible_v1()) collate "C") collate "default", 100)'
    when p_column = 'number' then 'left(lower(e.employee_number::varchar::text), 100)'
    when p_column = 'name' and not p_is_indexed then
      'public.auth_sync_folded_v1(coalesce(e.last_name::text, '''') || '' '' || coalesce(e.first_name::text, ''''))' end
$$;

-- Returns an estimate of the number of employees with this sync_status (null: all), from the statistics of the planner. Returns null if
-- there is none.
create or replace function public.auth_sync_estimated_people_v1(p_sync_status text) returns bigint
language plpgsql stable security definer set search_path = '' set plan_cache_mode = force_custom_plan set enable_seqscan = off set jit = off as $$
#variable_conflict use_variable
declare
  all_of_them bigint := (select c.reltuples from pg_catalog.pg_class c where c.oid = 'public.employees'::regclass);
  standings text[] := case p_sync_status
    when 'MISSING_AUTH_UID' then array['missing'] when 'ORPHANED' then array['orphaned'] when 'OK' then array['linked', 'linked_inactive', 'none'] end;
begin
  if p_sync_status is null then
    return all_of_them;
  elsif p_sync_status in ('EMAIL_MISMATCH', 'INACTIVE_WITH_AUTH') then
    return (select count(*) from public.auth_sync_mismatches c where c.sync_status = p_sync_status);
  elsif p_sync_status = 'UNUSABLE_EMAIL' then
    return (select c.reltuples from pg_catalog.pg_class c where c.oid = to_regclass('public.auth_sync_employees_unusable_idx'));
  end if;
  return (
    select round(sum(v.share::numeric) * all_of_them)
      from pg_catalog.pg_stats s, unnest(s.most_common_vals::text::text[], s.most_common_freqs) as v (standing, share)
     where s.schemaname = 'public' and s.tablename = 'auth_sync_employees_standing_idx' and s.attname = 'case'
       and v.standing = any (standings));
end $$;

-- Returns at most p_limit employee_ids of all employees, in the order of an index (auth_sync_sort_key_v1), after the employee p_at, or, with
-- p_is_back, before it. Employees without a value are the last, by employee_id.
create or replace function public.auth_sync_sorted_people_v1(p_column text, p_is_descending boolean, p_at bigint, p_is_back boolean, p_limit integer)
returns bigint[]
language plpgsql stable security definer
set search_path = '' set plan_cache_mode = force_custom_plan set enable_seqscan = off set enable_bitmapscan = off set enable_sort = off set jit = off as $$
#variable_conflict use_variable
declare
  key text := public.auth_sync_sort_key_v1(p_column, true);
  is_up boolean := p_is_descending = p_is_back;  -- the direction in which the index is read
  by_id text := case when is_up then 'asc' else 'desc' end;
  after_id text := case when is_up then '>' else '<' end;
  at_key text;
  condition text;
  part text;
  ids bigint[] := array[]::bigint[];
  more bigint[];
begin
  execute format('select %s from public.employees e where e.employee_id = $1', key) into at_key using p_at;
  foreach part in array case when p_is_back then '{nulls,values}' else '{values,nulls}' end::text[] loop
    continue when p_at is not null and (part = 'values' and at_key is null and not p_is_back or part = 'nulls' and at_key is not null and p_is_back);
    condition := case
      when p_at is null or (at_key is null) <> (part = 'nulls') then 'true'
      when part = 'nulls' then format('e.employee_id %s $1', after_id)
      else format('%1$s ~%2$s=~ $2 and (%1$s ~%2$s~ $2 or e.employee_id %2$s $1)', key, after_id) end;
    execute format('select array_agg(p.id order by p.n) from (select e.employee_id::bigint as id, row_number() over () as n from ('
                   'select e.employee_id from public.employees e where %1$s %2$s and %3$s order by %4$s e.employee_id %5$s limit $3) as e) as p',
                   key, case part when 'nulls' then 'is null' else 'is not null' end, condition,
                   case part when 'values' then format('%s using ~%s~,', key, case when is_up then '<' else '>' end) else '' end, by_id)
      into more using p_at, at_key, p_limit - cardinality(ids);
    ids := ids || coalesce(more, '{}');
    exit when cardinality(ids) >= p_limit;
  end loop;
  return ids;
end $$;

-- Returns a page of the employees that match p_filter (sync_status, person) for the dashboard:
-- {"employees": rows of auth_sync_monitor in order, "next", "previous": whether there are employees after or before them, "first": the
-- number of the first one, or null if it is not known, "matched": the number of all, or null if a search has found too many,
-- "is_estimated", "sorts": the columns by which the page can sort this list}.
--
-- p_sort is a column (id, name, email, number), with a leading - for the descending order. p_at is the last employee of the page before, or,
-- with p_is_back, the first employee of the page after. Only its id is in the address of a page, because an e-mail is personal data.
--
-- A list is short up to 10,000 employees, or, in a larger company, up to 1,000. A short list is counted and sorted here. Of a search that
-- finds more, only so many are listed. Other long lists have the order of an index, which is employee_id, or, without a filter, e-mail or
-- number. There is no index on names (auth_sync_matching_employees_v1).
create or replace function public.auth_sync_list_people_v1(p_filter jsonb, p_sort text, p_at bigint, p_is_back boolean, p_limit integer) returns jsonb
language plpgsql stable security definer
set search_path = '' set plan_cache_mode = force_custom_plan set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
set enable_bitmapscan = off set jit = off as $$
#variable_conflict use_variable
declare
  is_large boolean := public.auth_sync_is_large_v1();
  most integer := case when is_large then 1000 else 10000 end;
  sort_column text := ltrim(p_sort, '-');
  is_descending boolean := p_sort like '-%';
  status text := p_filter ->> 'sync_status';
  person text := case when btrim(p_filter ->> 'person', E' ,\t\r\n') <> '' then p_filter ->> 'person' end;
  by_id text := case when (sort_column = 'id' and is_descending) = p_is_back then 'asc' else 'desc' end;  -- of a long list
  matching bigint[];
  is_short boolean;
  shown bigint[];
  place integer;
  key text;
  has_more boolean;
begin
  if person is not null then
    matching := array(select p from public.auth_sync_matching_employees_v1(person, most + 1) as p limit most + 1);
    is_short := cardinality(matching) <= most;
    matching := matching[:most];
    if status is not null then
      matching := array(select m.employee_id from public.auth_sync_standings m where m.employee_id = any (matching) and m.sync_status = status);
    end if;
  elsif status is not null then
    execute format('select array_agg(employee_id) from (select employee_id from (%s) as parts limit $2) as few',
                   public.auth_sync_people_query_v1(status, null, 'asc')) into matching using -9223372036854775808, most + 1;
    is_short := coalesce(cardinality(matching), 0) <= most;
  else
    is_short := not is_large;
    if is_short then
      matching := array(select e.employee_id from public.employees e);
    end if;
  end if;
  if is_short or person is not null then
    key := public.auth_sync_sort_key_v1(sort_column, false);
    execute format('select array_agg(e.employee_id::bigint order by %1$s e.employee_id %2$s) from public.employees e where e.employee_id = any ($1)',
                   case when key is not null then format('nullif(btrim(%s), '''') collate "C" %s nulls last,', key, case when is_descending then 'desc' else 'asc' end) end,
                   case when is_descending then 'desc' else 'asc' end) into matching using matching;
    place := coalesce(array_position(matching, p_at), 0);
    place := case when p_is_back and place > 0 then greatest(place - p_limit, 1) else place + 1 end;
    shown := coalesce(matching[place:place + p_limit - 1], '{}');
    return jsonb_build_object(
      'employees', public.auth_sync_people_json_v1(shown), 'first', place, 'previous', place > 1,
      'next', place + p_limit <= cardinality(matching), 'matched', case when is_short then coalesce(cardinality(matching), 0) end,
      'is_estimated', false, 'sorts', '["id", "name", "email", "number"]'::jsonb);
  elsif sort_column in ('email', 'number') and status is null then
    shown := public.auth_sync_sorted_people_v1(sort_column, is_descending, p_at, p_is_back, p_limit + 1);
  else
    execute format('select array_agg(employee_id order by employee_id %1$s) from (select employee_id from (%2$s) as parts order by employee_id %1$s limit $2) as page',
                   by_id, public.auth_sync_people_query_v1(status, null, by_id))
      into shown using coalesce(p_at, case by_id when 'asc' then -9223372036854775808 else 9223372036854775807 end), p_limit + 1;
  end if;
  has_more := coalesce(cardinality(shown) > p_limit, false);
  if p_is_back and not has_more and p_at is not null then  -- the first page, which may have new employees
    return public.auth_sync_list_people_v1(p_filter, p_sort, null, false, p_limit);
  end if;
  shown := coalesce(shown[:p_limit], '{}');
  if p_is_back then
    shown := array(select i.id from unnest(shown) with ordinality as i (id, n) order by i.n desc);
  end if;
  return jsonb_build_object(
    'employees', public.auth_sync_people_json_v1(shown), 'first', case when p_at is null then 1 end, 'previous', p_at is not null,
    'next', has_more or p_is_back, 'is_estimated', true,
    'matched', greatest(public.auth_sync_estimated_people_v1(status), case when status is null then 10001 else most + 1 end),
    'sorts', case when status is null then '["id", "email", "number"]' else '["id"]' end::jsonb);
end $$;

-- Returns rows of auth_sync_monitor in the order of p_ids.
create or replace function public.auth_sync_people_json_v1(p_ids bigint[]) returns jsonb
language sql stable security definer set search_path = '' set plan_cache_mode = force_custom_plan set enable_seqscan = off set enable_hashjoin = off
set enable_mergejoin = off set jit = off as $$
  select coalesce(jsonb_agg(to_jsonb(m) order by array_position(p_ids, m.employee_id::bigint)), '[]')
    from public.auth_sync_monitor m where m.employee_id = any (p_ids)
$$;

-- Returns the chosen employees for the preview of a bulk change: {"people": [{employee_id, name, email, is_active, auth_user_id}] in order,
-- "is_held": whether the bans of their logins would wait for an admin, because of MASS_DEACTIVATION_LIMIT}.
create or replace function public.auth_sync_chosen_people_v1(p_ids jsonb) returns jsonb
language sql stable security definer set search_path = '' set plan_cache_mode = force_custom_plan set enable_seqscan = off set jit = off as $$
  select jsonb_build_object(
    'people', coalesce(jsonb_agg(jsonb_build_object(
      'employee_id', e.employee_id, 'name', nullif(concat_ws(' ', e.first_name::text, e.last_name::text), ''), 'email', e.email::text,
      'is_active', e.is_active is not false, 'auth_user_id', e.auth_user_id) order by e.employee_id), '[]'),
    'is_held', public.auth_sync_must_hold_v1(coalesce(
      jsonb_agg(jsonb_build_object('auth_user_id', e.auth_user_id)) filter (where e.auth_user_id is not null and e.is_active is not false), '[]')))
    from public.employees e where e.employee_id = any (array(select i.id::bigint from jsonb_array_elements_text(auth_sync_chosen_people_v1.p_ids) as i (id)))
$$;
