-- The privileges of other roles on the employees table. A role that may write the columns that decide about logins owns these logins.

-- Returns the privileges on employees that open the logins: [{"problem", "says"}]. The problems are:
--   clients_may_write           PUBLIC or a client's role (auth_sync_is_client_v1) may insert or change a column that decides about a login
--   clients_may_delete          they may delete rows, and with each row disable its login, or empty the table
--   row_security_is_off         row level security is off, and they have a privilege on the table
--   others_may_add_triggers     a role may create triggers, which run with the privileges of the writer of the table
--   others_own_triggers         a role owns the function of a trigger, and may therefore replace it
-- With row level security, a role may write only what a policy for the command allows. A policy or check that is the constant false allows
-- nothing. The function cannot know which rows any other condition allows, so such a policy counts. A view with the privileges of its owner
-- counts as the table if its owner may write the table; a view with security_invoker counts if the role itself may. A parent of the table
-- counts as the table, because its own privileges decide about a write through it.
create or replace function public.auth_sync_open_employees_v1() returns jsonb
language plpgsql stable security definer set search_path = '' set quote_all_identifiers = off as $$
#variable_conflict use_variable
declare
  employees oid := public.auth_sync_relation_v1('public.employees');
  service oid := (select c.relowner from pg_catalog.pg_class c where c.oid = public.auth_sync_relation_v1('public.integration_sync_log'));
  found jsonb := '[]';
begin
  if employees is null then
    return found;
  end if;
  with recursive family (relation) as (
    select employees
    union
    select case when i.inhparent = f.relation then i.inhrelid else i.inhparent end
      from family f join pg_catalog.pg_inherits i on f.relation in (i.inhparent, i.inhrelid)
  ), views as (  -- each view of a table or view, with the columns that it uses
    select distinct r.ev_class as view, d.refobjid as base, d.refobjsubid as base_column, c.relowner as owner,
           coalesce((select o.option_value::boolean from pg_catalog.pg_options_to_table(c.reloptions) o where o.option_name = 'security_invoker'), false) as is_invoker
      from pg_catalog.pg_rewrite r
      join pg_catalog.pg_depend d on d.classid = 'pg_catalog.pg_rewrite'::regclass and d.objid = r.oid
                                     and d.refclassid = 'pg_catalog.pg_class'::regclass and d.refobjid <> r.ev_class
      join pg_catalog.pg_class c on c.oid = r.ev_class and c.relkind = 'v'
  ), clients (role, name) as (
    select r.oid, r.rolname::text from pg_catalog.pg_roles r where public.auth_sync_is_client_v1(r.oid)
    union all
    select 0::oid, 'public'
  ), principals (role, name) as (
    select c.role, c.name from clients c
    union
    select v.owner, r.rolname::text from views v join pg_catalog.pg_roles r on r.oid = v.owner where not v.is_invoker
  ), wanted (command, letter, bit, attname) as (
    select m.command, m.letter, m.bit, a.attname
      from (values ('INSERT', 'a', 8), ('UPDATE', 'w', 4)) as m (command, letter, bit),
           unnest(array['email', 'is_active', 'auth_user_id', 'employee_number']) as a (attname)
    union all
    values ('DELETE', 'd', 16, null), ('TRUNCATE', 'D', 0, null)
  ), may (role, relation, command, attname, reason) as (
    select p.role, f.relation, w.command, w.attname,
           case when not c.relrowsecurity then 'row level security is off'
                when w.command = 'TRUNCATE' then 'row level security does not apply to it'
                when p.role <> 0 and (pg_catalog.pg_has_role(p.role, c.relowner, 'usage') and not c.relforcerowsecurity
                                      or (select r.rolsuper or r.rolbypassrls from pg_catalog.pg_roles r where r.oid = p.role))
                then 'row level security does not apply to the role'
                else l.policies end
      from family f
      join pg_catalog.pg_class c on c.oid = f.relation
     cross join principals p
     cross join wanted w
      left join pg_catalog.pg_attribute a on a.attrelid = f.relation and a.attname = w.attname and a.attnum > 0 and not a.attisdropped
                                             and a.attgenerated = ''
     cross join lateral (
       select string_agg(format('policy %I', y.polname), ', ' order by y.polname)
                filter (where y.polpermissive and not y.is_closed) as policies,
              coalesce(bool_or(not y.polpermissive and y.is_closed), false) as is_closed
         from (select y.polname, y.polpermissive, case y.polcmd when 'a' then y.checked else concat_ws(',', y.seen, nullif(y.checked, y.seen)) end
                        ~ '(^|,)false(,|$)' as is_closed
                 from (select y.polname, y.polpermissive, w.letter as polcmd, pg_catalog.pg_get_expr(y.polqual, y.polrelid) as seen,
                              case when w.letter <> 'd' then coalesce(pg_catalog.pg_get_expr(y.polwithcheck, y.polrelid),
                                                                      pg_catalog.pg_get_expr(y.polqual, y.polrelid)) end as checked
                         from pg_catalog.pg_policy y
                        where y.polrelid = f.relation and y.polcmd::text in ('*', w.letter)
                          and exists (select from unnest(y.polroles) as o (role)
                                       where o.role = 0 or p.role <> 0 and pg_catalog.pg_has_role(p.role, o.role, 'usage'))) as y) as y) as l
     where case when w.attname is null then has_table_privilege(p.name, f.relation, w.command)
                else a.attnum is not null and has_column_privilege(p.name, f.relation, a.attnum, w.command) end
       and (not c.relrowsecurity or w.command = 'TRUNCATE'
            or p.role <> 0 and (pg_catalog.pg_has_role(p.role, c.relowner, 'usage') and not c.relforcerowsecurity
                                or (select r.rolsuper or r.rolbypassrls from pg_catalog.pg_roles r where r.oid = p.role))
            or l.policies is not null and not l.is_closed)
    union
    select p.role, v.view, m.command, m.attname, format('view %s', v.view::regclass)
      from may m
      join views v on v.base = m.relation
      join principals p on m.role = case when v.is_invoker then p.role else v.owner end
      join wanted w on w.command = m.command and w.attname is not distinct from m.attname and w.bit > 0
     where pg_catalog.pg_relation_is_updatable(v.view, false) & w.bit <> 0
       and case when m.attname is null then has_table_privilege(p.name, v.view, m.command)
           else exists (
             select from pg_catalog.pg_attribute b
               join pg_catalog.pg_attribute a on a.attrelid = v.view and a.attnum > 0 and not a.attisdropped
              where b.attrelid = v.base and b.attnum = v.base_column
                and (b.attname = m.attname
                     or not exists (select from pg_catalog.pg_attribute n where n.attrelid = v.base and n.attname = m.attname and n.attnum > 0))
                and (a.attname = m.attname
                     or not exists (select from pg_catalog.pg_attribute n where n.attrelid = v.view and n.attname = m.attname and n.attnum > 0))
                and pg_catalog.pg_column_is_updatable(v.view, a.attnum, false)
                and has_column_privilege(p.name, v.view, a.attnum, m.command)) end
  ), open as (
    select c.name, m.relation, m.command, m.reason, string_agg(distinct m.attname, ', ' order by m.attname) as columns
      from may m join clients c on c.role = m.role
     -- A role is not named for what everybody may do.
     where m.role = 0 or not exists (select from may o where o.role = 0 and o.relation = m.relation and o.command = m.command
                                                         and o.attname is not distinct from m.attname and o.reason is not distinct from m.reason)
     group by c.name, m.relation, m.command, m.reason
  ), said as (
    select case when o.command in ('INSERT', 'UPDATE') then 'clients_may_write' else 'clients_may_delete' end as problem,
           format('%s may %s of %s (%s)', string_agg(case o.name when 'public' then 'everybody (PUBLIC)' else o.name end, ' and ' order by o.name),
                  case o.command when 'INSERT' then 'insert ' || o.columns when 'UPDATE' then 'change ' || o.columns
                                 when 'DELETE' then 'delete rows' else 'delete all rows (TRUNCATE)' end,
                  o.relation::regclass, o.reason) as says
      from open o group by o.relation, o.command, o.reason, o.columns
    union all
    select 'row_security_is_off', format('row level security of %s is off, and %s may use the table', f.relation::regclass,
                                         string_agg(case c.name when 'public' then 'everybody (PUBLIC)' else c.name end, ' and ' order by c.name))
      from family f join pg_catalog.pg_class t on t.oid = f.relation and not t.relrowsecurity
     cross join clients c
     where has_any_column_privilege(c.name, f.relation, 'SELECT, INSERT, UPDATE, REFERENCES')
        or has_table_privilege(c.name, f.relation, 'DELETE, TRUNCATE, TRIGGER')
     group by f.relation
    union all
    select 'others_may_add_triggers', format('%s may create triggers on %s, which run with the privileges of this service',
                                             string_agg(distinct case x.grantee when 0 then 'everybody (PUBLIC)' else x.grantee::regrole::text end, ' and '),
                                             f.relation::regclass)
      from family f join pg_catalog.pg_class t on t.oid = f.relation
     cross join pg_catalog.aclexplode(t.relacl) x
     where x.privilege_type = 'TRIGGER' and not public.auth_sync_is_trusted_v1(x.grantee, t.relowner, service)
     group by f.relation
    union all
    select 'others_own_triggers', format('the trigger %I on %s runs a function of %s with the privileges of this service', g.tgname,
                                         f.relation::regclass, p.proowner::regrole)
      from family f join pg_catalog.pg_class t on t.oid = f.relation
      join pg_catalog.pg_trigger g on g.tgrelid = f.relation and not g.tgisinternal
      join pg_catalog.pg_proc p on p.oid = g.tgfoid and not p.prosecdef
     where not public.auth_sync_is_trusted_v1(p.proowner, t.relowner, service)
  )
  select coalesce(jsonb_agg(to_jsonb(s) order by s.problem, s.says), '[]') into found from said s;
  return found;
end $$;

-- Returns whether a role has the privileges of the owner of employees or of this service without a further grant: it is a superuser,
-- service_role, one of the two owners, or a member of one. PUBLIC (0) is not trusted.
create or replace function public.auth_sync_is_trusted_v1(p_role oid, p_owner oid, p_service oid) returns boolean
language sql stable set search_path = '' as $$
  select coalesce((
    select r.rolsuper or r.rolname = 'service_role' or pg_catalog.pg_has_role(r.oid, p_owner, 'member') or pg_catalog.pg_has_role(r.oid, p_service, 'member')
      from pg_catalog.pg_roles r where r.oid = p_role), false)
$$;
