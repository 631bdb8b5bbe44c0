-- Objects that a chaos run adds to its database, and that the service does not know: gates at named points, and witnesses. The witnesses
-- record the real changes of auth.users and of employees, in the same transaction.

create schema chaos;

-- A gate stops the processes of one kind at one point while the test holds the advisory lock. The application_name of these processes
-- begins with the kind.
create table chaos.gate (point text not null, kind text not null);

create function chaos.stop_at_gate() returns trigger
language plpgsql security definer set search_path = '' set lock_timeout = '0' as $$
begin
  if exists (select from chaos.gate g where g.point = tg_argv[0] and current_setting('application_name') like g.kind || '%') then
    perform pg_advisory_xact_lock_shared(8150);
  end if;
  return null;
end $$;

-- At this point the rows are claimed or received, and no event is applied yet.
create trigger chaos_gate before insert on public.auth_user_state
  for each statement execute function chaos.stop_at_gate('after claim');
-- At this point the employee is written, and the ledger is not written yet.
create trigger chaos_gate after update on public.employees
  for each row execute function chaos.stop_at_gate('mid-apply');
-- At this point every row is written, and the transaction is not committed yet.
create trigger chaos_gate after update on public.integration_sync_log
  for each row when (old.status <> 'SUCCESS' and new.status = 'SUCCESS')
  execute function chaos.stop_at_gate('before settle');

-- Each change of an auth user, in the order of the locks of its row. Only the last change of a transaction counts.
create table chaos.history (
  id bigint generated always as identity primary key,
  xid xid8 not null default pg_current_xact_id(),
  operation text not null,
  auth_user_id uuid not null,
  email text,
  is_confirmed boolean not null,
  is_anonymous boolean not null,
  is_deleted boolean not null,
  metadata jsonb,
  at timestamptz not null default clock_timestamp()
);

create function chaos.write_history() returns trigger language plpgsql security definer set search_path = '' as $$
declare
  u auth.users := case when tg_op = 'DELETE' then old else new end;
begin
  insert into chaos.history (operation, auth_user_id, email, is_confirmed, is_anonymous, is_deleted, metadata)
  values (tg_op, u.id, u.email, u.email_confirmed_at is not null, u.is_anonymous, tg_op = 'DELETE' or u.deleted_at is not null,
          u.raw_user_meta_data);
  return null;
end $$;
create trigger chaos_history after insert or update or delete on auth.users
  for each row execute function chaos.write_history();

-- Each employee at the time when it was added, and each real change of an employee: {column: {"from", "to"}}, as in the ledger.
create table chaos.hired (
  id bigint generated always as identity primary key, employee_id bigint not null, email text, first_name text, last_name text,
  at timestamptz not null default clock_timestamp()
);
create table chaos.changed (
  id bigint generated always as identity primary key, employee_id bigint not null, changes jsonb not null
);

create function chaos.write_employee() returns trigger language plpgsql security definer set search_path = '' as $$
begin
  if tg_op = 'INSERT' then
    insert into chaos.hired (employee_id, email, first_name, last_name)
    values (new.employee_id, new.email, new.first_name, new.last_name);
  elsif new is distinct from old then
    insert into chaos.changed (employee_id, changes)
    select new.employee_id, jsonb_object_agg(o.key, jsonb_build_object('from', o.value, 'to', to_jsonb(new) -> o.key))
      from jsonb_each(to_jsonb(old)) as o where o.value <> to_jsonb(new) -> o.key;
  end if;
  return null;
end $$;
create trigger chaos_witness after insert or update on public.employees
  for each row execute function chaos.write_employee();

grant usage on schema chaos to public;

-- Each webhook that was passed to pg_net. pg_net deletes a request from its queue when it sends the request, and loses the whole queue in a
-- crash.
create table chaos.posted (event_id text not null);

create function chaos.write_posted() returns trigger language plpgsql security definer set search_path = '' as $$
begin
  insert into chaos.posted (event_id) values (new.headers ->> 'webhook-id');
  return null;
end $$;
create trigger chaos_posted after insert on net.http_request_queue
  for each row execute function chaos.write_posted();
