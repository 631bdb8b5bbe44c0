-- Notices for admins: the current conditions, the notices that were sent, and the messages that are not sent yet.
-- A message stays in the table until it has been sent, so it survives a crash of the sending process.

-- Returns the number of events and actions that need attention: {"count", "oldest_id", "outcomes": {outcome: count}}, or null if there are
-- none. Counts the newest 10,000.
create or replace function public.auth_sync_needs_attention_v1() returns jsonb
language sql stable security definer set search_path = '' as $$
  select jsonb_build_object('count', sum(n), 'oldest_id', min(oldest_id), 'outcomes', jsonb_object_agg(outcome, n))
    from (select outcome, count(*) as n, min(id) as oldest_id
            from (select id, outcome from public.integration_sync_log
                   where status = 'FAILED' and next_attempt_at is null and dismissed_at is null and direction <> 'maintenance'
                   order by id + 0 desc limit 10000) as newest
           group by outcome) as counted
  having count(*) > 0
$$;

-- Returns the number of events and actions that have waited for longer than p_seconds: {"events", "actions", "oldest_seconds",
-- "oldest_id"}, or null if there are none. A pending event has waited since it was recorded, and a failed event since its retry was due. An
-- action has waited since it was entered, because a dismissed employee may sign in until it is performed. Actions of bulk statements may
-- wait for a day, unless Auth is unavailable. Counts the first 10,000 of each kind.
create or replace function public.auth_sync_backlog_v1(p_seconds integer, p_with_actions boolean) returns jsonb
language sql stable security definer set search_path = '' as $$
  with waiting as (
    (select id, direction, case when status = 'PENDING' then created_at else next_attempt_at end as since, p_seconds as allowed_seconds
       from public.integration_sync_log
      where status <> 'SUCCESS' and direction = 'inbound' and next_attempt_at <= now() + interval '10 seconds'
      order by next_attempt_at, id limit 10000)
    union all
    (select id, direction, created_at, p_seconds from public.integration_sync_log
      where p_with_actions and status <> 'SUCCESS' and direction = 'outbound' and next_attempt_at is not null and priority = 0
      order by priority, next_attempt_at, id limit 10000)
    union all
    (select id, direction, created_at,
            case when (select failures from public.auth_sync_rate) > 0 then p_seconds else greatest(p_seconds, 86400) end
       from public.integration_sync_log
      where p_with_actions and status <> 'SUCCESS' and direction = 'outbound' and next_attempt_at is not null and priority = 1
      order by priority, next_attempt_at, id limit 10000)
  )
  select jsonb_build_object('events', count(*) filter (where direction = 'inbound'),
                            'actions', count(*) filter (where direction = 'outbound'),
                            'oldest_seconds', extract(epoch from now() - min(since)), 'oldest_id', min(id))
    from waiting where since < now() - make_interval(secs => allowed_seconds)
  having count(*) > 0
$$;

-- Returns the differences that the newest run of reconciliation found: {"run", "count", "differences": {kind: count}}, or null if it found
-- none. The first run finds the auth users from before the installation, which are not drift.
create or replace function public.auth_sync_drift_v1() returns jsonb
language sql stable security definer set search_path = '' as $$
  with run as (
    select id, changes -> 'differences' as differences from public.integration_sync_log
     where direction = 'maintenance' and status <> 'PENDING' and changes ? 'differences'
     order by id desc limit 1
  )
  select jsonb_build_object('run', run.id, 'differences', run.differences, 'count', found.n)
    from run, lateral (select sum(value::bigint) as n from jsonb_each_text(run.differences)) as found
   where found.n > 0
     and exists (select from public.integration_sync_log earlier where earlier.direction = 'maintenance' and earlier.id < run.id)
$$;

-- Returns the loops that have failed for a minute or longer: {"count", "loops": as auth_sync_failing_loops_v1 returns them}, or null. A loop
-- that fails once and then succeeds causes no notice.
create or replace function public.auth_sync_failing_condition_v1() returns jsonb
language sql stable security definer set search_path = '' as $$
  select jsonb_build_object('count', count(*), 'loops', jsonb_agg(f order by (f ->> 'seconds')::numeric desc))
    from jsonb_array_elements(public.auth_sync_failing_loops_v1()) as f
   where (f ->> 'seconds')::numeric >= 60
  having count(*) > 0
$$;

-- Returns the conditions and the last notices of each kind: {"now", "conditions": {kind: as above, or null if the condition does not hold},
-- "remembered": [rows of auth_sync_notices]}. silence is {"seconds"} since the last event, or since the installation if there is no event.
-- It is not checked if p_silence_seconds is null.
create or replace function public.auth_sync_conditions_v1(p_backlog_seconds integer, p_silence_seconds integer, p_with_actions boolean)
returns jsonb language plpgsql stable security definer
set search_path = '' set statement_timeout = '3s' set enable_seqscan = off set jit = off as $$
#variable_conflict use_variable
declare
  silent numeric;
begin
  if p_silence_seconds is not null then
    silent := extract(epoch from now() - coalesce(
      (select created_at from public.integration_sync_log where direction = 'inbound' order by id desc limit 1),
      (select min(applied_at) from public.auth_sync_migrations)));
  end if;
  return jsonb_build_object(
    'now', now(),
    'conditions', jsonb_build_object(
      'needs_attention', public.auth_sync_needs_attention_v1(),
      'backlog', public.auth_sync_backlog_v1(p_backlog_seconds, p_with_actions),
      'drift', public.auth_sync_drift_v1(),
      'failing_loop', public.auth_sync_failing_condition_v1(),
      'held_actions', (select h - 'people' from public.auth_sync_held_actions_v1(0, null) as h where (h ->> 'count')::bigint > 0),
      'silence', case when silent >= p_silence_seconds then jsonb_build_object('seconds', silent) end),
    'remembered', (select jsonb_agg(to_jsonb(n) - array['message', 'reached', 'attempts', 'next_attempt_at', 'lease', 'leased_until'])
                     from public.auth_sync_notices n));
end $$;

-- Saves the decision of a relay about a kind of notice. The relay has read the revision p_revision. p_state has the form of "remembered".
-- p_message is a message to send, or null. It replaces an unsent message. Returns false and saves nothing if another relay has changed the
-- row, or is sending the unsent message at this moment.
create or replace function public.auth_sync_remember_notice_v1(p_kind text, p_revision bigint, p_state jsonb, p_message jsonb) returns boolean
language plpgsql security definer set search_path = '' set lock_timeout = '1500ms' as $$
#variable_conflict use_variable
begin
  update public.auth_sync_notices n
     set revision = n.revision + 1, is_open = s.is_open, opened_at = s.opened_at, gone_at = s.gone_at, reported_at = s.reported_at,
         reported_times = s.reported_times, reported_count = s.reported_count, mark = s.mark
    from jsonb_populate_record(null::public.auth_sync_notices, p_state) as s
   where n.kind = p_kind and n.revision = p_revision and (p_message is null or n.lease is null or n.leased_until < now() or n.leased_until > now() + interval '2 hours');
  if not found then
    return false;
  end if;
  if p_message is not null then
    update public.auth_sync_notices
       set message = p_message, reached = '[]', attempts = 0, next_attempt_at = now(), lease = null, leased_until = null
     where kind = p_kind;
  end if;
  return true;
end $$;

-- Claims a message that is due, for p_lease_seconds. Returns {"kind", "message", "reached"}, or null.
create or replace function public.auth_sync_claim_notice_v1(p_relay text, p_lease_seconds integer) returns jsonb
language sql security definer set search_path = '' set lock_timeout = '1500ms' as $$
  update public.auth_sync_notices n
     set lease = p_relay, leased_until = now() + make_interval(secs => p_lease_seconds)
    from (select kind from public.auth_sync_notices
           where message is not null
             -- No time that is written lies this far ahead. Such a time was written before the clock was set back.
             and (next_attempt_at <= now() or next_attempt_at > now() + interval '2 hours')
             and (lease is null or leased_until < now() or leased_until > now() + interval '2 hours')
           order by next_attempt_at limit 1 for update skip locked) as due
   where n.kind = due.kind
  returning jsonb_build_object('kind', n.kind, 'message', n.message, 'reached', n.reached)
$$;

-- Records that a message was sent to the destinations p_reached. Unless p_is_done is true, the message is retried after half a minute, then
-- after intervals that double up to an hour. Returns false if the lease had ended or there is a newer message.
create or replace function public.auth_sync_notice_sent_v1(p_kind text, p_relay text, p_reached jsonb, p_is_done boolean) returns boolean
language plpgsql security definer set search_path = '' set lock_timeout = '1500ms' as $$
#variable_conflict use_variable
begin
  update public.auth_sync_notices
     set message = case when not p_is_done then message end,
         reached = (select coalesce(jsonb_agg(distinct r.one), '[]') from jsonb_array_elements(reached || p_reached) as r (one)),
         attempts = attempts + 1,
         next_attempt_at = case when not p_is_done then now() + least(interval '1 hour', interval '30 seconds' * power(2, least(attempts, 10))) end,
         lease = null, leased_until = null
   where kind = p_kind and lease = p_relay;
  return found;
end $$;

-- Records that a destination accepted a message after the sending process had stopped waiting, so that it does not get the message again.
create or replace function public.auth_sync_reached_v1(p_kind text, p_message jsonb, p_destination text) returns void
language sql security definer set search_path = '' set lock_timeout = '1500ms' as $$
  update public.auth_sync_notices set reached = reached || to_jsonb(p_destination)
   where kind = p_kind and message = p_message and not reached ? p_destination
$$;
