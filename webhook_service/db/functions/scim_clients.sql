-- The directories that push employees in by SCIM: their tokens, and the limit on their requests.

-- Creates a token of a directory, which begins to exist with its first token. p_hash is the SHA-256 of the token. Returns {"token_id",
-- "client_id", "name"}.
create or replace function public.auth_sync_scim_create_token_v1(p_name text, p_hash text, p_requested_by text) returns jsonb
language plpgsql security definer set search_path = '' set lock_timeout = '1500ms' as $$
#variable_conflict use_variable
declare
  directory bigint;
  token bigint;
begin
  insert into public.auth_sync_scim_clients (name) values (p_name) on conflict (name) do nothing;
  select c.client_id into directory from public.auth_sync_scim_clients c where c.name = p_name;
  insert into public.auth_sync_scim_tokens (client_id, hash, created_by) values (directory, p_hash, p_requested_by)
  returning token_id into token;
  insert into public.auth_sync_audit (who, action, details)
  values (p_requested_by, 'create a SCIM token', jsonb_build_object('directory', p_name, 'token_id', token));
  return jsonb_build_object('token_id', token, 'client_id', directory, 'name', p_name);
end $$;

-- Returns the tokens, oldest first: [{"token_id", "client_id", "name", "created_by", "created_at", "last_used_at", "revoked_at",
-- "revoked_by"}].
create or replace function public.auth_sync_scim_tokens_v1() returns jsonb
language sql stable security definer set search_path = '' as $$
  select coalesce(jsonb_agg(to_jsonb(t) - 'hash' || jsonb_build_object('name', c.name) order by t.token_id), '[]')
    from public.auth_sync_scim_tokens t join public.auth_sync_scim_clients c on c.client_id = t.client_id
$$;

-- Revokes a token, or, if p_token_id is null, all tokens of the directory p_name. Returns the number of tokens that were valid.
create or replace function public.auth_sync_scim_revoke_v1(p_token_id bigint, p_name text, p_requested_by text) returns bigint
language plpgsql security definer set search_path = '' set lock_timeout = '1500ms' as $$
#variable_conflict use_variable
declare
  revoked record;
  number bigint := 0;
begin
  for revoked in
    update public.auth_sync_scim_tokens t set revoked_at = now(), revoked_by = p_requested_by
      from public.auth_sync_scim_clients c
     where c.client_id = t.client_id and t.revoked_at is null and (t.token_id = p_token_id or p_token_id is null and c.name = p_name)
    returning t.token_id, c.name
  loop
    insert into public.auth_sync_audit (who, action, details)
    values (p_requested_by, 'revoke a SCIM token', jsonb_build_object('directory', revoked.name, 'token_id', revoked.token_id));
    number := number + 1;
  end loop;
  return number;
end $$;

-- Returns the directory of a token: {"client_id", "name"}, or null if there is no such token or it is revoked. Records the use, at most once
-- a minute.
create or replace function public.auth_sync_scim_client_v1(p_hash text) returns jsonb
language plpgsql security definer set search_path = '' set lock_timeout = '1500ms' as $$
#variable_conflict use_variable
declare
  found_client jsonb;
begin
  select jsonb_build_object('client_id', c.client_id, 'name', c.name) into found_client
    from public.auth_sync_scim_tokens t join public.auth_sync_scim_clients c on c.client_id = t.client_id
   where t.hash = p_hash and t.revoked_at is null;
  if found_client is not null then
    update public.auth_sync_scim_tokens t set last_used_at = now()
     where t.hash = p_hash and (t.last_used_at is null or t.last_used_at < now() - interval '1 minute');
  end if;
  return found_client;
end $$;

-- Counts p_requests of a directory that may send p_rate requests a minute. Returns 0, or the seconds until the requests are allowed, and
-- then counts nothing. A request that counts more than a whole minute is allowed after a minute without requests. The commit does not wait
-- for the disk, because a crash may forget the count.
create or replace function public.auth_sync_scim_spend_v1(p_client_id bigint, p_requests integer, p_rate integer) returns numeric
language plpgsql security definer set search_path = '' set lock_timeout = '1500ms' as $$
#variable_conflict use_variable
declare
  available numeric;
  needed numeric := least(p_requests, p_rate);
begin
  perform set_config('synchronous_commit', 'off', true);
  select case when c.refilled_at = '-infinity' then p_rate
              else least(p_rate, c.requests_left + greatest(extract(epoch from now() - c.refilled_at), 0) * p_rate / 60) end into available
    from public.auth_sync_scim_clients c where c.client_id = p_client_id for update;
  if available < needed then
    return greatest(1, ceil((needed - available) * 60 / p_rate));
  end if;
  update public.auth_sync_scim_clients c
     set requests_left = available - needed, refilled_at = greatest(now(), c.refilled_at)
   where c.client_id = p_client_id;
  return 0;
end $$;

-- Finds the directory of a token and counts one request, in one call: auth_sync_scim_client_v1 and auth_sync_scim_spend_v1. Returns
-- {"client_id", "name", "wait": 0, or the seconds until the request is allowed}, or null for a token that is not valid.
create or replace function public.auth_sync_scim_admit_v1(p_hash text, p_rate integer) returns jsonb
language plpgsql security definer set search_path = '' set lock_timeout = '1500ms' as $$
#variable_conflict use_variable
declare
  client jsonb := public.auth_sync_scim_client_v1(p_hash);
begin
  return client || jsonb_build_object('wait', public.auth_sync_scim_spend_v1((client ->> 'client_id')::bigint, 1, p_rate));
end $$;
