-- The triggers: their definitions, their tables, and their installation.

-- Returns the triggers that belong in this database, with their tables (null if the table does not exist). Also returns whether each
-- trigger exists, is enabled, and has the definition of this file.
create or replace function public.auth_sync_triggers_v1()
returns table (name text, relation regclass, definition text, is_right boolean)
language sql stable security definer set search_path = '' set quote_all_identifiers = off as $$
  select w.name, public.auth_sync_relation_v1(w.relation), w.definition,
         exists (select from pg_catalog.pg_trigger t
                  where t.tgrelid = public.auth_sync_relation_v1(w.relation) and t.tgname = w.name and t.tgenabled in ('O', 'A')
                    and pg_catalog.pg_get_triggerdef(t.oid) = w.definition)
    from (values
      ('auth_sync_capture', 'auth.users',
       'CREATE TRIGGER auth_sync_capture AFTER INSERT OR DELETE OR UPDATE ON auth.users'
       ' FOR EACH ROW EXECUTE FUNCTION public.auth_sync_capture_v1()'),
      ('auth_sync_send', 'public.integration_sync_log',
       'CREATE CONSTRAINT TRIGGER auth_sync_send AFTER INSERT ON public.integration_sync_log'
       ' DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN ((new.via = ''capture''::text)) EXECUTE FUNCTION public.auth_sync_send_v1()'),
      ('auth_sync_failed_inserted', 'public.integration_sync_log',
       'CREATE TRIGGER auth_sync_failed_inserted AFTER INSERT ON public.integration_sync_log'
       ' FOR EACH ROW WHEN ((new.status = ''FAILED''::text)) EXECUTE FUNCTION public.auth_sync_attempt_failed_v1()'),
      ('auth_sync_failed_updated', 'public.integration_sync_log',
       'CREATE TRIGGER auth_sync_failed_updated AFTER UPDATE ON public.integration_sync_log'
       ' FOR EACH ROW WHEN (((new.status = ''FAILED''::text) AND (new.attempts IS DISTINCT FROM old.attempts)))'
       ' EXECUTE FUNCTION public.auth_sync_attempt_failed_v1()'),
      ('auth_sync_employees_inserted', 'public.employees',
       'CREATE TRIGGER auth_sync_employees_inserted AFTER INSERT ON public.employees'
       ' REFERENCING NEW TABLE AS after_rows FOR EACH STATEMENT EXECUTE FUNCTION public.auth_sync_employees_changed_v1()'),
      ('auth_sync_employees_updated', 'public.employees',
       'CREATE TRIGGER auth_sync_employees_updated AFTER UPDATE ON public.employees'
       ' REFERENCING OLD TABLE AS before_rows NEW TABLE AS after_rows'
       ' FOR EACH STATEMENT EXECUTE FUNCTION public.auth_sync_employees_changed_v1()'),
      ('auth_sync_actions_inserted', 'public.employees',
       'CREATE TRIGGER auth_sync_actions_inserted AFTER INSERT ON public.employees'
       ' REFERENCING NEW TABLE AS after_rows FOR EACH STATEMENT EXECUTE FUNCTION public.auth_sync_employees_request_actions_v1()'),
      ('auth_sync_actions_updated', 'public.employees',
       'CREATE TRIGGER auth_sync_actions_updated AFTER UPDATE ON public.employees'
       ' REFERENCING OLD TABLE AS before_rows NEW TABLE AS after_rows'
       ' FOR EACH STATEMENT EXECUTE FUNCTION public.auth_sync_employees_request_actions_v1()'),
      ('auth_sync_actions_deleted', 'public.employees',
       'CREATE TRIGGER auth_sync_actions_deleted AFTER DELETE ON public.employees'
       ' REFERENCING OLD TABLE AS before_rows FOR EACH STATEMENT EXECUTE FUNCTION public.auth_sync_employees_request_actions_v1()'),
      ('auth_sync_scim_inserted', 'public.employees',
       'CREATE TRIGGER auth_sync_scim_inserted AFTER INSERT ON public.employees'
       ' REFERENCING NEW TABLE AS changed_rows FOR EACH STATEMENT EXECUTE FUNCTION public.auth_sync_scim_ids_changed_v1()'),
      ('auth_sync_scim_deleted', 'public.employees',
       'CREATE TRIGGER auth_sync_scim_deleted AFTER DELETE ON public.employees'
       ' REFERENCING OLD TABLE AS changed_rows FOR EACH STATEMENT EXECUTE FUNCTION public.auth_sync_scim_ids_changed_v1()')
    ) as w (name, relation, definition)
$$;

-- Returns the triggers of this service that are on a wrong table. This happens if employees is renamed and another table gets its name.
create or replace function public.auth_sync_stray_triggers_v1() returns table (name text, relation regclass)
language sql stable security definer set search_path = '' as $$
  select t.tgname, t.tgrelid::regclass
    from pg_catalog.pg_trigger t
    join pg_catalog.pg_proc p on p.oid = t.tgfoid and p.pronamespace = 'public'::regnamespace and p.proname ~ '^auth_sync_'
    join public.auth_sync_triggers_v1() as w on w.name = t.tgname
   where t.tgrelid is distinct from w.relation
$$;

-- Installs the triggers that are missing, disabled or defined differently, and drops the stray triggers. Returns the names of the installed
-- triggers. The function can be called again.
create or replace function public.auth_sync_install_v1() returns jsonb
language plpgsql set search_path = '' set lock_timeout = '5s' as $$
#variable_conflict use_variable
declare
  wanted record;
  installed jsonb := '[]';
begin
  perform pg_advisory_xact_lock(1468927316450918833);  -- if many processes start at once, one installs the triggers
  for wanted in select * from public.auth_sync_stray_triggers_v1() as s loop
    execute format('drop trigger %I on %s', wanted.name, wanted.relation);
  end loop;
  for wanted in select * from public.auth_sync_triggers_v1() as t loop
    continue when wanted.relation is null;
    if not wanted.is_right then
      execute format('drop trigger if exists %I on %s', wanted.name, wanted.relation);
      execute wanted.definition;
      installed := installed || jsonb_build_array(wanted.name);
    end if;
  end loop;
  return installed;
end $$;
