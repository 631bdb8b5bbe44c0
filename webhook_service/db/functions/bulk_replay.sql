-- Bulk replays: an admin replays all events and actions that match a filter.
-- Relays process them part by part, at a rate that does not delay live events. A relay claims a part, applies it in
-- webhook_service/ledger/bulk_replay.py, and settles it while it holds the lease.

-- Returns a bulk replay in the form that pages and relays read: its row without the lease and the part.
create or replace function public.auth_sync_bulk_replay_json_v1(p_job public.auth_sync_bulk_replays) returns jsonb
language sql stable set search_path = '' as $$
  select to_jsonb(p_job) - array['lease', 'leased_until', 'part', 'part_end', 'part_begun_at', 'next_due']
$$;

-- Returns a condition on integration_sync_log for the rows that a bulk replay covers: events of any status, and failed actions, between the
-- ids that the filter's time allows. needs_attention may be true or false. Dismissed rows are not covered: an admin has decided about each.
create or replace function public.auth_sync_bulk_condition_v1(p_filter jsonb) returns text
language sql stable set search_path = '' as $$
  select public.auth_sync_condition_v1(p_filter - 'needs_attention')
    || case (p_filter ->> 'needs_attention')::boolean
         when true then ' and status = ''FAILED'' and next_attempt_at is null and dismissed_at is null'
         when false then ' and (status <> ''FAILED'' or next_attempt_at is not null)' else '' end
    || ' and dismissed_at is null and (direction = ''inbound'' or direction = ''outbound'' and status = ''FAILED'')'
    -- A replay approves the change of a client, so it must be asked for.
    || case when p_filter ->> 'outcome' = 'changed_by_client' then '' else ' and outcome is distinct from ''changed_by_client''' end
    || format(' and id > %s and id < %s', r.above, r.below)
    from public.auth_sync_id_range_v1(p_filter) as r
$$;

-- Returns an event in the form that a replay needs: {id, event_id, operation, version, auth_user_id, request_data}.
create or replace function public.auth_sync_replay_row_v1(p_entry public.integration_sync_log) returns jsonb
language sql immutable set search_path = '' as $$
  select jsonb_build_object('id', p_entry.id, 'event_id', p_entry.event_id, 'operation', p_entry.operation, 'version', p_entry.version,
                            'auth_user_id', p_entry.auth_user_id, 'request_data', p_entry.request_data)
$$;

-- Returns the rows that a bulk replay would cover: {"matched": number of rows, "actions": number of actions among them, "events": the first
-- p_limit events}.
create or replace function public.auth_sync_bulk_preview_v1(p_filter jsonb, p_limit integer) returns jsonb
language plpgsql stable security definer set search_path = '' set statement_timeout = '3s' set jit = off as $$
#variable_conflict use_variable
declare
  condition text := public.auth_sync_bulk_condition_v1(p_filter);
  matched bigint;
  actions bigint;
  events jsonb;
begin
  execute format('select count(*), count(*) filter (where direction = ''outbound'') from public.integration_sync_log where %s', condition)
    into matched, actions;
  execute format(
    'select coalesce(jsonb_agg(public.auth_sync_replay_row_v1(e) order by (e).id), ''[]'')
       from (select l as e from public.integration_sync_log l where %s and direction = ''inbound'' order by id limit $1) as first', condition)
    into events using p_limit;
  return jsonb_build_object('matched', matched, 'actions', actions, 'events', events);
end $$;

-- Begins a bulk replay: {"id", "matched"}. If no row matches, it ends at once with the status DONE.
create or replace function public.auth_sync_begin_bulk_replay_v1(p_filter jsonb, p_requested_by text) returns jsonb
language plpgsql security definer set search_path = '' set statement_timeout = '3s' set jit = off as $$
#variable_conflict use_variable
declare
  fitting bigint;
  first_id bigint;
  last_id bigint;
  job bigint;
begin
  execute format('select count(*), min(id), max(id) from public.integration_sync_log where %s',
                 public.auth_sync_bulk_condition_v1(p_filter)) into fitting, first_id, last_id;
  insert into public.auth_sync_bulk_replays (filter, requested_by, status, matched, up_to, position, ended_at)
  values (p_filter, p_requested_by, case when fitting = 0 then 'DONE' else 'RUNNING' end, fitting, coalesce(last_id, 0),
          coalesce(first_id - 1, 0), case when fitting = 0 then now() end)
  returning id into job;
  return jsonb_build_object('id', job, 'matched', fitting);
end $$;

-- Returns the newest p_limit bulk replays.
create or replace function public.auth_sync_bulk_replays_v1(p_limit integer) returns jsonb
language sql stable security definer set search_path = '' as $$
  select coalesce(jsonb_agg(public.auth_sync_bulk_replay_json_v1(j) order by j.id desc), '[]')
    from (select * from public.auth_sync_bulk_replays order by id desc limit p_limit) as newest
    join public.auth_sync_bulk_replays j using (id)
$$;

-- Returns a page of bulk replays, newest first: {"jobs", "next": the p_below of the next page, or null}.
create or replace function public.auth_sync_bulk_replays_page_v1(p_below bigint, p_limit integer) returns jsonb
language sql stable security definer
set search_path = '' set plan_cache_mode = force_custom_plan set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off as $$
  with page as (
    select j.id from public.auth_sync_bulk_replays j where j.id < coalesce(p_below, 9223372036854775807) order by j.id desc limit p_limit + 1
  ), shown as (
    select page.id from page order by page.id desc limit p_limit
  )
  select jsonb_build_object(
    'jobs', (select coalesce(jsonb_agg(public.auth_sync_bulk_replay_json_v1(j) order by j.id desc), '[]')
               from shown join public.auth_sync_bulk_replays j on j.id = shown.id),
    'next', case when (select count(*) from page) > p_limit then (select min(shown.id) from shown) end)
$$;

-- Returns one bulk replay, or null.
create or replace function public.auth_sync_bulk_replay_v1(p_id bigint) returns jsonb
language sql stable security definer set search_path = '' as $$
  select public.auth_sync_bulk_replay_json_v1(j) from public.auth_sync_bulk_replays j where id = p_id
$$;

-- Cancels a bulk replay and returns it, or null if there is none. Relays claim no further part. A part that a relay is processing is
-- finished and counted. A bulk replay that has already ended is returned unchanged.
create or replace function public.auth_sync_cancel_bulk_replay_v1(p_id bigint, p_requested_by text) returns jsonb
language sql volatile security definer set search_path = '' set lock_timeout = '1500ms' as $$
  update public.auth_sync_bulk_replays
     set status = 'CANCELLED', cancelled_by = p_requested_by, ended_at = now(), updated_at = now()
   where id = p_id and status = 'RUNNING';
  select public.auth_sync_bulk_replay_v1(p_id)
$$;

-- Returns the sum of two {outcome: count}.
create or replace function public.auth_sync_sum_counts_v1(p_one jsonb, p_other jsonb) returns jsonb
language sql immutable set search_path = '' as $$
  select coalesce(jsonb_object_agg(key, n), '{}')
    from (select key, sum(value::bigint) as n
            from (select * from jsonb_each_text(p_one) union all select * from jsonb_each_text(p_other)) as counts group by key) as sums
$$;

-- Adds to the counts of a bulk replay, and returns its row. If p_position is given, the part is finished. If it was the last part, the bulk
-- replay is finished too.
create or replace function public.auth_sync_advance_bulk_replay_v1(
  p_id bigint, p_position bigint, p_replayed bigint, p_changed bigint, p_outcomes jsonb
) returns public.auth_sync_bulk_replays
language plpgsql security definer set search_path = '' as $$
#variable_conflict use_variable
declare
  job public.auth_sync_bulk_replays;
begin
  update public.auth_sync_bulk_replays
     set replayed = replayed + p_replayed,
         changed = changed + p_changed,
         outcomes = public.auth_sync_sum_counts_v1(outcomes, p_outcomes),
         updated_at = now()
   where id = p_id returning * into job;
  if p_position is not null then
    update public.auth_sync_bulk_replays
       set position = p_position, lease = null, leased_until = null, part = null, part_end = null, part_begun_at = null,
           status = case when status = 'RUNNING' and p_position >= up_to then 'DONE' else status end,
           ended_at = case when status = 'RUNNING' and p_position >= up_to then now() else ended_at end
     where id = p_id returning * into job;
  end if;
  return job;
end $$;

-- Makes failed actions due now, after the actions that wait already, and records the admin who requested it. Returns the number of actions.
create or replace function public.auth_sync_ask_again_v1(p_ids bigint[], p_requested_by text) returns bigint
language sql security definer set search_path = '' as $$
  with requested as (
    update public.integration_sync_log set next_attempt_at = least(next_attempt_at, now()), priority = 1
     where id = any (p_ids) and direction = 'outbound' and status = 'FAILED'
    returning id, outcome
  ), recorded as (
    insert into public.integration_sync_replays (log_id, requested_by, status_before, outcome_before, status, outcome)
    select id, p_requested_by, 'FAILED', outcome, 'FAILED', 'asked_again' from requested returning 1
  )
  select count(*) from recorded
$$;

-- Continues a part whose relay no longer runs. Counts the events that the relay had finished according to the records of replays. The other
-- events stay in the part. Returns the bulk replay's row.
create or replace function public.auth_sync_resume_bulk_replay_v1(p_job public.auth_sync_bulk_replays)
returns public.auth_sync_bulk_replays language plpgsql security definer set search_path = '' as $$
#variable_conflict use_variable
declare
  job public.auth_sync_bulk_replays;
  done record;
begin
  with found as (
    select distinct on (r.log_id) r.log_id, r.outcome, l.changes <> '{}' and l.completed_at = r.requested_at as has_changed
      from public.integration_sync_replays r join public.integration_sync_log l on l.id = r.log_id
     where r.log_id = any (p_job.part) and r.requested_by = p_job.requested_by and r.requested_at >= p_job.part_begun_at
     order by r.log_id, r.id
  )
  select coalesce(array_agg(log_id), '{}') as ids, count(*) as n, count(*) filter (where has_changed) as changed,
         (select coalesce(jsonb_object_agg(outcome, n), '{}') from (select outcome, count(*) as n from found group by outcome) as o) as outcomes
    into done from found;
  job := public.auth_sync_advance_bulk_replay_v1(p_job.id, null, done.n, done.changed, done.outcomes);
  update public.auth_sync_bulk_replays
     set part = array(select l.id from public.integration_sync_log l where l.id = any (part) and l.id <> all (done.ids) order by 1)
   where id = job.id returning * into job;
  return job;
end $$;

-- Finds the next part: at most p_limit rows after the position, within 100,000 ids, so that the read is fast. Makes failed actions among
-- these rows due at once. The events become the part of the relay that claims it. Returns the bulk replay's row and the number of rows
-- found.
create or replace function public.auth_sync_next_part_v1(
  p_job public.auth_sync_bulk_replays, p_limit integer, out job public.auth_sync_bulk_replays, out found_rows integer
) language plpgsql security definer set search_path = '' as $$
#variable_conflict use_variable
declare
  stretch_end bigint := least(p_job.up_to, p_job.position + 100000);
  ids bigint[];
  actions bigint[];
  requested bigint;
begin
  execute format(
    'select coalesce(array_agg(id order by id), ''{}''), coalesce(array_agg(id) filter (where direction = ''outbound''), ''{}'')
       from (select id, direction from public.integration_sync_log where %s and id > $1 and id <= $2 order by id limit $3) as next',
    public.auth_sync_bulk_condition_v1(p_job.filter)) into ids, actions using p_job.position, stretch_end, p_limit;
  found_rows := cardinality(ids);
  if found_rows = p_limit then
    stretch_end := ids[p_limit];
  end if;
  requested := public.auth_sync_ask_again_v1(actions, p_job.requested_by);
  job := public.auth_sync_advance_bulk_replay_v1(p_job.id, null, requested, 0,
    case when requested > 0 then jsonb_build_object('asked_again', requested) else '{}' end);
  update public.auth_sync_bulk_replays
     set part = array(select i from unnest(ids) as i where i <> all (actions) order by i), part_end = stretch_end,
         part_begun_at = clock_timestamp()
   where id = job.id returning * into job;
end $$;

-- Claims the next part of a running bulk replay, at a rate of p_limit rows a second over all bulk replays and relays. Returns {"job": as
-- above, with the "part_end" to settle at, or null if no part is due; "events": [...]; "next_in": seconds until there may be more, or
-- null}.
create or replace function public.auth_sync_claim_bulk_replay_v1(p_relay text, p_limit integer, p_lease_seconds integer) returns jsonb
language plpgsql security definer
set search_path = '' set lock_timeout = '1500ms' set statement_timeout = '3s' set enable_seqscan = off set jit = off as $$
#variable_conflict use_variable
declare
  job public.auth_sync_bulk_replays;
  due timestamptz;
  taken integer;
  next_part record;
begin
  if not exists (select from public.auth_sync_bulk_replays where status = 'RUNNING') then
    return '{"job": null, "events": [], "next_in": null}';
  elsif not pg_try_advisory_xact_lock(6120583490247718226) then
    return '{"job": null, "events": [], "next_in": 0.1}';  -- another relay is claiming a part at this moment
  end if;
  select max(next_due) into due from public.auth_sync_bulk_replays;
  if due <= clock_timestamp() then
    select * into job from public.auth_sync_bulk_replays
     where status = 'RUNNING' and (leased_until is null or leased_until < now() or lease = p_relay)
     order by next_due, id limit 1 for update;
  end if;
  if job.id is null then
    if due <= clock_timestamp() then
      select min(leased_until) into due from public.auth_sync_bulk_replays where status = 'RUNNING';
    end if;
    return jsonb_build_object('job', null, 'events', '[]'::jsonb, 'next_in', greatest(extract(epoch from due - clock_timestamp()), 0.1));
  end if;

  if job.part is not null then
    job := public.auth_sync_resume_bulk_replay_v1(job);
    taken := cardinality(job.part);
  else
    select * into next_part from public.auth_sync_next_part_v1(job, p_limit);
    job := next_part.job;
    taken := next_part.found_rows;
  end if;
  due := clock_timestamp() + make_interval(secs => taken::double precision / p_limit);
  if job.part = '{}' then
    job := public.auth_sync_advance_bulk_replay_v1(job.id, job.part_end, 0, 0, '{}');
    update public.auth_sync_bulk_replays set next_due = due where id = job.id;
  else
    update public.auth_sync_bulk_replays
       set next_due = due, lease = p_relay, leased_until = now() + make_interval(secs => p_lease_seconds) where id = job.id;
  end if;
  return jsonb_build_object(
    'job', public.auth_sync_bulk_replay_json_v1(job) || jsonb_build_object('part_end', job.part_end),
    'events', (select coalesce(jsonb_agg(public.auth_sync_replay_row_v1(l) order by l.id), '[]')
                 from public.integration_sync_log l where l.id = any (job.part)),
    'next_in', extract(epoch from due - clock_timestamp()));
end $$;

-- Settles a part up to p_position while p_relay still holds its lease. Returns whether the part was settled. p_failed lists the events that
-- could not be applied at all, [{event_id, outcome, error}], and records each as failed. With p_error the whole bulk replay has failed.
create or replace function public.auth_sync_settle_bulk_replay_v1(
  p_id bigint, p_relay text, p_position bigint, p_replayed bigint, p_changed bigint, p_outcomes jsonb, p_error text default null,
  p_failed jsonb default '[]'
) returns boolean
language plpgsql security definer set search_path = '' set lock_timeout = '1500ms' set statement_timeout = '3s' as $$
#variable_conflict use_variable
declare
  job public.auth_sync_bulk_replays;
  failed record;
begin
  select * into job from public.auth_sync_bulk_replays where id = p_id and lease = p_relay for update;
  if not found then
    return false;
  end if;
  for failed in
    select l.id, l.event_id, l.status, l.outcome, f ->> 'outcome' as now_outcome, f ->> 'error' as error
      from jsonb_array_elements(p_failed) as f join public.integration_sync_log l on l.event_id = f ->> 'event_id'
  loop
    insert into public.integration_sync_replays (log_id, requested_by, status_before, outcome_before, status, outcome)
    values (failed.id, job.requested_by, failed.status, failed.outcome, 'FAILED', failed.now_outcome);
    perform public.auth_sync_fail_v1(failed.event_id, failed.now_outcome, failed.error, null);
  end loop;
  perform public.auth_sync_advance_bulk_replay_v1(p_id, p_position, p_replayed, p_changed, p_outcomes);
  if p_error is not null then
    update public.auth_sync_bulk_replays set status = 'FAILED', error_message = p_error, ended_at = now()
     where id = p_id and status in ('RUNNING', 'DONE');
  end if;
  return true;
end $$;
