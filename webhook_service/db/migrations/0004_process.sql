-- The one way into employees: process applies a batch of work in one transaction.
--
-- A work is what handlers.py decided about one event (see webhook_service/handlers.py):
--   event_id, operation, auth_user_id, version, via, requested_by
--   user   the mapped state of the auth user
--   copy   {column: value}, what this event brings for the employee
--   columns  which columns may be copied at all, by the settings
--   key    {"email": …} or {"employee_number": …} or null: what an employee may be found by
--   steps  {situation: step}: what to do when the auth user is linked, and when none, one, several or only a taken
--          employee matches the key. A step is link, sync or flag_orphan, or else the outcome itself.

set local lock_timeout = '5s';

-- Writes down what became of an event. A replay that changed nothing leaves the row as it is: the row says what
-- the event did.
create or replace function public.auth_sync_record_v1(
  p_entry public.integration_sync_log, p_outcome text, p_error text, p_employee_id bigint, p_changes jsonb, p_requested_by text
) returns void language plpgsql security definer set search_path = '' as $$
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
           next_attempt_at = null,
           completed_at = case when p_error is null then now() end
     where id = p_entry.id;
  end if;
  if p_requested_by is not null then
    insert into public.integration_sync_replays (log_id, requested_by, status_before, outcome_before, status, outcome)
    values (p_entry.id, p_requested_by, p_entry.status, p_entry.outcome, new_status, p_outcome);
  end if;
end $$;

-- Updates an employee in a savepoint: {"changes": …}, or where the employees table refuses it {"outcome", "error"}.
create or replace function public.auth_sync_try_update_v1(p_employee_id bigint, p_known public.auth_user_state, p_copy jsonb)
returns jsonb language plpgsql security definer set search_path = '' as $$
declare
  violated_table text;
begin
  return jsonb_build_object('changes', public.auth_sync_update_employee_v1(p_employee_id, p_known, p_copy));
exception when others or assert_failure then
  if sqlstate ~ '^(40|53|55P03)' then
    raise;  -- somebody in the way, or no room: not this event's fault, and asked for again
  end if;
  get stacked diagnostics violated_table = table_name;
  return jsonb_build_object(
    'outcome', case when sqlstate = '23505' and violated_table = 'employees' and p_copy ? 'email' then 'email_taken' else 'employee_rejected' end,
    'error', format('employee %s: %s (%s)', p_employee_id, sqlerrm, sqlstate));
end $$;

-- What of the remembered fields is copied in this step: all that is allowed when the link is made, else what this
-- event brought.
create or replace function public.auth_sync_copy_v1(p_work jsonb, p_step text, p_known public.auth_user_state, p_log_id bigint)
returns jsonb language sql stable set search_path = '' as $$
  select coalesce(jsonb_object_agg(f.key, f.value -> 0), '{}')
    from jsonb_each(p_known.fields) as f
   where p_work -> 'columns' ? f.key
     and (p_step = 'link'
          or (p_step = 'sync' and ((f.value ->> 1)::bigint, (f.value ->> 2)::bigint) = ((p_work ->> 'version')::bigint, p_log_id)))
$$;

-- Whether an event was overtaken too long ago to do anything: by now its address may be somebody else's, its name
-- removed.
create or replace function public.auth_sync_is_too_late_v1(p_entry public.integration_sync_log) returns boolean
language sql stable set search_path = '' as $$
  select exists (
    select from public.integration_sync_log newer
     where newer.auth_user_id = p_entry.auth_user_id and newer.direction = 'inbound'
       and newer.version > p_entry.version and newer.created_at < now() - interval '1 hour')
$$;

-- Leaves an open action in the ledger where an inactive employee has got a login. The colon is in no event's id.
create or replace function public.auth_sync_queue_disable_v1(p_entry public.integration_sync_log, p_employee_id bigint) returns void
language sql set search_path = '' as $$
  insert into public.integration_sync_log (event_id, direction, operation, auth_user_id, employee_id, version, via, next_attempt_at)
  select p_entry.event_id || ':disable', 'outbound', 'disable_auth_user', p_entry.auth_user_id, e.employee_id, p_entry.version,
         p_entry.via, now()
    from public.employees e
   where e.employee_id = p_employee_id and not e.is_active
  on conflict (event_id) do nothing
$$;

-- Applies one work. The rows it needs are locked by process already.
create or replace function public.auth_sync_apply_v1(p_work jsonb) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  entry public.integration_sync_log;
  known public.auth_user_state;
  is_replay boolean := p_work ->> 'via' = 'replay';
  is_newest boolean;
  place jsonb;
  step text;
  target bigint;
  copy jsonb;
  left_out text;
  done jsonb := '{}';
  outcome text;
  error text;
begin
  select * into strict entry from public.integration_sync_log where event_id = p_work ->> 'event_id';
  if not is_replay and (entry.status <> 'PENDING' or (entry.auth_user_id::text, entry.version::text)
                                                     is distinct from (p_work ->> 'auth_user_id', p_work ->> 'version')) then
    return jsonb_build_object('event_id', entry.event_id, 'status', entry.status, 'outcome', 'duplicate', 'employee_id', entry.employee_id);
  end if;

  known := public.auth_sync_remember_v1(p_work, entry.id);
  is_newest := (known.version, known.log_id) = (entry.version, entry.id);
  -- A link, once made, is kept. So an event that was overtaken on its way may still do what it would have done in time.
  if is_newest or not (is_replay or public.auth_sync_is_too_late_v1(entry)) then
    place := public.auth_sync_situation_v1(known, p_work -> 'key');
    step := p_work -> 'steps' ->> (place ->> 'situation');
    target := (place ->> 'employee_id')::bigint;
    if is_replay and (place ->> 'is_memory')::boolean then
      step := 'unmatched';  -- the orphan was flagged once; what became of the flag since is not ours to undo
      target := null;
    end if;
  else
    step := 'stale';
  end if;

  if step in ('link', 'sync', 'flag_orphan') then
    copy := public.auth_sync_copy_v1(p_work, step, known, entry.id);
    -- What users write about themselves fails nothing: where employees refuse it, again without the one name, the other, both.
    foreach left_out in array array['', 'first_name', 'last_name', 'first_name last_name'] loop
      continue when left_out <> '' and not copy ?& string_to_array(left_out, ' ');
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
  if error is null and target is distinct from known.employee_id and target is not null then
    update public.auth_user_state set employee_id = target where auth_user_id = known.auth_user_id;
  end if;
  if outcome = 'linked' then
    perform public.auth_sync_queue_disable_v1(entry, target);
  end if;

  perform public.auth_sync_record_v1(entry, outcome, error, target, coalesce(done -> 'changes', '{}'),
                                     case when is_replay then p_work ->> 'requested_by' end);
  return jsonb_build_object('event_id', entry.event_id, 'status', case when error is null then 'SUCCESS' else 'FAILED' end,
                            'outcome', outcome, 'employee_id', target)
    || case when is_replay then jsonb_build_object('changes', coalesce(done -> 'changes', '{}')) else '{}' end;
end $$;

-- Locks what a batch will touch, always in the same order (ledger, states, employees; each sorted), so that two
-- batches cannot deadlock; and puts the new events into the ledger. Each phase is complete before the next begins.
create or replace function public.auth_sync_lock_v1(p_works jsonb) returns void
language plpgsql security definer set search_path = '' as $$
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

  perform from public.employees
    where employee_id in (
      select employee_id from public.employees where auth_user_id = any (users)
      union
      select employee_id from public.auth_user_state where auth_user_id = any (users)
      union
      select e.employee_id
        from jsonb_array_elements(p_works) as w
        join public.employees e on e.employee_number::text = w -> 'key' ->> 'employee_number'
      union
      select e.employee_id
        from jsonb_array_elements(p_works) as w
        join public.employees e on lower(btrim(e.email::text, E' \t\r\n')) = lower(btrim(w -> 'key' ->> 'email', E' \t\r\n')))
    order by employee_id for no key update;
end $$;

-- Applies a batch of work in one transaction and returns [{event_id, status, outcome, employee_id, changes
-- (replays)}], one for each that the ledger holds. Older versions first. p_dry_run: the same answer, and nothing
-- is kept. p_lock_timeout: how long to wait for a row that somebody else holds. Both limits are set here so that
-- PostgREST takes the one for the statement over (its hoisted settings), and that neither outlives the call.
create or replace function public.auth_sync_process_v1(
  p_works jsonb, p_dry_run boolean default false, p_lock_timeout text default '1500ms'
) returns jsonb
language plpgsql security definer set search_path = '' set lock_timeout = '1500ms' set statement_timeout = '3s' as $$
declare
  work jsonb;
  results jsonb := '[]';
begin
  if p_dry_run then
    begin
      results := public.auth_sync_process_v1(p_works, false, p_lock_timeout);
      raise exception using errcode = 'WHDRY';
    exception when sqlstate 'WHDRY' then
      return results;
    end;
  end if;

  perform set_config('lock_timeout', p_lock_timeout, true);
  set constraints all immediate;  -- what a deferred one would refuse at the commit fails its own event instead
  perform public.auth_sync_lock_v1(p_works);
  for work in
    select w from jsonb_array_elements(p_works) as w
      join public.integration_sync_log l on l.event_id = w ->> 'event_id'
     order by (w ->> 'version')::bigint, l.id
  loop
    results := results || jsonb_build_array(public.auth_sync_apply_v1(work));
  end loop;
  return results;
end $$;

select public.auth_sync_secure_v1();
