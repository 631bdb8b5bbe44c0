-- What the relay needs of the ledger: a lease on each row that is being worked on, when the next attempt is due, and
-- who relays. And the settings that the database itself must know.

set local lock_timeout = '5s';

-- Functions that only our triggers and the owner call: not even service_role may have anything posted or signed.
create or replace function public.auth_sync_is_internal_v1(p_function name) returns boolean
language sql immutable set search_path = '' as $$
  select p_function ~ '^auth_sync_(send_to|post_v1|signed_v1|hmac_v1|keys_v1|capture_v1|send_v1|install_v1|employees_(changed|wish)_v1)$'
$$;

-- As in 0001. And our functions look for names in pg_catalog, and in pg_temp last: an empty search_path looks in pg_temp
-- first for types and tables, where anybody could put one.
create or replace function public.auth_sync_secure_v1() returns void
language plpgsql set search_path = '' as $$
declare
  object record;
  grantee text;
begin
  for object in
    select c.relkind, null::name as function, case c.relkind when 'S' then 'sequence ' else 'table ' end || c.oid::regclass as name
      from pg_catalog.pg_class c
     where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'v', 'S')
       and c.relname ~ '^(integration_sync_(log|replays)|auth_user_state|auth_sync_|recent_auth_sync_log$)'
    union all
    select 'f', p.proname, 'function ' || p.oid::regprocedure
      from pg_catalog.pg_proc p
     where p.pronamespace = 'public'::regnamespace and p.proname ~ '^(auth_sync_|get_auth_sync_summary$|find_employees_without_auth$)'
  loop
    execute 'revoke all on ' || object.name || ' from public';
    for grantee in select rolname from pg_catalog.pg_roles where rolname in ('anon', 'authenticated') loop
      execute 'revoke all on ' || object.name || ' from ' || grantee;
    end loop;
    if exists (select from pg_catalog.pg_roles where rolname = 'service_role') then
      execute 'revoke all on ' || object.name || ' from service_role';
      if not coalesce(public.auth_sync_is_internal_v1(object.function), false) then
        execute 'grant ' || case object.relkind when 'f' then 'execute' when 'S' then 'usage' else 'select' end
          || ' on ' || object.name || ' to service_role';
      end if;
    end if;
    if object.relkind = 'f' then
      execute 'alter ' || object.name || ' set search_path = pg_catalog, pg_temp';
    end if;
  end loop;
end $$;

alter table public.integration_sync_log
  add column if not exists lease text,
  add column if not exists leased_until timestamptz,
  add column if not exists priority smallint not null default 0;

comment on column public.integration_sync_log.lease is 'who works on it at this moment; only its holder may settle it';
comment on column public.integration_sync_log.leased_until is 'when the lease ends, if its holder does not end it before';
comment on column public.integration_sync_log.priority is
  'of actions: 0 for one of a few, 1 for one of the many that a bulk statement wrote, which wait behind';
comment on column public.integration_sync_log.via is
  'how an event came to be applied: webhook, relay, reconcile, employees; capture, reconcile or employees while it is pending. '
  'Of an action, who asked for it: employees (a change of theirs), admin, provision, or the event that found it missing';
comment on column public.integration_sync_log.request_data is
  'a captured event as it is sent (mapped columns only), else the mapped state of the auth user; never a hash or a token';

-- Maintenance is a run of ours, not an event.
alter table public.integration_sync_log
  drop constraint if exists known_direction,
  drop constraint if exists known_operation,
  drop constraint if exists known_outcome,
  drop constraint if exists known_failure,
  drop constraint if exists lease_is_open,
  add constraint known_direction check (direction in ('inbound', 'outbound', 'maintenance')),
  add constraint known_operation check (case direction
    when 'inbound' then operation in ('INSERT', 'UPDATE', 'DELETE')
    when 'outbound' then operation in ('disable_auth_user', 'enable_auth_user', 'update_auth_email', 'create_auth_user')
    else operation in ('reconcile') end),
  add constraint known_outcome check (status <> 'SUCCESS' or case direction
    when 'inbound' then outcome in ('linked', 'synced', 'unchanged', 'orphaned', 'unmatched', 'unconfirmed', 'ignored', 'stale')
    when 'outbound' then outcome in ('disabled', 'enabled', 'email_updated', 'created', 'linked', 'unchanged', 'stale', 'gone', 'undone')
    else outcome in ('reconciled') end),
  add constraint known_failure check (status <> 'FAILED' or case direction
    when 'inbound' then outcome in ('ambiguous', 'already_linked', 'email_taken', 'employee_rejected', 'unreadable', 'not_applied')
    when 'outbound' then outcome in ('user_not_found', 'email_taken', 'auth_refused', 'auth_unavailable', 'not_performed')
    else outcome in ('incomplete', 'interrupted') end),
  add constraint lease_is_open check (status <> 'SUCCESS' or lease is null);

-- What is due, of events and of actions, and what of one auth user is open.
create index if not exists integration_sync_log_due_idx
  on public.integration_sync_log (next_attempt_at, id)
  where status <> 'SUCCESS' and direction = 'inbound' and next_attempt_at is not null;
create index if not exists integration_sync_log_actions_idx
  on public.integration_sync_log (priority, next_attempt_at, id)
  where status <> 'SUCCESS' and direction = 'outbound' and next_attempt_at is not null;
create index if not exists integration_sync_log_open_idx
  on public.integration_sync_log (auth_user_id, version) where status <> 'SUCCESS';

-- What a new employee is linked from. Hash: a text may be too long for a btree.
create index if not exists auth_user_state_email_idx
  on public.auth_user_state using hash (email) where email_confirmed and deleted_at is null;
create index if not exists auth_user_state_employee_number_idx
  on public.auth_user_state using hash (employee_number) where employee_number is not null and deleted_at is null;

alter table public.auth_user_state add column if not exists record_hash uuid;
comment on column public.auth_user_state.record_hash is
  'md5 of the mapped columns of auth.users as the newest captured event had them: reconciliation compares it';

-- A table by its full name, null where there is none; to_regclass would raise where its schema is closed to us.
create or replace function public.auth_sync_relation_v1(p_name text) returns regclass
language sql stable set search_path = '' as $$
  select c.oid::regclass
    from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
   where n.nspname = split_part(p_name, '.', 1) and c.relname = split_part(p_name, '.', 2)
$$;

-- The settings of the database's side.
create table if not exists public.auth_sync_settings (
  only_row boolean primary key default true check (only_row),
  name_fields jsonb not null default '{"first_name": "first_name", "last_name": "last_name"}',
  columns jsonb not null default '["email", "first_name", "last_name"]',
  webhook_url text,
  relay_after interval not null default '10 seconds' check (relay_after >= '0')
);
insert into public.auth_sync_settings default values on conflict do nothing;
alter table public.auth_sync_settings enable row level security;

comment on table public.auth_sync_settings is 'webhook-service: what the triggers must know';
comment on column public.auth_sync_settings.name_fields is
  'NAME_FIELDS of the service, written by its migrate: {column of employees: key in raw_user_meta_data}';
comment on column public.auth_sync_settings.columns is 'which columns of employees may be written, by EMAIL_OWNER and NAME_FIELDS';
comment on column public.auth_sync_settings.webhook_url is
  'where events are posted to; null: nowhere, the relay carries them. Set by auth_sync_send_to';
comment on column public.auth_sync_settings.relay_after is 'how long a webhook has before the relay takes its event over';

-- Who relays: a heartbeat each.
create table if not exists public.auth_sync_relays (
  relay text primary key,
  started_at timestamptz not null default now(),
  last_run_at timestamptz not null default now()
);
alter table public.auth_sync_relays enable row level security;
comment on table public.auth_sync_relays is 'webhook-service: the relays and when each last ran';

-- How long to wait after so many failed attempts: 5 s, doubling up to 6 h, a quarter more or less, so that what
-- failed together does not come back together. Null after the 29th: 76 h at the least, then it is an admin's turn.
create or replace function public.auth_sync_backoff_v1(p_attempts integer) returns interval
language sql volatile set search_path = '' as $$
  select case when p_attempts < 29 then
    least(interval '6 hours', interval '5 seconds' * power(2, p_attempts - 1)) * (0.75 + random() / 2) end
$$;

-- Takes up to p_limit rows that are due, for p_lease_seconds, the oldest first, and says that this relay is alive:
-- {"events": [{id, event_id, operation, version, auth_user_id, request_data}], "next_in": seconds until the next is
-- due, or null}. What another relay has taken is passed over; a lease that has ended is taken over. Before, it looks again
-- at employees that came at the same moment as their auth users (0011).
create or replace function public.auth_sync_claim_v1(p_relay text, p_limit integer, p_lease_seconds integer) returns jsonb
language plpgsql security definer
set search_path = '' set lock_timeout = '1500ms' set statement_timeout = '3s' set enable_seqscan = off set jit = off as $$
declare
  claimed jsonb;
  more boolean;
begin
  insert into public.auth_sync_relays as r (relay) values (p_relay)
  on conflict (relay) do update set last_run_at = now() where r.last_run_at < now() - interval '3 seconds';

  more := public.auth_sync_look_again_v1(p_limit * 5);
  with due as (
    select id from public.integration_sync_log
     where status <> 'SUCCESS' and direction = 'inbound' and next_attempt_at <= now()
       and (leased_until is null or leased_until < now())
     order by next_attempt_at, id
     limit p_limit
     for update skip locked
  ), taken as (
    update public.integration_sync_log l
       set lease = p_relay, leased_until = now() + make_interval(secs => p_lease_seconds)
      from due where l.id = due.id
    returning l.id, l.event_id, l.operation, l.version, l.auth_user_id, l.request_data
  )
  select coalesce(jsonb_agg(to_jsonb(taken) order by version, id), '[]') into claimed from taken;

  return jsonb_build_object('events', claimed, 'next_in', case when more then 0 else (
    select extract(epoch from min(greatest(next_attempt_at, coalesce(leased_until, next_attempt_at))) - now())
      from (select next_attempt_at, leased_until from public.integration_sync_log
             where status <> 'SUCCESS' and direction = 'inbound' and next_attempt_at is not null
             order by next_attempt_at limit 100) as soon) end);
end $$;

-- Gives rows back that somebody is in the way of: due again in some seconds, which is no attempt.
create or replace function public.auth_sync_postpone_v1(p_event_ids jsonb, p_lease text) returns boolean
language sql security definer set search_path = '' as $$
  update public.integration_sync_log
     set lease = null, leased_until = null, next_attempt_at = now() + interval '5 seconds' * (0.75 + random() / 2)
   where event_id in (select jsonb_array_elements_text(p_event_ids)) and status <> 'SUCCESS' and lease = p_lease;
  select true
$$;

select public.auth_sync_secure_v1();
