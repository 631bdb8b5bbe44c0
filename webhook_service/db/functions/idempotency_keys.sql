-- The Idempotency-Keys of the admin API, with which a request that is sent again gets the first answer.

-- Claims a key for a request, of which p_request is the SHA-256. Returns {"state"}: "claimed" if the caller must carry the request out, and
-- then call auth_sync_keep_answer_v1 or auth_sync_release_key_v1 with its lease. "answered", with "status" and "body", if the request was
-- carried out before. "under_way" if another process carries it out. "other_request" if the key belongs to another request. A request whose
-- lease has ended without an answer, because its process ended, is claimed again. Two calls at once wait for each other at the primary key.
create or replace function public.auth_sync_claim_key_v1(p_key text, p_request text, p_lease text, p_lease_seconds integer) returns jsonb
language plpgsql security definer set search_path = '' set lock_timeout = '1500ms' as $$
#variable_conflict use_variable
declare
  state jsonb;
begin
  perform public.auth_sync_prune_keys_v1(1000);
  insert into public.auth_sync_idempotency_keys as k (key, request, lease, leased_until)
  values (p_key, p_request, p_lease, now() + make_interval(secs => p_lease_seconds))
  on conflict (key) do update set lease = excluded.lease, leased_until = excluded.leased_until
    where k.request = excluded.request and k.status is null and k.leased_until < now();
  if found then
    return '{"state": "claimed"}';
  end if;
  select case when k.request <> p_request then '{"state": "other_request"}'
              when k.status is not null then jsonb_build_object('state', 'answered', 'status', k.status, 'body', k.body) end
    into state from public.auth_sync_idempotency_keys k where k.key = p_key;
  return coalesce(state, '{"state": "under_way"}');  -- also if the key was released just now
end $$;

-- Keeps the answer of the request that has claimed the key with this lease. Returns whether the lease was still held.
create or replace function public.auth_sync_keep_answer_v1(p_key text, p_lease text, p_status integer, p_body text) returns boolean
language plpgsql security definer set search_path = '' set lock_timeout = '1500ms' as $$
#variable_conflict use_variable
begin
  update public.auth_sync_idempotency_keys k set status = p_status, body = p_body
   where k.key = p_key and k.lease = p_lease and k.status is null;
  return found;
end $$;

-- Releases the key that a request has claimed with this lease, so that the request can be carried out again. Returns whether the lease was
-- still held.
create or replace function public.auth_sync_release_key_v1(p_key text, p_lease text) returns boolean
language plpgsql security definer set search_path = '' set lock_timeout = '1500ms' as $$
#variable_conflict use_variable
begin
  delete from public.auth_sync_idempotency_keys k where k.key = p_key and k.lease = p_lease and k.status is null;
  return found;
end $$;

-- Deletes at most p_limit keys that were claimed more than a day ago, the oldest first. Waits for no lock.
create or replace function public.auth_sync_prune_keys_v1(p_limit integer) returns void
language sql security definer set search_path = '' set enable_seqscan = off set enable_sort = off set enable_bitmapscan = off as $$
  delete from public.auth_sync_idempotency_keys where key = any (array(
    select key from public.auth_sync_idempotency_keys
     where claimed_at < now() - interval '1 day' order by claimed_at limit p_limit for update skip locked))
$$;
