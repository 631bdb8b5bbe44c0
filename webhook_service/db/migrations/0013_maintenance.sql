-- What keeps it going: retention, and what probes and admins ask.

set local lock_timeout = '5s';

-- Removes up to p_limit events that are done and older than p_before, the oldest first; never what is open: pending,
-- failed, given up. Returns how many (in a dry run, how many there are in all).
create or replace function public.auth_sync_prune_v1(p_before timestamptz, p_limit integer, p_dry_run boolean) returns bigint
language plpgsql security definer set search_path = '' set lock_timeout = '1500ms' set statement_timeout = '3s' as $$
declare
  pruned bigint;
begin
  if p_dry_run then
    select count(*) into pruned from public.integration_sync_log
     where created_at < p_before and completed_at < p_before and status = 'SUCCESS';
    return pruned;
  end if;
  with gone as (
    delete from public.integration_sync_log
     where id in (select id from public.integration_sync_log
                   where created_at < p_before and completed_at < p_before and status = 'SUCCESS'
                   order by created_at limit p_limit for update skip locked)
    returning 1
  )
  select count(*) into pruned from gone;
  delete from public.auth_sync_relays where last_run_at < now() - interval '1 day';
  return pruned;
end $$;

-- Cheap, for probes: which migrations there are, when a relay last ran, how long the oldest event that is due has
-- waited, and how many are given up.
create or replace function public.auth_sync_readiness_v1() returns jsonb
language sql stable security definer set search_path = '' as $$
  select jsonb_build_object(
    'migration', (select max(number) from public.auth_sync_migrations),
    'relay_last_run_seconds', (select extract(epoch from now() - max(last_run_at)) from public.auth_sync_relays),
    'oldest_pending_seconds', (select extract(epoch from now() - created_at) from public.integration_sync_log
                                where status = 'PENDING' and direction = 'inbound' order by id limit 1),
    'last_event_seconds', (select extract(epoch from now() - created_at) from public.integration_sync_log
                             where direction = 'inbound' order by id desc limit 1))
$$;

-- How many events there are by outcome: exactly what is pending and failed; and what is done exactly in a small ledger, in
-- a large one as the planner estimates it (counting millions would take seconds).
create or replace function public.auth_sync_counts_v1() returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
  rows_in_all bigint := (select greatest(reltuples, 0) from pg_catalog.pg_class where oid = 'public.integration_sync_log'::regclass);
  is_estimated boolean := rows_in_all > 250000;
  not_done jsonb;
  done jsonb;
begin
  select coalesce(jsonb_agg(to_jsonb(o)), '[]') into not_done
    from (select status, outcome, count(*) as events, count(*) filter (where next_attempt_at is null) as given_up
            from public.integration_sync_log where status in ('PENDING', 'FAILED') and direction <> 'maintenance' group by 1, 2) as o;
  if is_estimated then
    select coalesce(jsonb_agg(to_jsonb(o)), '[]') into done
      from (select 'SUCCESS' as status, v.outcome, round(v.share * rows_in_all) as events
              from pg_catalog.pg_stats s,
                   unnest(s.most_common_vals::text::text[], s.most_common_freqs) as v (outcome, share)
             where s.schemaname = 'public' and s.tablename = 'integration_sync_log' and s.attname = 'outcome'
               and v.outcome in ('linked', 'synced', 'unchanged', 'orphaned', 'unmatched', 'unconfirmed', 'ignored', 'stale',
                                 'disabled', 'enabled', 'email_updated', 'created', 'gone', 'undone')) as o;
  else
    select coalesce(jsonb_agg(to_jsonb(o)), '[]') into done
      from (select status, outcome, count(*) as events
              from public.integration_sync_log where status = 'SUCCESS' and direction <> 'maintenance' group by 1, 2) as o;
  end if;
  return (
    with counted as (
      select * from jsonb_to_recordset(not_done || done) as c (status text, outcome text, events numeric, given_up bigint)
    )
    select jsonb_build_object(
      'events', jsonb_build_object('PENDING', 0, 'SUCCESS', 0, 'FAILED', 0)
                || coalesce((select jsonb_object_agg(status, n) from (select status, sum(events) as n from counted group by 1) as s), '{}'),
      'outcomes', coalesce((select jsonb_object_agg(outcome, n)
                              from (select outcome, sum(events) as n from counted where outcome is not null group by 1) as o), '{}'),
      'given_up', coalesce((select sum(given_up) from counted where status = 'FAILED'), 0),
      'is_estimated', is_estimated));
end $$;

-- The state of things in one look.
create or replace function public.get_auth_sync_summary() returns jsonb
language sql stable security definer set search_path = '' as $$
  select public.auth_sync_counts_v1() || jsonb_build_object(
    'last_event_at', (select created_at from public.integration_sync_log where direction <> 'maintenance' order by id desc limit 1),
    'oldest_pending_at', (select created_at from public.integration_sync_log
                           where status = 'PENDING' and direction = 'inbound' order by id limit 1),
    'relay_last_run_at', (select max(last_run_at) from public.auth_sync_relays),
    'actions', (select jsonb_build_object('open', count(*) filter (where next_attempt_at is not null),
                                          'given_up', count(*) filter (where next_attempt_at is null),
                                          'oldest_open_at', min(created_at) filter (where next_attempt_at is not null))
                  from public.integration_sync_log where status <> 'SUCCESS' and direction = 'outbound'),
    'employees', (select jsonb_build_object('all', count(*), 'linked', count(auth_user_id),
                                            'orphaned', count(*) filter (where orphaned_at is not null),
                                            'inactive_and_linked', count(*) filter (where auth_user_id is not null and not is_active))
                    from public.employees))
$$;

select public.auth_sync_secure_v1();
