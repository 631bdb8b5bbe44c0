-- Admins: their sessions, the limit on attempts to sign in, and the audit of their actions.

-- Counts an attempt to sign in. Returns 0 if the attempt is allowed, or else the number of seconds until the next attempt is allowed. Each
-- key starts with p_attempts attempts, and regains p_attempts attempts in p_seconds. The key with the fewest attempts left decides. A
-- refused attempt counts for none of the keys, so an address that has to wait cannot lock out an account. It leaves no row behind either.
create or replace function public.auth_sync_attempt_sign_in_v1(p_keys jsonb, p_attempts integer, p_seconds integer) returns numeric
language plpgsql security definer
set search_path = '' set lock_timeout = '1500ms' set enable_seqscan = off set enable_bitmapscan = off set jit = off as $$
#variable_conflict use_variable
declare
  keys text[] := array(select k.key from jsonb_array_elements_text(p_keys) as k (key) order by k.key);
  this_key text;
  attempts_left numeric;
begin
  foreach this_key in array keys loop
    insert into public.auth_sync_sign_in_attempts (key, left_over, at) values (this_key, p_attempts, now()) on conflict do nothing;
    select public.auth_sync_attempts_left_v1(a.left_over, a.at, p_attempts, p_seconds) into attempts_left
      from public.auth_sync_sign_in_attempts a where a.key = this_key for update;
    if attempts_left < 1 then
      delete from public.auth_sync_sign_in_attempts a where a.key = any (keys) and a.left_over >= p_attempts;
      return greatest(1, ceil((1 - attempts_left) * p_seconds / p_attempts));
    end if;
  end loop;
  update public.auth_sync_sign_in_attempts a
     set left_over = public.auth_sync_attempts_left_v1(a.left_over, a.at, p_attempts, p_seconds) - 1,
         at = greatest(a.at, now())  -- an attempt that began later may have got the row first
   where a.key = any (keys);
  perform public.auth_sync_prune_attempts_v1(p_seconds, 20000, 1000);
  return 0;
end $$;

-- Returns the seconds until an attempt with this key is allowed, or 0. Counts nothing.
create or replace function public.auth_sync_sign_in_wait_v1(p_key text, p_attempts integer, p_seconds integer) returns numeric
language sql stable security definer set search_path = '' set enable_seqscan = off as $$
  select coalesce((
    select case when l.attempts_left < 1 then greatest(1, ceil((1 - l.attempts_left) * p_seconds / p_attempts)) else 0 end
      from public.auth_sync_sign_in_attempts a
     cross join lateral public.auth_sync_attempts_left_v1(a.left_over, a.at, p_attempts, p_seconds) as l (attempts_left)
     where a.key = p_key), 0)
$$;

-- Returns the attempts that a key has now, if it had p_left_over attempts at p_at.
create or replace function public.auth_sync_attempts_left_v1(
  p_left_over numeric, p_at timestamptz, p_attempts integer, p_seconds integer
) returns numeric
language sql stable set search_path = '' as $$
  select least(p_attempts, p_left_over + greatest(extract(epoch from now() - p_at), 0) * p_attempts / p_seconds)
$$;

-- Deletes rows of keys that have regained all attempts, and the oldest rows if there are more than p_most rows. Deletes at most p_limit rows
-- of each kind, so that a caller waits only briefly. It must be a transaction's last write of this table: it waits for no lock, and a
-- transaction that held these rows while it waited for other rows could deadlock.
create or replace function public.auth_sync_prune_attempts_v1(p_seconds integer, p_most integer, p_limit integer) returns void
language plpgsql security definer set search_path = '' set enable_seqscan = off set enable_sort = off set enable_bitmapscan = off
set jit = off as $$
#variable_conflict use_variable
begin
  delete from public.auth_sync_sign_in_attempts a where a.key in (
    select b.key from public.auth_sync_sign_in_attempts b
     where b.at < now() - make_interval(secs => p_seconds) order by b.at limit p_limit for update skip locked);
  if exists (select from public.auth_sync_sign_in_attempts a order by a.at desc offset p_most limit 1) then
    delete from public.auth_sync_sign_in_attempts a where a.key in (
      select b.key from public.auth_sync_sign_in_attempts b order by b.at limit p_limit for update skip locked);
  end if;
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

-- Returns the number of auth users who may sign in as admins: {"all": number, role: number, ...}. p_roles is {role: [values of `role` in
-- app_metadata]}. A user's `role` is a value or a list of values, so a user may have several roles. Returns null if the users cannot be
-- counted: this database has no auth.users, its owner hides it, or a count would take seconds.
create or replace function public.auth_sync_admins_v2(p_roles jsonb) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
#variable_conflict use_variable
begin
  if public.auth_sync_size_v1('auth.users') < 250000 then
    return (
      with granted as materialized (
        select u.id, r.role
          from auth.users u
          join lateral (select v.key as role from jsonb_each(p_roles) as v (key, given)
                         where exists (select from jsonb_array_elements(v.given) as g (value)
                                        where u.raw_app_meta_data -> 'role' @> g.value)) as r on true
         where jsonb_typeof(u.raw_app_meta_data -> 'role') in ('string', 'array')
           and u.email_confirmed_at is not null and u.deleted_at is null and (u.banned_until is null or u.banned_until <= now())
      ), admins as (
        select a.id, a.role from granted a where public.auth_sync_may_sign_in_v1(a.id)
      ), counted as (
        select c.role, count(*) as number from admins c group by c.role
      )
      select jsonb_build_object('all', (select count(distinct d.id) from admins d))
             || coalesce((select jsonb_object_agg(n.role, n.number) from counted n), '{}'));
  end if;
  return null;
exception when insufficient_privilege then
  return null;
end $$;

-- Returns the snapshot of this moment, as text. A sign-in takes it before Auth checks the password.
create or replace function public.auth_sync_snapshot_v1() returns text
language sql volatile set search_path = '' as $$
  select pg_current_snapshot()::text
$$;

-- Returns whether the password of an auth user has changed since a snapshot, so that a check of the password after this snapshot may have
-- accepted the former one. Times do not decide this: Auth accepts the former password until the change is committed. No transaction of this
-- server has an id that is not below the current snapshot. Such an id comes from the dump of another server, and does not count.
create or replace function public.auth_sync_password_changed_v1(p_auth_user_id uuid, p_since pg_snapshot) returns boolean
language sql stable security definer set search_path = '' as $$
  select exists (
    select from public.auth_sync_password_changes c
     where c.auth_user_id = p_auth_user_id and c.changed_by < pg_snapshot_xmax(pg_current_snapshot())
       and not pg_visible_in_snapshot(c.changed_by, p_since))
$$;

-- Begins a session. p_checked_after is the snapshot before the check of the password; it is null for a sign-in with the admin key. Returns
-- the session's id, or null if the auth user may not sign in or the password has changed since. Deletes sessions that began more than 30
-- days ago, and changes of passwords that are older than any session that is valid.
create or replace function public.auth_sync_sign_in_v1(p_who text, p_auth_user_id uuid, p_checked_after text) returns uuid
language plpgsql security definer set search_path = '' as $$
#variable_conflict use_variable
declare
  begun uuid;
begin
  delete from public.auth_sync_password_changes c where c.auth_user_id in (
    select o.auth_user_id from public.auth_sync_password_changes o
     where o.changed_at < now() - interval '1 day' order by o.changed_at limit 10000 for update skip locked);
  if not public.auth_sync_may_sign_in_v1(p_auth_user_id) then
    return null;
  elsif public.auth_sync_password_changed_v1(p_auth_user_id, p_checked_after::pg_snapshot) then
    return null;  -- a change that is committed later ends the session at its first request (auth_sync_session_v1)
  end if;
  delete from public.auth_sync_sessions where signed_in_at < now() - interval '30 days';
  insert into public.auth_sync_audit (who, action) values (p_who, 'signed in');
  insert into public.auth_sync_sessions (who, auth_user_id, checked_after) values (p_who, p_auth_user_id, p_checked_after::pg_snapshot)
  returning session into begun;
  return begun;
end $$;

-- Returns the admin of a session: {"who", "auth_user_id": null for a sign-in with the admin key, "second_factor"}. Returns null if the session has ended, is
-- older than p_seconds, or belongs to an auth user who may no longer sign in or whose password has changed since it was checked.
create or replace function public.auth_sync_session_v1(p_session uuid, p_seconds integer) returns jsonb
language sql stable security definer set search_path = '' as $$
  select jsonb_build_object('who', s.who, 'auth_user_id', s.auth_user_id, 'second_factor', s.second_factor)
    from public.auth_sync_sessions s
   where s.session = p_session and s.ended_at is null and s.signed_in_at > now() - make_interval(secs => p_seconds)
     and public.auth_sync_may_sign_in_v1(s.auth_user_id)
     and not public.auth_sync_password_changed_v1(s.auth_user_id, s.checked_after)
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

-- Ends all sessions of an auth user, whose password has changed, and records the change, so that a sign-in under way leaves no session. An
-- error becomes a warning, because the change must not fail.
create or replace function public.auth_sync_sign_out_user_v1(p_auth_user_id uuid) returns void
language plpgsql security definer set search_path = '' set lock_timeout = '200ms' as $$
#variable_conflict use_variable
begin
  begin
    insert into public.auth_sync_password_changes as c (auth_user_id, changed_by) values (p_auth_user_id, pg_current_xact_id())
    on conflict (auth_user_id) do update set changed_by = excluded.changed_by, changed_at = excluded.changed_at;
  exception when others or assert_failure then
    raise warning 'webhook-service: the change of the password of auth user % was not recorded (%)', p_auth_user_id, sqlstate;
  end;
  with ended as (
    update public.auth_sync_sessions s set ended_at = now()
     where s.auth_user_id = p_auth_user_id and s.ended_at is null returning s.who
  )
  insert into public.auth_sync_audit (who, action) select distinct ended.who, 'signed out (password changed)' from ended;
exception when others or assert_failure then
  raise warning 'webhook-service: the sessions of auth user % did not end (%); its password has changed', p_auth_user_id, sqlstate;
end $$;

-- Writes an entry of the audit log before the act, without a result (auth_sync_audit_result_v1 in audit.sql). Returns its id.
create or replace function public.auth_sync_audit_v1(p_who text, p_action text, p_target text, p_details jsonb) returns bigint
language sql security definer set search_path = '' as $$
  insert into public.auth_sync_audit (who, action, target, details, result)
  values (p_who, p_action, p_target, p_details, 'pending') returning id
$$;
