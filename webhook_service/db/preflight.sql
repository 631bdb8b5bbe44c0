-- Runs before the first statement of an installation or upgrade, and changes nothing. The script refuses a database in which the migrations
-- would fail or do harm, and lists everything that must change. It warns of lesser faults. FACTS is replaced by the definition of
-- auth_sync_employees_table_v1. `set auth_sync.create_employees = on` allows the migrations to create public.employees if the database has a
-- similar table.

do $preflight$
#variable_conflict use_variable
declare
  facts jsonb;
  named text;
  wrong text[] := '{}';
  fixes text[] := '{}';
  foreign_key record;
  is_installed boolean := false;
begin
  perform set_config('client_min_messages', 'warning', true), set_config('quote_all_identifiers', 'off', true);
  execute $facts$FACTS$facts$;
  execute 'select pg_temp.auth_sync_employees_table_v1()' into facts;
  execute 'drop function pg_temp.auth_sync_employees_table_v1()';

  -- The privileges and owners.
  if not has_schema_privilege('public', 'create') then
    wrong := wrong || 'this role may not create tables in schema public'::text;
    fixes := fixes || format('grant all on schema public to %I', current_user);
  end if;
  if facts -> 'auth' <> 'null' then
    if not ((facts #>> '{auth,may_use}')::boolean and (facts #>> '{auth,may_add_triggers}')::boolean) then
      wrong := wrong || format('the role %I may not create triggers on auth.users: migrate as the project''s role postgres', current_user);
    elsif not (facts #>> '{auth,may_read}')::boolean then
      wrong := wrong || format('the role %I cannot read auth.users: migrate as the project''s role postgres', current_user);
    end if;
    if facts #> '{auth,lacks}' <> '[]' then
      raise warning 'webhook-service: no change is captured, because Supabase Auth is older than this service needs. Update Auth,'
        ' then run webhook-service reconcile. auth.users lacks: %',
        (select string_agg(w, ', ') from jsonb_array_elements_text(facts #> '{auth,lacks}') as w);
    end if;
  end if;
  select string_agg(format('%s (%s)', o.owner, o.n), ', ') into named
    from (select owner::regrole as owner, count(*) as n
            from (select c.relowner as owner from pg_catalog.pg_class c
                   where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'v')
                     and c.relname ~ '^(integration_sync_(log|replays)$|auth_user_state$|auth_sync_|recent_auth_sync_log$)'
                  union all
                  select p.proowner from pg_catalog.pg_proc p
                   where p.pronamespace = 'public'::regnamespace and p.proname ~ '^(auth_sync_.*_v[0-9]+$|get_auth_sync_summary$|find_employees_without_auth$)'
                 ) as ours
           where not pg_has_role(owner, 'usage') group by 1) as o;
  if named is not null then
    wrong := wrong || format('objects of webhook-service belong to another role, %s: migrate as that role, or let it run `webhook-service uninstall`',
                             named);
  end if;
  if to_regclass('public.integration_sync_log') is not null and facts -> 'auth' <> 'null' then
    select c.relowner::regrole::text into named
      from pg_catalog.pg_class c, pg_catalog.pg_class u join pg_catalog.pg_namespace n on n.oid = u.relnamespace
     where c.oid = to_regclass('public.integration_sync_log') and n.nspname = 'auth' and u.relname = 'users'
       and not (has_table_privilege(c.relowner, u.oid, 'select') and has_table_privilege(c.relowner, u.oid, 'trigger'));
    if named is not null then
      wrong := wrong || format('webhook-service was installed by %1$s, which may not read auth.users: let %1$s run `webhook-service uninstall`,'
                               ' then migrate as the project''s role postgres', named);
    end if;
  end if;

  -- The employees table.
  if has_table_privilege(to_regclass('public.auth_sync_migrations'), 'select') then
    execute 'select exists (select from public.auth_sync_migrations)' into is_installed;
  end if;
  if facts ->> 'kind' is null then
    select string_agg(t, ', ') into named from jsonb_array_elements_text(facts -> 'similar') as t;
    if current_setting('auth_sync.create_employees', true) is distinct from 'on' and (named is not null or is_installed) then
      wrong := wrong || format('there is no table public.employees%s. If an empty one must be created, run `webhook-service migrate --create-employees`',
                               case when named is not null then ', but there is ' || named || ': see docs/how-to/existing-table.md' else ' any more' end);
    else
      raise warning 'webhook-service: there is no table public.employees: an empty one is created%', coalesce(', beside ' || named, '');
    end if;
  elsif facts ->> 'kind' <> 'table' or (facts ->> 'has_children')::boolean then
    wrong := wrong || format('public.employees cannot be used: it is a %s, and it must be one table without children; see docs/how-to/existing-table.md',
                             case facts ->> 'kind' when 'table' then 'table with children' else facts ->> 'kind' end);
  else
    if not (facts ->> 'is_owner')::boolean then
      wrong := wrong || format('public.employees belongs to %s: migrate as that role', facts ->> 'owner');
      fixes := fixes || format('grant %s to %I', facts ->> 'owner', current_user);
    end if;
    select string_agg(format('%s must be %s, is %s', w.attname, w.wanted, case
             when facts -> 'columns' ->> w.attname is null then 'missing'
             when facts -> 'generated' ->> w.attname = 'virtual' then 'a virtual generated column, which cannot be indexed (make it `stored`)'
             when facts -> 'generated' ->> w.attname is not null and not w.is_read_only then 'generated'
             else facts -> 'columns' ->> w.attname end), '; ') into named
      from (values ('employee_id', 'bigint or integer or smallint', '^(smallint|integer|bigint)$', true),
                   ('email', 'text or varchar or citext', '^(text|character varying([(][0-9]+[)])?|([^.]+[.])?citext)$', false),
                   ('first_name', 'text or varchar or citext', '^(text|character varying([(][0-9]+[)])?|([^.]+[.])?citext)$', false),
                   ('last_name', 'text or varchar or citext', '^(text|character varying([(][0-9]+[)])?|([^.]+[.])?citext)$', false),
                   ('auth_user_id', 'uuid', '^uuid$', false),
                   ('is_active', 'boolean', '^boolean$', true)) as w (attname, wanted, allowed, is_read_only)
     where w.attname = 'employee_id' and facts -> 'columns' ->> w.attname is null
        or facts -> 'columns' ->> w.attname !~ w.allowed
        or facts -> 'generated' ->> w.attname = 'virtual'
        or facts -> 'generated' ->> w.attname is not null and not w.is_read_only;
    if named is not null then
      wrong := wrong || format('public.employees cannot be used: %s', named);
    elsif not (facts ->> 'key_is_unique')::boolean then
      wrong := wrong || 'public.employees cannot be used: employee_id must be unique'::text;
    end if;
    if (facts ->> 'hides_rows')::boolean then
      wrong := wrong || 'public.employees cannot be used: its forced row level security would hide employees from webhook-service'::text;
    end if;
    if facts -> 'columns' ->> 'auth_user_id' = 'uuid' and (facts ->> 'is_owner')::boolean
       and not exists (select from pg_catalog.pg_index i where i.indexrelid = to_regclass('public.auth_sync_employees_auth_user_id_key')
                                                           and i.indrelid = to_regclass('public.employees') and i.indisvalid) then
      execute 'select (select format(''%s'', e.auth_user_id) from public.employees e where e.auth_user_id is not null'
              ' group by e.auth_user_id having count(*) > 1 limit 1)' into named;
      if named is not null then
        wrong := wrong || 'public.employees cannot be used: several employees have the same auth_user_id'::text;
        fixes := fixes || 'select auth_user_id, array_agg(employee_id) from employees group by 1 having count(*) > 1'::text;
      end if;
    end if;
    if (facts #>> '{link,is_not_null}')::boolean then
      wrong := wrong || 'employees.auth_user_id is not null, so an employee without a login is not possible'::text;
      fixes := fixes || 'alter table public.employees alter column auth_user_id drop not null'::text;
    end if;
    for foreign_key in
      select * from jsonb_to_recordset(facts #> '{link,foreign_keys}') as k (name text, "references" text, on_delete text)
    loop
      named := format('alter table public.employees drop constraint %I', foreign_key.name);
      if foreign_key.on_delete = 'cascade' then
        wrong := wrong || format('the foreign key %I of employees.auth_user_id deletes the employee with the login (on delete cascade)', foreign_key.name);
        fixes := fixes || named;
      elsif foreign_key.on_delete <> 'set null' or foreign_key."references" <> 'auth.users' then
        raise warning 'webhook-service: the foreign key % of employees.auth_user_id (to %, on delete %) is not needed, and hinders Auth or this'
          ' service. Drop it: %', foreign_key.name, foreign_key."references", foreign_key.on_delete, named;
      end if;
    end loop;
    select string_agg(w, ', ') into named
      from unnest(array['email', 'first_name', 'last_name', 'employee_number', 'auth_user_id']) as w
     where is_installed and facts -> 'columns' ->> w is null;
    if named is not null then
      raise warning 'webhook-service: employees has lost %, which is added again, and empty. If a column was renamed, rename it back.'
        ' Then run webhook-service reconcile.', named;
    end if;
    if facts -> 'columns' ->> 'is_active' is null then
      raise warning 'webhook-service: employees has no column is_active. It is added as true, so everybody counts as active and can get a login,'
        ' also people who have left%. See docs/how-to/existing-table.md before you reconcile or provision.',
        coalesce((select format(' (does %s say so?)', string_agg(c, ' or ')) from jsonb_array_elements_text(facts -> 'leavers') as c), '');
    end if;
  end if;

  if wrong <> '{}' then
    raise exception '%', array_to_string(wrong, '; ') using errcode = 'object_not_in_prerequisite_state', hint = array_to_string(fixes, '; ');
  end if;
end $preflight$;
