-- Reading and pruning the ledger: by id, by time, by filter.

-- Returns the spans of 2^18 ids between two ids that have rows, newest first. The events of a person are searched span by span.
create or replace function public.auth_sync_spans_v1(p_above bigint, p_below bigint) returns setof bigint
language sql stable security definer set search_path = '' set enable_seqscan = off set enable_bitmapscan = off set enable_sort = off as $$
  select generate_series(least(p_below, l.newest) >> 18, greatest(p_above, l.oldest) >> 18, -1)
    from (select (select id from public.integration_sync_log order by id desc limit 1) as newest,
                 (select id from public.integration_sync_log order by id limit 1) as oldest) as l where l.newest is not null
$$;

-- Returns, by bisection, the last id whose row is older than p_at, or null if there is no row. The result is approximate, because the
-- sequence gives out an id within an hour of created_at unless the transaction took longer. A row with a smaller id is at most an hour
-- younger than p_at, and a row with a larger id at most an hour older.
create or replace function public.auth_sync_id_at_v1(p_at timestamptz) returns bigint
language plpgsql stable security definer
set search_path = '' set enable_seqscan = off set enable_bitmapscan = off set enable_sort = off set jit = off as $$
#variable_conflict use_variable
declare
  older bigint := (select id - 1 from public.integration_sync_log order by id limit 1);
  younger bigint := (select id + 1 from public.integration_sync_log order by id desc limit 1);
  middle bigint;
  met record;
begin
  while p_at is not null and younger - older > 1 loop
    middle := older + (younger - older) / 2;
    select id, created_at into met from public.integration_sync_log where id >= middle order by id limit 1;
    if met.id < younger and met.created_at < p_at then
      older := met.id;
    else
      younger := middle;
    end if;
  end loop;
  return case when p_at is not null then older end;
end $$;

-- Returns the ids between which the events of a filter's time lie, with a margin of an hour (auth_sync_id_at_v1). In a small ledger it
-- returns all ids. The first and the last id are read by `order by`: a plan for max() that was cached while the ledger was empty would read
-- the whole ledger.
create or replace function public.auth_sync_id_range_v1(p_filter jsonb, out above bigint, out below bigint)
language plpgsql stable security definer set search_path = '' set enable_seqscan = off set enable_bitmapscan = off set enable_sort = off as $$
#variable_conflict use_variable
begin
  if (select id from public.integration_sync_log order by id desc limit 1)
     - (select id from public.integration_sync_log order by id limit 1) > 100000 then
    above := public.auth_sync_id_at_v1((p_filter ->> 'since')::timestamptz - interval '1 hour');
    below := public.auth_sync_id_at_v1((p_filter ->> 'until')::timestamptz + interval '1 hour') + 1;
  end if;
  above := coalesce(above, -1);
  below := coalesce(below, 9223372036854775807);
end $$;

-- Returns a filter as a condition on integration_sync_log. Its keys are event_id, status, outcome, operation, direction, auth_user_id,
-- employee_id, since, until, needs_attention (failed, no longer retried and not dismissed; a run of reconciliation never needs attention),
-- open (pending, or failed and still retried), and person (the text of an admin). The condition has only the given keys, so that the
-- planner can use the index that matches. The events of a user, an employee or a person are searched by spans of ids (auth_sync_page_v1).
create or replace function public.auth_sync_condition_v1(p_filter jsonb) returns text
language sql immutable set search_path = '' as $$
  select 'true' || coalesce(string_agg(
    case f.key
      when 'event_id' then format(' and event_id = %L', f.value)
      when 'status' then format(' and status = %L', f.value)
      when 'outcome' then format(' and outcome = %L', f.value)
      when 'operation' then format(' and operation = %L', f.value)
      when 'direction' then format(' and direction = %L', f.value)
      when 'needs_attention' then format(
        ' and (status = ''FAILED'' and next_attempt_at is null and dismissed_at is null and direction <> ''maintenance'') = %L::boolean', f.value)
      when 'open' then format(
        ' and (direction <> ''maintenance'' and (status = ''PENDING'' or status = ''FAILED'' and next_attempt_at is not null)) = %L::boolean', f.value)
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

-- Returns an event in the form that lists of the API have: its row without request_data, changes and system_name.
create or replace function public.auth_sync_event_json_v1(p_entry public.integration_sync_log) returns jsonb
language sql stable set search_path = '' as $$
  select to_jsonb(p_entry) - array['request_data', 'changes', 'system_name']
$$;

-- Returns one event with its request_data, its changes and its replays, or null if it does not exist. "attempts_log" has the failed
-- attempts, oldest first. "employee" and "auth_user" have their current values, or are null. An attempt is a replay if it has the time of a
-- recorded replay, because the replay is recorded in the transaction of its attempt.
create or replace function public.auth_sync_event_v1(p_event_id text) returns jsonb
language sql stable security definer set search_path = '' set plan_cache_mode = force_custom_plan as $$
  select public.auth_sync_event_json_v1(l) || jsonb_build_object(
    'request_data', l.request_data,
    'changes', l.changes,
    'replays', coalesce((select jsonb_agg(to_jsonb(r) - array['id', 'log_id'] order by r.id)
                           from public.integration_sync_replays r where r.log_id = l.id), '[]'),
    'attempts_log', coalesce((
      select jsonb_agg(jsonb_build_object(
               'attempt', a.attempt, 'at', a.at, 'outcome', a.outcome, 'error_message', a.error_message,
               'via', case when exists (select from public.integration_sync_replays r where r.log_id = l.id and r.requested_at = a.at)
                           then 'replay' else a.via end) order by a.id)
        from public.auth_sync_attempts a where a.log_id = l.id), '[]'),
    'employee', (
      select jsonb_build_object('employee_id', e.employee_id, 'email', e.email::text, 'first_name', e.first_name::text,
                                'last_name', e.last_name::text, 'employee_number', e.employee_number::varchar::text,
                                'is_active', e.is_active is not false, 'auth_user_id', e.auth_user_id)
        from public.employees e where e.employee_id = l.employee_id),
    'auth_user', (
      select jsonb_build_object('auth_user_id', s.auth_user_id, 'email', s.email, 'email_confirmed', s.email_confirmed,
                                'banned_until', case when s.banned_until > now() then s.banned_until end, 'deleted_at', s.deleted_at)
        from public.auth_user_state s where s.auth_user_id = l.auth_user_id))
  from public.integration_sync_log l where l.event_id = p_event_id
$$;

-- Returns a page of events, newest first: {"events": [...], "next": the id to continue below, or null}. It is as fast as
-- auth_sync_search_v1.
create or replace function public.auth_sync_events_v1(p_filter jsonb, p_below bigint, p_limit integer) returns jsonb
language plpgsql stable security definer set search_path = '' set enable_seqscan = off set jit = off as $$
#variable_conflict use_variable
declare
  ids bigint[] := public.auth_sync_page_v1(p_filter, p_below, p_limit + 1);
begin
  return jsonb_build_object(
    'events', coalesce((select jsonb_agg(public.auth_sync_event_json_v1(l) order by l.id desc)
                          from public.integration_sync_log l where l.id = any (ids[:p_limit])), '[]'),
    'next', case when cardinality(ids) > p_limit then ids[p_limit] end);
end $$;

-- Returns the inbound events that match a filter, oldest first, in the form that a replay needs: {"matched": the number of events, counted
-- for the first page only; "events": at most p_limit; "next": the id to continue after, or null}. Reads only the ids that the filter's time
-- allows. A dismissed event is replayed only by its id.
create or replace function public.auth_sync_replayable_v1(p_filter jsonb, p_after bigint, p_limit integer) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
#variable_conflict use_variable
declare
  condition text := (select format('%s%s and direction = ''inbound'' and id > %s and id < %s', public.auth_sync_condition_v1(p_filter),
                                   case when not p_filter ? 'event_id' then ' and dismissed_at is null' end, r.above, r.below)
                       from public.auth_sync_id_range_v1(p_filter) as r);
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

-- Deletes up to p_limit rows that are SUCCESS and older than p_before, the oldest first. It never deletes a row that is pending, is retried
-- or needs attention. Returns the number of deleted rows. In a dry run, it returns the number of all such rows.
create or replace function public.auth_sync_prune_v1(p_before timestamptz, p_limit integer, p_dry_run boolean) returns bigint
language plpgsql security definer set search_path = '' set enable_seqscan = off set enable_bitmapscan = off set enable_sort = off
set jit = off set lock_timeout = '1500ms' set statement_timeout = '3s' as $$
#variable_conflict use_variable
declare
  below bigint := least((select r.below from public.auth_sync_id_range_v1(jsonb_build_object('until', p_before)) as r),
                        (select f.position + 1 from public.auth_sync_feed f where exists (select from public.auth_sync_subscribers)));
  pruned bigint;
begin
  if p_dry_run then
    select count(*) into pruned from public.integration_sync_log
     where id < below and created_at < p_before and completed_at < p_before and status = 'SUCCESS';
    return pruned;
  end if;
  with gone as (
    delete from public.integration_sync_log
     where id = any (array(select id from public.integration_sync_log
                            where id < below and created_at < p_before and completed_at < p_before and status = 'SUCCESS'
                            order by id limit p_limit for update skip locked))
    returning 1
  )
  select count(*) into pruned from gone;
  delete from public.auth_sync_relays where last_run_at < now() - interval '1 day';
  perform public.auth_sync_prune_keys_v1(p_limit);
  return pruned;
end $$;
