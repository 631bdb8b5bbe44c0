-- Who administrates: sessions that can be ended, how often somebody may try to sign in, and who did what.

set local lock_timeout = '5s';

create table if not exists public.auth_sync_sessions (
  session uuid primary key default gen_random_uuid(),
  who text not null,
  auth_user_id uuid,
  signed_in_at timestamptz not null default now(),
  ended_at timestamptz
);
alter table public.auth_sync_sessions enable row level security;
comment on table public.auth_sync_sessions is
  'webhook-service: the browsers that admins are signed in with; auth_user_id is null where it was by the admin key';

create table if not exists public.auth_sync_sign_in_attempts (
  key text primary key,
  left_over numeric not null,
  at timestamptz not null
);
alter table public.auth_sync_sign_in_attempts enable row level security;
comment on table public.auth_sync_sign_in_attempts is
  'webhook-service: how many attempts to sign in are left, for each address and each account (as a hash)';

create table if not exists public.auth_sync_audit (
  id bigint generated always as identity primary key,
  at timestamptz not null default now(),
  who text not null,
  action text not null,
  target text,
  details jsonb not null default '{}'
);
create index if not exists auth_sync_audit_target_idx on public.auth_sync_audit (target, id) where target is not null;
alter table public.auth_sync_audit enable row level security;
comment on table public.auth_sync_audit is 'webhook-service: which admin did what, written before it is done';
comment on column public.auth_sync_audit.target is 'what it was done to: event:ID, employee:ID, replay:ID';

-- An attempt to sign in: 0, or for how many seconds there may be no other. Each key has p_attempts at once, and as many
-- again in p_seconds; the one with the least left decides.
create or replace function public.auth_sync_attempt_sign_in_v1(p_keys jsonb, p_attempts integer, p_seconds integer) returns numeric
language plpgsql security definer set search_path = '' set lock_timeout = '1500ms' as $$
declare
  least_left numeric;
begin
  delete from public.auth_sync_sign_in_attempts where at < now() - make_interval(secs => p_seconds);
  insert into public.auth_sync_sign_in_attempts as a (key, left_over, at)
  select key, p_attempts - 1, now() from jsonb_array_elements_text(p_keys) as key order by key
  on conflict (key) do update set
    at = now(),
    left_over = greatest(least(p_attempts, a.left_over + extract(epoch from now() - a.at) * p_attempts / p_seconds) - 1, -1);
  select min(left_over) into least_left
    from public.auth_sync_sign_in_attempts where key in (select jsonb_array_elements_text(p_keys));
  return case when least_left >= 0 then 0 else ceil(-least_left * p_seconds / p_attempts) end;
end $$;

-- A session begins; its id. Those of a month ago are forgotten.
create or replace function public.auth_sync_sign_in_v1(p_who text, p_auth_user_id uuid) returns uuid
language sql security definer set search_path = '' as $$
  delete from public.auth_sync_sessions where signed_in_at < now() - interval '30 days';
  insert into public.auth_sync_audit (who, action) values (p_who, 'signed in');
  insert into public.auth_sync_sessions (who, auth_user_id) values (p_who, p_auth_user_id) returning session
$$;

-- Whether a session still holds: not ended, not older than p_seconds, and its person neither dismissed nor, as far as is
-- known, banned or deleted.
create or replace function public.auth_sync_session_holds_v1(p_session uuid, p_seconds integer) returns boolean
language sql stable security definer set search_path = '' as $$
  select coalesce((
    select s.ended_at is null and s.signed_in_at > now() - make_interval(secs => p_seconds)
           and not exists (select from public.employees e where e.auth_user_id = s.auth_user_id and not e.is_active)
           and not exists (select from public.auth_user_state u
                            where u.auth_user_id = s.auth_user_id and (u.deleted_at is not null or u.banned_until > now()))
      from public.auth_sync_sessions s where s.session = p_session), false)
$$;

create or replace function public.auth_sync_sign_out_v1(p_session uuid) returns boolean
language sql security definer set search_path = '' as $$
  with ended as (
    update public.auth_sync_sessions set ended_at = now() where session = p_session and ended_at is null returning who
  ), told as (
    insert into public.auth_sync_audit (who, action) select who, 'signed out' from ended returning 1
  )
  select exists (select from told)
$$;

create or replace function public.auth_sync_audit_v1(p_who text, p_action text, p_target text, p_details jsonb) returns bigint
language sql security definer set search_path = '' as $$
  insert into public.auth_sync_audit (who, action, target, details) values (p_who, p_action, p_target, p_details) returning id
$$;

-- What admins did, newest first, of all or of one target: {"entries": [...], "next": the id to go on below, or null}.
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

select public.auth_sync_secure_v1();
