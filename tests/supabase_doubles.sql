-- The parts of a Supabase project that the service uses besides its tables, for a plain PostgreSQL with contrib: pgcrypto in Supabase's
-- schema, and doubles of Supabase Vault and pg_net. The script needs the roles of `embedded.SUPABASE_ROLES`.

create schema extensions;
grant usage on schema extensions to public;
create extension pgcrypto with schema extensions;


-- Supabase Vault 0.3, with the same names, arguments and privileges. It does not encrypt. The column `secret` has base64 instead of the
-- ciphertext, so that a query that reads `secret` instead of `decrypted_secret` gets a useless value, as with the real Vault.

create schema vault;

create table vault.secrets (
  id uuid primary key default gen_random_uuid(),
  name text unique,
  description text not null default '',
  secret text not null,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);

create view vault.decrypted_secrets as
select id, name, description, secret, convert_from(decode(secret, 'base64'), 'UTF8') as decrypted_secret,
       created_at, updated_at
  from vault.secrets;

create function vault.create_secret(
  new_secret text, new_name text default null, new_description text default '', new_key_id uuid default null
) returns uuid language sql security definer set search_path = '' as $$
  insert into vault.secrets (secret, name, description)
  values (encode(convert_to(new_secret, 'UTF8'), 'base64'), new_name, new_description)
  returning id
$$;

create function vault.update_secret(
  secret_id uuid, new_secret text default null, new_name text default null, new_description text default null,
  new_key_id uuid default null
) returns void language sql security definer set search_path = '' as $$
  update vault.secrets
     set secret = coalesce(encode(convert_to(new_secret, 'UTF8'), 'base64'), secret),
         name = coalesce(new_name, name),
         description = coalesce(new_description, description),
         updated_at = now()
   where id = secret_id
$$;

-- Only the privileges on the schema keep other roles out, as on Supabase.
grant usage on schema vault to service_role;
grant select, delete on vault.secrets, vault.decrypted_secrets to service_role;


-- pg_net 0.20: the queue, the responses and `http_post`. The worker is tests/pg_net_double.py.

create schema net;

create unlogged table net.http_request_queue (
  id bigserial,
  method text not null,
  url text not null,
  headers jsonb,
  body bytea,
  timeout_milliseconds int not null
);

create unlogged table net._http_response (
  id bigint,
  status_code int,
  content_type text,
  headers jsonb,
  content text,
  timed_out bool,
  error_msg text,
  created timestamptz not null default now()
);

create function net.http_post(
  url text,
  body jsonb default '{}',
  params jsonb default '{}',
  headers jsonb default '{"Content-Type": "application/json"}',
  timeout_milliseconds int default 5000
) returns bigint language plpgsql as $$
declare
  v_type text := (select value from jsonb_each_text(headers) where lower(key) = 'content-type' limit 1);
  v_id bigint;
begin
  if v_type <> 'application/json' then
    raise exception 'Content-Type header must be "application/json"';
  end if;
  if params <> '{}' then
    raise exception 'this double of pg_net does not support params';
  end if;
  insert into net.http_request_queue (method, url, headers, body, timeout_milliseconds)
  values (
    'POST',
    url,
    case when v_type is null then headers || '{"Content-Type": "application/json"}' else headers end,
    convert_to(body::text, 'UTF8'),
    timeout_milliseconds
  )
  returning id into v_id;
  return v_id;
end $$;

-- Every role may read and write all tables, as with the privileges of pg_net.
grant usage on schema net to public;
grant all on all tables in schema net to public;
grant all on all sequences in schema net to public;
