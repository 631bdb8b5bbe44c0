-- 12,000 employees: 1,500 or 3,000 with each problem, and the ledger of each group of the inbox. No trigger fires for these rows.
insert into public.employees (employee_id, email, first_name, last_name, employee_number, is_active, auth_user_id, orphaned_at, orphaned_auth_user_id)
select n, case when n in (1, 5) then 'same@example.com' when n % 8 = 7 then 'mailto:person' || n else 'person' || n || '@example.com' end,
       case when n % 2 = 1 then 'Björn' else 'Paul' end, 'Müller' || n, 'E' || n / 8, n % 4 <> 2,
       case when n % 4 in (0, 2) then md5(n::text)::uuid end, case when n % 8 = 3 then now() end, case when n % 8 = 3 then md5(n::text)::uuid end
  from generate_series(1, 12000) as n;

insert into public.auth_user_state (auth_user_id, email, email_confirmed, employee_id, banned_until)
select md5(n::text)::uuid, case when n % 8 = 4 then 'other' else 'person' end || n || '@example.com', true, n,
       case when n % 8 = 6 then now() + interval '100 years' end
  from generate_series(2, 12000, 2) as n;

insert into public.auth_user_state (auth_user_id, email, email_confirmed, version)
select md5('ambiguous' || n)::uuid, 'same@example.com', true, 1 from generate_series(1, 10) as n;

-- 2,000 events of one employee; 20 failures of one auth user, and 3,000 of others; 375 actions that failed or wait.
insert into public.integration_sync_log (event_id, direction, operation, auth_user_id, employee_id, version, status, outcome, completed_at, via)
select 'old-' || n, 'inbound', 'UPDATE', md5(case when n <= 2000 then '8' else n::text end)::uuid, case when n <= 2000 then 8 end, n, 'SUCCESS', 'synced', now(), 'webhook'
  from generate_series(1, 12000) as n;

insert into public.integration_sync_log (event_id, direction, operation, auth_user_id, version, status, outcome, error_message, via)
select 'failed-' || n, 'inbound', 'UPDATE', md5('ambiguous' || case when n <= 20 then 1 else n end)::uuid, 20000 + n, 'FAILED', 'ambiguous', 'because', 'relay'
  from generate_series(1, 3000) as n;

insert into public.integration_sync_log
  (event_id, direction, operation, auth_user_id, employee_id, status, outcome, error_message, via, next_attempt_at, created_at)
select 'action-' || n, 'outbound', 'disable_auth_user', md5(n::text)::uuid, n, case when n % 32 = 2 then 'FAILED' else 'PENDING' end,
       case when n % 32 = 2 then 'auth_refused' end, case when n % 32 = 2 then 'because' end, 'employees', case when n % 32 <> 2 then now() - interval '2 hours' end,
       now() - interval '2 hours'
  from generate_series(2, 6000, 16) as n;

insert into public.auth_sync_held_actions (auth_user_id, employee_id, data, via)
select md5(n::text)::uuid, n, '{"reason": "mass_deactivation"}', 'employees' from generate_series(6002, 12000, 16) as n;

insert into public.auth_sync_audit (who, action, target) select 'ann', 'edit', 'employee:8' from generate_series(1, 3000) as n;
