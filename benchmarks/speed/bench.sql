-- The limit: the least work that each event needs, on tables that have only their keys.
create schema bench;
create table bench.employees (
  employee_id bigint primary key, email text, first_name text, last_name text, auth_user_id uuid unique
);
create table bench.ledger (
  id bigint generated always as identity primary key, event_id text not null unique, operation text not null, status text not null,
  outcome text, auth_user_id uuid, request_data jsonb not null, created_at timestamptz not null default now(), completed_at timestamptz
);
insert into bench.employees select employee_id, email, first_name, last_name, auth_user_id from public.employees;

create function bench.apply(p_event_id text, p_auth_user_id uuid, p_first_name text, p_data jsonb) returns void language sql as $$
  insert into bench.ledger (event_id, operation, status, outcome, auth_user_id, request_data, completed_at)
  values (p_event_id, 'UPDATE', 'SUCCESS', 'synced', p_auth_user_id, p_data, now());
  update bench.employees set first_name = p_first_name where auth_user_id = p_auth_user_id;
$$;

-- The same work on the product's own tables, with their indexes, constraints and triggers.
create function bench.apply_to_product(p_event_id text, p_auth_user_id uuid, p_first_name text, p_data jsonb) returns void language sql as $$
  insert into public.integration_sync_log
    (event_id, direction, operation, status, outcome, auth_user_id, version, request_data, attempts, via, completed_at)
  values (p_event_id, 'inbound', 'UPDATE', 'SUCCESS', 'synced', p_auth_user_id, 1, p_data, 1, 'webhook', now());
  update public.employees set first_name = p_first_name where auth_user_id = p_auth_user_id;
$$;

-- The parameter of the product's own function, for one event each.
create table bench.works (n bigint primary key, works jsonb not null);
create sequence bench.next_work;
vacuum analyze;
