-- Every attempt that failed: the ledger's row says only what the last one came to. A success needs no note, the row is it.

set local lock_timeout = '5s';

create table if not exists public.auth_sync_attempts (
  id bigint generated always as identity primary key,
  log_id bigint not null references public.integration_sync_log (id) on delete cascade,
  attempt integer not null,
  at timestamptz not null default now(),
  via text not null,
  outcome text not null,
  error_message text not null
);
create index if not exists auth_sync_attempts_log_idx on public.auth_sync_attempts (log_id);
alter table public.auth_sync_attempts enable row level security;
comment on table public.auth_sync_attempts is 'webhook-service: every failed attempt of an event or action';

-- Whoever counts an attempt of a row that has failed notes it here: a lease, or a later due time, counts none.
create or replace function public.auth_sync_attempt_failed_v1() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  if new.direction <> 'maintenance' then
    insert into public.auth_sync_attempts (log_id, attempt, via, outcome, error_message)
    values (new.id, new.attempts, new.via, new.outcome, new.error_message);
  end if;
  return null;
end $$;

-- As in 0017, with those that note failures: the triggers that belong in this database, where they go (null: there is no such table here) and whether they are right.
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

-- As in 0005, and: "attempts_log", the failed attempts, oldest first; "employee" and "auth_user" as they are now, null where there is none.
-- A replay is noted in the transaction of its attempt, so at the same moment.
create or replace function public.auth_sync_event_v1(p_event_id text) returns jsonb
language sql stable security definer set search_path = '' as $$
  select public.auth_sync_event_json_v1(l) || jsonb_build_object(
    'request_data', l.request_data,
    'changes', l.changes,
    'replays', coalesce((select jsonb_agg(to_jsonb(r) - array['id', 'log_id'] order by r.id)
                           from public.integration_sync_replays r where r.log_id = l.id), '[]'),
    'attempts_log', coalesce((
      select jsonb_agg(jsonb_build_object(
               'attempt', a.attempt, 'at', a.at, 'outcome', a.outcome, 'error_message', a.error_message,
               'via', case when exists (select from public.integration_sync_replays r where r.log_id = l.id and r.requested_at = a.at)
                           then 'replay' else a.via end) order by a.id)
        from public.auth_sync_attempts a where a.log_id = l.id), '[]'),
    'employee', (
      select jsonb_build_object('employee_id', e.employee_id, 'email', e.email::text, 'first_name', e.first_name::text,
                                'last_name', e.last_name::text, 'employee_number', e.employee_number::text,
                                'is_active', e.is_active is not false, 'auth_user_id', e.auth_user_id)
        from public.employees e where e.employee_id = l.employee_id),
    'auth_user', (
      select jsonb_build_object('auth_user_id', s.auth_user_id, 'email', s.email, 'email_confirmed', s.email_confirmed,
                                'banned_until', case when s.banned_until > now() then s.banned_until end, 'deleted_at', s.deleted_at)
        from public.auth_user_state s where s.auth_user_id = l.auth_user_id))
  from public.integration_sync_log l where l.event_id = p_event_id
$$;

select public.auth_sync_secure_v1();
select public.auth_sync_install_v1();
