-- Returns the facts about this service in a database's catalogs, one line for each fact. Objects appear by name, never by oid. A column's
-- position counts only existing columns, without the dropped ones.
with service as (
  select '^(auth_sync|integration_sync|auth_user_state|recent_auth_sync|get_auth_sync|find_employees_without|employees)' as pattern
), relations as (
  select c.oid, c.oid::regclass::text as name, c.relname, c.relkind, c.relowner, c.relrowsecurity, c.relforcerowsecurity, c.reloptions, c.relacl
    from pg_class c, service where c.relnamespace = 'public'::regnamespace and c.relname ~ pattern and c.relkind in ('r', 'v', 'S', 'c')
), functions as (
  select p.* from pg_proc p, service where p.pronamespace = 'public'::regnamespace and p.proname ~ pattern
)
select format('relation %s %s owner=%s rls=%s forced=%s options=%s rights=%s', relkind, name,
              relowner::regrole, relrowsecurity, relforcerowsecurity, reloptions,
              (select string_agg(a::text, ' ' order by a::text) from unnest(relacl) as a))
  from relations c
union all
select format('column %s.%s %s %s not_null=%s generated=%s identity=%s default=%s rights=%s', c.name, a.attname,
              (select count(*) from pg_attribute b
                where b.attrelid = c.oid and b.attnum between 1 and a.attnum and not b.attisdropped),
              format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attgenerated, a.attidentity,
              pg_get_expr(d.adbin, d.adrelid), a.attacl)
  from relations c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
  left join pg_attrdef d on (d.adrelid, d.adnum) = (a.attrelid, a.attnum)
union all
select format('constraint %s on %s: %s', conname, c.name, pg_get_constraintdef(t.oid))
  from relations c join pg_constraint t on t.conrelid = c.oid
union all
select format('index %s valid=%s', pg_get_indexdef(i.indexrelid), i.indisvalid)
  from relations c join pg_index i on i.indrelid = c.oid
union all
select format('view %s: %s', name, pg_get_viewdef(oid)) from relations c where relkind = 'v'
union all
select format('policy %s on %s: %s', polname, c.name, pg_get_expr(polqual, polrelid))
  from relations c join pg_policy p on p.polrelid = c.oid
union all
select format('function %s returns %s args=(%s) owner=%s %s volatile=%s definer=%s strict=%s leakproof=%s'
              ' parallel=%s set=%s cost=%s rows=%s settings=%s rights=%s body=%s',
              p.oid::regprocedure, pg_get_function_result(p.oid), pg_get_function_arguments(p.oid),
              proowner::regrole, lanname, provolatile, prosecdef, proisstrict, proleakproof, proparallel,
              proretset, procost, prorows, (select string_agg(s, ' ' order by s) from unnest(proconfig) as s),
              (select string_agg(a::text, ' ' order by a::text) from unnest(proacl) as a), prosrc)
  from functions p join pg_language l on l.oid = p.prolang
union all
select format('trigger %s enabled=%s', pg_get_triggerdef(oid), tgenabled)
  from pg_trigger where tgname ~ '^auth_sync' and not tgisinternal
union all
select format('comment on %s %s.%s: %s', d.classoid::regclass, c.name, a.attname, d.description)
  from relations c join pg_description d on (d.objoid, d.classoid) = (c.oid, 'pg_class'::regclass)
  left join pg_attribute a on (a.attrelid, a.attnum) = (c.oid, d.objsubid) and d.objsubid > 0
union all
select format('comment on function %s: %s', p.oid::regprocedure, d.description)
  from functions p join pg_description d on (d.objoid, d.classoid) = (p.oid, 'pg_proc'::regclass)
