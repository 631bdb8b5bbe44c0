-- Removes webhook-service from a database. Removes its triggers first, so that no trigger calls a function that is gone, and then its
-- tables, functions and indexes and the secret in the vault. The employees table stays, with all its columns and links. The ledger is
-- deleted. To keep it, dump integration_sync_log before you run this script.

set local lock_timeout = '5s';

do $$
declare
  object text;
begin
  for object in
    select format('drop trigger %I on %s', t.tgname, t.tgrelid::regclass) from pg_trigger t
     where t.tgname in ('auth_sync_capture', 'auth_sync_send', 'auth_sync_employees_inserted', 'auth_sync_employees_updated',
                        'auth_sync_actions_inserted', 'auth_sync_actions_updated', 'auth_sync_actions_deleted',
                        'auth_sync_scim_inserted', 'auth_sync_scim_deleted')
  loop
    execute object;
  end loop;
  if to_regclass('vault.secrets') is not null then
    execute 'delete from vault.secrets where name = ''auth_sync_webhook_secrets''';
  end if;
  -- One statement drops all tables, because they use each other's types. The views are dropped with them.
  select 'drop table if exists ' || string_agg(c.oid::regclass::text, ', ') || ' cascade' into object
    from pg_class c
   where c.relnamespace = 'public'::regnamespace and c.relkind = 'r'
     and c.relname ~ '^(integration_sync_(log|replays)$|auth_user_state$|auth_sync_)';
  if object is not null then
    execute object;
  end if;
  for object in
    select format('drop function if exists %s cascade', p.oid::regprocedure) from pg_proc p
     where p.pronamespace = 'public'::regnamespace and p.proname ~ '^(auth_sync_|get_auth_sync_summary$|find_employees_without_auth$)'
  loop
    execute object;
  end loop;
  for object in
    select format('drop index %s', c.oid::regclass) from pg_class c
     where c.relnamespace = 'public'::regnamespace and c.relkind = 'i' and c.relname ~ '^auth_sync_employees_'
  loop
    execute object;
  end loop;
end $$;
