-- Sign-ins of admins that wait for the code of a second factor.

-- Remembers a sign-in whose password is right: the admin's name, the auth user, the snapshot before the check of the password, and the
-- encrypted proof of the check. Returns its id, or null if the auth user may not sign in. Deletes those that began more than p_keep_seconds
-- ago.
create or replace function public.auth_sync_wait_for_code_v1(
  p_who text, p_auth_user_id uuid, p_checked_after text, p_sealed text, p_keep_seconds integer
) returns uuid
language plpgsql security definer set search_path = '' set lock_timeout = '1500ms' as $$
#variable_conflict use_variable
declare
  begun uuid;
begin
  delete from public.auth_sync_pending_sign_ins p where p.id in (
    select o.id from public.auth_sync_pending_sign_ins o
     where o.began_at < now() - make_interval(secs => p_keep_seconds) order by o.began_at limit 1000 for update skip locked);
  if not public.auth_sync_may_sign_in_v1(p_auth_user_id) then
    return null;
  end if;
  insert into public.auth_sync_pending_sign_ins (who, auth_user_id, checked_after, sealed)
  values (p_who, p_auth_user_id, p_checked_after::pg_snapshot, p_sealed)
  returning id into begun;
  return begun;
end $$;

-- Returns a sign-in that waits for its code: {"who", "auth_user_id", "sealed"}, or null if it is unknown or began more than p_seconds ago.
create or replace function public.auth_sync_pending_sign_in_v1(p_id uuid, p_seconds integer) returns jsonb
language sql stable security definer set search_path = '' as $$
  select jsonb_build_object('who', p.who, 'auth_user_id', p.auth_user_id, 'sealed', p.sealed)
    from public.auth_sync_pending_sign_ins p
   where p.id = p_id and p.began_at > now() - make_interval(secs => p_seconds)
$$;

-- Ends a sign-in that waits for its code, without a session. Returns its encrypted proof, or null if it is unknown.
create or replace function public.auth_sync_drop_sign_in_v1(p_id uuid) returns text
language sql security definer set search_path = '' set lock_timeout = '1500ms' as $$
  delete from public.auth_sync_pending_sign_ins p where p.id = p_id returning p.sealed
$$;

-- Begins the session of a sign-in whose code is right, once. Returns the session's id, or null if the sign-in is unknown or began more than
-- p_seconds ago, the auth user may not sign in, or the password has changed since its check.
create or replace function public.auth_sync_sign_in_with_code_v1(p_id uuid, p_seconds integer) returns uuid
language plpgsql security definer set search_path = '' set lock_timeout = '1500ms' as $$
#variable_conflict use_variable
declare
  pending public.auth_sync_pending_sign_ins;
  begun uuid;
begin
  delete from public.auth_sync_pending_sign_ins p
   where p.id = p_id and p.began_at > now() - make_interval(secs => p_seconds) returning p.* into pending;
  if pending.id is null then
    return null;
  end if;
  begun := public.auth_sync_sign_in_v1(pending.who, pending.auth_user_id, pending.checked_after::text);
  update public.auth_sync_sessions s set second_factor = true where s.session = begun;
  return begun;
end $$;
