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
