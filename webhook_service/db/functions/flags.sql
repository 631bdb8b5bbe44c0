-- Flags of a transaction, which one function sets for a later one.
-- Any session may set a setting such as auth_sync.blocked, so the value of a flag is a token that only the owner of these functions can
-- compute: from the secret in auth_sync_settings, which no other role may read, the name of the flag, and the transaction.

-- Returns the token of a flag in this transaction, or null without a secret.
create or replace function public.auth_sync_token_v1(p_secret uuid, p_flag text) returns text
language sql stable set search_path = '' as $$
  select encode(sha256(convert_to(p_secret::text || ':' || p_flag || ':' || pg_current_xact_id()::text, 'UTF8')), 'hex')
$$;

-- Sets a flag until the end of the transaction. p_flag is a name, or a name and a value ("confirmed=admin") if the flag has one of several
-- values.
create or replace function public.auth_sync_set_flag_v1(p_flag text) returns void
language sql security definer set search_path = '' as $$
  select set_config('auth_sync.' || split_part(p_flag, '=', 1),
                    public.auth_sync_token_v1((select s.secret from public.auth_sync_settings s), p_flag), true)
$$;

-- Returns whether this transaction has set the flag. Reads no table if the setting is empty.
create or replace function public.auth_sync_has_flag_v1(p_flag text) returns boolean
language plpgsql stable security definer set search_path = '' as $$
#variable_conflict use_variable
declare
  setting text := coalesce(current_setting('auth_sync.' || split_part(p_flag, '=', 1), true), '');
begin
  if setting = '' then
    return false;
  end if;
  return coalesce(setting = public.auth_sync_token_v1((select s.secret from public.auth_sync_settings s), p_flag), false);
end $$;

-- Returns whether this transaction has already waited for a lock in a trigger of this service. Raises lock_not_available at once if the
-- settings themselves are locked, so that the trigger does not wait again. Triggers call it only if auth_sync.blocked is not empty.
create or replace function public.auth_sync_is_blocked_v1() returns boolean
language plpgsql security definer set search_path = '' as $$
#variable_conflict use_variable
begin
  lock table public.auth_sync_settings in access share mode nowait;
  return public.auth_sync_has_flag_v1('blocked');
end $$;

-- Remembers for the rest of the transaction that a trigger has waited for a lock. p_secret is null if the settings were locked. Then any
-- value will do, because auth_sync_is_blocked_v1 does not trust the value.
create or replace function public.auth_sync_set_blocked_v1(p_secret uuid) returns void
language sql set search_path = '' as $$
  select set_config('auth_sync.blocked', coalesce(public.auth_sync_token_v1(p_secret, 'blocked'), 'settings'), true)
$$;
