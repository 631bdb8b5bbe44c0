-- Admins: their sessions, the limit on attempts to sign in, and the audit of their actions.

-- Counts an attempt to sign in. Returns 0 if the attempt is allowed, or else the number of seconds until the next attempt is allowed. Each
-- key starts with p_attempts attempts, and regains p_attempts attempts in p_seconds. The key with the fewest attempts left decides. A
-- refused attempt counts for none of the keys, so an address that has to wait cannot lock out an account.
create or replace function public.auth_sync_attempt_sign_in_v1(p_keys jsonb, p_attempts integer, p_seconds integer) returns numeric
language plpgsql security definer set search_path = '' set lock_timeout = '1500ms' as $$
#variable_conflict use_variable
declare
  least_left numeric;
begin
  delete from public.auth_sync_sign_in_attempts where key in (
    select key from public.auth_sync_sign_in_attempts
     where at < now() - make_interval(secs => p_seconds) order by key for update skip locked);
  with filled as (
    insert into public.auth_sync_sign_in_attempts as a (key, left_over, at)
    select key, p_attempts, now() from jsonb_array_elements_text(p_keys) as key order by key
    on conflict (key) do update set
      at = greatest(a.at, now()),  -- an attempt that began later may have got the row first
      left_over = least(p_attempts, a.left_over + greatest(extract(epoch from now() - a.at), 0) * p_attempts / p_seconds)
    returning left_over
  )
  select min(left_over) into least_left from filled;
  if least_left < 1 then
    return greatest(1, ceil((1 - least_left) * p_seconds / p_attempts));
  end if;
  update public.auth_sync_sign_in_attempts set left_over = left_over - 1
   where key in (select jsonb_array_elements_text(p_keys));
  return 0;
end $$;

-- Returns whether an auth user may be an admin: its employee is not inactive, and the user is not known to be banned or deleted. The employee
-- of an unlinked login also counts (auth_sync_dismissed_owner_v1).
create or replace function public.auth_sync_may_sign_in_v1(p_auth_user_id uuid) returns boolean
language sql stable security definer set search_path = '' as $$
  select not exists (select from public.employees e where e.auth_user_id = auth_sync_may_sign_in_v1.p_auth_user_id and e.is_active is false)
     and not exists (select from public.auth_user_state u
                      where u.auth_user_id = p_auth_user_id and (u.deleted_at is not null or u.banned_until > now()))
     and public.auth_sync_dismissed_owner_v1(p_auth_user_id) is null
$$;

-- Begins a session. Returns its id, or null if the auth user may not sign in. Deletes sessions that began more than 30 days ago.
create or replace function public.auth_sync_sign_in_v1(p_who text, p_auth_user_id uuid) returns uuid
language plpgsql security definer set search_path = '' as $$
#variable_conflict use_variable
declare
  begun uuid;
begin
  if not public.auth_sync_may_sign_in_v1(p_auth_user_id) then
    return null;
  end if;
  delete from public.auth_sync_sessions where signed_in_at < now() - interval '30 days';
  insert into public.auth_sync_audit (who, action) values (p_who, 'signed in');
  insert into public.auth_sync_sessions (who, auth_user_id) values (p_who, p_auth_user_id) returning session into begun;
  return begun;
end $$;

-- Returns the admin of a session: {"who", "auth_user_id": null for a sign-in with the admin key}. Returns null if the session has ended, is
-- older than p_seconds, or belongs to an auth user who may no longer sign in.
create or replace function public.auth_sync_session_v1(p_session uuid, p_seconds integer) returns jsonb
language sql stable security definer set search_path = '' as $$
  select jsonb_build_object('who', s.who, 'auth_user_id', s.auth_user_id)
    from public.auth_sync_sessions s
   where s.session = p_session and s.ended_at is null and s.signed_in_at > now() - make_interval(secs => p_seconds)
     and public.auth_sync_may_sign_in_v1(s.auth_user_id)
$$;

-- Ends a session. Returns whether it was open.
create or replace function public.auth_sync_sign_out_v1(p_session uuid) returns boolean
language sql security definer set search_path = '' as $$
  with ended as (
    update public.auth_sync_sessions set ended_at = now() where session = p_session and ended_at is null returning who
  ), audited as (
    insert into public.auth_sync_audit (who, action) select who, 'signed out' from ended returning 1
  )
  select exists (select from audited)
$$;

-- Writes an entry of the audit log. Returns its id.
create or replace function public.auth_sync_audit_v1(p_who text, p_action text, p_target text, p_details jsonb) returns bigint
language sql security definer set search_path = '' as $$
  insert into public.auth_sync_audit (who, action, target, details) values (p_who, p_action, p_target, p_details) returning id
$$;

-- Returns a page of the audit log, newest first, of all targets or of one target: {"entries": [...], "next"}. The ids of the
-- next page are below "next", which is null on the last page.
create or replace function public.auth_sync_audit_page_v1(p_target text, p_below bigint, p_limit integer) returns jsonb
language sql stable security definer set search_path = '' as $$
  with page as (
    select * from public.auth_sync_audit
     where (p_target is null or target = p_target) and (p_below is null or id < p_below)
     order by id desc limit p_limit + 1
  ), shown as (
    select * from page order by id desc limit p_limit
  )
  select jsonb_build_object(
    'entries', coalesce((select jsonb_agg(to_jsonb(shown) order by id desc) from shown), '[]'),
    'next', case when (select count(*) from page) > p_limit then (select min(id) from shown) end)
$$;
