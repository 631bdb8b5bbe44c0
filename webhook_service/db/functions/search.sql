-- The search of the ledger for admins. It is fast in a ledger of any size and for values of any frequency.

-- Returns a name in the form in which names are compared: in lower case, without accents, and with the letters that have no accent but a
-- common spelling in ASCII ("Łukasz Weiß-Søby" is "lukasz weiss-soby"). It does not use the locale of the database.
create or replace function public.auth_sync_folded_v1(p_text text) returns text
language plpgsql immutable parallel safe set search_path = '' as $$
#variable_conflict use_variable
begin
  if octet_length(p_text) = length(p_text) then
    return lower(p_text collate "C");
  end if;
  return replace(replace(replace(replace(translate(
    lower(regexp_replace(normalize(p_text, nfkd), '[\u0300-\u036f]', '', 'g')),
    E'\u00f8\u00d8\u0142\u0141\u0111\u0110\u00f0\u00d0\u0127\u0126\u0131\u0167\u0166\u1e9e\u00c6\u0152\u00de',
    E'oOlLdDdDhHitT\u00df\u00e6\u0153\u00fe') collate "C",
    E'\u00df', 'ss'), E'\u00e6', 'ae'), E'\u0153', 'oe'), E'\u00fe', 'th');
end $$;

-- Returns the letters that may have accents (Latin, Greek and Cyrillic), by the letter or letters of their folded form: "o" has "òÒóÓ…".
create or replace function public.auth_sync_letters_v1() returns table (folded text, forms text)
language sql immutable parallel safe set search_path = '' as $$
  select f.folded, string_agg(f.letter, '')
    from (select string_agg(chr(c.n), '/') as letters
            from (select generate_series(192, 1279) as n union all select generate_series(7680, 8191)) as c) as a
         cross join lateral unnest(string_to_array(a.letters, '/'), string_to_array(public.auth_sync_folded_v1(a.letters), '/')) as f (letter, folded)
   where f.folded <> ''
   group by f.folded
$$;

-- Returns a regular expression for the names whose folded form may begin with p_folded. It is many times faster than
-- auth_sync_folded_v1, and allows more names: those with a letter that auth_sync_letters_v1 does not know, and, because a short expression
-- is faster, those that have only the last 8 letters of p_folded.
create or replace function public.auth_sync_name_regex_v1(p_folded text) returns text
language sql immutable parallel safe set search_path = '' as $$
  with letters as materialized (select l.folded, l.forms from public.auth_sync_letters_v1() as l),
  typed as (
    select i.n, substr(p_folded, i.n, 1) as letter, i.n > 1 and substr(p_folded, i.n - 1, 2) in ('ss', 'ae', 'oe', 'th') as is_second
      from generate_series(greatest(length(p_folded) - 7, 1), length(p_folded)) as i (n)
  )
  select case when length(p_folded) <= 8 then '^ *' else '' end
         || string_agg(
              '[' || case when t.letter ~ '[[:alnum:]]' then t.letter || upper(t.letter collate "C") else E'\\U' || lpad(to_hex(ascii(t.letter)), 8, '0') end
              || coalesce((select string_agg(l.forms, '') from letters l
                            where l.folded = t.letter or l.folded in ('ss', 'ae', 'oe', 'th') and left(l.folded, 1) = t.letter), '')
              || ']' || case when t.is_second then '?' else '' end || E'[\u0300-\u036f]*', '' order by t.n)
         || E'|[\u0080-\u00bf\u0500-\u1dff\u2000-\U0010ffff'
         || coalesce((select string_agg(l.forms, '') from letters l
                       where length(l.folded) > 1 and l.folded not in ('ss', 'ae', 'oe', 'th')), '') || ']'
    from typed t
$$;

-- Returns the employees that match the text of an admin, at most p_limit of each kind of match: an employee_id or the id of an auth user,
-- then the beginning of an e-mail, of an employee number, or of a name (first or last name first, with or without accents), by employee_id.
-- If more than p_limit match, any of them are returned, because parallel workers may read the table.
--
-- Names have no index, because each change of a name would then write all indexes of employees, on different pages for each person. Instead
-- the function reads the table until it has p_limit names, unless the text is an e-mail or a number. Most names are
-- decided by the code of their first letter, ascii(). Of the others, most names in ASCII are decided by their first word, and most names with
-- accents by a regular expression. Only the rest is folded.
create or replace function public.auth_sync_matching_employees_v1(p_person text, p_limit integer) returns setof bigint
language plpgsql stable security definer rows 20
set search_path = '' set plan_cache_mode = force_custom_plan set enable_seqscan = off set synchronize_seqscans = off set jit = off as $$
#variable_conflict use_variable
declare
  words text := regexp_replace(btrim(p_person, E' ,\t\r\n'), E'[\\s,]+', ' ', 'g');
  typed text := left(lower(words), 100);
  address text := left(public.auth_sync_normal_v1(words), 100);  -- folds fewer letters than lower()
  folded text := left(public.auth_sync_folded_v1(words), 100);
  pattern text := replace(replace(replace(typed, E'\\', E'\\\\'), '%', E'\\%'), '_', E'\\_') || '%';
  address_pattern text := replace(replace(replace(address, E'\\', E'\\\\'), '%', E'\\%'), '_', E'\\_') || '%';
  name_pattern text := replace(replace(replace(folded, E'\\', E'\\\\'), '%', E'\\%'), '_', E'\\_') || '%';
  user_id uuid := case when typed ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' then typed::uuid end;
  number bigint := case when typed ~ '^[0-9]{1,18}$' then typed::bigint end;
  may_be_name boolean := folded <> '' and typed !~ '@' and user_id is null and number is null;
  first_word text := case when name_pattern like '% %' then split_part(name_pattern, ' ', 1) || ' %' else name_pattern end;
  first_letters integer[] := array_fill(ascii(' '), array[9]) || array(  -- the planner makes a hash of nine or more values
    select ascii(c.letter) from unnest(array[typed, upper(left(typed, 1)), folded, upper(left(folded, 1))]) as c (letter));
  regex text;
begin
  if typed = '' then
    return;
  elsif may_be_name then
    regex := public.auth_sync_name_regex_v1(folded);
    first_letters := first_letters || array(
      select ascii(c.letter) from public.auth_sync_letters_v1() as l cross join lateral regexp_split_to_table(l.forms, '') as c (letter)
       where left(l.folded, 1) = left(folded, 1));
  end if;
  return query
  with found as (
    select 1 as place, e.employee_id::bigint as id from public.employees e where e.auth_user_id = user_id
    union all select 1, s.employee_id::bigint from public.auth_user_state s where s.auth_user_id = user_id and s.employee_id is not null
    union all select 1, e.employee_id::bigint from public.employees e where e.employee_id = number
    union all (select 2, e.employee_id::bigint from public.employees e
                where left(lower(btrim(e.email::varchar::text, public.auth_sync_invisible_v1()) collate "C") collate "default", 100) like address_pattern
                limit p_limit)
    union all (select 2, e.employee_id::bigint from public.employees e
                where left(lower(e.employee_number::varchar::text), 100) like pattern limit p_limit)
    union all (
      select 2, e.employee_id::bigint from public.employees e
       where may_be_name
         and (ascii(e.first_name::text) = any (first_letters)
              and (lower((e.first_name::text || ' ') collate "C") like first_word or octet_length(e.first_name::text) <> length(e.first_name::text) or ascii(e.first_name::text) = 32)
              and e.first_name::text || ' ' || coalesce(e.last_name::text, '') ~ regex
              and public.auth_sync_folded_v1(btrim(e.first_name::text || ' ' || coalesce(e.last_name::text, ''))) like name_pattern
              or ascii(e.last_name::text) = any (first_letters)
              and (lower((e.last_name::text || ' ') collate "C") like first_word or octet_length(e.last_name::text) <> length(e.last_name::text) or ascii(e.last_name::text) = 32)
              and e.last_name::text || ' ' || coalesce(e.first_name::text, '') ~ regex
              and public.auth_sync_folded_v1(btrim(e.last_name::text || ' ' || coalesce(e.first_name::text, ''))) like name_pattern)
       limit p_limit)
  )
  select f.id from found f group by f.id order by min(f.place), f.id;
end $$;

-- Returns the people that match the text of an admin (auth_sync_matching_employees_v1): at most 20 employees, and 20 auth users that are
-- linked to none of them.
create or replace function public.auth_sync_find_people_v1(p_person text)
returns table (employee_id bigint, auth_user_id uuid, name text, email text)
language plpgsql stable security definer
set search_path = '' set plan_cache_mode = force_custom_plan set enable_seqscan = off set jit = off as $$
#variable_conflict use_variable
declare
  words text := regexp_replace(btrim(p_person, E' ,\t\r\n'), E'[\\s,]+', ' ', 'g');
  typed text := left(lower(words), 100);
  address text := left(public.auth_sync_normal_v1(words), 100);
  address_pattern text := replace(replace(replace(address, E'\\', E'\\\\'), '%', E'\\%'), '_', E'\\_') || '%';
  user_id uuid := case when typed ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' then typed::uuid end;
begin
  if typed = '' then
    return;
  end if;
  return query
  with employed as (
    select e.employee_id::bigint, coalesce(e.auth_user_id, e.orphaned_auth_user_id) as auth_user_id,
           nullif(concat_ws(' ', e.first_name::text, e.last_name::text), '') as name, e.email::text as email
      from public.employees e
     where e.employee_id = any (array(select f.id from public.auth_sync_matching_employees_v1(p_person, 20) as f (id)))
     order by (address = public.auth_sync_normal_v1(e.email::text) or typed in (e.employee_id::text, lower(e.employee_number::varchar::text))) desc nulls last,
              e.employee_id
     limit 20
  ), only_users as (
    (select s.auth_user_id, s.email from public.auth_user_state s where left(s.email, 100) like address_pattern limit 40)
    union select user_id, (select s.email from public.auth_user_state s where s.auth_user_id = user_id) where user_id is not null
  )
  select m.* from employed m
  union all
  (select null, u.auth_user_id, null, u.email from only_users u
    where not exists (select from employed m where m.auth_user_id = u.auth_user_id) order by u.email limit 20);
end $$;

-- Returns the kinds of rows in the ledger that a filter allows. A kind is an operation with an outcome ('' if there is none yet). It
-- determines direction and status. The kinds are read by an index skip scan, one step for each kind.
create or replace function public.auth_sync_kinds_v1(p_filter jsonb) returns table (operation text, outcome text)
language sql stable security definer set search_path = '' set enable_seqscan = off set jit = off as $$
  with recursive kinds as (
    (select l.operation, coalesce(l.outcome, '') as outcome, l.direction, l.status
       from public.integration_sync_log l order by l.operation, coalesce(l.outcome, '') limit 1)
    union all
    select n.* from kinds k cross join lateral (
      select l.operation, coalesce(l.outcome, ''), l.direction, l.status from public.integration_sync_log l
       where (l.operation, coalesce(l.outcome, '')) > (k.operation, k.outcome)
       order by l.operation, coalesce(l.outcome, '') limit 1) as n
  )
  select k.operation, k.outcome from kinds k
   where k.operation = coalesce(p_filter ->> 'operation', k.operation) and k.outcome = coalesce(p_filter ->> 'outcome', k.outcome)
     and k.direction = coalesce(p_filter ->> 'direction', k.direction) and k.status = coalesce(p_filter ->> 'status', k.status)
$$;

-- Returns a query for the ids of the rows that match a filter, newest first or oldest first (p_order: desc or asc): at most $5 from each of
-- its parts, above $3 and below $4. If p_has_people is true, the query returns the rows of the
-- employees $1 and the auth users $2, by spans of ids. The row comparisons, and id
-- + 0, allow one index only. With `… = … order by id` the planner could read the whole ledger instead. Finished rows are searched by their
-- kinds.
create or replace function public.auth_sync_ids_query_v1(p_filter jsonb, p_has_people boolean, p_order text) returns text
language plpgsql stable security definer set search_path = '' as $$
#variable_conflict use_variable
declare
  walk text := 'select l.id from public.integration_sync_log l where (%1$s, l.id) > (%2$s, $3) and (%1$s, l.id) < (%2$s, $4)'
               ' and %3$s order by %4$s <order>, l.id <order> limit $5';
  rest text;
begin
  if p_order not in ('asc', 'desc') then
    raise exception 'p_order must be asc or desc';
  end if;
  walk := replace(walk, '<order>', p_order);
  if p_filter ? 'event_id' then
    return 'select l.id from public.integration_sync_log l where l.id > $3 and l.id < $4 and ' || public.auth_sync_condition_v1(p_filter);
  elsif p_has_people then
    rest := public.auth_sync_condition_v1(p_filter);
    return format('select x.id from unnest($2) as k (key) cross join lateral (select p.id from %1$s cross join lateral (%2$s) as p limit $5) as x union '
                  'select x.id from unnest($1) as k (key) cross join lateral (select p.id from %1$s cross join lateral (%3$s) as p limit $5) as x',
                  case p_order when 'desc' then 'public.auth_sync_spans_v1($3, $4) as s (span)'
                    else '(select span from public.auth_sync_spans_v1($3, $4) as span order by span) as s' end,
                  format(walk, 'l.id >> 18, l.auth_user_id', 's.span, k.key', rest, format('l.id >> 18 %s, l.auth_user_id', p_order)),
                  format(walk, 'l.id >> 18, l.employee_id', 's.span, k.key', rest || ' and l.employee_id is not null',
                         format('l.id >> 18 %s, l.employee_id', p_order)));
  elsif (p_filter ->> 'needs_attention')::boolean then
    return 'select l.id from public.integration_sync_log l where l.id + 0 > $3 and l.id + 0 < $4 and l.status = ''FAILED'''
           ' and l.next_attempt_at is null and ' || public.auth_sync_condition_v1(p_filter) || format(' order by l.id + 0 %s limit $5', p_order);
  elsif (p_filter ->> 'open')::boolean then  -- the few rows that are not done, in an order that only their index has
    rest := public.auth_sync_condition_v1(p_filter) || ' and l.status in (''PENDING'', ''FAILED'')';
    return format('(%s) union all (%s)', format(walk, 'l.status', quote_literal('PENDING'), rest, 'l.status'),
                  format(walk, 'l.status', quote_literal('FAILED'), rest, 'l.status'));
  elsif p_filter ?| array['operation', 'outcome', 'direction'] or p_filter ->> 'status' = 'SUCCESS' then
    rest := public.auth_sync_condition_v1(p_filter - array['operation', 'outcome', 'direction', 'status']);
    return format('select x.id from public.auth_sync_kinds_v1(%L) as k cross join lateral (%s) as x', p_filter,
                  format(walk, 'l.operation, coalesce(l.outcome, '''')', 'k.operation, k.outcome', rest,
                         format('l.operation %s, coalesce(l.outcome, '''')', p_order)));
  elsif p_filter ? 'status' then
    rest := public.auth_sync_condition_v1(p_filter - 'status') || ' and l.status in (''PENDING'', ''FAILED'')';  -- the predicate of the index
    return format(walk, 'l.status', quote_literal(p_filter ->> 'status'), rest, 'l.status');
  end if;
  return format('select l.id from public.integration_sync_log l where l.id > $3 and l.id < $4 and %s order by l.id %s limit $5',
                public.auth_sync_condition_v1(p_filter), p_order);
end $$;

-- Returns the ids of the rows that match a filter, below p_below, newest first. With p_above, it returns the first p_limit rows above that
-- id, also newest first. With p_employees and p_users, it returns only the rows of
-- these people. With p_any, it returns any matching rows up to p_limit, for callers that need only their number. No plan may sort, because
-- a sort would read all matching rows.
create or replace function public.auth_sync_page_v1(
  p_filter jsonb, p_below bigint, p_limit integer, p_employees bigint[] default null, p_users uuid[] default null, p_any boolean default false,
  p_above bigint default null
) returns bigint[]
language plpgsql stable security definer
set search_path = '' set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
set enable_bitmapscan = off set enable_sort = off set enable_incremental_sort = off set jit = off as $$
#variable_conflict use_variable
declare
  wanted jsonb := jsonb_strip_nulls(p_filter);
  above bigint;
  below bigint;
  direction text := case when p_above is null then 'desc' else 'asc' end;
  ids bigint[];
begin
  select r.above, r.below into above, below from public.auth_sync_id_range_v1(wanted) as r;
  if not wanted ? 'event_id' then
    if p_employees is null and wanted ? 'auth_user_id' then
      p_employees := '{}';
      p_users := array[wanted ->> 'auth_user_id'];
      wanted := wanted - 'auth_user_id';
    elsif p_employees is null and wanted ? 'employee_id' then
      p_employees := array[wanted ->> 'employee_id'];
      p_users := '{}';
      wanted := wanted - 'employee_id';
    elsif p_employees is null and btrim(wanted ->> 'person', E' ,\t\r\n') <> '' then
      select coalesce(array_agg(p.employee_id) filter (where p.employee_id is not null), '{}'),
             coalesce(array_agg(distinct p.auth_user_id) filter (where p.auth_user_id is not null), '{}')
        into p_employees, p_users from public.auth_sync_find_people_v1(wanted ->> 'person') as p;
      wanted := wanted - 'person';
    end if;
  end if;
  execute format('select array_agg(id order by id desc) from (select id from (%s) as parts %s limit $5) as page',
                 public.auth_sync_ids_query_v1(wanted, p_employees is not null, direction),
                 case when not p_any then 'order by id ' || direction end)
    into ids using p_employees, p_users, greatest(above, p_above), least(below, p_below), p_limit;
  return coalesce(ids, '{}');
end $$;

-- Returns auth_sync_page_v1 of the people that auth_sync_find_people_v1 has found for the filter's person.
create or replace function public.auth_sync_page_of_people_v1(
  p_filter jsonb, p_people jsonb, p_below bigint, p_limit integer, p_any boolean default false, p_above bigint default null
) returns bigint[]
language plpgsql stable security definer set search_path = '' as $$
#variable_conflict use_variable
declare
  wanted jsonb := jsonb_strip_nulls(p_filter);
begin
  if p_people is null or coalesce(btrim(wanted ->> 'person', E' ,\t\r\n'), '') = '' or wanted ?| array['event_id', 'auth_user_id', 'employee_id'] then
    return public.auth_sync_page_v1(wanted, p_below, p_limit, p_any => p_any, p_above => p_above);
  end if;
  return public.auth_sync_page_v1(
    wanted - 'person', p_below, p_limit, p_any => p_any, p_above => p_above,
    p_employees => array(select (p ->> 'employee_id')::bigint from jsonb_array_elements(p_people) as p where p ->> 'employee_id' is not null),
    p_users => array(select distinct (p ->> 'auth_user_id')::uuid from jsonb_array_elements(p_people) as p where p ->> 'auth_user_id' is not null));
end $$;

-- Returns events for lists, newest first, each with "person": the current name or e-mail of the event's person.
create or replace function public.auth_sync_events_json_v1(p_ids bigint[]) returns jsonb
language sql stable security definer set search_path = '' set enable_seqscan = off set jit = off as $$
  select coalesce(jsonb_agg(public.auth_sync_event_json_v1(l) || jsonb_build_object('person', coalesce(
           (select coalesce(nullif(concat_ws(' ', e.first_name::text, e.last_name::text), ''), e.email::text)
              from public.employees e where e.employee_id = l.employee_id),
           (select s.email from public.auth_user_state s where s.auth_user_id = l.auth_user_id))) order by l.id desc), '[]')
    from public.integration_sync_log l where l.id = any (p_ids)
$$;

-- Returns a page for admins: {"events": [... with "person"], "next": the id to continue below, or null, "previous": the id above which the
-- page before begins, or null on the first page, "people": the people that match the person filter, [{employee_id, auth_user_id, name,
-- email}]}. With p_above, it returns the page that ends above this id.
create or replace function public.auth_sync_search_v1(p_filter jsonb, p_below bigint, p_limit integer, p_above bigint default null) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
#variable_conflict use_variable
declare
  -- The people are searched once, because that may read all employees.
  people jsonb := (select coalesce(jsonb_agg(to_jsonb(p)), '[]') from public.auth_sync_find_people_v1(p_filter ->> 'person') as p);
  ids bigint[] := public.auth_sync_page_of_people_v1(p_filter, people, p_below, p_limit + 1, p_above => p_above);
  has_more boolean := cardinality(ids) > p_limit;
  shown bigint[];
begin
  if p_above is not null and not has_more then  -- the first page, which may have new events
    return public.auth_sync_search_v1(p_filter, null, p_limit);
  end if;
  shown := case when p_above is null then ids[:p_limit] else ids[2:] end;
  return jsonb_build_object(
    'events', public.auth_sync_events_json_v1(shown),
    'next', case when has_more then shown[cardinality(shown)] end,
    'previous', case when p_above is not null or p_below is not null then shown[1] end,
    'people', people);
end $$;

-- Returns the number of rows that match a filter: {"matched", "is_estimated"}. The number is exact up to 10,000. p_people are the people
-- that auth_sync_search_v1 has found with this filter, which are then not searched again.
create or replace function public.auth_sync_event_counts_v1(p_filter jsonb, p_people jsonb default null) returns jsonb
language plpgsql volatile security definer set search_path = '' set enable_seqscan = off set jit = off as $$
#variable_conflict use_variable
declare
  matched bigint := cardinality(public.auth_sync_page_of_people_v1(p_filter, p_people, null, 10001, p_any => true));
  plan jsonb;
begin
  if matched <= 10000 then
    return jsonb_build_object('matched', matched, 'is_estimated', false);
  end if;
  execute 'explain (format json) select from public.integration_sync_log where '
          || public.auth_sync_condition_v1(jsonb_strip_nulls(p_filter)) into plan;
  return jsonb_build_object('matched', greatest(matched, (plan -> 0 -> 'Plan' ->> 'Plan Rows')::numeric), 'is_estimated', true);
end $$;

-- Returns the events of the last p_hours (at most 72) by hour: {"hours": [{hour, direction, outcome (or pending), events}],
-- "is_estimated"}. If there may be more than 100,000 events, the function counts a sample of ids and multiplies the result.
create or replace function public.auth_sync_hours_v1(p_hours integer) returns jsonb
language plpgsql stable security definer set search_path = '' set plan_cache_mode = force_custom_plan
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set enable_bitmapscan = off set jit = off as $$
#variable_conflict use_variable
declare
  since timestamptz := date_trunc('hour', now()) - make_interval(hours => least(greatest(p_hours, 1), 72) - 1);
  above bigint := (select r.above from public.auth_sync_id_range_v1(jsonb_build_object('since', since)) as r);
  first_id bigint := greatest(above, case when above >= 0 then public.auth_sync_id_at_v1(since) end,
                              (select min(id) - 1 from public.integration_sync_log)) + 1;
  last_id bigint := coalesce((select max(id) from public.integration_sync_log), 0);
  step bigint := case when last_id - first_id > 100000 then (last_id - first_id) / 10000 else 1 end;
  hours jsonb;
begin
  if step = 1 then
    select jsonb_agg(to_jsonb(h) order by h.hour, h.direction, h.outcome) into hours
      from (select date_trunc('hour', l.created_at) as hour, l.direction, coalesce(l.outcome, 'pending') as outcome, count(*) as events
              from public.integration_sync_log l
             where l.id > above and l.created_at >= since and l.direction <> 'maintenance' group by 1, 2, 3) as h;
  else
    select jsonb_agg(to_jsonb(h) order by h.hour, h.direction, h.outcome) into hours
      from (select date_trunc('hour', l.created_at) as hour, l.direction, coalesce(l.outcome, 'pending') as outcome, count(*) * step as events
              from generate_series(first_id, last_id, step) as n cross join lateral (
                   select * from public.integration_sync_log where id = n) as l
             where l.created_at >= since and l.direction <> 'maintenance' group by 1, 2, 3) as h;
  end if;
  return jsonb_build_object('hours', coalesce(hours, '[]'), 'is_estimated', step > 1);
end $$;
