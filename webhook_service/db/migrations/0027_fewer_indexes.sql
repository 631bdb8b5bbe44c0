-- What an ordinary event, a finished row of the ledger, has to keep up besides itself: fewer indexes, and one check instead of nine.

set local lock_timeout = '5s';

-- Nearly all rows are SUCCESS, and those are found by what they came to (0019). Its predicate is not that of the other partial indexes: who
-- asks for a user's open events must not be led to it. Where it is built, writers of the ledger wait while it is read once.
create index if not exists integration_sync_log_unfinished_idx on public.integration_sync_log (status, id) where status in ('PENDING', 'FAILED');
drop index if exists public.integration_sync_log_status_idx;
-- The primary key has the order of time, near enough to search in (auth_sync_id_at_v1).
drop index if exists public.integration_sync_log_created_idx;

-- Whether a row is in one of the states that there are. In PL/pgSQL, which compiles it once a session: every statement that writes
-- reads each check expression anew, and those of nine constraints took longer than writing an index. Rows that are there are not
-- checked again when this changes: whoever changes it adds the constraint anew, under the next version.
create or replace function public.auth_sync_is_known_state_v1(
  p_direction text, p_operation text, p_status text, p_outcome text, p_error_message text,
  p_next_attempt_at timestamptz, p_completed_at timestamptz, p_lease text
) returns boolean language plpgsql immutable set search_path = '' as $$
begin
  return
    case p_direction
      when 'inbound' then p_operation in ('INSERT', 'UPDATE', 'DELETE')
      when 'outbound' then p_operation in ('disable_auth_user', 'enable_auth_user', 'update_auth_email', 'create_auth_user')
      when 'maintenance' then p_operation in ('reconcile')
      else false end
    and case p_status
      when 'PENDING' then p_outcome is null and p_completed_at is null
      when 'SUCCESS' then
        p_completed_at is not null and p_error_message is null and p_next_attempt_at is null and p_lease is null
        and p_outcome is not null and case p_direction
          when 'inbound' then p_outcome in ('linked', 'synced', 'unchanged', 'orphaned', 'unmatched', 'unconfirmed', 'ignored', 'stale')
          when 'outbound' then p_outcome in ('disabled', 'enabled', 'email_updated', 'created', 'linked', 'unchanged', 'stale', 'gone', 'undone')
          else p_outcome in ('reconciled') end
      when 'FAILED' then
        p_error_message is not null
        and p_outcome is not null and case p_direction
          when 'inbound' then p_outcome in ('ambiguous', 'already_linked', 'email_taken', 'employee_rejected', 'unreadable', 'not_applied')
          when 'outbound' then p_outcome in ('user_not_found', 'email_taken', 'auth_refused', 'auth_unavailable', 'not_performed')
          else p_outcome in ('incomplete', 'interrupted') end
      else false end;
end $$;

-- Not valid: what is there has passed the nine, which say the same, and is not read through under this lock.
alter table public.integration_sync_log
  drop constraint if exists known_direction,
  drop constraint if exists known_operation,
  drop constraint if exists known_status,
  drop constraint if exists pending_is_open,
  drop constraint if exists success_is_closed,
  drop constraint if exists failure_has_a_reason,
  drop constraint if exists known_outcome,
  drop constraint if exists known_failure,
  drop constraint if exists lease_is_open,
  drop constraint if exists known_state,
  add constraint known_state check (public.auth_sync_is_known_state_v1(
    direction, operation, status, outcome, error_message, next_attempt_at, completed_at, lease)) not valid;

-- The id that halving leads to between a row older than p_at and one that is not; null where there is no row. An id is drawn within an hour of
-- created_at, or the transaction was longer: so what has a smaller id is not younger than an hour after p_at, and what has a
-- larger one not older than an hour before.
create or replace function public.auth_sync_id_at_v1(p_at timestamptz) returns bigint
language plpgsql stable security definer set search_path = '' set enable_seqscan = off set enable_bitmapscan = off set jit = off as $$
declare
  older bigint := (select min(id) - 1 from public.integration_sync_log);
  younger bigint := (select max(id) + 1 from public.integration_sync_log);
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

-- As in 0019, by id.
create or replace function public.auth_sync_id_range_v1(p_filter jsonb, out above bigint, out below bigint)
language plpgsql stable security definer set search_path = '' set enable_seqscan = off as $$
begin
  if (select max(id) - min(id) from public.integration_sync_log) > 100000 then
    above := public.auth_sync_id_at_v1((p_filter ->> 'since')::timestamptz - interval '1 hour');
    below := public.auth_sync_id_at_v1((p_filter ->> 'until')::timestamptz + interval '1 hour') + 1;
  end if;
  above := coalesce(above, -1);
  below := coalesce(below, 9223372036854775807);
end $$;

-- As in 0019; but what is done is found by its kinds.
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

-- As in 0019, by id.
create or replace function public.auth_sync_hours_v1(p_hours integer) returns jsonb
language plpgsql stable security definer set search_path = '' set plan_cache_mode = force_custom_plan
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set enable_bitmapscan = off set jit = off as $$
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

-- As in 0013, by id.
create or replace function public.auth_sync_prune_v1(p_before timestamptz, p_limit integer, p_dry_run boolean) returns bigint
language plpgsql security definer set search_path = '' set lock_timeout = '1500ms' set statement_timeout = '3s' as $$
declare
  below bigint := (select r.below from public.auth_sync_id_range_v1(jsonb_build_object('until', p_before)) as r);
  pruned bigint;
begin
  if p_dry_run then
    select count(*) into pruned from public.integration_sync_log
     where id < below and created_at < p_before and completed_at < p_before and status = 'SUCCESS';
    return pruned;
  end if;
  with gone as (
    delete from public.integration_sync_log
     where id in (select id from public.integration_sync_log
                   where id < below and created_at < p_before and completed_at < p_before and status = 'SUCCESS'
                   order by id limit p_limit for update skip locked)
    returning 1
  )
  select count(*) into pruned from gone;
  delete from public.auth_sync_relays where last_run_at < now() - interval '1 day';
  return pruned;
end $$;

-- As in 0005, and between the ids that the filter's time allows.
create or replace function public.auth_sync_replayable_v1(p_filter jsonb, p_after bigint, p_limit integer) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
  condition text := (select format('%s and direction = ''inbound'' and id > %s and id < %s', public.auth_sync_condition_v1(p_filter), r.above, r.below)
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

-- As in 0021, and between the ids that the filter's time allows.
create or replace function public.auth_sync_bulk_condition_v1(p_filter jsonb) returns text
language sql stable set search_path = '' as $$
  select public.auth_sync_condition_v1(p_filter - 'given_up')
    || case (p_filter ->> 'given_up')::boolean
         when true then ' and status = ''FAILED'' and next_attempt_at is null'
         when false then ' and (status <> ''FAILED'' or next_attempt_at is not null)' else '' end
    || ' and (direction = ''inbound'' or direction = ''outbound'' and status = ''FAILED'')'
    || format(' and id > %s and id < %s', r.above, r.below)
    from public.auth_sync_id_range_v1(p_filter) as r
$$;

select public.auth_sync_secure_v1();
