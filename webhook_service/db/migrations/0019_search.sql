-- How admins search the ledger, fast however large it is and whichever values are rare in it.

set local lock_timeout = '5s';

-- Both are read from their end: what happened with an outcome, and what is given up.
create index if not exists integration_sync_log_kind_idx on public.integration_sync_log (operation, coalesce(outcome, ''), id);
create index if not exists integration_sync_log_given_up_idx
  on public.integration_sync_log ((id + 0)) where status = 'FAILED' and next_attempt_at is null;

-- What a human types is the beginning of one of these. Cut off, because a long text does not fit into a btree and must
-- not fail an import.
create index if not exists auth_user_state_email_prefix_idx
  on public.auth_user_state (left(email, 100) text_pattern_ops) where email is not null;
create index if not exists auth_sync_employees_email_prefix_idx
  on public.employees (left(lower(btrim(email::text, E' \t\r\n')), 100) text_pattern_ops);
create index if not exists auth_sync_employees_number_prefix_idx
  on public.employees (left(lower(employee_number::text), 100) text_pattern_ops);
create index if not exists auth_sync_employees_name_prefix_idx on public.employees (
  left(lower(btrim(coalesce(first_name::text, '') || ' ' || coalesce(last_name::text, ''))), 100) text_pattern_ops);
create index if not exists auth_sync_employees_surname_prefix_idx on public.employees (
  left(lower(btrim(coalesce(last_name::text, '') || ' ' || coalesce(first_name::text, ''))), 100) text_pattern_ops);

-- Who is meant by what a human typed: the beginning of an e-mail, of a name (either way round) or of an employee number; an
-- employee_id, an auth user's id. At most 20 employees, and 20 auth users that are none of theirs.
create or replace function public.auth_sync_find_people_v1(p_person text)
returns table (employee_id bigint, auth_user_id uuid, name text, email text)
language plpgsql stable security definer
set search_path = '' set plan_cache_mode = force_custom_plan set enable_seqscan = off set jit = off as $$
declare
  typed text := left(lower(regexp_replace(btrim(p_person, E' ,\t\r\n'), '[\s,]+', ' ', 'g')), 100);
  pattern text := replace(replace(replace(typed, '\', '\\'), '%', '\%'), '_', '\_') || '%';
  user_id uuid := case when typed ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' then typed::uuid end;
  number bigint := case when typed ~ '^[0-9]{1,18}$' then typed::bigint end;
begin
  if typed = '' then
    return;
  end if;
  return query
  with found as (
    select e.employee_id from public.employees e where e.auth_user_id = user_id
    union select s.employee_id from public.auth_user_state s where s.auth_user_id = user_id and s.employee_id is not null
    union select e.employee_id from public.employees e where e.employee_id = number
    union (select e.employee_id from public.employees e
            where left(lower(btrim(e.email::text, E' \t\r\n')), 100) like pattern limit 20)
    union (select e.employee_id from public.employees e where left(lower(e.employee_number::text), 100) like pattern limit 20)
    union (select e.employee_id from public.employees e
            where left(lower(btrim(coalesce(e.first_name::text, '') || ' ' || coalesce(e.last_name::text, ''))), 100) like pattern limit 20)
    union (select e.employee_id from public.employees e
            where left(lower(btrim(coalesce(e.last_name::text, '') || ' ' || coalesce(e.first_name::text, ''))), 100) like pattern limit 20)
  ), employed as (
    select e.employee_id::bigint, coalesce(e.auth_user_id, e.orphaned_auth_user_id) as auth_user_id,
           nullif(concat_ws(' ', e.first_name::text, e.last_name::text), '') as name, e.email::text as email
      from public.employees e where e.employee_id in (select f.employee_id from found f)
     order by typed in (lower(btrim(e.email::text, E' \t\r\n')), e.employee_id::text, lower(e.employee_number::text)) desc nulls last, e.employee_id
     limit 20
  ), only_users as (
    (select s.auth_user_id, s.email from public.auth_user_state s where left(s.email, 100) like pattern limit 40)
    union select user_id, (select s.email from public.auth_user_state s where s.auth_user_id = user_id) where user_id is not null
  )
  select m.* from employed m
  union all
  (select null, u.auth_user_id, null, u.email from only_users u
    where not exists (select from employed m where m.auth_user_id = u.auth_user_id) order by u.email limit 20);
end $$;

-- As in 0005, and: direction, given_up (FAILED and never tried again; a run of ours waits for nobody), person (who is meant by what a human typed).
create or replace function public.auth_sync_condition_v1(p_filter jsonb) returns text
language sql immutable set search_path = '' as $$
  select 'true' || coalesce(string_agg(
    case f.key
      when 'event_id' then format(' and event_id = %L', f.value)
      when 'status' then format(' and status = %L', f.value)
      when 'outcome' then format(' and outcome = %L', f.value)
      when 'operation' then format(' and operation = %L', f.value)
      when 'direction' then format(' and direction = %L', f.value)
      when 'given_up' then format(' and (status = ''FAILED'' and next_attempt_at is null and direction <> ''maintenance'') = %L::boolean', f.value)
      when 'auth_user_id' then format(' and auth_user_id = %L::uuid', f.value)
      when 'employee_id' then format(' and employee_id = %L::bigint', f.value)
      when 'person' then case when btrim(f.value, E' ,\t\r\n') <> '' then format(
        ' and id = any (array(select unnest(public.auth_sync_page_v1(jsonb_build_object(''person'', %L), null, 1000000))))', f.value) end
      when 'since' then format(' and created_at >= %L::timestamptz', f.value)
      when 'until' then format(' and created_at < %L::timestamptz', f.value)
    end, '' order by f.key), '')
  from jsonb_each_text(p_filter) as f where f.value is not null
$$;

-- Between which ids the events of a time are, generously: an id is drawn within an hour of created_at, or the transaction
-- was longer. A small ledger is not narrowed.
create or replace function public.auth_sync_id_range_v1(p_filter jsonb, out above bigint, out below bigint)
language plpgsql stable security definer set search_path = '' set enable_seqscan = off as $$
begin
  if (select reltuples from pg_catalog.pg_class where oid = 'public.integration_sync_log'::regclass) > 100000 then
    select min(id) into above
      from (select id from public.integration_sync_log
             where created_at < (p_filter ->> 'since')::timestamptz - interval '1 hour' order by created_at desc limit 100) as before;
    select max(id) into below
      from (select id from public.integration_sync_log
             where created_at > (p_filter ->> 'until')::timestamptz + interval '1 hour' order by created_at limit 100) as after;
  end if;
  above := coalesce(above, -1);
  below := coalesce(below, 9223372036854775807);
end $$;

-- The kinds of events that there are: an operation with an outcome ('': none yet), which settle direction and status. Found by hopping over
-- the index, one step for each.
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

-- A query for the ids of the events that a filter takes, newest first, at most $5 of each of its parts, above $3 and below $4; where
-- p_has_people, those of the employees $1 and the auth users $2. The comparisons of rows, and id + 0, name the one index that is
-- meant: given `… = … order by id` the planner may walk the whole ledger instead.
create or replace function public.auth_sync_ids_query_v1(p_filter jsonb, p_has_people boolean) returns text
language plpgsql stable security definer set search_path = '' as $$
declare
  walk text := 'select l.id from public.integration_sync_log l where (%1$s, l.id) > (%2$s, $3) and (%1$s, l.id) < (%2$s, $4)'
               ' and %3$s order by %4$s desc, l.id desc limit $5';
  rest text;
begin
  if p_filter ? 'event_id' then
    return 'select l.id from public.integration_sync_log l where l.id > $3 and l.id < $4 and ' || public.auth_sync_condition_v1(p_filter);
  elsif p_has_people then
    rest := public.auth_sync_condition_v1(p_filter);
    return format('select x.id from unnest($2) as k (key) cross join lateral (%s) as x union all '
                  'select x.id from unnest($1) as k (key) cross join lateral (%s) as x',
                  format(walk, 'l.auth_user_id', 'k.key', rest, 'l.auth_user_id'),
                  format(walk, 'l.employee_id', 'k.key', rest || ' and l.employee_id is not null and (l.auth_user_id = any ($2)) is not true', 'l.employee_id'));
  elsif (p_filter ->> 'given_up')::boolean then
    return 'select l.id from public.integration_sync_log l where l.id + 0 > $3 and l.id + 0 < $4 and l.status = ''FAILED'''
           ' and l.next_attempt_at is null and ' || public.auth_sync_condition_v1(p_filter) || ' order by l.id + 0 desc limit $5';
  elsif p_filter ?| array['operation', 'outcome', 'direction'] then
    rest := public.auth_sync_condition_v1(p_filter - array['operation', 'outcome', 'direction', 'status']);
    return format('select x.id from public.auth_sync_kinds_v1(%L) as k cross join lateral (%s) as x', p_filter,
                  format(walk, 'l.operation, coalesce(l.outcome, '''')', 'k.operation, k.outcome', rest,
                         'l.operation desc, coalesce(l.outcome, '''')'));
  elsif p_filter ? 'status' then
    rest := public.auth_sync_condition_v1(p_filter - 'status');
    return format(walk, 'l.status', quote_literal(p_filter ->> 'status'), rest, 'l.status');
  end if;
  return format('select l.id from public.integration_sync_log l where l.id > $3 and l.id < $4 and %s order by l.id desc limit $5',
                public.auth_sync_condition_v1(p_filter));
end $$;

-- The ids of the events that a filter takes, below p_below, the newest first; with p_employees and p_users, of theirs. Where only their
-- number matters (p_any), as many as there are up to p_limit, whichever. No plan may sort: it would read all that there are.
create or replace function public.auth_sync_page_v1(
  p_filter jsonb, p_below bigint, p_limit integer, p_employees bigint[] default null, p_users uuid[] default null, p_any boolean default false
) returns bigint[]
language plpgsql stable security definer
set search_path = '' set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
set enable_bitmapscan = off set enable_sort = off set jit = off as $$
declare
  wanted jsonb := jsonb_strip_nulls(p_filter);
  above bigint;
  below bigint;
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
                 public.auth_sync_ids_query_v1(wanted, p_employees is not null), case when not p_any then 'order by id desc' end)
    into ids using p_employees, p_users, above, least(below, p_below), p_limit;
  return coalesce(ids, '{}');
end $$;

-- Events as lists show them, newest first, each with "person": the name or e-mail of whom it is about, as it is now.
create or replace function public.auth_sync_events_json_v1(p_ids bigint[]) returns jsonb
language sql stable security definer set search_path = '' set enable_seqscan = off set jit = off as $$
  select coalesce(jsonb_agg(public.auth_sync_event_json_v1(l) || jsonb_build_object('person', coalesce(
           (select coalesce(nullif(concat_ws(' ', e.first_name::text, e.last_name::text), ''), e.email::text)
              from public.employees e where e.employee_id = l.employee_id),
           (select s.email from public.auth_user_state s where s.auth_user_id = l.auth_user_id))) order by l.id desc), '[]')
    from public.integration_sync_log l where l.id = any (p_ids)
$$;

-- As in 0005, now as fast as search.
create or replace function public.auth_sync_events_v1(p_filter jsonb, p_below bigint, p_limit integer) returns jsonb
language plpgsql stable security definer set search_path = '' set enable_seqscan = off set jit = off as $$
declare
  ids bigint[] := public.auth_sync_page_v1(p_filter, p_below, p_limit + 1);
begin
  return jsonb_build_object(
    'events', coalesce((select jsonb_agg(public.auth_sync_event_json_v1(l) order by l.id desc)
                          from public.integration_sync_log l where l.id = any (ids[:p_limit])), '[]'),
    'next', case when cardinality(ids) > p_limit then ids[p_limit] end);
end $$;

-- A page as admins see it: {"events": [... with "person"], "next": the id to go on below, or null, "people": [{employee_id, auth_user_id,
-- name, email}] whom the person filter means}.
create or replace function public.auth_sync_search_v1(p_filter jsonb, p_below bigint, p_limit integer) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
  ids bigint[] := public.auth_sync_page_v1(p_filter, p_below, p_limit + 1);
begin
  return jsonb_build_object(
    'events', public.auth_sync_events_json_v1(ids[:p_limit]),
    'next', case when cardinality(ids) > p_limit then ids[p_limit] end,
    'people', (select coalesce(jsonb_agg(to_jsonb(p)), '[]') from public.auth_sync_find_people_v1(p_filter ->> 'person') as p));
end $$;

-- How many events a filter takes: {"matched", "is_estimated"}; exactly up to 10,000.
create or replace function public.auth_sync_event_counts_v1(p_filter jsonb) returns jsonb
language plpgsql volatile security definer set search_path = '' set enable_seqscan = off set jit = off as $$
declare
  matched bigint := cardinality(public.auth_sync_page_v1(p_filter, null, 10001, p_any => true));
  plan jsonb;
begin
  if matched <= 10000 then
    return jsonb_build_object('matched', matched, 'is_estimated', false);
  end if;
  execute 'explain (format json) select from public.integration_sync_log where '
          || public.auth_sync_condition_v1(jsonb_strip_nulls(p_filter)) into plan;
  return jsonb_build_object('matched', greatest(matched, (plan -> 0 -> 'Plan' ->> 'Plan Rows')::numeric), 'is_estimated', true);
end $$;

-- Events of the last p_hours (at most 72) by hour: {"hours": [{hour, direction, outcome (or pending), events}], "is_estimated"}. Where
-- there may be more than 100,000, every so manieth is counted for as many.
create or replace function public.auth_sync_hours_v1(p_hours integer) returns jsonb
language plpgsql stable security definer set search_path = '' set plan_cache_mode = force_custom_plan
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set enable_bitmapscan = off set jit = off as $$
declare
  since timestamptz := date_trunc('hour', now()) - make_interval(hours => least(greatest(p_hours, 1), 72) - 1);
  first_id bigint := coalesce((select id from public.integration_sync_log where created_at >= since order by created_at limit 1), 0);
  last_id bigint := coalesce((select max(id) from public.integration_sync_log), 0);
  step bigint := case when last_id - first_id > 100000 then (last_id - first_id) / 10000 else 1 end;
  hours jsonb;
begin
  if step = 1 then
    select jsonb_agg(to_jsonb(h) order by h.hour, h.direction, h.outcome) into hours
      from (select date_trunc('hour', l.created_at) as hour, l.direction, coalesce(l.outcome, 'pending') as outcome, count(*) as events
              from public.integration_sync_log l where l.created_at >= since and l.direction <> 'maintenance' group by 1, 2, 3) as h;
  else
    select jsonb_agg(to_jsonb(h) order by h.hour, h.direction, h.outcome) into hours
      from (select date_trunc('hour', l.created_at) as hour, l.direction, coalesce(l.outcome, 'pending') as outcome, count(*) * step as events
              from generate_series(first_id, last_id, step) as n cross join lateral (
                   select * from public.integration_sync_log where id = n) as l
             where l.created_at >= since and l.direction <> 'maintenance' group by 1, 2, 3) as h;
  end if;
  return jsonb_build_object('hours', coalesce(hours, '[]'), 'is_estimated', step > 1);
end $$;

select public.auth_sync_secure_v1();
