-- How an event is applied, now that the ledger may hold it before it arrives (see 0004): what is pending for the same
-- user at an older version goes first, the holder of a lease has the right of way, a failure is tried again later.

set local lock_timeout = '5s';

-- Writes down what became of an event. A replay that changed nothing leaves the row as it is: the row says what
-- the event did. A failure is due again later, until it is given up.
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
           next_attempt_at = case when p_error is not null then now() + public.auth_sync_backoff_v1(attempts + 1) end,
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

-- Whether an event was overtaken too long ago to do anything: by now its address may be somebody else's, its name
-- removed. The state remembers it where the newer events have been pruned.
create or replace function public.auth_sync_is_too_late_v1(p_entry public.integration_sync_log) returns boolean
language sql stable set search_path = '' as $$
  select exists (
      select from public.integration_sync_log newer
       where newer.auth_user_id = p_entry.auth_user_id and newer.direction = 'inbound'
         and newer.version > p_entry.version and newer.created_at < now() - interval '1 hour')
    or exists (
      select from public.auth_user_state known
       where known.auth_user_id = p_entry.auth_user_id
         and known.version > p_entry.version and known.updated_at < now() - interval '1 hour')
$$;

-- Whether this work may be done now. A replay always; the relay while the lease is its own (what is applied first, as
-- a newer event came, needs none); else only what is pending and has no lease.
create or replace function public.auth_sync_is_open_v1(p_entry public.integration_sync_log, p_work jsonb) returns boolean
language sql stable set search_path = '' as $$
  select case p_work ->> 'via'
    when 'replay' then true
    when 'relay' then (p_entry.status = 'PENDING' or p_entry.next_attempt_at is not null)
                      and coalesce(p_work ->> 'lease' = p_entry.lease, p_work ->> 'lease' is null)
    else p_entry.status = 'PENDING' and coalesce(p_entry.leased_until < now(), true)
         and (p_entry.auth_user_id::text, p_entry.version::text) is not distinct from (p_work ->> 'auth_user_id', p_work ->> 'version') end
$$;

-- Applies one work. The rows it needs are locked by process already.
create or replace function public.auth_sync_apply_v1(p_work jsonb) returns jsonb
language plpgsql security definer set search_path = '' as $$
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
  -- A link, once made, is kept. So an event that was overtaken on its way may still do what it would have done in time.
  if is_newest or not (is_again or public.auth_sync_is_too_late_v1(entry)) then
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
  perform public.auth_sync_record_v1(entry, outcome, error, target, coalesce(done -> 'changes', '{}'),
                                     case when is_replay then p_work ->> 'requested_by' end);
  if is_newest then
    perform public.auth_sync_wish_v1(known.auth_user_id, p_work -> 'columns', p_work ->> 'via');
  end if;
  return jsonb_build_object('event_id', entry.event_id, 'status', case when error is null then 'SUCCESS' else 'FAILED' end,
                            'outcome', outcome, 'employee_id', target)
    || case when is_replay then jsonb_build_object('changes', coalesce(done -> 'changes', '{}')) else '{}' end;
end $$;

-- What must be applied before a batch of works: the oldest pending events of their users that are older than theirs,
-- as process needs them; null where there are none.
create or replace function public.auth_sync_earlier_v1(p_works jsonb, p_limit integer) returns jsonb
language sql stable security definer set search_path = '' as $$
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
              where l.auth_user_id = wanted.auth_user_id and l.version < wanted.version and l.status = 'PENDING' and l.direction = 'inbound'
                and l.event_id not in (select event_id from given)
              order by l.version, l.id
              limit p_limit) as l
           order by l.version, l.id
           limit p_limit) as earlier
$$;

-- Which of these works would have to wait for somebody: their auth user's state or an employee that they may touch is
-- held, by an import for as long as it takes. What is not held is locked, in the order of lock_v1. Rows of the ledger
-- are waited for: only another relay that looks for work holds them, for a moment.
create or replace function public.auth_sync_held_v1(p_works jsonb) returns jsonb
language plpgsql security definer set search_path = '' as $$
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
    select g.event_id, e.employee_id from given g join public.employees e on e.employee_number::text = g.key ->> 'employee_number'
    union
    select g.event_id, e.employee_id
      from given g join public.employees e on lower(btrim(e.email::text, E' \t\r\n')) = lower(btrim(g.key ->> 'email', E' \t\r\n'))
  ), free as (
    select employee_id from public.employees
     where employee_id in (select employee_id from needed) order by employee_id for no key update skip locked
  )
  select held || array_agg(distinct n.event_id) into held
    from needed n
   where n.employee_id not in (select employee_id from free)
     and exists (select from public.employees e where e.employee_id = n.employee_id);
  return to_jsonb(coalesce(held, '{}'));
end $$;

-- As process_v1, in an object: {"results": [...], "held": [...]}. With p_skip_held, what would have to wait is not applied, and
-- its event ids are in held. Where older events of the same users are pending it does nothing, and returns
-- {"earlier": [...]}, at most p_limit: apply them first, then ask again. Everything is found by an index; a plan made while
-- the tables were empty would read them whole.
create or replace function public.auth_sync_process_v2(
  p_works jsonb, p_dry_run boolean default false, p_lock_timeout text default '1500ms', p_limit integer default 64,
  p_skip_held boolean default false
) returns jsonb
language plpgsql security definer
set search_path = '' set lock_timeout = '1500ms' set statement_timeout = '3s' set enable_seqscan = off set jit = off as $$
declare
  earlier jsonb := case when not p_dry_run then public.auth_sync_earlier_v1(p_works, p_limit) end;
  held jsonb := '[]';
begin
  if earlier is not null then
    return jsonb_build_object('earlier', earlier);
  end if;
  if p_skip_held then
    held := public.auth_sync_held_v1(p_works);
    if held <> '[]' then
      select coalesce(jsonb_agg(w), '[]') into p_works from jsonb_array_elements(p_works) as w where not held ? (w ->> 'event_id');
    end if;
  end if;
  return jsonb_build_object('results', public.auth_sync_process_v1(p_works, p_dry_run, p_lock_timeout), 'held', held);
end $$;

-- Writes down that an event could not be applied at all, so that it neither blocks others nor is lost: unreadable, or
-- not_applied. Only while it is open, and the lease, if there was one, is still ours; says whether it was.
create or replace function public.auth_sync_fail_v1(p_event_id text, p_outcome text, p_error text, p_lease text) returns boolean
language plpgsql security definer set search_path = '' set lock_timeout = '1500ms' set statement_timeout = '3s' as $$
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

select public.auth_sync_secure_v1();
