-- Creates Supabase's roles on a plain PostgreSQL, with the default privileges of a real project, so that the demo, the tests and
-- compose.yaml see the privileges of a real project. Run it as a superuser, before auth_schema.sql.

do $$
declare
  missing text;
begin
  for missing in
    select r from unnest(array['anon', 'authenticated', 'service_role']) as r
     where not exists (select from pg_roles where rolname = r)
  loop
    execute format('create role %I nologin %s', missing, case missing when 'service_role' then 'bypassrls' else '' end);
  end loop;
end $$;
grant usage on schema public to anon, authenticated, service_role;
alter default privileges in schema public grant all on tables to anon, authenticated, service_role;
alter default privileges in schema public grant all on functions to anon, authenticated, service_role;
alter default privileges in schema public grant all on sequences to anon, authenticated, service_role;
