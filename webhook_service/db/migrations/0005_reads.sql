-- What admins read: the summary, lists of events, one event; and the events that a replay would take.

set local lock_timeout = '5s';

-- An event as the API shows it in lists.
create or replace function public.auth_sync_event_json_v1(p_entry public.integration_sync_log) returns jsonb
language sql stable set search_path = '' as $$
  select to_jsonb(p_entry) - array['request_data', 'changes', 'system_name']
$$;

-- A filter {event_id, status, outcome, operation, auth_user_id, employee_id, since, until} as a condition on
-- integration_sync_log. Only what is asked for becomes part of it, so that the planner can use the index that
-- fits.
create or replace function public.auth_sync_condition_v1(p_filter jsonb) returns text
language sql immutable set search_path = '' as $$
  select 'true' || coalesce(string_agg(
    case f.key
      when 'event_id' then format(' and event_id = %L', f.value)
      when 'status' then format(' and status = %L', f.value)
      when 'outcome' then format(' and outcome = %L', f.value)
      when 'operation' then format(' and operation = %L', f.value)
      when 'auth_user_id' then format(' and auth_user_id = %L::uuid', f.value)
      when 'employee_id' then format(' and employee_id = %L::bigint', f.value)
      when 'since' then format(' and created_at >= %L::timestamptz', f.value)
      when 'until' then format(' and created_at < %L::timestamptz', f.value)
    end, '' order by f.key), '')
  from jsonb_each_text(p_filter) as f where f.value is not null
$$;

-- A page of events, newest first: {"events": [...], "next": the id to go on below, or null}.
create or replace function public.auth_sync_events_v1(p_filter jsonb, p_below bigint, p_limit integer) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
  entries public.integration_sync_log[];
begin
  execute format(
    'select array_agg(e order by (e).id desc)
       from (select l as e from public.integration_sync_log l where %s and ($1 is null or id < $1) order by id desc limit $2) as page',
    public.auth_sync_condition_v1(p_filter))
    into entries using p_below, p_limit + 1;
  return jsonb_build_object(
    'events', coalesce((select jsonb_agg(public.auth_sync_event_json_v1(e) order by e.id desc)
                          from unnest(entries[:p_limit]) as e), '[]'),
    'next', case when cardinality(entries) > p_limit then entries[p_limit].id end);
end $$;

-- One event with what came in, what it changed and who replayed it; null where there is none.
create or replace function public.auth_sync_event_v1(p_event_id text) returns jsonb
language sql stable security definer set search_path = '' as $$
  select public.auth_sync_event_json_v1(l) || jsonb_build_object(
    'request_data', l.request_data,
    'changes', l.changes,
    'replays', coalesce((select jsonb_agg(to_jsonb(r) - array['id', 'log_id'] order by r.id)
                           from public.integration_sync_replays r where r.log_id = l.id), '[]'))
  from public.integration_sync_log l where l.event_id = p_event_id
$$;

-- The inbound events a filter takes, oldest first, as replay needs them: {"matched": how many, counted for the
-- first page only; "events": at most p_limit; "next": the id to go on after, or null}.
create or replace function public.auth_sync_replayable_v1(p_filter jsonb, p_after bigint, p_limit integer) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
  condition text := public.auth_sync_condition_v1(p_filter) || ' and direction = ''inbound''';
  matched bigint;
  entries public.integration_sync_log[];
begin
  if p_after = 0 then
    execute format('select count(*) from public.integration_sync_log where %s', condition) into matched;
  end if;
  execute format(
    'select array_agg(e order by (e).id)
       from (select l as e from public.integration_sync_log l where %s and id > $1 order by id limit $2) as page', condition)
    into entries using p_after, p_limit + 1;
  return jsonb_build_object(
    'matched', matched,
    'events', coalesce((select jsonb_agg(jsonb_build_object(
                                 'id', e.id, 'event_id', e.event_id, 'operation', e.operation, 'version', e.version,
                                 'auth_user_id', e.auth_user_id, 'request_data', e.request_data) order by e.id)
                          from unnest(entries[:p_limit]) as e), '[]'),
    'next', case when cardinality(entries) > p_limit then entries[p_limit].id end);
end $$;

-- The state of things in one look.
create or replace function public.get_auth_sync_summary() returns jsonb
language sql stable security definer set search_path = '' as $$
  select jsonb_build_object(
    'events', (select jsonb_object_agg(s.status, coalesce(n.events, 0))
                 from unnest(array['PENDING', 'SUCCESS', 'FAILED']) as s (status)
                 left join (select status, count(*) as events from public.integration_sync_log group by status) as n using (status)),
    'outcomes', (select coalesce(jsonb_object_agg(outcome, events), '{}')
                   from (select outcome, count(*) as events from public.integration_sync_log where outcome is not null group by outcome) as o),
    'last_event_at', (select max(created_at) from public.integration_sync_log),
    'oldest_pending_at', (select min(created_at) from public.integration_sync_log where status = 'PENDING'),
    'employees', (select jsonb_build_object('all', count(*), 'linked', count(auth_user_id),
                                            'orphaned', count(*) filter (where orphaned_at is not null),
                                            'inactive_and_linked', count(*) filter (where auth_user_id is not null and not is_active))
                    from public.employees))
$$;

-- Cheap, for probes: null until migrations have run.
create or replace function public.auth_sync_schema_v1() returns jsonb
language sql stable security definer set search_path = '' as $$
  select jsonb_build_object('migration', max(number)) from public.auth_sync_migrations
$$;

select public.auth_sync_secure_v1();
