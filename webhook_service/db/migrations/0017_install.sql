-- The triggers: what belongs where, putting it there, and how an installation is found by doctor.

set local lock_timeout = '5s';

-- The triggers that belong in this database, where they go (null: there is no such table here) and whether they are right.
create or replace function public.auth_sync_triggers_v1()
returns table (name text, relation regclass, definition text, is_right boolean)
language sql stable security definer set search_path = '' as $$
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
      ('auth_sync_employees_inserted', 'public.employees',
       'CREATE TRIGGER auth_sync_employees_inserted AFTER INSERT ON public.employees'
       ' REFERENCING NEW TABLE AS after_rows FOR EACH STATEMENT EXECUTE FUNCTION public.auth_sync_employees_changed_v1()'),
      ('auth_sync_employees_updated', 'public.employees',
       'CREATE TRIGGER auth_sync_employees_updated AFTER UPDATE ON public.employees'
       ' REFERENCING OLD TABLE AS before_rows NEW TABLE AS after_rows'
       ' FOR EACH STATEMENT EXECUTE FUNCTION public.auth_sync_employees_changed_v1()'),
      ('auth_sync_wish_inserted', 'public.employees',
       'CREATE TRIGGER auth_sync_wish_inserted AFTER INSERT ON public.employees'
       ' REFERENCING NEW TABLE AS after_rows FOR EACH STATEMENT EXECUTE FUNCTION public.auth_sync_employees_wish_v1()'),
      ('auth_sync_wish_updated', 'public.employees',
       'CREATE TRIGGER auth_sync_wish_updated AFTER UPDATE ON public.employees'
       ' REFERENCING OLD TABLE AS before_rows NEW TABLE AS after_rows'
       ' FOR EACH STATEMENT EXECUTE FUNCTION public.auth_sync_employees_wish_v1()'),
      ('auth_sync_wish_deleted', 'public.employees',
       'CREATE TRIGGER auth_sync_wish_deleted AFTER DELETE ON public.employees'
       ' REFERENCING OLD TABLE AS before_rows FOR EACH STATEMENT EXECUTE FUNCTION public.auth_sync_employees_wish_v1()')
    ) as w (name, relation, definition)
$$;

-- Puts the triggers in place where they are missing, switched off, or not as this version wants them. Safe to repeat.
-- Each is named with what it is.
create or replace function public.auth_sync_install_v1() returns jsonb
language plpgsql set search_path = '' set lock_timeout = '5s' as $$
declare
  wanted record;
  is_right boolean;
  installed jsonb := '[]';
begin
  perform pg_advisory_xact_lock(1468927316450918833);  -- any number of processes start at once; the others find it done
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

-- What doctor looks at, as facts; what they mean is said in doctor.py.
create or replace function public.auth_sync_inspect_v1() returns jsonb
language plpgsql stable security definer set search_path = '' set statement_timeout = '3s' as $$
declare
  facts jsonb;
  worker_is_up boolean;
  waiting bigint;
  refused jsonb;
  newest_user timestamptz;
  secret_is_there boolean := false;
begin
  select jsonb_build_object(
    'now', extract(epoch from clock_timestamp()),
    'has_auth_users', public.auth_sync_relation_v1('auth.users') is not null,
    'owner_sees_all', (select r.rolsuper or r.rolbypassrls from pg_catalog.pg_roles r where r.rolname = current_user),
    'triggers', (select jsonb_object_agg(t.name, t.is_right) from public.auth_sync_triggers_v1() as t where t.relation is not null),
    'open_to_strangers', (
      select coalesce(jsonb_agg(p.oid::regprocedure::text), '[]') from pg_catalog.pg_proc p
       where p.pronamespace = 'public'::regnamespace and p.proname ~ '^(auth_sync_|get_auth_sync_summary$|find_employees_without_auth$)'
         and exists (select from pg_catalog.pg_roles r
                      where r.rolname in ('anon', 'authenticated') and has_function_privilege(r.oid, p.oid, 'execute')))
      || (
      select coalesce(jsonb_agg(c.oid::regclass::text), '[]') from pg_catalog.pg_class c
       where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'v')
         and c.relname ~ '^(integration_sync_(log|replays)|auth_user_state|auth_sync_|recent_auth_sync_log$)'
         and (c.relkind = 'r' and not c.relrowsecurity
              or exists (select from pg_catalog.pg_roles r where r.rolname in ('anon', 'authenticated')
                                                              and has_table_privilege(r.oid, c.oid, 'select,insert,update,delete')))),
    'closed_to_service_role', (
      select coalesce(jsonb_agg(p.oid::regprocedure::text), '[]') from pg_catalog.pg_proc p, pg_catalog.pg_roles r
       where p.pronamespace = 'public'::regnamespace and p.proname ~ '^(auth_sync_|get_auth_sync_summary$|find_employees_without_auth$)'
         and r.rolname = 'service_role' and not public.auth_sync_is_internal_v1(p.proname)
         and not has_function_privilege(r.oid, p.oid, 'execute')),
    'webhook_url', s.webhook_url,
    'name_fields', s.name_fields,
    'columns', s.columns,
    'has_pg_net', to_regprocedure('net.http_post(text, jsonb, jsonb, jsonb, integer)') is not null,
    'has_pgcrypto', exists (select from pg_catalog.pg_extension where extname = 'pgcrypto'),
    'has_vault', public.auth_sync_relation_v1('vault.decrypted_secrets') is not null,
    'relay_last_run_seconds', (select extract(epoch from now() - max(last_run_at)) from public.auth_sync_relays),
    'pending', (select count(*) from public.integration_sync_log where status = 'PENDING' and direction = 'inbound'),
    'oldest_pending_seconds', (select extract(epoch from now() - created_at) from public.integration_sync_log
                                where status = 'PENDING' and direction = 'inbound' order by id limit 1),
    'retrying', (select count(*) from public.integration_sync_log
                  where status = 'FAILED' and direction = 'inbound' and next_attempt_at is not null),
    'given_up', (select count(*) from public.integration_sync_log
                  where status = 'FAILED' and direction = 'inbound' and next_attempt_at is null),
    'actions', (select jsonb_build_object('open', count(*) filter (where next_attempt_at is not null),
                                          'given_up', count(*) filter (where next_attempt_at is null),
                                          'overdue_seconds', extract(epoch from now() - min(created_at) filter (where priority = 0 and next_attempt_at < now())))
                  from public.integration_sync_log where status <> 'SUCCESS' and direction = 'outbound'),
    'auth_failures', (select failures from public.auth_sync_rate),
    'last_event_at', (select extract(epoch from coalesce(
                        (select created_at from public.integration_sync_log where direction = 'inbound' order by id desc limit 1),
                        (select max(updated_at) from public.auth_user_state)))),  -- where the events have been pruned
    'last_reconcile', (select jsonb_build_object('status', status, 'outcome', outcome, 'seconds_ago', extract(epoch from now() - created_at))
                         from public.integration_sync_log where direction = 'maintenance' order by id desc limit 1))
    into facts from public.auth_sync_settings s;

  if public.auth_sync_relation_v1('auth.sessions') is not null then
    facts := facts || jsonb_build_object('ends_sessions', has_schema_privilege('auth', 'usage')
                                                          and has_table_privilege('auth.sessions', 'select, delete'));
  end if;
  if (facts ->> 'has_auth_users')::boolean then
    begin
      if public.auth_sync_size_v1('auth.users') < 1500000 then  -- there is no index on it
        select max(created_at) into newest_user from auth.users;
      end if;
      facts := facts || jsonb_build_object('newest_user_at', extract(epoch from newest_user), 'sees_auth_users', true);
    exception when insufficient_privilege then
      facts := facts || '{"sees_auth_users": false}';
    end;
  end if;
  if (facts ->> 'has_vault')::boolean then
    begin
      execute 'select count(*) > 0 from vault.decrypted_secrets where name = ''auth_sync_webhook_secrets''' into secret_is_there;
    exception when others then
      null;  -- no right to read it: then the trigger has none either
    end;
  end if;
  if (facts ->> 'has_pg_net')::boolean then
    worker_is_up := exists (select from pg_catalog.pg_stat_activity
                             where backend_type ilike '%pg_net%' or application_name ilike '%pg_net%');
    begin
      execute 'select count(*) from net.http_request_queue' into waiting;
      execute 'select coalesce(jsonb_object_agg(status, n), ''{}'')'
              '  from (select coalesce(status_code::text, ''no answer'') as status, count(*) as n from net._http_response'
              '         where created > now() - interval ''1 hour'' and status_code is distinct from 200 group by 1) as r' into refused;
    exception when others then
      null;  -- another version of pg_net
    end;
  end if;
  return facts || jsonb_build_object('has_secret', secret_is_there, 'pg_net_worker_is_up', worker_is_up,
                                     'pg_net_waiting', waiting, 'pg_net_refused', refused);
end $$;

select public.auth_sync_secure_v1();
select public.auth_sync_install_v1();
