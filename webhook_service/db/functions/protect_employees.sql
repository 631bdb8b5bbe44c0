-- Takes the privileges on employees that open the logins (employees_rights.sql) from all roles but the privileged ones.

-- Closes public.employees: PUBLIC, the clients' roles (auth_sync_is_client_v1), and the roles whose privileges these inherit, keep the
-- privilege to insert and update all columns but those that decide about logins, and lose DELETE, TRUNCATE and TRIGGER. All other roles
-- lose TRIGGER only. Enables row level security. Policies and the privilege to read stay. The caller must be the owner of the table.
-- Returns the statements, which p_dry_run only returns. The function can be called again, and then returns no statement. It uses no
-- privileges but those of its caller.
--
-- A revoke on a column has no effect while the privilege on the table stands. So the privilege on the table is revoked, which also revokes
-- it on all columns, and granted again on the other columns. A column that is added later is not granted.
create or replace function public.auth_sync_protect_employees(p_dry_run boolean default false) returns setof text
language plpgsql set search_path = '' set quote_all_identifiers = off as $$
#variable_conflict use_variable
declare
  employees pg_catalog.pg_class;
  service oid := (select c.relowner from pg_catalog.pg_class c where c.oid = to_regclass('public.integration_sync_log'));
  protected constant text[] := array['email', 'is_active', 'auth_user_id', 'employee_number', 'orphaned_at', 'orphaned_auth_user_id'];
  held record;
  statements text[] := array[]::text[];
  statement text;
begin
  select c.* into employees from pg_catalog.pg_class c where c.oid = to_regclass('public.employees');
  if not found then
    raise exception 'there is no table public.employees' using errcode = 'undefined_table';
  end if;
  if not employees.relrowsecurity then
    statements := statements || 'alter table public.employees enable row level security'::text;
  end if;
  for held in
    with clients as (
      select g.role
        from (select x.grantee as role from pg_catalog.aclexplode(employees.relacl) x
              union
              select x.grantee from pg_catalog.pg_attribute a cross join pg_catalog.aclexplode(a.attacl) x where a.attrelid = employees.oid) as g
       where not public.auth_sync_is_trusted_v1(g.role, employees.relowner, service)
         and (g.role = 0 or exists (select from pg_catalog.pg_roles r
                                     where public.auth_sync_is_client_v1(r.oid) and pg_catalog.pg_has_role(r.oid, g.role, 'usage')))
    ), column_grants as (
      select a.attname, x.grantee, x.privilege_type, x.is_grantable
        from pg_catalog.pg_attribute a cross join pg_catalog.aclexplode(a.attacl) x
       where a.attrelid = employees.oid and a.attnum > 0 and not a.attisdropped
    ), table_grants as (
      select x.grantee, x.privilege_type, x.is_grantable from pg_catalog.aclexplode(employees.relacl) x
    )
    select case g.grantee when 0 then 'public' else g.grantee::regrole::text end as role,
           case when g.privilege_type in ('INSERT', 'UPDATE') then g.privilege_type end as write, g.privilege_type as privilege,
           (select string_agg(quote_ident(k.attname), ', ' order by k.attnum)
              from pg_catalog.pg_attribute k
             where k.attrelid = employees.oid and k.attnum > 0 and not k.attisdropped and k.attgenerated = ''
               and not k.attname = any (protected)
               and (g.is_on_table or exists (select from column_grants o where o.attname = k.attname and o.grantee = g.grantee
                                                                             and o.privilege_type = g.privilege_type))) as kept,
           case when g.is_grantable then ' with grant option' else '' end as option
      from (select t.grantee, t.privilege_type, bool_or(t.is_grantable) as is_grantable, true as is_on_table
              from table_grants t
             where t.grantee in (select c.role from clients c) and t.privilege_type in ('INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'TRIGGER')
                or t.privilege_type = 'TRIGGER' and not public.auth_sync_is_trusted_v1(t.grantee, employees.relowner, service)
             group by 1, 2
            union all
            select o.grantee, o.privilege_type, bool_or(o.is_grantable), false
              from column_grants o
             where o.grantee in (select c.role from clients c) and o.privilege_type in ('INSERT', 'UPDATE')
               and not exists (select from table_grants t where t.grantee = o.grantee and t.privilege_type = o.privilege_type)
             group by 1, 2
            having bool_or(o.attname = any (protected))) as g
     order by 1, g.privilege_type
  loop
    statements := statements || format('revoke %s on public.employees from %s cascade', lower(held.privilege), held.role);
    if held.write is not null and held.kept is not null then
      statements := statements || format('grant %s (%s) on public.employees to %s%s', lower(held.write), held.kept, held.role, held.option);
    end if;
  end loop;
  foreach statement in array statements loop
    if not p_dry_run then
      execute statement;
    end if;
    return next statement;
  end loop;
end $$;
