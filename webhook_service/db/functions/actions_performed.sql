-- Relays claim and settle the actions of the ledger with these functions.
-- A relay that claims an action gets the current employee, reads the auth user from Auth, and makes the call that is still needed
-- (webhook_service/outbound/actions.py), outside of any transaction.

-- Returns the data that decides a claimed action: {event_id, operation, auth_user_id, employee_id, request_data, attempts, "employee": the
-- employee of auth_sync_employee_of_action_v1, or null, "sent": [the e-mails that earlier actions sent to Auth for this user]}. A link that a
-- client wrote does not count as a link, and an e-mail that a client wrote is null, until an admin has approved them.
create or replace function public.auth_sync_action_json_v1(p_entry public.integration_sync_log) returns jsonb
language sql stable security definer set search_path = '' as $$
  select jsonb_build_object(
    'event_id', p_entry.event_id, 'operation', p_entry.operation, 'auth_user_id', p_entry.auth_user_id,
    'employee_id', p_entry.employee_id, 'request_data', p_entry.request_data, 'attempts', p_entry.attempts,
    'employee', (select jsonb_build_object('employee_id', e.employee_id, 'is_active', e.is_active is not false,
                                           'email', case when public.auth_sync_changed_by_v1(e.employee_id, null, public.auth_sync_normal_v1(e.email::text)) is null
                                                         then public.auth_sync_normal_v1(e.email::text) end)
                   from public.employees e
                  where e.employee_id = public.auth_sync_employee_of_action_v1(p_entry.auth_user_id, case
                    when p_entry.operation in ('disable_auth_user', 'enable_auth_user') then p_entry.employee_id end)
                    and (e.auth_user_id is distinct from p_entry.auth_user_id
                         or public.auth_sync_changed_by_v1(e.employee_id, e.auth_user_id, null) is null)),
    'sent', (select coalesce(jsonb_agg(distinct a.request_data ->> 'email'), '[]') from public.integration_sync_log a
              where a.auth_user_id = p_entry.auth_user_id and a.operation = 'update_auth_email' and a.id < p_entry.id
                and p_entry.operation = a.operation))
$$;

-- Claims the newest open action of the same user and kind (access or e-mail) as p_entry. Claims it only if it is due or is p_entry itself,
-- and if no relay has leased an action of this user. Older actions of the kind become stale. Returns the action (auth_sync_action_json_v1),
-- or null. The caller must hold the advisory lock that serializes claims.
create or replace function public.auth_sync_take_action_v1(p_entry public.integration_sync_log, p_lease text, p_lease_seconds integer)
returns jsonb language plpgsql security definer set search_path = '' as $$
#variable_conflict use_variable
declare
  kind text[] := case when p_entry.operation in ('disable_auth_user', 'enable_auth_user')
    then array['disable_auth_user', 'enable_auth_user'] else array[p_entry.operation] end;
  newest bigint;
  taken public.integration_sync_log;
begin
  if exists (select from public.integration_sync_log
              where auth_user_id = p_entry.auth_user_id and status <> 'SUCCESS' and direction = 'outbound' and leased_until >= now()) then
    return null;
  end if;
  if p_entry.operation = 'create_auth_user' then
    newest := p_entry.id;
  else
    select max(id) into newest from public.integration_sync_log
     where auth_user_id = p_entry.auth_user_id and status <> 'SUCCESS' and direction = 'outbound' and operation = any (kind)
       and (outcome is distinct from 'changed_by_client' or id = p_entry.id);
    update public.integration_sync_log
       set status = 'SUCCESS', outcome = coalesce(changes ->> 'outcome', 'stale'),  -- a ban whose sessions wait to end again was performed
           error_message = null, next_attempt_at = null, lease = null, leased_until = null, completed_at = now()
     where auth_user_id = p_entry.auth_user_id and status <> 'SUCCESS' and direction = 'outbound' and operation = any (kind) and id < newest;
  end if;
  update public.integration_sync_log set lease = p_lease, leased_until = now() + make_interval(secs => p_lease_seconds)
   where id = newest and status <> 'SUCCESS' and (next_attempt_at <= now() or p_entry.id = newest)
  returning * into taken;
  return case when found then public.auth_sync_action_json_v1(taken) end;
end $$;

-- Claims up to p_limit due actions. A token bucket, which holds the tokens of one second, limits them to p_rate a second. Returns
-- {"actions": [...], "next_in": seconds until there may be more, or null, "is_trial": whether Auth was unavailable at the last call}.
-- Claims actions of statements that changed few employees before those of bulk statements.
create or replace function public.auth_sync_claim_actions_v1(p_relay text, p_limit integer, p_lease_seconds integer, p_rate numeric) returns jsonb
language plpgsql security definer
set search_path = '' set lock_timeout = '1500ms' set statement_timeout = '3s' set enable_seqscan = off
set enable_sort = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off as $$
#variable_conflict use_variable
declare
  bucket public.auth_sync_rate;
  entry public.integration_sync_log;
  action jsonb;
  actions jsonb := '[]';
  seen integer := 0;
  soonest timestamptz;
begin
  if not pg_try_advisory_xact_lock(5093387412675531204) then
    return '{"actions": [], "next_in": 0.1, "is_trial": false}';  -- another relay is claiming actions at this moment
  end if;
  perform public.auth_sync_end_again_v1(now(), 100);
  update public.auth_sync_rate
     set tokens = least(greatest(p_rate, 1), tokens + greatest(extract(epoch from clock_timestamp() - refilled_at), 0) * p_rate),
         refilled_at = clock_timestamp()
   where only_row
  returning * into bucket;
  if bucket.paused_until > clock_timestamp() then
    return jsonb_build_object('actions', actions, 'is_trial', false, 'next_in', extract(epoch from bucket.paused_until - clock_timestamp()));
  end if;
  if bucket.failures > 0 then
    p_limit := 1;  -- a trial call, while Auth is unavailable
  end if;

  for entry in
    select * from public.integration_sync_log due
     where status <> 'SUCCESS' and direction = 'outbound' and next_attempt_at <= now() and (leased_until is null or leased_until < now())
       and not exists (select from public.integration_sync_log o
                        where o.auth_user_id = due.auth_user_id and o.status <> 'SUCCESS' and o.direction = 'outbound' and o.leased_until >= now()
                       offset 0)
     order by priority, next_attempt_at, id limit p_limit * 4 + 16
  loop
    exit when jsonb_array_length(actions) >= least(p_limit, floor(bucket.tokens));
    seen := seen + 1;
    action := public.auth_sync_take_action_v1(entry, p_relay, p_lease_seconds);
    if action is not null then
      actions := actions || jsonb_build_array(action);
    end if;
  end loop;
  update public.auth_sync_rate
     set tokens = tokens - jsonb_array_length(actions),
         paused_until = case when failures > 0 then clock_timestamp() + interval '15 seconds' else paused_until end  -- one trial at a time
   where actions <> '[]';

  select min(greatest(next_attempt_at, coalesce(leased_until, next_attempt_at))) into soonest
    from (select next_attempt_at, leased_until from public.integration_sync_log
           where status <> 'SUCCESS' and direction = 'outbound' and next_attempt_at is not null
           order by priority, next_attempt_at limit 100) as soon;
  return jsonb_build_object('actions', actions, 'is_trial', bucket.failures > 0, 'next_in', case when soonest is not null then
    greatest(extract(epoch from soonest - now()), (jsonb_array_length(actions) + 1 - bucket.tokens) / p_rate) end);
end $$;

-- Claims this action at once, without a token, because the caller waits for the result. Returns the action, or null if it is not open or a
-- relay has leased it. If the user has a newer action of the kind, the function claims the newer one.
create or replace function public.auth_sync_claim_action_v1(p_event_id text, p_lease text, p_lease_seconds integer) returns jsonb
language plpgsql security definer set search_path = '' set plan_cache_mode = force_custom_plan set lock_timeout = '1500ms' set statement_timeout = '3s' as $$
#variable_conflict use_variable
declare
  entry public.integration_sync_log;
begin
  perform pg_advisory_xact_lock(5093387412675531204);
  select * into entry from public.integration_sync_log
   where event_id = p_event_id and direction = 'outbound' and status <> 'SUCCESS' and (leased_until is null or leased_until < now())
     and not (status = 'PENDING' and changes ? 'sessions_end_again_at');  -- the ban is set
  if not found then
    return null;
  end if;
  if entry.outcome = 'changed_by_client' then  -- the admin approves what the client wrote, if it has not changed since
    delete from public.auth_sync_client_changes c
     where c.employee_id = entry.employee_id
       and (c.changed = 'auth_user_id' and c.value = entry.auth_user_id::text or c.changed = 'email' and c.value = entry.request_data ->> 'email');
  end if;
  return public.auth_sync_take_action_v1(entry, p_lease, p_lease_seconds);
end $$;

-- Requests an action for the employee's current state if the user has a newer action than p_event_id. A relay calls it if it has called
-- Auth and then lost its lease, because its late call may have undone the newer action. The list of operations repeats the predicate of
-- integration_sync_log_sent_idx, so that PostgreSQL can use that index.
create or replace function public.auth_sync_ask_anew_v1(p_event_id text, p_outcome text) returns void
language plpgsql security definer set search_path = '' as $$
#variable_conflict use_variable
declare
  entry public.integration_sync_log;
  action jsonb;
begin
  select * into entry from public.integration_sync_log
   where event_id = p_event_id and direction = 'outbound' and p_outcome in ('disabled', 'enabled', 'email_updated');
  select jsonb_build_object('employee_id', coalesce(e.employee_id, entry.employee_id), 'auth_user_id', entry.auth_user_id) || case
           when p_outcome = 'email_updated' then jsonb_build_object('operation', entry.operation, 'data', jsonb_build_object(
             'email', public.auth_sync_normal_v1(e.email::text), 'was', entry.request_data ->> 'email'))
           else jsonb_build_object('operation', case when e.is_active is not false and e.employee_id is not null
                                                     then 'enable_auth_user' else 'disable_auth_user' end) end
    into action
    from (select entry.auth_user_id, public.auth_sync_employee_of_action_v1(entry.auth_user_id, case
                   when p_outcome <> 'email_updated' then entry.employee_id end) as employee_id) as u
    left join public.employees e on e.employee_id = u.employee_id
   where exists (select from public.integration_sync_log a
                  where a.auth_user_id = u.auth_user_id and a.id > entry.id
                    and a.operation in ('disable_auth_user', 'enable_auth_user', 'update_auth_email')
                    and (a.operation = 'update_auth_email') = (entry.operation = 'update_auth_email'));
  if action is not null and (p_outcome <> 'email_updated' or action #>> '{data,email}' is not null) then
    perform public.auth_sync_enter_actions_v1(jsonb_build_array(action), case entry.via when 'employees' then 'relay' else entry.via end);
    update public.auth_user_state set disabled_at = coalesce(disabled_at, now())
     where auth_user_id = entry.auth_user_id and p_outcome = 'disabled';
  end if;
end $$;

-- Returns how long after a ban its sessions end again. Auth checks the ban, then hashes the password, then inserts the session, so a sign-in
-- that was under way during the ban leaves a session. Auth ends each request after ten seconds.
create or replace function public.auth_sync_sessions_end_after_v1() returns interval
language sql immutable set search_path = '' as $$ select interval '12 seconds' $$;

-- Settles an action whose lease is still p_lease. Returns whether the action was settled. With p_error the action has failed, and p_retry
-- says whether it is retried. Without p_error, the auth user's state records whether this service has banned the user.
--
-- A ban that has ended sessions is not done: the action stays PENDING until the sessions have ended again (auth_sync_sessions_end_after_v1).
create or replace function public.auth_sync_settle_v1(
  p_event_id text, p_lease text, p_outcome text, p_error text default null, p_retry boolean default false, p_changes jsonb default '{}'
) returns boolean
language plpgsql security definer set search_path = '' set plan_cache_mode = force_custom_plan set lock_timeout = '1500ms' set statement_timeout = '3s' as $$
#variable_conflict use_variable
declare
  entry public.integration_sync_log;
  again timestamptz := case when p_error is null and p_outcome in ('disabled', 'unchanged') and p_changes ->> 'sessions_ended' is not null
                            then now() + public.auth_sync_sessions_end_after_v1() end;
begin
  update public.integration_sync_log
     set status = case when p_error is not null then 'FAILED' when again is null or changes ? 'sessions_end_again_at' then 'SUCCESS' else 'PENDING' end,
         outcome = case when p_error is not null or again is null then p_outcome else changes ->> 'outcome' end,
         error_message = p_error,
         changes = case when again is null or changes ? 'sessions_end_again_at' then p_changes
                        else p_changes || jsonb_build_object('sessions_end_again_at', again, 'outcome', p_outcome) end,
         attempts = attempts + 1,
         next_attempt_at = case when p_error is not null and p_retry then now() + public.auth_sync_backoff_v1(attempts + 1)
                                when not changes ? 'sessions_end_again_at' then again end,
         dismissed_at = null, lease = null, leased_until = null,
         completed_at = case when p_error is null and (again is null or changes ? 'sessions_end_again_at') then now() end
   where event_id = p_event_id and direction = 'outbound' and status <> 'SUCCESS' and lease = p_lease
  returning * into entry;
  if not found then
    perform public.auth_sync_ask_anew_v1(p_event_id, p_outcome);
    return false;
  end if;
  if entry.status = 'PENDING' then
    insert into public.auth_sync_session_ends (log_id, due_at) values (entry.id, again)
    on conflict (log_id) do update set due_at = excluded.due_at;
  end if;
  if p_error is null and p_outcome in ('disabled', 'enabled', 'unchanged') and entry.operation in ('disable_auth_user', 'enable_auth_user') then
    update public.auth_user_state
       set disabled_at = case when entry.operation = 'disable_auth_user' then coalesce(disabled_at, now()) end,
           -- A deleted employee's id is kept until the ban, so that reconciliation finds a ban that was lost, and finds it only once. The
           -- employee of an unlinked login is remembered, so that its activation lifts the ban.
           employee_id = case when entry.operation = 'enable_auth_user' then auth_user_state.employee_id else (
             select e.employee_id from public.employees e where e.employee_id = coalesce(auth_user_state.employee_id, entry.employee_id)) end
     where auth_user_id = entry.auth_user_id;
  end if;
  if entry.operation <> 'create_auth_user' then
    perform public.auth_sync_note_auth_v1(case when p_outcome = 'auth_unavailable' then p_error end);
  end if;
  return true;
end $$;

-- Records the replay of an action: the admin, and the status and outcome before and after. Always returns true.
create or replace function public.auth_sync_replayed_v1(p_event_id text, p_requested_by text, p_status_before text, p_outcome_before text)
returns boolean language sql security definer set search_path = '' as $$
  insert into public.integration_sync_replays (log_id, requested_by, status_before, outcome_before, status, outcome)
  select id, p_requested_by, p_status_before, p_outcome_before, status, coalesce(outcome, changes ->> 'outcome')
    from public.integration_sync_log where event_id = p_event_id and coalesce(outcome, changes ->> 'outcome') is not null;
  select true
$$;

-- Gives back an action that was not begun. This does not count as an attempt. Always returns true.
create or replace function public.auth_sync_give_back_v1(p_event_id text, p_lease text) returns boolean
language sql security definer set search_path = '' set plan_cache_mode = force_custom_plan as $$
  update public.integration_sync_log set lease = null, leased_until = null
   where event_id = p_event_id and direction = 'outbound' and status <> 'SUCCESS' and lease = p_lease;
  select true
$$;

-- Deletes the sessions of an auth user, so that the user cannot refresh any of them. Returns the number of sessions, or null if they are in
-- another database or this role may not delete them.
create or replace function public.auth_sync_end_sessions_v1(p_auth_user_id uuid) returns bigint
language plpgsql security definer set search_path = '' set lock_timeout = '1500ms' set statement_timeout = '3s' as $$
#variable_conflict use_variable
declare
  ended bigint;
begin
  if public.auth_sync_relation_v1('auth.sessions') is null then
    return null;
  end if;
  execute 'delete from auth.sessions where user_id = $1' using p_auth_user_id;
  get diagnostics ended = row_count;
  return ended;
exception when insufficient_privilege then
  return null;
end $$;

-- Ends the sessions of banned auth users again, and settles their actions, for up to p_limit actions that are due at p_now. Returns the
-- number of settled actions. A claim of actions calls it. It makes no call to Auth and takes no token, so a bulk of bans is not slower. If
-- the sessions are locked, nothing is settled, and a relay performs the actions.
create or replace function public.auth_sync_end_again_v1(p_now timestamptz, p_limit integer) returns bigint
language plpgsql security definer set search_path = '' set lock_timeout = '500ms' set enable_seqscan = off set jit = off as $$
#variable_conflict use_variable
declare
  due record;
  settled bigint := 0;
begin
  for due in
    select w.log_id, l.auth_user_id, l.status = 'PENDING' and l.changes ? 'sessions_end_again_at' as is_waiting
      from (select s.log_id from public.auth_sync_session_ends s where s.due_at <= p_now order by s.due_at limit p_limit for update skip locked) as w
     cross join lateral (
       select l.auth_user_id, l.status, l.changes from public.integration_sync_log l
        where l.id = w.log_id and (l.leased_until is null or l.leased_until < now()) for update skip locked) as l
  loop
    if due.is_waiting then
      update public.integration_sync_log l
         set status = 'SUCCESS', outcome = l.changes ->> 'outcome', next_attempt_at = null, lease = null, leased_until = null,
             completed_at = now(),
             changes = jsonb_build_object('sessions_ended', (l.changes ->> 'sessions_ended')::bigint
                                                            + coalesce(public.auth_sync_end_sessions_v1(due.auth_user_id), 0))
       where l.id = due.log_id;
      settled := settled + 1;
    end if;
    delete from public.auth_sync_session_ends s where s.log_id = due.log_id;
  end loop;
  return settled;
exception when lock_not_available or query_canceled or deadlock_detected then
  return 0;
end $$;
