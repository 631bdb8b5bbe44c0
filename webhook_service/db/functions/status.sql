-- Numbers for health probes, monitoring, `doctor` and the summary.

-- Returns the installed version, for health probes: {"migration": the newest number, or null, "functions": the digests of the functions
-- that were installed in this database, newest first}.
create or replace function public.auth_sync_schema_v1() returns jsonb
language sql stable security definer set search_path = '' as $$
  select jsonb_build_object(
    'migration', (select max(number) from public.auth_sync_migrations),
    'functions', (select coalesce(jsonb_agg(digest order by applied_at desc), '[]') from public.auth_sync_functions))
$$;

-- Returns whether the database accepts no writes, because it is a replica or its disk is full (Supabase then makes it read-only). The
-- transaction's own setting does not show this, because PostgREST calls a stable function in a read-only transaction.
create or replace function public.auth_sync_is_read_only_v1() returns boolean
language sql stable security definer set search_path = '' as $$
  select pg_is_in_recovery() or current_setting('default_transaction_read_only') = 'on'
$$;

-- Returns facts for health probes that are fast to read: {"migration": the newest number, "is_read_only", "relay_last_run_seconds",
-- "oldest_pending_seconds": how long the oldest pending event has waited, "pending_events": their number, up to 10,000,
-- "last_event_seconds", "failing_loops": see auth_sync_failing_loops_v1, "open_employees": see auth_sync_open_employees_v1, "auth": see
-- auth_sync_auth_v1, "comparison": see auth_sync_compared_v1, "held_bans", "held_bans_oldest_seconds"}. An age is null if there is no such
-- relay or event.
create or replace function public.auth_sync_readiness_v1() returns jsonb
language sql stable security definer set search_path = '' as $$
  select jsonb_build_object(
    'migration', (select max(number) from public.auth_sync_migrations),
    'is_read_only', public.auth_sync_is_read_only_v1(),
    'relay_last_run_seconds', (select extract(epoch from now() - max(last_run_at)) from public.auth_sync_relays),
    'oldest_pending_seconds', (select extract(epoch from now() - created_at) from public.integration_sync_log
                                where status = 'PENDING' and direction = 'inbound' order by id limit 1),
    'pending_events', (select count(*) from (select from public.integration_sync_log
                                              where status = 'PENDING' and status in ('PENDING', 'FAILED') and direction = 'inbound'
                                              order by id limit 10000) as few),
    'last_event_seconds', (select extract(epoch from now() - created_at) from public.integration_sync_log
                             where direction = 'inbound' order by id desc limit 1),
    'failing_loops', public.auth_sync_failing_loops_v1(),
    'open_employees', public.auth_sync_open_employees_v1(),
    'auth', public.auth_sync_auth_v1(),
    'comparison', public.auth_sync_compared_v1()) || public.auth_sync_held_numbers_v1()
$$;

-- Returns the number of rows by status and outcome: {"events": {status: n}, "outcomes": {outcome: n}, "needs_attention", "dismissed",
-- "is_estimated"}.
-- Pending and failed rows are counted exactly. SUCCESS rows are counted exactly in a small ledger. In a ledger of more than 250,000 rows
-- their number is the planner's estimate, because counting millions would take seconds.
create or replace function public.auth_sync_counts_v1() returns jsonb
language plpgsql stable security definer set search_path = '' as $$
#variable_conflict use_variable
declare
  rows_in_all bigint := (select greatest(reltuples, 0) from pg_catalog.pg_class where oid = 'public.integration_sync_log'::regclass);
  is_estimated boolean := rows_in_all > 250000;
  not_done jsonb;
  done jsonb;
begin
  select coalesce(jsonb_agg(to_jsonb(o)), '[]') into not_done
    from (select status, outcome, count(*) as events, count(*) filter (where next_attempt_at is null and dismissed_at is null) as needs_attention,
                 count(*) filter (where dismissed_at is not null) as dismissed
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
      select * from jsonb_to_recordset(not_done || done) as c (status text, outcome text, events numeric, needs_attention bigint, dismissed bigint)
    )
    select jsonb_build_object(
      'events', jsonb_build_object('PENDING', 0, 'SUCCESS', 0, 'FAILED', 0)
                || coalesce((select jsonb_object_agg(status, n) from (select status, sum(events) as n from counted group by 1) as s), '{}'),
      'outcomes', coalesce((select jsonb_object_agg(outcome, n)
                              from (select outcome, sum(events) as n from counted where outcome is not null group by 1) as o), '{}'),
      'needs_attention', coalesce((select sum(needs_attention) from counted where status = 'FAILED'), 0),
      'dismissed', coalesce((select sum(dismissed) from counted where status = 'FAILED'), 0),
      'is_estimated', is_estimated));
end $$;

-- Returns the summary for admins, quickly in a company of any size: the keys of auth_sync_counts_v1, "last_event_at", "oldest_pending_at",
-- "relay_last_run_at" (each null if there is none), "actions": {"open", "needs_attention", "oldest_open_at"}, "employees": the result of
-- auth_sync_employees_summary_v1.
create or replace function public.get_auth_sync_summary() returns jsonb
language sql stable security definer set search_path = '' as $$
  select public.auth_sync_counts_v1() || jsonb_build_object(
    'last_event_at', (select created_at from public.integration_sync_log where direction <> 'maintenance' order by id desc limit 1),
    'oldest_pending_at', (select created_at from public.integration_sync_log
                           where status = 'PENDING' and direction = 'inbound' order by id limit 1),
    'relay_last_run_at', (select max(last_run_at) from public.auth_sync_relays),
    'actions', (select jsonb_build_object('open', count(*) filter (where next_attempt_at is not null),
                                          'needs_attention', count(*) filter (where next_attempt_at is null and dismissed_at is null),
                                          'oldest_open_at', min(created_at) filter (where next_attempt_at is not null))
                  from public.integration_sync_log where status <> 'SUCCESS' and direction = 'outbound'),
    'employees', public.auth_sync_employees_summary_v1())
$$;

-- Returns the ledger's metrics, ages in seconds: {"backlog_events", "backlog_oldest_seconds", "failed_events", "needs_attention_events",
-- "open_actions", "open_actions_oldest_seconds", "needs_attention_actions", "held_bans", "held_bans_oldest_seconds", "failing_loops",
-- "relay_last_run_seconds", "last_event_seconds"}. The last two are null if no relay has run or there is no event. Each part reads at most
-- 20,000 rows of an index and counts up to 10,000, because a larger number would not change the decision of an admin. The oldest row is
-- then the oldest of the rows that are due first.
create or replace function public.auth_sync_metrics_v1() returns jsonb
language plpgsql stable security definer
set search_path = '' set enable_seqscan = off set enable_bitmapscan = off set jit = off as $$
#variable_conflict use_variable
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
    select direction, next_attempt_at, dismissed_at from public.integration_sync_log
     where status = 'FAILED' order by id desc limit most * 2
  )
  select jsonb_build_object(
    'backlog_events', least(e.pending, most), 'backlog_oldest_seconds', extract(epoch from now() - e.oldest),
    'failed_events', least(e.failed, most), 'needs_attention_events', least(f.events, most), 'needs_attention_actions', least(f.actions, most),
    'open_actions', least(a.open, most), 'open_actions_oldest_seconds', extract(epoch from now() - a.oldest))
    into numbers
    from (select count(*) filter (where status = 'PENDING') as pending, count(*) filter (where status = 'FAILED') as failed,
                 min(created_at) filter (where status = 'PENDING') as oldest from events) as e,
         (select count(*) as open, min(created_at) as oldest from actions) as a,
         (select count(*) filter (where direction = 'inbound') as events,
                 count(*) filter (where direction = 'outbound') as actions from failures where next_attempt_at is null and dismissed_at is null) as f;
  return numbers || public.auth_sync_held_numbers_v1() || public.auth_sync_delivery_numbers_v1() || jsonb_build_object(
    'failing_loops', jsonb_array_length(public.auth_sync_failing_loops_v1()),
    'relay_last_run_seconds', (select extract(epoch from now() - max(last_run_at)) from public.auth_sync_relays),
    'last_event_seconds', (select extract(epoch from now() - created_at) from public.integration_sync_log
                             where direction = 'inbound' order by id desc limit 1));
end $$;

-- Describes in words the columns of employees that are missing or have a type that this service cannot use. Returns null if all columns fit.
-- The owner may have changed the columns after the installation. The preflight of `migrate` makes the same check.
create or replace function public.auth_sync_unfit_columns_v1() returns text
language sql stable security definer set search_path = '' as $$
  select string_agg(format('%s must be %s, is %s', w.attname, array_to_string(w.allowed, ' or '),
                           coalesce(pg_catalog.format_type(a.atttypid, a.atttypmod), 'missing')), '; ')
    from (values ('employee_id', array['bigint', 'integer', 'smallint'], array['int8', 'int4', 'int2']),
                 ('email', array['text', 'varchar', 'citext'], array['text', 'varchar', 'citext']),
                 ('first_name', array['text', 'varchar', 'citext'], array['text', 'varchar', 'citext']),
                 ('last_name', array['text', 'varchar', 'citext'], array['text', 'varchar', 'citext']),
                 ('auth_user_id', array['uuid'], array['uuid']),
                 ('is_active', array['boolean'], array['bool'])) as w (attname, allowed, internal)
    left join pg_catalog.pg_attribute a
      on a.attrelid = to_regclass('public.employees') and a.attname = w.attname and not a.attisdropped
    left join pg_catalog.pg_type t on t.oid = a.atttypid
   where t.typname is null or not t.typname::text = any (w.internal)
$$;

-- Returns the facts that `doctor` checks; webhook_service/doctor says what they mean.
create or replace function public.auth_sync_inspect_v1() returns jsonb
language plpgsql stable security definer set search_path = '' set statement_timeout = '3s' as $$
#variable_conflict use_variable
declare
  facts jsonb;
  worker_is_up boolean;
  waiting bigint;
  refused jsonb;
  newest_user timestamptz;
  secret_is_there boolean := false;
begin
  select jsonb_build_object(
    'now', extract(epoch from clock_timestamp()),
    'is_read_only', public.auth_sync_is_read_only_v1(),
    'has_auth_users', public.auth_sync_relation_v1('auth.users') is not null,
    'owner_sees_all', (select r.rolsuper or r.rolbypassrls from pg_catalog.pg_roles r where r.rolname = current_user),
    'unfit_columns', public.auth_sync_unfit_columns_v1(),
    'triggers', (select jsonb_object_agg(t.name, t.is_right) from public.auth_sync_triggers_v1() as t where t.relation is not null),
    'open_to_strangers', (
      select coalesce(jsonb_agg(p.oid::regprocedure::text), '[]') from pg_catalog.pg_proc p
       where p.pronamespace = 'public'::regnamespace and p.proname ~ '^(auth_sync_|get_auth_sync_summary$|find_employees_without_auth$)'
         and exists (select from pg_catalog.pg_roles r
                      where r.rolname in ('anon', 'authenticated') and has_function_privilege(r.oid, p.oid, 'execute')))
      || (
      select coalesce(jsonb_agg(c.oid::regclass::text), '[]') from pg_catalog.pg_class c
       where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'v')
         and c.relname ~ '^(integration_sync_(log|replays)|auth_user_state|auth_sync_|recent_auth_sync_log$)'
         and (c.relkind = 'r' and not c.relrowsecurity
              or exists (select from pg_catalog.pg_roles r where r.rolname in ('anon', 'authenticated')
                                                              and has_table_privilege(r.oid, c.oid, 'select,insert,update,delete')))),
    'closed_to_service_role', (
      select coalesce(jsonb_agg(p.oid::regprocedure::text), '[]') from pg_catalog.pg_proc p, pg_catalog.pg_roles r
       where p.pronamespace = 'public'::regnamespace and p.proname ~ '^(auth_sync_|get_auth_sync_summary$|find_employees_without_auth$)'
         and r.rolname = 'service_role' and not public.auth_sync_is_internal_v1(p.proname)
         and not has_function_privilege(r.oid, p.oid, 'execute')),
    'webhook_url', s.webhook_url,
    'name_fields', s.name_fields,
    'columns', s.columns,
    'deactivation_limit', s.deactivation_limit,
    'autoconfirm', s.autoconfirm,
    'link_unproven', s.link_unproven,
    'has_pg_net', to_regprocedure('net.http_post(text, jsonb, jsonb, jsonb, integer)') is not null,
    'has_pgcrypto', exists (select from pg_catalog.pg_extension where extname = 'pgcrypto'),
    'has_vault', public.auth_sync_relation_v1('vault.decrypted_secrets') is not null,
    'relay_last_run_seconds', (select extract(epoch from now() - max(last_run_at)) from public.auth_sync_relays),
    'pending', (select count(*) from public.integration_sync_log where status = 'PENDING' and direction = 'inbound'),
    'oldest_pending_seconds', (select extract(epoch from now() - created_at) from public.integration_sync_log
                                where status = 'PENDING' and direction = 'inbound' order by id limit 1),
    'retrying', (select count(*) from public.integration_sync_log
                  where status = 'FAILED' and direction = 'inbound' and next_attempt_at is not null),
    'needs_attention', (select count(*) from public.integration_sync_log
                  where status = 'FAILED' and direction = 'inbound' and next_attempt_at is null and dismissed_at is null),
    'actions', (select jsonb_build_object('open', count(*) filter (where next_attempt_at is not null),
                                          'needs_attention', count(*) filter (where next_attempt_at is null and dismissed_at is null),
                                          'overdue_seconds', extract(epoch from now() - min(created_at) filter (where priority = 0 and next_attempt_at < now())))
                  from public.integration_sync_log where status <> 'SUCCESS' and direction = 'outbound'),
    'failing_loops', public.auth_sync_failing_loops_v1(),
    'deliveries', public.auth_sync_delivery_numbers_v1(),
    'open_employees', public.auth_sync_open_employees_v1(),
    'held_bans', public.auth_sync_held_numbers_v1() -> 'held_bans',
    'auth_failures', (select failures from public.auth_sync_rate),
    'last_event_at', (select extract(epoch from coalesce(
                        (select created_at from public.integration_sync_log where direction = 'inbound' order by id desc limit 1),
                        (select max(updated_at) from public.auth_user_state)))),  -- for a ledger whose events were pruned
    'last_reconcile', (select jsonb_build_object('status', status, 'outcome', outcome, 'seconds_ago', extract(epoch from now() - created_at))
                         from public.integration_sync_log where direction = 'maintenance' order by id desc limit 1))
    into facts from public.auth_sync_settings s;

  if public.auth_sync_relation_v1('auth.sessions') is not null then
    facts := facts || jsonb_build_object('ends_sessions', has_schema_privilege('auth', 'usage')
                                                          and has_table_privilege('auth.sessions', 'select, delete'));
  end if;
  if (facts ->> 'has_auth_users')::boolean then
    begin
      if public.auth_sync_size_v1('auth.users') < 1500000 then  -- created_at has no index
        select max(created_at) into newest_user from auth.users;
      end if;
      facts := facts || jsonb_build_object('newest_user_at', extract(epoch from newest_user), 'sees_auth_users', true);
    exception when insufficient_privilege then
      facts := facts || '{"sees_auth_users": false}';
    end;
  end if;
  if (facts ->> 'has_vault')::boolean then
    begin
      execute 'select count(*) > 0 from vault.decrypted_secrets where name = ''auth_sync_webhook_secrets''' into secret_is_there;
    exception when others then
      null;  -- this role may not read the table, so the trigger may not either
    end;
  end if;
  if (facts ->> 'has_pg_net')::boolean then
    worker_is_up := exists (select from pg_catalog.pg_stat_activity
                             where backend_type ilike '%pg_net%' or application_name ilike '%pg_net%');
    begin
      execute 'select count(*) from net.http_request_queue' into waiting;
      execute 'select coalesce(jsonb_object_agg(status, n), ''{}'')'
              '  from (select coalesce(status_code::text, ''no answer'') as status, count(*) as n from net._http_response'
              '         where created > now() - interval ''1 hour'' and status_code is distinct from 200 group by 1) as r' into refused;
    exception when others then
      null;  -- a version of pg_net with other tables
    end;
  end if;
  return facts || jsonb_build_object('has_secret', secret_is_there, 'pg_net_worker_is_up', worker_is_up,
                                     'pg_net_waiting', waiting, 'pg_net_refused', refused);
end $$;
