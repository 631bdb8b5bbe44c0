-- The one way into employees: process applies a batch of work in one transaction.
--
-- A work is what handlers.py decided about one event (see webhook_service/inbound/handlers.py):
--   event_id, operation, auth_user_id, version, via, requested_by
--   user   the mapped state of the auth user
--   copy   {column: value}, what this event brings for the employee
--   columns  which columns may be copied at all, by the settings
--   key    {"email": …} or {"employee_number": …} or null: what an employee may be found by
--   steps  {situation: step}: what to do when the auth user is linked, and when none, one, several or only a taken
--          employee matches the key (auth_sync_situation_v1 in employee.sql finds which). A step is link, sync or
--          flag_orphan, or else the outcome itself, such as unmatched or ambiguous.

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
-- removed. The state remembers it where the newer events have been pruned. Read by spans of ids (auth_sync_spans_v1), as the index is.
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
    perform public.auth_sync_request_actions_v1(known.auth_user_id, p_work -> 'columns', p_work ->> 'via');
  end if;
  return jsonb_build_object('event_id', entry.event_id, 'status', case when error is null then 'SUCCESS' else 'FAILED' end,
                            'outcome', outcome, 'employee_id', target)
    || case when is_replay then jsonb_build_object('changes', coalesce(done -> 'changes', '{}')) else '{}' end;
end $$;

-- Locks what a batch will touch, always in the same order (ledger, states, employees; each sorted), so that two
-- batches cannot deadlock; and puts the new events into the ledger. Each phase is complete before the next begins.
create or replace function public.auth_sync_lock_v1(p_works jsonb) returns void
language plpgsql security definer set search_path = '' set plan_cache_mode = force_custom_plan as $$
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

-- Applies each work alone, the older versions first, but for those in p_done. The works are locked already, by lock_v1. Returns their
-- results, one for each that the ledger holds.
create or replace function public.auth_sync_apply_each_v1(p_works jsonb, p_done text[] default '{}') returns jsonb
language plpgsql security definer set search_path = '' as $$
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

-- What must be applied before a batch of works: the oldest pending events of their users that are older than theirs,
-- as process needs them; null where there are none.
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
language plpgsql security definer set search_path = '' set plan_cache_mode = force_custom_plan as $$
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

-- Applies those of these works that are fast, and returns their results; null where there are none. Unless the works are locked, it
-- is all or none. An empty list where nothing could be kept: somebody has changed what was read, or employees refuse what is written or
-- make something else of it.
--
-- Ordinary is an event that is open, newer than what is known and not waiting for an older one; the only one here of its user; that
-- keeps a link, makes one or finds nobody; that changes no e-mail; and after which Auth is as the employee asks. A row that this rests on is
-- known by its place and its xmin: if these are others, so is the row. The locks come in the order of lock_v1: of the
-- writing parts, each begins by asking what the one before has written.
create or replace function public.auth_sync_apply_fast_v1(p_works jsonb, p_are_locked boolean) returns jsonb
language plpgsql security definer set search_path = '' set enable_sort = off as $$
declare
  fast integer;
  to_change integer;
  in_ledger integer;
  in_states integer;
  in_employees integer;
  results jsonb;
begin
  with judged as materialized (
    -- A link copies what older events have said, too; a sync what this one says.
    select m.*,
           case when m.columns ? 'first_name' and m.copy ? 'first_name' then coalesce(m.copy ->> 'first_name', m.first_name)
                when m.columns ? 'first_name' and m.step = 'link' then coalesce(m.known_fields -> 'first_name' ->> 0, m.first_name)
                else m.first_name end as new_first_name,
           case when m.columns ? 'last_name' and m.copy ? 'last_name' then coalesce(m.copy ->> 'last_name', m.last_name)
                when m.columns ? 'last_name' and m.step = 'link' then coalesce(m.known_fields -> 'last_name' ->> 0, m.last_name)
                else m.last_name end as new_last_name,
           (m.is_open
             and case when m.situation = 'none' then m.step in ('unmatched', 'unconfirmed', 'ignored') else
               (m.situation, m.step) in (('linked', 'sync'), ('one', 'link'))
               and m.is_active is not false
               and case when m.columns ? 'email' and m.copy ? 'email'
                          then lower(btrim(m.copy ->> 'email', E' \t\r\n')) = lower(btrim(m.employee_email, E' \t\r\n'))
                        when m.columns ? 'email' and m.step = 'link' and m.known_fields ? 'email'
                          then lower(btrim(m.known_fields -> 'email' ->> 0, E' \t\r\n')) = lower(btrim(m.employee_email, E' \t\r\n'))
                        when m.columns ? 'email' then true
                        else m.employee_email not like '%_@_%'
                             or coalesce(m.email = lower(btrim(m.employee_email, E' \t\r\n')), m.employee_email is null) end end) is true
           as is_fast
      from (
        select g.event_id, g.operation, g.auth_user_id, g.version, g.via, g."user", g.copy, g.columns,
               lower(btrim(g."user" ->> 'email', E' \t\r\n')) as email,
               l.id as known_log_id, l.ctid as log_row, l.xmin as log_xmin,
               md5(nullif(l.request_data -> 'record', 'null')::text)::uuid as record_hash,
               s.fields as known_fields, s.ctid as state_row, s.xmin as state_xmin,
               coalesce(e.employee_id, f.employee_id) as employee_id, coalesce(e.email::text, f.email) as employee_email,
               coalesce(e.first_name::text, f.first_name) as first_name, coalesce(e.last_name::text, f.last_name) as last_name,
               coalesce(e.is_active, f.is_active) as is_active, coalesce(e.orphaned_at, f.orphaned_at) as orphaned_at,
               coalesce(e.orphaned_auth_user_id, f.orphaned_auth_user_id) as orphaned_auth_user_id,
               coalesce(e.ctid, f.ctid) as employee_row, coalesce(e.xmin, f.xmin) as employee_xmin,
               case when e.employee_id is not null then 'linked' when f.employee_id is null then 'none'
                    when f.auth_user_id is null then 'one' else 'taken' end as situation,
               g.steps ->> case when e.employee_id is not null then 'linked' when f.employee_id is null then 'none' else 'one' end as step,
               g."user" -> 'deleted_at' = 'null'
                 and case when l.id is null then g.via <> 'replay' and g.lease is null else
                       l.status = 'PENDING' and (l.auth_user_id, l.version) = (g.auth_user_id, g.version)
                       and case g.via when 'replay' then false when 'relay' then coalesce(g.lease = l.lease, g.lease is null)
                                      else coalesce(l.leased_until < now(), true) end end
                 and (s.auth_user_id is null
                      or (g.version, coalesce(l.id, 9223372036854775807)) > (s.version, s.log_id) and s.deleted_at is null
                         and s.disabled_at is null and (s.email is null or s.email = lower(btrim(g."user" ->> 'email', E' \t\r\n')))
                         and s.employee_number is null and (not s.email_confirmed or (g."user" ->> 'email_confirmed')::boolean))
                 and (e.employee_id is not null or s.employee_id is null and g.key ->> 'employee_number' is null)
                 -- Pending is what has no outcome. So said, and with an order that only one index has, it is found by its user among those
                 -- that are open: by its status it would be looked for among all that are, whoever's they are.
                 and (select o.version from public.integration_sync_log o
                       where o.auth_user_id = g.auth_user_id and o.version < g.version and o.status <> 'SUCCESS'
                         and o.outcome is null and o.direction = 'inbound'
                       order by o.version limit 1) is null
               as is_open
          from jsonb_to_recordset(p_works) as g (event_id text, operation text, auth_user_id uuid, version bigint, via text, lease text,
                                                 "user" jsonb, copy jsonb, columns jsonb, key jsonb, steps jsonb)
          -- Each looked up for itself: as a plain join, a table that was empty when the plan was made is gone through as a whole.
          left join lateral (
            select l.id, l.status, l.auth_user_id, l.version, l.lease, l.leased_until, l.request_data, l.ctid, l.xmin
              from public.integration_sync_log l where l.event_id = g.event_id
            offset 0) as l on true
          left join lateral (
            select s.auth_user_id, s.version, s.log_id, s.email, s.email_confirmed, s.employee_number, s.deleted_at, s.disabled_at, s.employee_id, s.fields, s.ctid, s.xmin
              from public.auth_user_state s where s.auth_user_id = g.auth_user_id
            offset 0) as s on true
          left join lateral (
            select e.employee_id, e.email, e.first_name, e.last_name, e.is_active, e.orphaned_at, e.orphaned_auth_user_id, e.ctid, e.xmin
              from public.employees e where e.auth_user_id = g.auth_user_id
            offset 0) as e on true
          left join lateral (  -- where two match, the event is here twice, and so not fast
            select f.employee_id, f.auth_user_id, f.email::text, f.first_name::text, f.last_name::text, f.is_active, f.orphaned_at,
                   f.orphaned_auth_user_id, f.ctid, f.xmin
              from public.employees f
             where e.employee_id is null and lower(btrim(f.email::text, E' \t\r\n')) = lower(btrim(g.key ->> 'email', E' \t\r\n'))
             limit 2) as f on true
         -- True of all, and thought to be of one in 200: so the planner takes a batch for one row, and goes from it to the tables. Taken for
         -- a hundred, it would seem cheaper to go through a whole table that was empty when the plan was made.
         where coalesce(g.version, 0) >= -9223372036854775808 and coalesce(g.version, 0) <= 9223372036854775807
         offset 0) as m  -- each column is worked out once
  ), fast as materialized (
    select o.event_id, o.operation, o.auth_user_id, o.version, o.via, o."user", o.email, o.record_hash, o.log_id, o.log_row, o.log_xmin, o.state_row,
           o.state_xmin, o.employee_id, o.employee_email, o.new_first_name, o.new_last_name, o.employee_row, o.employee_xmin, o.is_changed,
           case o.step when 'link' then 'linked' when 'sync' then case when o.is_changed then 'synced' else 'unchanged' end else o.step end as outcome,
           coalesce(o.known_fields, '{}') || jsonb_strip_nulls(jsonb_build_object(
             'email', case when o.copy ? 'email' then jsonb_build_array(o.copy -> 'email', o.version, o.log_id) end,
             'first_name', case when o.copy ? 'first_name' then jsonb_build_array(o.copy -> 'first_name', o.version, o.log_id) end,
             'last_name', case when o.copy ? 'last_name' then jsonb_build_array(o.copy -> 'last_name', o.version, o.log_id) end)) as fields,
           case when not o.is_changed then '{}' else
             case when o.new_first_name is distinct from o.first_name
               then jsonb_build_object('first_name', jsonb_build_object('from', o.first_name, 'to', o.new_first_name)) else '{}' end
             || case when o.new_last_name is distinct from o.last_name
               then jsonb_build_object('last_name', jsonb_build_object('from', o.last_name, 'to', o.new_last_name)) else '{}' end
             || case when o.step = 'link'
               then jsonb_build_object('auth_user_id', jsonb_build_object('from', null, 'to', o.auth_user_id)) else '{}' end
             || case when o.orphaned_at is not null
               then jsonb_build_object('orphaned_at', jsonb_build_object('from', o.orphaned_at, 'to', null)) else '{}' end
             || case when o.orphaned_auth_user_id is not null
               then jsonb_build_object('orphaned_auth_user_id', jsonb_build_object('from', o.orphaned_auth_user_id, 'to', null)) else '{}' end
           end as changes
      from (select j.*, coalesce(j.known_log_id, nextval('public.integration_sync_log_id_seq')) as log_id,
                   j.step = 'link' or j.step = 'sync' and (
                     (j.new_first_name, j.new_last_name) is distinct from (j.first_name, j.last_name)
                     or j.orphaned_at is not null or j.orphaned_auth_user_id is not null) as is_changed
              from judged j
             -- Whom an employee is linked to may depend on the others: among such, those that look for one keep the order of the versions.
             where j.is_fast
               and ((select bool_and(j.is_fast) and count(distinct j.auth_user_id) = count(*) from judged j)
                    or p_are_locked and j.step not in ('link', 'unmatched')
                       and (select count(*) from judged o where o.auth_user_id = j.auth_user_id or o.event_id = j.event_id) = 1)
             order by j.event_id collate "C") as o
  ), added as (
    insert into public.integration_sync_log
      (id, event_id, direction, operation, status, outcome, auth_user_id, employee_id, version, request_data, changes, attempts, via, completed_at)
    overriding system value
    select o.log_id, o.event_id, 'inbound', o.operation, 'SUCCESS', o.outcome, o.auth_user_id, o.employee_id, o.version, o."user",
           o.changes, 1, o.via, now()
      from fast o where o.log_row is null  -- no "on conflict": that costs each row a look and a record more, and a conflict is rare
    returning 1
  ), closed as (
    update public.integration_sync_log l
       set status = 'SUCCESS', outcome = o.outcome, employee_id = coalesce(o.employee_id, l.employee_id), changes = o.changes,
           attempts = l.attempts + 1, next_attempt_at = null, lease = null, leased_until = null, via = o.via, completed_at = now()
      from fast o
     where o.log_row is not null and l.ctid = o.log_row and l.xmin = o.log_xmin and l.id = o.log_id
    returning 1
  ), ledger as materialized (
    select count(*) as written from (select from added union all select from closed) as l
  ), users_added as (
    insert into public.auth_user_state
      (auth_user_id, version, log_id, email, email_confirmed, employee_number, is_anonymous, banned_until, fields, employee_id, record_hash)
    select o.auth_user_id, o.version, o.log_id, o.email, (o."user" ->> 'email_confirmed')::boolean, o."user" ->> 'employee_number',
           (o."user" ->> 'is_anonymous')::boolean, (o."user" ->> 'banned_until')::timestamptz, o.fields, o.employee_id, o.record_hash
      from fast o where o.state_row is null and (select written from ledger) > 0 order by o.auth_user_id
    returning 1
  ), users_known as (
    update public.auth_user_state s
       set version = o.version, log_id = o.log_id, email = o.email, email_confirmed = (o."user" ->> 'email_confirmed')::boolean,
           employee_number = o."user" ->> 'employee_number', is_anonymous = (o."user" ->> 'is_anonymous')::boolean,
           banned_until = (o."user" ->> 'banned_until')::timestamptz, deleted_at = null, fields = o.fields,
           employee_id = coalesce(o.employee_id, s.employee_id), record_hash = coalesce(o.record_hash, s.record_hash), updated_at = now()
      from (select o.auth_user_id, o.version, o.log_id, o.email, o."user", o.fields, o.employee_id, o.record_hash, o.state_row, o.state_xmin
              from fast o
             where o.state_row is not null and (select written from ledger) > 0
             order by o.auth_user_id) as o
     where s.ctid = o.state_row and s.xmin = o.state_xmin and s.auth_user_id = o.auth_user_id
    returning 1
  ), states as materialized (
    select count(*) as written from (select from users_added union all select from users_known) as s
  ), became as (
    update public.employees e
       set first_name = o.new_first_name, last_name = o.new_last_name, auth_user_id = o.auth_user_id, orphaned_at = null, orphaned_auth_user_id = null
      from (select o.auth_user_id, o.employee_id, o.employee_row, o.employee_xmin, o.employee_email, o.new_first_name, o.new_last_name
              from fast o
             where o.is_changed  -- triggers of the employees' owner expect the search_path they always have
               and (select set_config('search_path', public.auth_sync_owner_path_v1(), true) from states where written > 0) <> ''
             order by o.employee_id) as o
     where e.ctid = o.employee_row and e.xmin = o.employee_xmin and e.employee_id = o.employee_id
    returning (e.email::text, e.first_name::text, e.last_name::text, e.auth_user_id, e.orphaned_at is null, e.orphaned_auth_user_id is null)
              is not distinct from (o.employee_email, o.new_first_name, o.new_last_name, o.auth_user_id, true, true) as is_as_planned
  )
  select count(*), count(*) filter (where o.is_changed), (select written from ledger), (select written from states), (select count(*) from became where is_as_planned),
         jsonb_agg(jsonb_build_object('event_id', o.event_id, 'status', 'SUCCESS', 'outcome', o.outcome, 'employee_id', o.employee_id))
    into fast, to_change, in_ledger, in_states, in_employees, results
    from fast o;
  perform set_config('search_path', 'pg_catalog, pg_temp', true);
  if in_ledger < fast or in_states < fast or in_employees < to_change then
    raise exception 'a row is no longer as it was read, or does not become what it should' using errcode = 'WHNEW';
  end if;
  return results;
exception when others or assert_failure then
  if sqlstate ~ '^(40|53|55P03)' then
    raise;  -- somebody in the way, or no room
  end if;
  return '[]';
end $$;

-- Applies a batch of work in one transaction: {"results": [{event_id, status, outcome, employee_id, changes (replays)}], one for
-- each that the ledger holds; "held": [...]}. Ordinary events are written all at once, the others each alone, older versions first.
--
-- p_dry_run: the same answer, and nothing is kept. p_lock_timeout: how long to wait for a row that another transaction holds. Both limits
-- are set here so that PostgREST takes the one for the statement over (its hoisted settings), and that neither outlives the call. With
-- p_skip_held, what would have to wait is not applied, and its event ids are in held. Where older events of the same users are pending,
-- nothing is done, and the result is {"earlier": [...]}, at most p_limit: apply them first, then call again.
--
-- Everything is found by an index, row by row: a plan made while the tables were small would read them whole, through an index too,
-- and it is kept.
create or replace function public.auth_sync_process_v1(
  p_works jsonb, p_dry_run boolean default false, p_lock_timeout text default '1500ms', p_limit integer default 64,
  p_skip_held boolean default false
) returns jsonb
language plpgsql security definer set search_path = ''
set lock_timeout = '1500ms' set statement_timeout = '3s' set jit = off
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set enable_material = off set plan_cache_mode = force_generic_plan as $$
declare
  earlier jsonb;
  held jsonb := '[]';
  results jsonb;
begin
  perform set_config('lock_timeout', p_lock_timeout, true);
  set constraints all immediate;  -- what a deferred one would refuse at the commit, it refuses here
  if p_dry_run then
    begin
      perform public.auth_sync_lock_v1(p_works);
      results := public.auth_sync_apply_each_v1(p_works);
      raise exception using errcode = 'WHDRY';
    exception when sqlstate 'WHDRY' then
      return jsonb_build_object('results', results, 'held', held);
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
  perform public.auth_sync_lock_v1(p_works);  -- all of them, before any is written
  if results is null then
    results := coalesce(public.auth_sync_apply_fast_v1(p_works, true), '[]');
  end if;
  if jsonb_array_length(results) < jsonb_array_length(p_works) then
    results := results || public.auth_sync_apply_each_v1(p_works, array(select r ->> 'event_id' from jsonb_array_elements(results) as r));
  end if;
  return jsonb_build_object('results', results, 'held', held);
end $$;

-- Writes down that an event could not be applied at all, so that it neither blocks others nor is lost: unreadable, or
-- not_applied. Only while it is open, and the lease, if there was one, is still ours; says whether it was.
create or replace function public.auth_sync_fail_v1(p_event_id text, p_outcome text, p_error text, p_lease text) returns boolean
language plpgsql security definer set search_path = '' set plan_cache_mode = force_custom_plan set lock_timeout = '1500ms' set statement_timeout = '3s' as $$
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
