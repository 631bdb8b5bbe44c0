-- Captured events have ids in the order of time: each new one stands beside the last in the index of the ledger's ids, not on a
-- page of its own among millions.

set local lock_timeout = '5s';

-- The names have a table of their own since 0029. Here, before anything else is locked: whoever reads employees at this moment and
-- writes them next is not in a deadlock with this.
drop index if exists public.auth_sync_employees_name_prefix_idx, public.auth_sync_employees_surname_prefix_idx;

-- As in 0009 but for the id. Runs for each row of auth.users that is written, and keeps one ledger row for the user and this transaction up to date. No
-- column is named in the trigger's definition, none of a fixed type in here, and nothing is left for the transaction's
-- end: Auth's own migrations can write the table, alter its columns and go on in open sessions.
create or replace function public.auth_sync_capture_v1() returns trigger
language plpgsql security definer
set search_path = '' set timezone = 'UTC' set lock_timeout = '200ms' set enable_seqscan = off set jit = off as $$
declare
  names jsonb;
  row_before jsonb;
  row_now jsonb;
  user_id uuid;
  captured text;
  this_operation text := tg_op;
  this_version bigint;
  mapped jsonb;
begin
  if current_setting('auth_sync.blocked', true) = 'on' then
    return null;  -- somebody holds the ledger: one wait for each transaction is enough
  end if;
  row_before := to_jsonb(old);
  row_now := coalesce(to_jsonb(new), row_before);
  if tg_op = 'UPDATE'
     and (row_now -> 'email', row_now -> 'email_confirmed_at', row_now -> 'is_anonymous', row_now -> 'banned_until',
          row_now -> 'deleted_at', row_now -> 'raw_app_meta_data', row_now -> 'raw_user_meta_data')
       = (row_before -> 'email', row_before -> 'email_confirmed_at', row_before -> 'is_anonymous', row_before -> 'banned_until',
          row_before -> 'deleted_at', row_before -> 'raw_app_meta_data', row_before -> 'raw_user_meta_data') then
    return null;  -- a sign-in, a token refresh: by far the most frequent; no table of ours is touched
  end if;
  user_id := (row_now ->> 'id')::uuid;
  select name_fields into names from public.auth_sync_settings;
  mapped := public.auth_sync_mapped_v1(row_now, names);
  if tg_op = 'UPDATE' and public.auth_sync_mapped_v1(row_before, names) = mapped then
    return null;  -- other metadata than what is mapped
  end if;
  if tg_op = 'DELETE' then
    mapped := jsonb_build_object('id', user_id, 'deleted_at', clock_timestamp());
  end if;

  captured := format('%s-%s-%s', public.auth_sync_version_at_v1(transaction_timestamp()) / 4, pg_current_xact_id(), user_id);
  -- The row is locked by this transaction: nobody else can give this user a version now. It is newer than that of a
  -- stock webhook of the same change.
  this_version := greatest(public.auth_sync_version_at_v1((row_now ->> 'updated_at')::timestamptz) + 3,
                           public.auth_sync_version_at_v1(clock_timestamp()), public.auth_sync_newest_version_v1(user_id) + 4);
  insert into public.integration_sync_log as l
    (event_id, direction, operation, auth_user_id, version, request_data, via, next_attempt_at)
  values (captured, 'inbound', this_operation, user_id, this_version,
          public.auth_sync_payload_v1(this_operation, this_version, mapped), 'capture', now())
  on conflict (event_id) do update
    set operation = case when l.operation = 'INSERT' and excluded.operation = 'UPDATE' then 'INSERT' else excluded.operation end,
        version = excluded.version,
        request_data = excluded.request_data || jsonb_build_object('type', case
          when l.operation = 'INSERT' and excluded.operation = 'UPDATE' then 'INSERT' else excluded.operation end);
  return null;
exception when others or assert_failure then
  if sqlstate = '55P03' then
    perform set_config('auth_sync.blocked', 'on', true);
  end if;
  -- The text of an error may hold personal data.
  raise warning 'webhook-service: a change of auth user % was not captured (%); reconciliation will find it', user_id, sqlstate;
  return null;
end $$;

select public.auth_sync_secure_v1();
