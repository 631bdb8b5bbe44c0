-- The rate limit of the Auth Admin API, for all relays together: a token bucket, and the pause that Auth requested.

-- Takes one token for a caller that processes a list by itself. Returns 0 if the call may be made now, and otherwise the seconds to wait
-- before the next try.
create or replace function public.auth_sync_take_token_v1(p_rate numeric) returns numeric
language plpgsql security definer set search_path = '' set lock_timeout = '1500ms' as $$
#variable_conflict use_variable
declare
  bucket public.auth_sync_rate;
begin
  update public.auth_sync_rate
     set tokens = least(greatest(p_rate, 1), tokens + greatest(extract(epoch from clock_timestamp() - refilled_at), 0) * p_rate),
         refilled_at = clock_timestamp()
   where only_row
  returning * into bucket;
  if bucket.paused_until > clock_timestamp() then
    return extract(epoch from bucket.paused_until - clock_timestamp());
  elsif bucket.tokens < 1 then
    return (1 - bucket.tokens) / p_rate;
  end if;
  update public.auth_sync_rate set tokens = tokens - 1 where only_row;
  return 0;
end $$;

-- Pauses all calls to Auth. Returns the length of the pause in seconds. If Auth requested the pause (p_failed is false), it takes
-- p_seconds, at most an hour. If Auth is unavailable, each pause is longer than the last one, up to a minute.
create or replace function public.auth_sync_pause_v1(p_seconds double precision, p_failed boolean) returns double precision
language sql security definer set search_path = '' set lock_timeout = '1500ms' as $$
  update public.auth_sync_rate
     set failures = failures + p_failed::integer,
         tokens = 0,
         paused_until = case
           when p_failed then clock_timestamp() + make_interval(secs => least(60, p_seconds * power(2, least(failures, 10))))
           else greatest(paused_until, clock_timestamp() + make_interval(secs => least(p_seconds, 3600))) end
   where only_row
  returning extract(epoch from paused_until - clock_timestamp())
$$;

-- Ends the pause when Auth responds again. Returns whether calls had failed before. After an outage (three failures in a row or more), the
-- actions that failed because of the outage are due now.
create or replace function public.auth_sync_resume_v1() returns boolean
language plpgsql security definer set search_path = '' set lock_timeout = '1500ms' as $$
#variable_conflict use_variable
declare
  failed integer;
begin
  select failures into failed from public.auth_sync_rate for update;
  update public.auth_sync_rate set failures = 0, paused_until = now() where failed > 0;
  if failed >= 3 then
    update public.integration_sync_log set next_attempt_at = now()
     where status = 'FAILED' and direction = 'outbound' and outcome = 'auth_unavailable' and next_attempt_at > now();
  end if;
  return failed > 0;
end $$;

-- Records whether Auth has answered a call: p_error is null, or the reason why it has not. All relays and web processes share the record.
-- Writes only if the record changes or is older than a minute, and skips it if another transaction holds the row. Returns whether it wrote.
create or replace function public.auth_sync_note_auth_v1(p_error text) returns boolean
language plpgsql security definer set search_path = '' set lock_timeout = '1500ms' as $$
#variable_conflict use_variable
begin
  update public.auth_sync_rate r
     set failing_since = case when p_error is not null then coalesce(r.failing_since, now()) end,
         failure = p_error,
         answered_at = case when p_error is null then now() else r.answered_at end
    from (select a.only_row from public.auth_sync_rate a
           where case when p_error is not null then a.failure is distinct from p_error
                      else a.failing_since is not null or coalesce(a.answered_at < now() - interval '1 minute', true) end
             for update skip locked) as due
   where r.only_row = due.only_row;
  return found;
end $$;

-- Returns what the database knows of Auth: {"failing_seconds": since when calls fail, or null, "failure": why, "answered_seconds": since
-- the last recorded answer, or null, "waiting": number of actions that wait, up to 10,000, "waiting_seconds": age of the oldest of them, or
-- null}. A ban that was performed does not wait, although its sessions end again.
create or replace function public.auth_sync_auth_v1() returns jsonb
language sql stable security definer set search_path = '' set enable_seqscan = off set jit = off as $$
  select jsonb_build_object(
    'failing_seconds', extract(epoch from now() - r.failing_since), 'failure', r.failure,
    'answered_seconds', extract(epoch from now() - r.answered_at), 'waiting', w.n, 'waiting_seconds', extract(epoch from now() - w.oldest))
    from public.auth_sync_rate r
   cross join (
     select count(*) as n, min(a.created_at) as oldest
       from (select l.created_at from public.integration_sync_log l
              where l.status <> 'SUCCESS' and l.direction = 'outbound' and l.next_attempt_at is not null
                and not (l.status = 'PENDING' and l.changes ? 'sessions_end_again_at')
              order by l.priority, l.next_attempt_at, l.id limit 10000) as a) as w
$$;
