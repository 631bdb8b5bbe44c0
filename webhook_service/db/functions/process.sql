-- Applies events to employees: auth_sync_process_v1 applies a batch in one transaction. Webhook, relay, replay and reconcile call it.
--
-- A work is the decision about one event (webhook_service/inbound/handlers.py), as JSON:
--   event_id, operation, auth_user_id, version, via, requested_by, lease
--   user     the mapped state of the auth user
--   copy     {column: value}: the values that this event has for the employee
--   columns  the columns that the settings allow to copy
--   key      {"email": …} or {"employee_number": …} or null: finds the employee of an unlinked auth user
--   steps    {situation: step} for all five situations (auth_sync_situation_v1 in employee.sql). A step is link, sync or flag_orphan. If
--            nothing is written, the step is the outcome, such as unmatched or ambiguous.

-- Records the outcome of an event in its ledger row. A replay that changed nothing leaves the row unchanged, because the row records what
-- the event did. A failed event is due again after a backoff. If the backoff is null, the row needs attention.
create or replace function public.auth_sync_record_v1(
  p_entry public.integration_sync_log, p_outcome text, p_error text, p_employee_id bigint, p_changes jsonb, p_requested_by text
) returns void language plpgsql security definer set search_path = '' as $$
#variable_conflict use_variable
declare
  new_status text := case when p_error is null then 'SUCCESS' else 'FAILED' end;
begin
  if p_entry.status <> 'SUCCESS' or new_status <> 'SUCCESS' or p_changes <> '{}' then
    update public.integration_sync_log
       set status = new_status,
           outcome = p_outcome,
           error_message = p_error,
           employee_id = coalesce(p_employee_id, employee_id),
           changes = p_changes,
           attempts = attempts + 1,
           next_attempt_at = case when p_error is not null then now() + public.auth_sync_backoff_v1(attempts + 1) end,
           dismissed_at = null,
           lease = null,
           leased_until = null,
           via = p_entry.via,
           completed_at = case when p_error is null then now() end
     where id = p_entry.id;
  end if;
  if p_requested_by is not null then
    insert into public.integration_sync_replays (log_id, requested_by, status_before, outcome_before, status, outcome)
    values (p_entry.id, p_requested_by, p_entry.status, p_entry.outcome, new_status, p_outcome);
  end if;
end $$;

-- Returns whether a newer event of the user was recorded more than an hour ago. In this case the event must not change anything: its e-mail
-- may belong to another person by now, and its names may have been removed. The function also reads the state, because newer events may
-- have been pruned. It reads the ledger by spans of ids (auth_sync_spans_v1), because the index is ordered by them.
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

-- Returns whether this work may be applied now. A replay may always be applied. The relay may apply an event under its lease, and an older
-- event without a lease that must be applied before a newer one. All other callers may apply a pending event that has no lease.
create or replace function public.auth_sync_is_open_v1(p_entry public.integration_sync_log, p_work jsonb) returns boolean
language sql stable set search_path = '' as $$
  select case p_work ->> 'via'
    when 'replay' then true
    when 'relay' then (p_entry.status = 'PENDING' or p_entry.next_attempt_at is not null)
                      and coalesce(p_work ->> 'lease' = p_entry.lease, p_work ->> 'lease' is null)
    else p_entry.status = 'PENDING' and coalesce(p_entry.leased_until < now(), true)
         and (p_entry.auth_user_id::text, p_entry.version::text) is not distinct from (p_work ->> 'auth_user_id', p_work ->> 'version') end
$$;

-- Applies one work whose rows are locked, and returns {event_id, status, outcome, employee_id}, with changes for a replay or reconciliation.
create or replace function public.auth_sync_apply_v1(p_work jsonb) returns jsonb
language plpgsql security definer set search_path = '' as $$
#variable_conflict use_variable
declare
  entry public.integration_sync_log;
  known public.auth_user_state;
  is_replay boolean := p_work ->> 'via' = 'replay';
  is_again boolean;
  is_newest boolean;
  place jsonb;
  step text;
  target bigint;
  copy jsonb;
  names text[];
  left_out text;
  done jsonb := '{}';
  outcome text;
  error text;
begin
  select * into strict entry from public.integration_sync_log where event_id = p_work ->> 'event_id';
  if not public.auth_sync_is_open_v1(entry, p_work) then
    return jsonb_build_object('event_id', entry.event_id, 'status', entry.status, 'outcome', 'duplicate', 'employee_id', entry.employee_id);
  end if;
  is_again := is_replay or entry.status = 'FAILED';
  if not is_replay then
    entry.via := p_work ->> 'via';
  end if;

  known := public.auth_sync_remember_v1(
    p_work || jsonb_build_object('record_hash', public.auth_sync_hash_v1(nullif(entry.request_data -> 'record', 'null'))), entry.id);
  is_newest := (known.version, known.log_id) = (entry.version, entry.id);
  -- A link that was made is kept. So an overtaken event may still make the link that it would have made in time.
  if is_newest or not (is_again or public.auth_sync_is_too_late_v1(entry)) then
    place := public.auth_sync_situation_v1(known, p_work -> 'key');
    step := p_work -> 'steps' ->> (place ->> 'situation');
    if p_work -> 'key' ? 'email' and place ->> 'situation' <> 'linked' and not public.auth_sync_links_by_email_v1() then
      step := 'unconfirmed';
    end if;
    target := case when step is distinct from 'unconfirmed' then (place ->> 'employee_id')::bigint end;
    if is_replay and (place ->> 'is_memory')::boolean then
      step := 'unmatched';  -- the orphan was flagged before, and a person may have cleared the flag since
      target := null;
    end if;
  else
    step := 'stale';
  end if;

  if step in ('link', 'sync', 'flag_orphan') then
    copy := public.auth_sync_copy_v1(p_work, step, known, entry.id);
    -- Users write their names themselves, so a refused name must not make the event fail. The event is applied without one of the names, or
    -- else without all of them.
    names := array(select k from jsonb_object_keys(copy) as k where k <> 'email' order by k);
    foreach left_out in array array_remove(array[''] || names || case when cardinality(names) > 1 then array_to_string(names, ' ') end, null) loop
      done := public.auth_sync_try_update_v1(target, known, copy - string_to_array(left_out, ' '));
      exit when done ->> 'outcome' is distinct from 'employee_rejected';
    end loop;
    error := done ->> 'error';
    outcome := case
      when error is not null then done ->> 'outcome'
      when done -> 'changes' ? 'orphaned_auth_user_id' and known.deleted_at is not null then 'orphaned'
      when step = 'flag_orphan' then 'unmatched'
      when step = 'link' then 'linked'
      when done -> 'changes' <> '{}' then 'synced'
      else 'unchanged' end;
  else
    outcome := step;
    if outcome in ('ambiguous', 'already_linked') then
      error := format('employees that match: %s', place ->> 'employee_ids');
    end if;
  end if;

  if not is_newest and error is null and coalesce(done -> 'changes', '{}') = '{}' then
    outcome := 'stale';
  end if;
  if error is null and target is distinct from known.employee_id and target is not null
     and not exists (select from public.auth_sync_client_changes c  -- a link that a client wrote does not hide the employee before it
                      where c.employee_id = target and c.changed = 'auth_user_id' and c.value = known.auth_user_id::text) then
    update public.auth_user_state set employee_id = target where auth_user_id = known.auth_user_id;
  end if;
  perform public.auth_sync_record_v1(entry, outcome, error, target, coalesce(done -> 'changes', '{}'),
                                     case when is_replay then p_work ->> 'requested_by' end);
  if is_newest then
    perform public.auth_sync_request_actions_v1(known.auth_user_id, p_work -> 'columns', p_work ->> 'via');
  end if;
  return jsonb_build_object('event_id', entry.event_id, 'status', case when error is null then 'SUCCESS' else 'FAILED' end,
                            'outcome', outcome, 'employee_id', target)
    || case when p_work ->> 'via' in ('replay', 'reconcile') then jsonb_build_object('changes', coalesce(done -> 'changes', '{}')) else '{}' end;
end $$;

-- Enters the new events of a batch into the ledger, and locks all rows that the batch may write. Locks the ledger rows first, then the
-- states, then the employees, each sorted. Each phase is complete before the next begins, so two batches cannot deadlock.
create or replace function public.auth_sync_lock_v1(p_works jsonb) returns void
language plpgsql security definer set search_path = '' set plan_cache_mode = force_custom_plan as $$
#variable_conflict use_variable
declare
  users uuid[];
begin
  insert into public.integration_sync_log (event_id, direction, operation, auth_user_id, version, request_data, via)
  select w ->> 'event_id', 'inbound', w ->> 'operation', (w ->> 'auth_user_id')::uuid, (w ->> 'version')::bigint, w -> 'user', w ->> 'via'
    from jsonb_array_elements(p_works) as w
   where w ->> 'via' <> 'replay'
   order by w ->> 'event_id' collate "C"
  on conflict (event_id) do nothing;

  perform from public.integration_sync_log
    where event_id in (select w ->> 'event_id' from jsonb_array_elements(p_works) as w)
    order by event_id collate "C" for update;

  select array_agg(distinct (w ->> 'auth_user_id')::uuid) into users from jsonb_array_elements(p_works) as w;
  insert into public.auth_user_state (auth_user_id) select u from unnest(users) as u order by u on conflict do nothing;
  perform from public.auth_user_state where auth_user_id = any (users) order by auth_user_id for update;

  perform from public.employees t
    where t.employee_id = any (array(
      select e.employee_id from public.employees e where e.auth_user_id = any (users)
      union
      select s.employee_id from public.auth_user_state s where s.auth_user_id = any (users)
      union
      select e.employee_id
        from jsonb_array_elements(p_works) as w (work)
       cross join lateral (
         select e.employee_id from public.employees e
          where btrim(e.employee_number::varchar::text, public.auth_sync_invisible_v1()) = w.work -> 'key' ->> 'employee_number' offset 0) as e
      union
      select e.employee_id
        from jsonb_array_elements(p_works) as w (work)
       cross join lateral (
         select e.employee_id from public.employees e
          where lower(btrim(e.email::varchar::text, public.auth_sync_invisible_v1()) collate "C") collate "default"
                = public.auth_sync_normal_v1(w.work -> 'key' ->> 'email') offset 0) as e))
    order by t.employee_id for no key update;
end $$;

-- Applies each work separately, older versions first, except the event ids in p_done. The caller has locked the rows with
-- auth_sync_lock_v1. Returns a result for each work that is in the ledger.
create or replace function public.auth_sync_apply_each_v1(p_works jsonb, p_done text[] default '{}') returns jsonb
language plpgsql security definer set search_path = '' as $$
#variable_conflict use_variable
declare
  work jsonb;
  results jsonb := '[]';
begin
  for work in
    select w from jsonb_array_elements(p_works) as w
     cross join lateral (select l.id from public.integration_sync_log l where l.event_id = w ->> 'event_id' offset 0) as l
     where w ->> 'event_id' <> all (p_done)
     order by (w ->> 'version')::bigint, l.id
  loop
    results := results || jsonb_build_array(public.auth_sync_apply_v1(work));
  end loop;
  return results;
end $$;

-- Returns the ledger rows that must be applied before these works: the oldest pending events of the same auth users, at most p_limit.
-- Returns null if there are none.
create or replace function public.auth_sync_earlier_v1(p_works jsonb, p_limit integer) returns jsonb
language sql stable security definer set search_path = '' set plan_cache_mode = force_custom_plan as $$
  with given as (
    select w ->> 'event_id' as event_id, (w ->> 'auth_user_id')::uuid as auth_user_id, (w ->> 'version')::bigint as version
      from jsonb_array_elements(p_works) as w where w ->> 'via' <> 'replay'
  )
  select jsonb_agg(to_jsonb(earlier) order by earlier.version, earlier.id)
    from (select l.*
            from (select auth_user_id, max(version) as version from given group by 1) as wanted
           cross join lateral (
             select l.id, l.event_id, l.operation, l.version, l.auth_user_id, l.request_data
               from public.integration_sync_log l
              where l.auth_user_id = wanted.auth_user_id and l.version < wanted.version and l.direction = 'inbound'
                and l.status <> 'SUCCESS' and l.status <> 'FAILED'  -- not = 'PENDING', for which an index of all pending rows may be read
                and l.event_id not in (select event_id from given)
              order by l.version, l.id
              limit p_limit) as l
           order by l.version, l.id
           limit p_limit) as earlier
$$;

-- Returns the event ids of the works that are held: another transaction, such as a long import, has locked the state of their auth user or
-- an employee that they may write. Locks the rows of all other works in the order of auth_sync_lock_v1. It waits for locked ledger rows,
-- because only relays that claim rows lock them, and only for a moment.
create or replace function public.auth_sync_held_v1(p_works jsonb) returns jsonb
language plpgsql security definer set search_path = '' set plan_cache_mode = force_custom_plan as $$
#variable_conflict use_variable
declare
  held text[];
begin
  perform from public.integration_sync_log
    where event_id in (select w ->> 'event_id' from jsonb_array_elements(p_works) as w) order by event_id collate "C" for update;
  with given as (
    select w ->> 'event_id' as event_id, (w ->> 'auth_user_id')::uuid as auth_user_id from jsonb_array_elements(p_works) as w
  ), free_states as (
    select auth_user_id from public.auth_user_state
     where auth_user_id in (select auth_user_id from given) order by auth_user_id for update skip locked
  )
  select array_agg(g.event_id) into held
    from given g
   where exists (select from public.auth_user_state s where s.auth_user_id = g.auth_user_id)
     and g.auth_user_id not in (select auth_user_id from free_states);

  with given as (
    select w ->> 'event_id' as event_id, (w ->> 'auth_user_id')::uuid as auth_user_id, w -> 'key' as key
      from jsonb_array_elements(p_works) as w
  ), needed as (
    select g.event_id, e.employee_id from given g join public.employees e on e.auth_user_id = g.auth_user_id
    union
    select g.event_id, s.employee_id
      from given g join public.auth_user_state s on s.auth_user_id = g.auth_user_id where s.employee_id is not null
    union
    select g.event_id, e.employee_id from given g join public.employees e on btrim(e.employee_number::varchar::text, public.auth_sync_invisible_v1()) = g.key ->> 'employee_number'
    union
    select g.event_id, e.employee_id
      from given g
      join public.employees e
        on lower(btrim(e.email::varchar::text, public.auth_sync_invisible_v1()) collate "C") collate "default"
           = public.auth_sync_normal_v1(g.key ->> 'email')
  ), free as (
    select e.employee_id from public.employees e
     where e.employee_id in (select n.employee_id from needed n) order by e.employee_id for no key update skip locked
  )
  select held || array_agg(distinct n.event_id) into held
    from needed n
   where n.employee_id not in (select employee_id from free)
     and exists (select from public.employees e where e.employee_id = n.employee_id);
  return to_jsonb(coalesce(held, '{}'));
end $$;

-- Returns the actions that were entered for the auth users of these works with a ledger id above p_id, one of each kind for each user:
-- [{operation, auth_user_id, employee_id, "email": of the auth user, or null}].
create or replace function public.auth_sync_entered_after_v1(p_id bigint, p_works jsonb) returns jsonb
language sql stable security definer set search_path = '' as $$
  select coalesce(jsonb_agg(to_jsonb(entered)), '[]')
    from (select distinct on (a.auth_user_id, a.operation) a.operation, a.auth_user_id, a.employee_id, s.email
            from (select distinct (w ->> 'auth_user_id')::uuid as auth_user_id from jsonb_array_elements(p_works) as w) as u
           cross join lateral (
             select l.id, l.operation, l.auth_user_id, l.employee_id from public.integration_sync_log l
              where l.auth_user_id = u.auth_user_id and l.status <> 'SUCCESS' and l.direction = 'outbound' and l.id > p_id offset 0) as a
            left join lateral (
              select s.email from public.auth_user_state s where s.auth_user_id = a.auth_user_id offset 0) as s on true
           order by a.auth_user_id, a.operation, a.id) as entered
$$;

-- Adds the "name" of the employee to each action. It is null if the employee is gone or has none.
create or replace function public.auth_sync_named_v1(p_actions jsonb) returns jsonb
language sql stable security definer set search_path = '' as $$
  select coalesce(jsonb_agg(a.action || jsonb_build_object('name', n.name)), '[]')
    from jsonb_array_elements(p_actions) as a (action)
    left join lateral (
      select nullif(concat_ws(' ', to_jsonb(e.*) ->> 'first_name', to_jsonb(e.*) ->> 'last_name'), '') as name
        from public.employees e where e.employee_id = (a.action ->> 'employee_id')::bigint offset 0) as n on true
$$;

-- Applies a batch of works in one transaction. Returns {"results": [{event_id, status, outcome, employee_id, changes (of a replay or a
-- reconciliation, unless the event was written on the fast path)}], "held": [event_id]}, with a result for each work that is in the ledger.
-- Common events are written together (fast_path.sql). All other events are applied separately, older versions first. If older events of the
-- same auth users are pending, nothing is applied, and the result is {"earlier": [ledger rows, at most p_limit]}. The caller must apply those
-- first and then call again.
--
-- With p_dry_run, the function returns the results and "actions" (auth_sync_entered_after_v1, with the names from before), and rolls back.
-- p_lock_timeout is the longest wait for a locked row. With p_skip_held, works that would wait are not applied, and their event ids are in
-- held. The limits are settings of the function, so that PostgREST applies the statement's limit too (hoisted settings), and no limit
-- outlives the call.
--
-- The planner's settings make PostgreSQL use an index for each row. A generic plan that is made while the tables are small would read whole
-- tables, and the session keeps such a plan.
create or replace function public.auth_sync_process_v1(
  p_works jsonb, p_dry_run boolean default false, p_lock_timeout text default '1500ms', p_limit integer default 64,
  p_skip_held boolean default false
) returns jsonb
language plpgsql security definer set search_path = ''
set lock_timeout = '1500ms' set statement_timeout = '3s' set jit = off
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set enable_material = off set plan_cache_mode = force_generic_plan as $$
#variable_conflict use_variable
declare
  earlier jsonb;
  held jsonb := '[]';
  results jsonb;
  first_id bigint;
  actions jsonb;
begin
  perform set_config('lock_timeout', p_lock_timeout, true);
  set constraints all immediate;  -- a deferred constraint is checked here, not at the commit
  if p_works -> 0 ->> 'via' = 'reconcile' then
    perform public.auth_sync_set_flag_v1('confirmed=reconcile');  -- the command has shown its bans to an admin
  end if;
  if p_dry_run then
    begin
      first_id := nextval('public.integration_sync_log_id_seq');
      perform public.auth_sync_lock_v1(p_works);
      results := public.auth_sync_apply_each_v1(p_works);
      actions := public.auth_sync_entered_after_v1(first_id, p_works);
      raise exception using errcode = 'WHDRY';
    exception when sqlstate 'WHDRY' then
      return jsonb_build_object('results', results, 'held', held, 'actions', public.auth_sync_named_v1(actions));
    end;
  end if;
  if not p_skip_held then
    results := public.auth_sync_apply_fast_v1(p_works, false);
    if results <> '[]' then
      return jsonb_build_object('results', results, 'held', held);
    end if;
  end if;

  earlier := public.auth_sync_earlier_v1(p_works, p_limit);
  if earlier is not null then
    return jsonb_build_object('earlier', earlier);
  end if;
  if p_skip_held then
    held := public.auth_sync_held_v1(p_works);
    select coalesce(jsonb_agg(w), '[]') into p_works from jsonb_array_elements(p_works) as w where not held ? (w ->> 'event_id');
  end if;
  perform public.auth_sync_lock_v1(p_works);  -- all rows are locked before any is written
  if results is null then
    results := coalesce(public.auth_sync_apply_fast_v1(p_works, true), '[]');
  end if;
  if jsonb_array_length(results) < jsonb_array_length(p_works) then
    results := results || public.auth_sync_apply_each_v1(p_works, array(select r ->> 'event_id' from jsonb_array_elements(results) as r));
  end if;
  return jsonb_build_object('results', results, 'held', held);
end $$;

-- Records that an event could not be applied at all (unreadable or not_applied), so that the event is retried and does not block other
-- events. Records it only if the event is open and the lease, if one is given, is still held. Returns whether it was recorded.
create or replace function public.auth_sync_fail_v1(p_event_id text, p_outcome text, p_error text, p_lease text) returns boolean
language plpgsql security definer set search_path = '' set plan_cache_mode = force_custom_plan set lock_timeout = '1500ms' set statement_timeout = '3s' as $$
#variable_conflict use_variable
declare
  entry public.integration_sync_log;
begin
  select * into entry from public.integration_sync_log
   where event_id = p_event_id and direction = 'inbound' and (status = 'PENDING' or next_attempt_at is not null)
     and (p_lease is null or lease = p_lease)
     for update;
  if found then
    perform public.auth_sync_record_v1(entry, p_outcome, p_error, null, '{}', null);
  end if;
  return found;
end $$;
