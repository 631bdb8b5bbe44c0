-- The sender: a trigger on the ledger that runs at the end of a transaction that captured a change.
-- If posting is set up, it posts the row as a signed webhook. Otherwise it wakes the relays. Like capture, it cannot make a transaction
-- fail.

-- Returns the HMAC-SHA256 of p_content. pgcrypto may be installed in any schema (on Supabase: extensions).
create or replace function public.auth_sync_hmac_v1(p_content bytea, p_key bytea) returns bytea
language plpgsql stable set search_path = '' as $$
#variable_conflict use_variable
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

-- Returns the keys that sign events, newest first. p_secrets has whsec_ secrets separated by space or comma, as in WEBHOOK_SECRETS.
create or replace function public.auth_sync_keys_v1(p_secrets text) returns bytea[]
language sql immutable set search_path = '' as $$
  select array_agg(decode(substr(s.secret, 7), 'base64') order by s.position)
    from regexp_split_to_table(p_secrets, E'[\\s,|]+') with ordinality as s (secret, position)
   where s.secret like E'whsec\\_%'
$$;

-- Returns the headers that sign a body (https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md). Each
-- secret makes one signature, so that in a rotation either side may get the new secret first.
create or replace function public.auth_sync_signed_v1(p_event_id text, p_body jsonb) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
#variable_conflict use_variable
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

-- Posts an event through pg_net, which sends the bytes of p_body::text after this transaction has committed. Returns whether it was posted.
create or replace function public.auth_sync_post_v1(p_event_id text, p_body jsonb) returns boolean
language plpgsql security definer set search_path = '' as $$
#variable_conflict use_variable
declare
  url text;
  secret uuid;
begin
  select s.webhook_url, s.secret into url, secret from public.auth_sync_settings s;
  if url is null then
    return false;
  end if;
  perform net.http_post(url => url, body => p_body, headers => public.auth_sync_signed_v1(p_event_id, p_body),
                        timeout_milliseconds => 5000);
  return true;
exception when others then
  if sqlstate = '55P03' then
    perform public.auth_sync_set_blocked_v1(secret);  -- the transaction waits for a lock only once, as in capture
  end if;
  raise warning 'webhook-service: event % was not posted (%); the relay will apply it', p_event_id, sqlstate;
  return false;
end $$;

-- Notifies the relays that a row is due. A full notification queue would make the commit fail, so the function sends nothing while the
-- queue is at least half full. The relays then find the row by polling.
create or replace function public.auth_sync_notify_v1() returns void
language sql security definer set search_path = '' as $$
  select pg_notify('auth_sync', '') where pg_notification_queue_usage() < 0.5
$$;

-- Trigger: runs at the end of a transaction that captured a change, once for each user. Posts the current row of the ledger, or wakes the
-- relays.
create or replace function public.auth_sync_send_v1() returns trigger
language plpgsql security definer set search_path = '' set lock_timeout = '200ms' set enable_seqscan = off set jit = off as $$
#variable_conflict use_variable
declare
  body jsonb;
  webhook_time interval;
begin
  if coalesce(current_setting('auth_sync.blocked', true), '') <> '' then
    if public.auth_sync_is_blocked_v1() then
      return null;  -- the row is due for the relay at once
    end if;
  end if;
  select l.request_data, s.relay_after into body, webhook_time
    from public.integration_sync_log l cross join public.auth_sync_settings s where l.id = new.id;
  if body is null then
    return null;
  end if;
  if public.auth_sync_post_v1(new.event_id, body) then
    update public.integration_sync_log set next_attempt_at = now() + webhook_time where id = new.id;
  else
    perform public.auth_sync_notify_v1();
  end if;
  return null;
exception when others or assert_failure then
  raise warning 'webhook-service: event % was not posted (%); the relay will apply it', new.event_id, sqlstate;
  return null;
end $$;

-- Writes the service's settings that the triggers need. `migrate` calls it. Always returns true.
create or replace function public.auth_sync_configure_v1(p_name_fields jsonb, p_columns jsonb) returns boolean
language sql security definer set search_path = '' as $$
  insert into public.auth_sync_settings (name_fields, columns) values (p_name_fields, p_columns)
  on conflict (only_row) do update set name_fields = p_name_fields, columns = p_columns;
  select true
$$;

-- Sets the URL to which captured events are posted, and the secrets that sign them: one or several whsec_ secrets, newest first, as in
-- WEBHOOK_SECRETS. A null URL stops the posting, and the relay then applies every event. Returns a sentence for the caller. It also returns
-- a refusal instead of raising an error, because PostgreSQL would log the failed statement with its secrets.
create or replace function public.auth_sync_send_to(p_url text, p_secrets text) returns text
language plpgsql security definer set search_path = '' as $$
#variable_conflict use_variable
declare
  missing text;
  keys bytea[];
  vaulted uuid;
begin
  if p_url is null then
    update public.auth_sync_settings set webhook_url = null where only_row;
    if public.auth_sync_relation_v1('vault.secrets') is not null then
      execute 'delete from vault.secrets where name = ''auth_sync_webhook_secrets''';
    end if;
    return 'events are not posted; the relay applies every event';
  end if;

  if p_url !~ E'^https?://[^\\s/@]+(/\\S*)?$' then
    return 'refused: the URL must begin with https:// (or http://), and must not contain a password';
  end if;
  select string_agg(m.what, ', ') into missing
    from (values ('pg_net', to_regprocedure('net.http_post(text, jsonb, jsonb, jsonb, integer)') is not null),
                 ('pgcrypto', exists (select from pg_catalog.pg_extension where extname = 'pgcrypto')),
                 ('supabase_vault', public.auth_sync_relation_v1('vault.decrypted_secrets') is not null)) as m (what, is_there)
   where not m.is_there;
  if missing is not null then
    return format('refused: events cannot be posted without %s; enable it under Database > Extensions.'
                  ' Until then the relay applies every event', missing);
  end if;
  begin
    keys := public.auth_sync_keys_v1(p_secrets);
  exception when others then
    keys := null;
  end;
  if keys is null or exists (select from unnest(keys) as k where length(k) not between 24 and 64)
     or cardinality(keys) <> (select count(*) from regexp_split_to_table(p_secrets, E'[\\s,|]+') as s where s not in ('', 'v1')) then
    return 'refused: each secret must be whsec_ and base64 of 24 to 64 bytes';
  end if;

  execute 'select id from vault.secrets where name = ''auth_sync_webhook_secrets''' into vaulted;
  if vaulted is null then
    execute 'select vault.create_secret($1, ''auth_sync_webhook_secrets'', ''webhook-service signs events with it'')' using p_secrets;
  else
    execute 'select vault.update_secret($1, $2)' using vaulted, p_secrets;
  end if;
  insert into public.auth_sync_settings (webhook_url) values (p_url) on conflict (only_row) do update set webhook_url = p_url;
  return format('posting to %s, signed with %s', p_url,
                case cardinality(keys) when 1 then 'one secret' else cardinality(keys) || ' secrets' end);
end $$;

-- Returns a request for `doctor`: {"body", "headers"}. It is signed in the same way as an event, but its body is not an event.
create or replace function public.auth_sync_signed_probe_v1() returns jsonb
language sql volatile security definer set search_path = '' as $$
  select jsonb_build_object('body', '{"type": "doctor"}',
                            'headers', public.auth_sync_signed_v1('doctor-' || public.auth_sync_version_at_v1(clock_timestamp()),
                                                                  '{"type": "doctor"}'))
$$;
