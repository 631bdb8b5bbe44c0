-- The objects of this service in a database.
-- `migrate` and `doctor` compare them with the files.

-- Returns {"tables": {name: [column]}, "views": {name: whether it reads public.employees}, "indexes": {name: table, or null if it is
-- invalid}, "functions": {name: md5 of the body}, "stray_triggers": ["trigger on table"], see auth_sync_stray_triggers_v1}. The tables are
-- those of this service and public.employees.
create or replace function public.auth_sync_installed_v1() returns jsonb
language sql stable security definer set search_path = '' as $$
  with relations as (
    select c.oid, c.relname, c.relkind from pg_catalog.pg_class c
     where c.relnamespace = 'public'::regnamespace
       and (c.relname = 'employees' or c.relname ~ '^(integration_sync_(log|replays)$|auth_user_state$|auth_sync_|recent_auth_sync_log$)')
  )
  select jsonb_build_object(
    'tables', (select coalesce(jsonb_object_agg(r.relname, (
                 select coalesce(jsonb_agg(a.attname order by a.attname), '[]') from pg_catalog.pg_attribute a
                  where a.attrelid = r.oid and a.attnum > 0 and not a.attisdropped)), '{}') from relations r where r.relkind = 'r'),
    'views', (select coalesce(jsonb_object_agg(r.relname, exists (
                select from pg_catalog.pg_rewrite w join pg_catalog.pg_depend d on d.classid = 'pg_catalog.pg_rewrite'::regclass and d.objid = w.oid
                 where w.ev_class = r.oid and d.refobjid = public.auth_sync_relation_v1('public.employees'))), '{}')
                from relations r where r.relkind = 'v'),
    'indexes', (select coalesce(jsonb_object_agg(c.relname, case when i.indisvalid then t.relname end), '{}')
                  from pg_catalog.pg_index i join pg_catalog.pg_class c on c.oid = i.indexrelid join pg_catalog.pg_class t on t.oid = i.indrelid
                 where c.relnamespace = 'public'::regnamespace and c.relname ~ '^(integration_sync_|auth_user_state_|auth_sync_)'),
    'functions', (select coalesce(jsonb_object_agg(p.proname, md5(p.prosrc)), '{}') from pg_catalog.pg_proc p
                   where p.pronamespace = 'public'::regnamespace and p.proname ~ '^(auth_sync_|get_auth_sync_summary$|find_employees_without_auth$)'),
    'stray_triggers', (select coalesce(jsonb_agg(s.name || ' on ' || s.relation), '[]') from public.auth_sync_stray_triggers_v1() as s))
$$;
