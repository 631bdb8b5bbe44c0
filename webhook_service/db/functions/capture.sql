-- Capture: a trigger on auth.users writes one ledger row for each user and transaction, in that transaction.
-- It cannot make the transaction fail: an error becomes a warning in PostgreSQL's log, and reconciliation finds the change that was not
-- written.

-- Returns the mapped columns of a row of auth.users, as JSON. No other column ever leaves the table. The caller of Auth writes the
-- metadata, so the function reads only mapped keys, and only values that can be a name or a number. Callers set the time zone to UTC before
-- they convert a row to JSON.
create or replace function public.auth_sync_mapped_v1(p_user jsonb, p_name_fields jsonb) returns jsonb
language plpgsql stable set search_path = '' as $$
#variable_conflict use_variable
begin
  if p_name_fields is null then
    raise exception 'auth_sync_settings has no row' using errcode = 'no_data_found', hint = 'run webhook-service migrate';
  end if;
  if not p_user ?& array['id', 'email', 'email_confirmed_at', 'is_anonymous', 'banned_until', 'deleted_at',
                         'raw_app_meta_data', 'raw_user_meta_data'] then
    raise exception 'auth.users lacks a column that is mapped' using errcode = 'undefined_column';
  end if;
  return jsonb_build_object(
    'id', p_user -> 'id',
    'email', p_user -> 'email',
    'email_confirmed_at', p_user -> 'email_confirmed_at',
    'is_anonymous', p_user -> 'is_anonymous',
    'banned_until', p_user -> 'banned_until',
    'deleted_at', p_user -> 'deleted_at',
    'raw_app_meta_data', case
      when jsonb_typeof(p_user -> 'raw_app_meta_data' -> 'employee_number') in ('string', 'number')
           and length(p_user -> 'raw_app_meta_data' ->> 'employee_number') <= 1000
      then jsonb_build_object('employee_number', p_user -> 'raw_app_meta_data' -> 'employee_number') else '{}' end,
    'raw_user_meta_data', (
      select coalesce(jsonb_object_agg(f.value, p_user -> 'raw_user_meta_data' -> f.value), '{}')
        from jsonb_each_text(p_name_fields) as f
       where jsonb_typeof(p_user -> 'raw_user_meta_data' -> f.value) = 'string'
         and length(p_user -> 'raw_user_meta_data' ->> f.value) <= 1000));
end $$;

-- Returns the newest version of an auth user that is known or pending, or 0 if there is none. The result is capped, so that a greater
-- version is possible.
create or replace function public.auth_sync_newest_version_v1(p_auth_user_id uuid) returns bigint
language sql stable security definer set search_path = '' as $$
  select least(4000000000000000000, greatest(
    0,
    (select version from public.auth_user_state where auth_user_id = p_auth_user_id),
    (select max(version) from public.integration_sync_log where auth_user_id = p_auth_user_id and status <> 'SUCCESS')))
$$;

-- Returns the event in the form that the ledger keeps and the sender posts: the payload of a Supabase webhook with only the mapped columns,
-- and with a version.
create or replace function public.auth_sync_payload_v1(p_operation text, p_version bigint, p_record jsonb) returns jsonb
language sql immutable set search_path = '' as $$
  select jsonb_build_object(
    'type', p_operation, 'schema', 'auth', 'table', 'users', 'version', p_version,
    'record', case when p_operation <> 'DELETE' then p_record end,
    'old_record', case when p_operation = 'DELETE' then p_record end)
$$;

-- Trigger: runs for each row of auth.users that is written, and keeps one ledger row for the user and this transaction up to date. The
-- trigger's definition names no column, this function relies on no column's type, and nothing is deferred to the end of the transaction. So
-- Auth's own migrations can write the table, alter its columns and continue in open sessions.
--
-- Event ids ascend with time, so that each new id is written beside the last one in the index of event ids, and not on another one of
-- millions of pages.
create or replace function public.auth_sync_capture_v1() returns trigger
language plpgsql security definer
set search_path = '' set timezone = 'UTC' set lock_timeout = '200ms' set enable_seqscan = off set jit = off as $$
#variable_conflict use_variable
declare
  names jsonb;
  secret uuid;
  row_before jsonb;
  row_now jsonb;
  user_id uuid;
  captured text;
  this_operation text := tg_op;
  this_version bigint;
  mapped jsonb;
begin
  if coalesce(current_setting('auth_sync.blocked', true), '') <> '' then
    if public.auth_sync_is_blocked_v1() then
      return null;  -- another transaction has locked the ledger, and this transaction has waited once
    end if;
  end if;
  row_before := to_jsonb(old);
  row_now := coalesce(to_jsonb(new), row_before);
  if tg_op = 'UPDATE' and row_now -> 'encrypted_password' is distinct from row_before -> 'encrypted_password' then
    perform public.auth_sync_sign_out_user_v1((row_now ->> 'id')::uuid);
  end if;
  if tg_op = 'UPDATE'
     and (row_now -> 'email', row_now -> 'email_confirmed_at', row_now -> 'is_anonymous', row_now -> 'banned_until',
          row_now -> 'deleted_at', row_now -> 'raw_app_meta_data', row_now -> 'raw_user_meta_data')
       = (row_before -> 'email', row_before -> 'email_confirmed_at', row_before -> 'is_anonymous', row_before -> 'banned_until',
          row_before -> 'deleted_at', row_before -> 'raw_app_meta_data', row_before -> 'raw_user_meta_data') then
    return null;  -- a sign-in or token refresh, by far the most frequent write, changes no table of this service
  end if;
  user_id := (row_now ->> 'id')::uuid;
  select s.name_fields, s.secret into names, secret from public.auth_sync_settings s;
  mapped := public.auth_sync_mapped_v1(row_now, names);
  if tg_op = 'UPDATE' and public.auth_sync_mapped_v1(row_before, names) = mapped then
    return null;  -- only metadata that is not mapped has changed
  end if;
  if tg_op = 'DELETE' then
    mapped := jsonb_build_object('id', user_id, 'deleted_at', clock_timestamp());
  end if;

  captured := format('%s-%s-%s', public.auth_sync_version_at_v1(transaction_timestamp()) / 4, pg_current_xact_id(), user_id);
  -- This transaction has locked the row, so no other transaction can give this user a version now. The version is newer than that of a
  -- stock webhook of the same change. An updated_at far in the future, which a row written by hand may have, does not count.
  this_version := public.auth_sync_version_at_v1((row_now ->> 'updated_at')::timestamptz) + 3;
  this_version := greatest(case when this_version <= public.auth_sync_latest_version_v1() then this_version end,
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
    perform public.auth_sync_set_blocked_v1(secret);
  end if;
  -- The text of an error may hold personal data.
  raise warning 'webhook-service: a change of auth user % was not captured (%); reconciliation will find it', user_id, sqlstate;
  return null;
end $$;
