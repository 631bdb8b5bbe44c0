-- What monitoring asks every few seconds, in one call that stays cheap at any size of the ledger.

set local lock_timeout = '5s';

-- Numbers of the ledger, ages in seconds: {"backlog_events", "backlog_oldest_seconds", "failed_events", "given_up_events",
-- "open_actions", "open_actions_oldest_seconds", "given_up_actions", "relay_last_run_seconds", "last_event_seconds"}; the
-- last two are null for never. Each part reads at most 20,000 rows of an index, and counts up to 10,000: more is a lot
-- either way. The oldest is then the oldest of those that are due first.
create or replace function public.auth_sync_metrics_v1() returns jsonb
language plpgsql stable security definer
set search_path = '' set enable_seqscan = off set enable_bitmapscan = off set jit = off as $$
declare
  most constant bigint := 10000;
  numbers jsonb;
begin
  with events as (
    select status, created_at from public.integration_sync_log
     where status <> 'SUCCESS' and direction = 'inbound' and next_attempt_at is not null
     order by next_attempt_at, id limit most * 2
  ), actions as (
    select created_at from public.integration_sync_log
     where status <> 'SUCCESS' and direction = 'outbound' and next_attempt_at is not null
     order by priority, next_attempt_at, id limit most * 2
  ), failures as (
    select direction, next_attempt_at from public.integration_sync_log
     where status = 'FAILED' order by id desc limit most * 2
  )
  select jsonb_build_object(
    'backlog_events', least(e.pending, most), 'backlog_oldest_seconds', extract(epoch from now() - e.oldest),
    'failed_events', least(e.failed, most), 'given_up_events', least(f.events, most), 'given_up_actions', least(f.actions, most),
    'open_actions', least(a.open, most), 'open_actions_oldest_seconds', extract(epoch from now() - a.oldest))
    into numbers
    from (select count(*) filter (where status = 'PENDING') as pending, count(*) filter (where status = 'FAILED') as failed,
                 min(created_at) filter (where status = 'PENDING') as oldest from events) as e,
         (select count(*) as open, min(created_at) as oldest from actions) as a,
         (select count(*) filter (where direction = 'inbound') as events,
                 count(*) filter (where direction = 'outbound') as actions from failures where next_attempt_at is null) as f;
  return numbers || jsonb_build_object(
    'relay_last_run_seconds', (select extract(epoch from now() - max(last_run_at)) from public.auth_sync_relays),
    'last_event_seconds', (select extract(epoch from now() - created_at) from public.integration_sync_log
                             where direction = 'inbound' order by id desc limit 1));
end $$;

select public.auth_sync_secure_v1();
