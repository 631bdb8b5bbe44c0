-- Facts about the owner's definition of the employees table. `migrate` decides from them whether it can use the table; `doctor` reports them.

-- Returns facts about public.employees, the columns of auth.users and the privileges of the current role. The function reads only catalogs
-- and needs no other object of this service, because the preflight of `migrate` runs it as a temporary function before the installation:
-- {"kind": PostgreSQL's word for it (for example "view"), or null if there is no such relation, "oid", "owner", "is_owner",
-- "has_children", "key_is_unique", "hides_rows": forced row level security, "columns": {name: type}, "generated": {name: "stored" or
-- "virtual"}, "link": {"is_not_null", "foreign_keys": [{name, references, on_delete}]}, "is_active_is_added": whether this service added
-- it, "leavers": columns that may show who has left, "similar": other tables that may be the employees table, "auth": null, or {"lacks":
-- columns, "may_use", "may_read", "may_add_triggers"}}.
create or replace function public.auth_sync_employees_table_v1() returns jsonb
language sql stable security definer set search_path = '' set quote_all_identifiers = off as $$
  with employees as (
    select c.* from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
     where n.nspname = 'public' and c.relname = 'employees' and c.relkind in ('r', 'p', 'v', 'm', 'f')
  ), attributes as (
    select a.*, pg_catalog.format_type(a.atttypid, a.atttypmod) as type
      from pg_catalog.pg_attribute a join employees e on a.attrelid = e.oid where a.attnum > 0 and not a.attisdropped
  ), users as (
    select c.* from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
     where n.nspname = 'auth' and c.relname = 'users' and c.relkind in ('r', 'p')
  )
  select jsonb_build_object(
    'kind', (select case e.relkind when 'r' then 'table' when 'p' then 'partitioned table' when 'v' then 'view' when 'm' then 'materialized view'
                                 else 'foreign table' end from employees e),
    'oid', (select e.oid::bigint from employees e),
    'owner', (select e.relowner::regrole::text from employees e),
    'is_owner', (select pg_catalog.pg_has_role(e.relowner, 'usage') from employees e),
    'has_children', exists (select from pg_catalog.pg_inherits i join employees e on i.inhparent = e.oid),
    'key_is_unique', exists (select from pg_catalog.pg_index i join attributes a on a.attrelid = i.indrelid and a.attname = 'employee_id'
                              where i.indisunique and i.indisvalid and i.indpred is null and i.indnkeyatts = 1 and i.indkey[0] = a.attnum),
    'hides_rows', coalesce((select e.relforcerowsecurity and not (r.rolsuper or r.rolbypassrls)
                              from employees e, pg_catalog.pg_roles r where r.rolname = current_user), false),
    'columns', (select coalesce(jsonb_object_agg(attname, type), '{}') from attributes),
    'generated', (select coalesce(jsonb_object_agg(attname, case attgenerated when 's' then 'stored' else 'virtual' end), '{}')
                    from attributes where attgenerated <> ''),
    'link', jsonb_build_object(
      'is_not_null', coalesce((select attnotnull from attributes where attname = 'auth_user_id'), false),
      'foreign_keys', (
        select coalesce(jsonb_agg(jsonb_build_object(
                 'name', k.conname, 'references', k.confrelid::regclass::text, 'on_delete', case k.confdeltype
                   when 'c' then 'cascade' when 'n' then 'set null' when 'd' then 'set default' else 'no action' end) order by k.conname), '[]')
          from pg_catalog.pg_constraint k join attributes a on a.attrelid = k.conrelid and a.attname = 'auth_user_id'
         where k.contype = 'f' and a.attnum = any (k.conkey))),
    'is_active_is_added', coalesce((select pg_catalog.col_description(attrelid, attnum) like 'added by webhook-service%'
                                      from attributes where attname = 'is_active'), false),
    'leavers', (
      select coalesce(jsonb_agg(attname order by attnum), '[]') from attributes
       where attname ~* '(^|_)(status|state|active|enabled|disabled|deleted|archived|terminated|termination|inactive|left|leaving|exit|end_date|ended)(_|$)'
         and attname <> 'is_active'),
    'similar', (
      select coalesce(jsonb_agg(format('%I.%I', n.nspname, c.relname) order by n.nspname, c.relname), '[]')
        from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
       where not exists (select from employees) and c.relkind in ('r', 'p', 'v', 'm', 'f') and not c.relispartition
         and lower(regexp_replace(c.relname, '([a-z])([A-Z])', E'\\1_\\2', 'g')) ~ '(^|_)employees?(_(old|new|table|data))?$'
         and n.nspname !~ '^(pg_|information_schema$)'),
    'auth', (
      select jsonb_build_object(
        'lacks', (select coalesce(jsonb_agg(w), '[]')
                    from unnest(array['id', 'email', 'email_confirmed_at', 'is_anonymous', 'banned_until', 'deleted_at', 'raw_app_meta_data',
                                      'raw_user_meta_data']) as w
                   where not exists (select from pg_catalog.pg_attribute a
                                      where a.attrelid = u.oid and a.attname = w and a.attnum > 0 and not a.attisdropped)),
        'may_use', pg_catalog.has_schema_privilege(u.relnamespace, 'usage'),
        'may_read', pg_catalog.has_table_privilege(u.oid, 'select') and (
          not u.relrowsecurity or pg_catalog.pg_has_role(u.relowner, 'usage') and not u.relforcerowsecurity
          or (select r.rolsuper or r.rolbypassrls from pg_catalog.pg_roles r where r.rolname = current_user)),
        'may_add_triggers', pg_catalog.has_table_privilege(u.oid, 'trigger'))
        from users u))
$$;

-- Returns whether an employee is inactive.
create or replace function public.auth_sync_anyone_left_v1() returns boolean
language sql stable security definer set search_path = '' set enable_seqscan = off as $$
  select exists (select from public.employees e where e.is_active is false)
$$;
