-- Where the events of somebody are, by spans of 2^18 ids (262,144): what is happening now is written side by side. By the person alone, each event
-- wrote a page of its own in two indexes of the whole history, which no memory holds in a large company.

set local lock_timeout = '5s';

-- While these are built, writers of the ledger wait.
create index if not exists integration_sync_log_users_idx on public.integration_sync_log ((id >> 18), auth_user_id, id);
create index if not exists integration_sync_log_employees_idx on public.integration_sync_log ((id >> 18), employee_id, id) where employee_id is not null;
-- What we have asked Auth for is little, and looked up at each change of an employee; a login that is being made has no auth user yet.
create index if not exists integration_sync_log_sent_idx on public.integration_sync_log (auth_user_id, id)
  where operation in ('disable_auth_user', 'enable_auth_user', 'update_auth_email');
create index if not exists integration_sync_log_intents_idx on public.integration_sync_log (employee_id)
  where operation = 'create_auth_user' and status <> 'SUCCESS';
drop index if exists public.integration_sync_log_user_idx, public.integration_sync_log_employee_idx;

-- The spans between two ids as far as there are rows, the newest first: where somebody's events are looked for, one after the other.
create or replace function public.auth_sync_spans_v1(p_above bigint, p_below bigint) returns setof bigint
language sql stable security definer set search_path = '' set enable_seqscan = off as $$
  select generate_series(least(p_below, l.newest) >> 18, greatest(p_above, l.oldest) >> 18, -1)
    from (select max(id) as newest, min(id) as oldest from public.integration_sync_log) as l where l.newest is not null
$$;

-- As in 0027, but people's events by spans.
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
    return format('select x.id from unnest($2) as k (key) cross join lateral (select p.id from %1$s cross join lateral (%2$s) as p limit $5) as x union all '
                  'select x.id from unnest($1) as k (key) cross join lateral (select p.id from %1$s cross join lateral (%3$s) as p limit $5) as x',
                  'public.auth_sync_spans_v1($3, $4) as s (span)',
                  format(walk, 'l.id >> 18, l.auth_user_id', 's.span, k.key', rest, 'l.id >> 18 desc, l.auth_user_id'),
                  format(walk, 'l.id >> 18, l.employee_id', 's.span, k.key', rest || ' and l.employee_id is not null and (l.auth_user_id = any ($2)) is not true',
                         'l.id >> 18 desc, l.employee_id'));
  elsif (p_filter ->> 'given_up')::boolean then
    return 'select l.id from public.integration_sync_log l where l.id + 0 > $3 and l.id + 0 < $4 and l.status = ''FAILED'''
           ' and l.next_attempt_at is null and ' || public.auth_sync_condition_v1(p_filter) || ' order by l.id + 0 desc limit $5';
  elsif p_filter ?| array['operation', 'outcome', 'direction'] or p_filter ->> 'status' = 'SUCCESS' then
    rest := public.auth_sync_condition_v1(p_filter - array['operation', 'outcome', 'direction', 'status']);
    return format('select x.id from public.auth_sync_kinds_v1(%L) as k cross join lateral (%s) as x', p_filter,
                  format(walk, 'l.operation, coalesce(l.outcome, '''')', 'k.operation, k.outcome', rest,
                         'l.operation desc, coalesce(l.outcome, '''')'));
  elsif p_filter ? 'status' then
    rest := public.auth_sync_condition_v1(p_filter - 'status') || ' and l.status in (''PENDING'', ''FAILED'')';  -- which names the index
    return format(walk, 'l.status', quote_literal(p_filter ->> 'status'), rest, 'l.status');
  end if;
  return format('select l.id from public.integration_sync_log l where l.id > $3 and l.id < $4 and %s order by l.id desc limit $5',
                public.auth_sync_condition_v1(p_filter));
end $$;

-- A part of the order is that of every index by span: sorted from there, a span would be read as a whole.
alter function public.auth_sync_page_v1(jsonb, bigint, integer, bigint[], uuid[], boolean) set enable_incremental_sort = off;

-- As in 0008, by spans.
create or replace function public.auth_sync_is_too_late_v1(p_entry public.integration_sync_log) returns boolean
language sql stable set search_path = '' as $$
  select exists (
      select from public.auth_sync_spans_v1(-1, 9223372036854775807) as s (span)
       cross join lateral (
         select from public.integration_sync_log newer
          where newer.id >> 18 = s.span and newer.auth_user_id = p_entry.auth_user_id and newer.direction = 'inbound'
            and newer.version > p_entry.version and newer.created_at < now() - interval '1 hour'
         offset 0) as found)
    or exists (
      select from public.auth_user_state known
       where known.auth_user_id = p_entry.auth_user_id
         and known.version > p_entry.version and known.updated_at < now() - interval '1 hour')
$$;

-- As in 0014, and names the operation in each part, as the index does.
create or replace function public.auth_sync_is_replaced_v1(p_auth_user_id uuid, p_email text, p_log_id bigint) returns boolean
language sql stable set search_path = '' as $$
  select exists (
    select from public.integration_sync_log a
     where a.auth_user_id = p_auth_user_id and a.operation = 'update_auth_email'
       and a.request_data ->> 'email' <> public.auth_sync_normal_v1(p_email)
       and (a.status <> 'SUCCESS' and a.next_attempt_at is not null
            or a.status = 'SUCCESS' and a.outcome = 'email_updated'
               and a.completed_at > (select e.created_at from public.integration_sync_log e where e.id = p_log_id))
       and (a.request_data ->> 'was' = public.auth_sync_normal_v1(p_email)
            or exists (select from public.integration_sync_log b
                        where b.auth_user_id = a.auth_user_id and b.operation = 'update_auth_email' and b.id < a.id
                          and b.request_data ->> 'email' = public.auth_sync_normal_v1(p_email))))
$$;

-- As in 0019, but people's events by spans.
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
      when 'auth_user_id' then format(
        ' and id = any (array(select unnest(public.auth_sync_page_v1(jsonb_build_object(''auth_user_id'', %L), null, 1000000))))', f.value)
      when 'employee_id' then format(
        ' and id = any (array(select unnest(public.auth_sync_page_v1(jsonb_build_object(''employee_id'', %L), null, 1000000))))', f.value)
      when 'person' then case when btrim(f.value, E' ,\t\r\n') <> '' then format(
        ' and id = any (array(select unnest(public.auth_sync_page_v1(jsonb_build_object(''person'', %L), null, 1000000))))', f.value) end
      when 'since' then format(' and created_at >= %L::timestamptz', f.value)
      when 'until' then format(' and created_at < %L::timestamptz', f.value)
    end, '' order by f.key), '')
  from jsonb_each_text(p_filter) as f where f.value is not null
$$;

-- As in 0015, and names the actions that the index has.
create or replace function public.auth_sync_ask_anew_v1(p_event_id text, p_outcome text) returns void
language plpgsql security definer set search_path = '' as $$
declare
  entry public.integration_sync_log;
  wish jsonb;
begin
  select * into entry from public.integration_sync_log
   where event_id = p_event_id and direction = 'outbound' and p_outcome in ('disabled', 'enabled', 'email_updated');
  select jsonb_build_object('employee_id', coalesce(e.employee_id, entry.employee_id), 'auth_user_id', entry.auth_user_id) || case
           when p_outcome = 'email_updated' then jsonb_build_object('operation', entry.operation, 'data', jsonb_build_object(
             'email', public.auth_sync_normal_v1(e.email::text), 'was', entry.request_data ->> 'email'))
           else jsonb_build_object('operation', case when e.is_active is not false and e.employee_id is not null
                                                     then 'enable_auth_user' else 'disable_auth_user' end) end
    into wish
    from (select entry.auth_user_id) as u left join public.employees e on e.auth_user_id = u.auth_user_id
   where exists (select from public.integration_sync_log a
                  where a.auth_user_id = u.auth_user_id and a.id > entry.id
                    and a.operation in ('disable_auth_user', 'enable_auth_user', 'update_auth_email')
                    and (a.operation = 'update_auth_email') = (entry.operation = 'update_auth_email'));
  if wish is not null and (p_outcome <> 'email_updated' or wish #>> '{data,email}' is not null) then
    perform public.auth_sync_enter_actions_v1(jsonb_build_array(wish), entry.via);
    update public.auth_user_state set disabled_at = coalesce(disabled_at, now())
     where auth_user_id = entry.auth_user_id and p_outcome = 'disabled';
  end if;
end $$;

select public.auth_sync_secure_v1();
