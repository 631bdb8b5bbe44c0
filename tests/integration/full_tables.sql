-- 3,000 employees, half of them linked.
insert into public.employees (employee_id, email, first_name, employee_number, auth_user_id)
select n, 'person' || n || '@example.com', 'Ann', 'E' || n, case when n <= 1500 then md5(n::text)::uuid end from generate_series(1, 3000) as n;

insert into public.auth_sync_former_keys (auth_user_id, version, key, state)
select md5((10000 + n)::text)::uuid, 1, 'email:former-' || n || '@example.com', '{}' from generate_series(1, 3000) as n;

select setval('public.employees_employee_id_seq', 10000);

-- the rest
-- 3,000 auth users with their states and two events each, the newer one pending; 1,000 due actions; and 100 more auth users without an
-- employee.
insert into auth.users (id, email, email_confirmed_at, raw_user_meta_data)
select md5(n::text)::uuid, 'person' || n || '@example.com', now(), '{"first_name": "Ann"}' from generate_series(1, 3000) as n;

insert into public.auth_user_state (auth_user_id, version, log_id, email, email_confirmed, employee_id)
select md5(n::text)::uuid, 1, n, 'person' || n || '@example.com', true, case when n <= 1500 then n end from generate_series(1, 3100) as n;

insert into public.integration_sync_log (id, event_id, direction, operation, auth_user_id, version, status, outcome, completed_at, via, attempts)
overriding system value
select n, 'old-' || n, 'inbound', 'INSERT', md5(n::text)::uuid, 1, 'SUCCESS', 'unchanged', now(), 'webhook', 1 from generate_series(1, 3000) as n;

insert into public.integration_sync_log (id, event_id, direction, operation, auth_user_id, version, via, next_attempt_at)
overriding system value
select 3000 + n, 'pending-' || n, 'inbound', 'UPDATE', md5(n::text)::uuid, 2, 'capture', now() from generate_series(1, 3000) as n;

insert into public.integration_sync_log (id, event_id, direction, operation, auth_user_id, employee_id, via, next_attempt_at, created_at)
overriding system value
select 6000 + n, 'action-' || n, 'outbound', 'disable_auth_user', md5(n::text)::uuid, n, 'employees', now(), now() - interval '2 hours' from generate_series(501, 1500) as n;

insert into public.auth_sync_audit (at, who, action, target)
select '2026-01-01'::timestamptz + n * interval '1 hour', case when n <= 10 then 'ann' else 'bob' end, 'replay', 'event:' || n from generate_series(1, 3000) as n;
insert into public.auth_sync_audit (at, who, action, target, is_request)
select '2027-01-01'::timestamptz + n * interval '1 second', 'ann', 'read an employee', 'employee:700', true from generate_series(1, 3000) as n;

insert into public.auth_sync_bulk_replays (filter, requested_by, status, matched, up_to, position, ended_at)
select '{}', 'bob', 'DONE', 0, 0, 0, now() from generate_series(1, 3000) as n;

insert into public.auth_sync_hires (employee_id) select n from generate_series(2901, 3000) as n;

select setval('public.integration_sync_log_id_seq', 10000);
