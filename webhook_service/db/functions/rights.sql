-- Privileges: only service_role may use the objects of this service, and no caller can create an object that its functions find by name.

-- Returns whether only this service's triggers and the owner may call a function. Not even service_role may have a body posted or signed.
create or replace function public.auth_sync_is_internal_v1(p_function name) returns boolean
language sql immutable set search_path = '' as $$
  select p_function ~ '^auth_sync_(send_to|post_v1|signed_v1|hmac_v1|keys_v1|capture_v1|send_v1|set_flag_v1|has_flag_v1|protect_employees|is_blocked_v1|set_blocked_v1|install_v1|employees_(changed|request_actions)_v1)$'
$$;

-- Sets the privileges of all tables, views and functions of this service: only service_role has privileges, and the ledger's owner owns
-- them. `migrate` ends with a call of this function, because Supabase grants anon and authenticated privileges on all new objects in schema
-- public, and PUBLIC may execute every function until that privilege is revoked. The search_path of the functions becomes pg_catalog,
-- pg_temp. With an empty search_path, PostgreSQL would search pg_temp first for types and tables, and any role could create one there.
-- Tables get row level security. Not even service_role may read the secret of auth_sync_settings. Views read with the privileges of the
-- role that queries them.
--
-- The owner changes only if the object's owner may already act as the ledger's owner. Otherwise a function of a lesser role could gain
-- privileges by its name.
create or replace function public.auth_sync_secure_v1() returns void
language plpgsql set search_path = '' as $$
#variable_conflict use_variable
declare
  object record;
  grantee text;
  owner oid := (select c.relowner from pg_catalog.pg_class c where c.oid = to_regclass('public.integration_sync_log'));
begin
  for object in
    select c.relkind, c.relowner as owner, null::name as function, c.relrowsecurity as is_secured,
           case c.relkind when 'S' then 'sequence ' else 'table ' end || c.oid::regclass as name
      from pg_catalog.pg_class c
     where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'v', 'S')
       and c.relname ~ '^(integration_sync_(log|replays)|auth_user_state|auth_sync_|recent_auth_sync_log$)'
    union all
    select 'f', p.proowner, p.proname, true, 'function ' || p.oid::regprocedure
      from pg_catalog.pg_proc p
     where p.pronamespace = 'public'::regnamespace and p.proname ~ '^(auth_sync_|get_auth_sync_summary$|find_employees_without_auth$)'
  loop
    if object.relkind <> 'S' and object.owner <> owner and pg_has_role(object.owner, owner, 'member') then
      execute format('alter %s owner to %s', object.name, owner::regrole);  -- a sequence follows its table
    end if;
    execute 'revoke all on ' || object.name || ' from public';
    for grantee in select rolname from pg_catalog.pg_roles where rolname in ('anon', 'authenticated') loop
      execute 'revoke all on ' || object.name || ' from ' || grantee;
    end loop;
    if exists (select from pg_catalog.pg_roles where rolname = 'service_role') then
      execute 'revoke all on ' || object.name || ' from service_role';
      if not coalesce(public.auth_sync_is_internal_v1(object.function), false) then
        execute 'grant ' || case when object.relkind = 'f' then 'execute' when object.relkind = 'S' then 'usage'
            when object.name = 'table public.auth_sync_settings' then format('select (%s)', (
              select string_agg(quote_ident(a.attname), ', ' order by a.attnum) from pg_catalog.pg_attribute a
               where a.attrelid = to_regclass('public.auth_sync_settings') and a.attnum > 0 and not a.attisdropped and a.attname <> 'secret'))
            else 'select' end
          || ' on ' || object.name || ' to service_role';
      end if;
    end if;
    if object.relkind = 'r' and not object.is_secured then
      execute 'alter ' || object.name || ' enable row level security';
    elsif object.relkind = 'v' and current_setting('server_version_num')::integer >= 150000 then
      execute 'alter view ' || substr(object.name, 7) || ' set (security_invoker = on)';  -- a privilege on a view does not open employees
    end if;
    if object.relkind = 'f' then
      execute 'alter ' || object.name || ' set search_path = pg_catalog, pg_temp';
    end if;
  end loop;
end $$;
