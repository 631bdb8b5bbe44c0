-- What functions of several subjects call.
--
-- Plans, in all of these files. A session keeps the plan of a statement in PL/pgSQL, and one that was made while the tables were empty, as
-- before a first reconciliation, would read them whole when they are full. So a row is looked up in a lateral subquery with "offset 0",
-- which is never joined another way; or planning is repeated (plan_cache_mode = force_custom_plan) in a function that is called once for
-- a batch or an action and calls none for each row. tests/integration/db/test_plans.py counts what is read.

-- A table by its full name, null where there is none; to_regclass would raise where its schema is closed to us.
create or replace function public.auth_sync_relation_v1(p_name text) returns regclass
language sql stable set search_path = '' as $$
  select c.oid::regclass
    from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
   where n.nspname = split_part(p_name, '.', 1) and c.relname = split_part(p_name, '.', 2)
$$;

-- The search_path that triggers of the employees' owner expect: the one that this database, or our owner, has by setting.
-- Never the caller's, who could have anything found in it. In PL/pgSQL, whose plans are kept (those of SQL functions only since
-- PostgreSQL 18); where no role or database has such a setting, there is nothing to choose.
create or replace function public.auth_sync_owner_path_v1() returns text
language plpgsql stable security definer set search_path = '' as $$
begin
  if not exists (select from pg_catalog.pg_db_role_setting s where array_to_string(s.setconfig, ' ') like '%search\_path=%') then
    return 'public, extensions, pg_temp';
  end if;
  return coalesce((
    select substr(c.setting, length('search_path=') + 1)
      from pg_catalog.pg_db_role_setting s
      left join pg_catalog.pg_database d on d.oid = s.setdatabase
      cross join unnest(s.setconfig) as c (setting)
     where c.setting like 'search\_path=%'
       and (s.setdatabase = 0 or d.datname = current_database())
       and (s.setrole = 0 or s.setrole = (select oid from pg_catalog.pg_roles where rolname = current_user))
     order by s.setdatabase = 0, s.setrole = 0
     limit 1), 'public, extensions') || ', pg_temp';
end $$;

-- How many rows a table has, exactly or, where counting takes long, as the planner estimates it.
create or replace function public.auth_sync_size_v1(p_table text) returns bigint
language plpgsql stable security definer set search_path = '' as $$
declare
  size bigint := (select reltuples from pg_catalog.pg_class where oid = public.auth_sync_relation_v1(p_table));
begin
  if size < 1500000 then
    execute format('select count(*) from %s', public.auth_sync_relation_v1(p_table)) into size;
  end if;
  return size;
end $$;

-- An e-mail as it is compared.
create or replace function public.auth_sync_normal_v1(p_email text) returns text
language sql immutable set search_path = '' as $$
  select lower(btrim(p_email, E' \t\r\n'))
$$;

-- A moment as a version: microseconds, times four, so that there is room between two of them.
create or replace function public.auth_sync_version_at_v1(p_moment timestamptz) returns bigint
language sql immutable set search_path = '' as $$
  select case when isfinite(p_moment) then least(greatest(extract(epoch from p_moment) * 4000000, 0), 2e18)::bigint else 0 end
$$;

-- How long to wait after so many failed attempts: 5 s, doubling up to 6 h, a quarter more or less, so that what
-- failed together does not come back together. Null after the 29th: 76 h at the least, then it is an admin's turn.
create or replace function public.auth_sync_backoff_v1(p_attempts integer) returns interval
language sql volatile set search_path = '' as $$
  select case when p_attempts < 29 then
    least(interval '6 hours', interval '5 seconds' * power(2, p_attempts - 1)) * (0.75 + random() / 2) end
$$;
