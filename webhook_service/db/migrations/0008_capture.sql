-- Capture at the source: a trigger on auth.users writes one ledger row for each user and transaction, in that
-- transaction; at its end another one, on the ledger, posts the row as a signed webhook where that is set up. Nothing
-- here can make the transaction fail: whatever goes wrong is a warning in the log, and reconciliation finds what was not
-- written.

set local lock_timeout = '5s';

-- The columns of auth.users that we map, of a row as JSON; nothing else ever leaves the table. Metadata is the caller's
-- to write: only the keys that are mapped are taken, and only what can be a name or a number. Callers set the time zone
-- to UTC before they make JSON of a row.
create or replace function public.auth_sync_mapped_v1(p_user jsonb, p_name_fields jsonb) returns jsonb
language plpgsql stable set search_path = '' as $$
begin
  if p_name_fields is null then
    raise exception 'auth_sync_settings has lost its row' using errcode = 'no_data_found', hint = 'run webhook-service migrate';
  end if;
  if not p_user ?& array['id', 'email', 'email_confirmed_at', 'is_anonymous', 'banned_until', 'deleted_at', 'raw_app_meta_data', 'raw_user_meta_data'] then
    raise exception 'auth.users has no longer the columns that are mapped' using errcode = 'undefined_column';
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

-- A moment as a version: microseconds, times four, so that there is room between two of them.
create or replace function public.auth_sync_version_at_v1(p_moment timestamptz) returns bigint
language sql immutable set search_path = '' as $$
  select case when isfinite(p_moment) then least(greatest(extract(epoch from p_moment) * 4000000, 0), 2e18)::bigint else 0 end
$$;

-- The newest version that is known or pending for an auth user, 0 where there is none.
create or replace function public.auth_sync_newest_version_v1(p_auth_user_id uuid) returns bigint
language sql stable security definer set search_path = '' as $$
  select greatest(
    0,
    (select version from public.auth_user_state where auth_user_id = p_auth_user_id),
    (select max(version) from public.integration_sync_log where auth_user_id = p_auth_user_id and status <> 'SUCCESS'))
$$;

-- The event as it is kept in the ledger and sent: a webhook's payload, with our version, and with the mapped columns only.
create or replace function public.auth_sync_payload_v1(p_operation text, p_version bigint, p_record jsonb) returns jsonb
language sql immutable set search_path = '' as $$
  select jsonb_build_object(
    'type', p_operation, 'schema', 'auth', 'table', 'users', 'version', p_version,
    'record', case when p_operation <> 'DELETE' then p_record end,
    'old_record', case when p_operation = 'DELETE' then p_record end)
$$;

-- HMAC-SHA256 by pgcrypto, wherever it is installed (Supabase: in schema extensions).
create or replace function public.auth_sync_hmac_v1(p_content bytea, p_key bytea) returns bytea
language plpgsql stable set search_path = '' as $$
declare
  place name;
  result bytea;
begin
  select n.nspname into place
    from pg_catalog.pg_extension e join pg_catalog.pg_namespace n on n.oid = e.extnamespace where e.extname = 'pgcrypto';
  if place is null then
    raise exception 'pgcrypto is not installed' using errcode = 'undefined_function', hint = 'create extension pgcrypto schema extensions';
  end if;
  execute format('select %I.hmac($1, $2, ''sha256'')', place) into result using p_content, p_key;
  return result;
end $$;

-- The keys that events are signed with, newest first: whsec_ secrets, separated by space or comma, as WEBHOOK_SECRETS has them.
create or replace function public.auth_sync_keys_v1(p_secrets text) returns bytea[]
language sql immutable set search_path = '' as $$
  select array_agg(decode(substr(s.secret, 7), 'base64') order by s.position)
    from regexp_split_to_table(p_secrets, '[\s,|]+') with ordinality as s (secret, position)
   where s.secret like 'whsec\_%'
$$;

-- The headers that sign a body (https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md):
-- a signature for each secret, so that either side of a rotation may come first.
create or replace function public.auth_sync_signed_v1(p_event_id text, p_body jsonb) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
  secrets text;
  moment text := floor(extract(epoch from clock_timestamp()))::text;
  signatures text;
begin
  execute 'select decrypted_secret from vault.decrypted_secrets where name = ''auth_sync_webhook_secrets''' into secrets;
  select string_agg('v1,' || encode(public.auth_sync_hmac_v1(convert_to(p_event_id || '.' || moment || '.' || p_body::text, 'UTF8'), k.key),
                                    'base64'), ' ' order by k.position)
    into signatures from unnest(public.auth_sync_keys_v1(secrets)) with ordinality as k (key, position);
  if signatures is null then
    raise exception 'no secret is set' using errcode = 'no_data_found', hint = 'select auth_sync_send_to(url, secrets)';
  end if;
  return jsonb_build_object('Content-Type', 'application/json', 'webhook-id', p_event_id, 'webhook-timestamp', moment,
                            'webhook-signature', signatures);
end $$;

-- Posts an event through pg_net, which sends the bytes of p_body::text once this transaction has committed. Says whether it could.
create or replace function public.auth_sync_post_v1(p_event_id text, p_body jsonb) returns boolean
language plpgsql security definer set search_path = '' as $$
declare
  url text;
begin
  select webhook_url into url from public.auth_sync_settings;
  if url is null then
    return false;
  end if;
  perform net.http_post(url => url, body => p_body, headers => public.auth_sync_signed_v1(p_event_id, p_body), timeout_milliseconds => 5000);
  return true;
exception when others then
  raise warning 'webhook-service: event % was not posted (%); the relay carries it', p_event_id, sqlstate;
  return false;
end $$;

-- Says to the relays that something is due. A full queue of notifications would fail the commit: rather let them poll.
create or replace function public.auth_sync_notify_v1() returns void
language sql security definer set search_path = '' as $$
  select pg_notify('auth_sync', '') where pg_notification_queue_usage() < 0.5
$$;

-- Runs for each row of auth.users that is written, and keeps one ledger row for the user and this transaction up to date. No
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
     and (row_now -> 'email', row_now -> 'email_confirmed_at', row_now -> 'is_anonymous', row_now -> 'banned_until', row_now -> 'deleted_at',
          row_now -> 'raw_app_meta_data', row_now -> 'raw_user_meta_data')
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

  captured := format('%s-%s-%s', user_id, public.auth_sync_version_at_v1(transaction_timestamp()) / 4, pg_current_xact_id());
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

-- Runs at the end of a transaction that captured something, once for each user: posts the row as it is by then, or wakes the
-- relays.
create or replace function public.auth_sync_send_v1() returns trigger
language plpgsql security definer set search_path = '' set lock_timeout = '200ms' set enable_seqscan = off set jit = off as $$
declare
  body jsonb;
  patience interval;
begin
  select l.request_data, s.relay_after into body, patience
    from public.integration_sync_log l cross join public.auth_sync_settings s where l.id = new.id;
  if body is null then
    return null;
  end if;
  if public.auth_sync_post_v1(new.event_id, body) then
    update public.integration_sync_log set next_attempt_at = now() + patience where id = new.id;
  else
    perform public.auth_sync_notify_v1();
  end if;
  return null;
exception when others or assert_failure then
  raise warning 'webhook-service: event % was not posted (%); the relay carries it', new.event_id, sqlstate;
  return null;
end $$;

-- Puts the triggers in place where they are missing, switched off, or not as this version wants them. Safe to repeat.
-- Each is named with what it is.
create or replace function public.auth_sync_install_v1() returns jsonb
language plpgsql set search_path = '' set lock_timeout = '5s' as $$
declare
  wanted record;
  is_right boolean;
  installed jsonb := '[]';
begin
  for wanted in select * from public.auth_sync_triggers_v1() as t loop
    continue when wanted.relation is null;
    if not wanted.is_right then
      execute format('drop trigger if exists %I on %s', wanted.name, wanted.relation);
      execute wanted.definition;
      installed := installed || jsonb_build_array(wanted.name);
    end if;
  end loop;
  return installed;
end $$;

-- The triggers that belong in this database, where they go (null: there is no such table here) and whether they are right.
create or replace function public.auth_sync_triggers_v1()
returns table (name text, relation regclass, definition text, is_right boolean)
language sql stable security definer set search_path = '' as $$
  select w.name, public.auth_sync_relation_v1(w.relation), w.definition,
         exists (select from pg_catalog.pg_trigger t
                  where t.tgrelid = public.auth_sync_relation_v1(w.relation) and t.tgname = w.name and t.tgenabled in ('O', 'A')
                    and pg_catalog.pg_get_triggerdef(t.oid) = w.definition)
    from (values
      ('auth_sync_capture', 'auth.users',
       'CREATE TRIGGER auth_sync_capture AFTER INSERT OR DELETE OR UPDATE ON auth.users'
       ' FOR EACH ROW EXECUTE FUNCTION public.auth_sync_capture_v1()'),
      ('auth_sync_send', 'public.integration_sync_log',
       'CREATE CONSTRAINT TRIGGER auth_sync_send AFTER INSERT ON public.integration_sync_log'
       ' DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN ((new.via = ''capture''::text)) EXECUTE FUNCTION public.auth_sync_send_v1()')
    ) as w (name, relation, definition)
$$;

-- What the service's settings say that the triggers must know; its migrate writes it.
create or replace function public.auth_sync_configure_v1(p_name_fields jsonb, p_columns jsonb) returns boolean
language sql security definer set search_path = '' as $$
  insert into public.auth_sync_settings (name_fields, columns) values (p_name_fields, p_columns)
  on conflict (only_row) do update set name_fields = p_name_fields, columns = p_columns;
  select true
$$;

-- Where captured events are posted to, and what they are signed with: one or several whsec_ secrets, newest first, as
-- the service has them in WEBHOOK_SECRETS. Null stops the posting; the relay then carries everything. To rotate, call
-- it with the new and the old one, then with the new one alone.
create or replace function public.auth_sync_send_to(p_url text, p_secrets text) returns text
language plpgsql security definer set search_path = '' as $$
declare
  missing text;
  keys bytea[];
  vaulted uuid;
begin
  if p_url is null then
    update public.auth_sync_settings set webhook_url = null;
    if public.auth_sync_relation_v1('vault.secrets') is not null then
      execute 'delete from vault.secrets where name = ''auth_sync_webhook_secrets''';
    end if;
    return 'not posting; the relay carries every event';
  end if;

  if p_url !~ '^https?://[^\s/@]+(/\S*)?$' then
    raise exception 'the URL must begin with https:// (or http://), and hold no password' using errcode = 'invalid_parameter_value';
  end if;
  select string_agg(m.what, ', ') into missing
    from (values ('pg_net', to_regprocedure('net.http_post(text, jsonb, jsonb, jsonb, integer)') is not null),
                 ('pgcrypto', exists (select from pg_catalog.pg_extension where extname = 'pgcrypto')),
                 ('supabase_vault', public.auth_sync_relation_v1('vault.decrypted_secrets') is not null)) as m (what, is_there)
   where not m.is_there;
  if missing is not null then
    raise exception 'events cannot be posted without %', missing
      using errcode = 'undefined_object', hint = 'Enable it under Database > Extensions. Until then the relay carries every event.';
  end if;
  begin
    keys := public.auth_sync_keys_v1(p_secrets);
  exception when others then
    keys := null;  -- the error would repeat the secret
  end;
  if keys is null or exists (select from unnest(keys) as k where length(k) not between 24 and 64)
     or cardinality(keys) <> (select count(*) from regexp_split_to_table(p_secrets, '[\s,|]+') as s where s not in ('', 'v1')) then
    raise exception 'each secret must be whsec_ and base64 of 24 to 64 bytes' using errcode = 'invalid_parameter_value';
  end if;

  execute 'select id from vault.secrets where name = ''auth_sync_webhook_secrets''' into vaulted;
  if vaulted is null then
    execute 'select vault.create_secret($1, ''auth_sync_webhook_secrets'', ''webhook-service signs events with it'')' using p_secrets;
  else
    execute 'select vault.update_secret($1, $2)' using vaulted, p_secrets;
  end if;
  insert into public.auth_sync_settings (webhook_url) values (p_url) on conflict (only_row) do update set webhook_url = p_url;
  return format('posting to %s, signed with %s', p_url, case cardinality(keys) when 1 then 'one secret' else cardinality(keys) || ' secrets' end);
end $$;

select public.auth_sync_secure_v1();
select public.auth_sync_install_v1();
