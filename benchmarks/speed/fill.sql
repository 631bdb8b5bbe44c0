-- A ledger with a year's history of the employees' users. Each third event changed its employee.
insert into public.integration_sync_log
  (event_id, direction, operation, status, outcome, auth_user_id, employee_id, version, request_data, attempts, via, created_at, completed_at)
select format('%s-%s-%s', (extract(epoch from h.at) * 1000000)::bigint, n, h.auth_user_id), 'inbound', 'UPDATE', 'SUCCESS',
       (array['synced', 'unchanged', 'linked'])[n % 3 + 1], h.auth_user_id, h.employee_id, 0,
       '{"email": "jane.doe@example.com", "email_confirmed": true, "names": {"first_name": "Jane", "last_name": "Doe"}}', 1, 'webhook', h.at, h.at
  from generate_series(:first::bigint, :last) as n
 cross join lateral (
   select n * 7919 % :employees + 1 as employee_id, md5((n * 7919 % :employees + 1)::text)::uuid as auth_user_id,
          now() - interval '1 year' * (1 - n::float / :events) as at) as h
 order by n;

update public.employees set first_name = first_name
 where employee_id in (select n * 7919 % :employees + 1 from generate_series(:first::bigint, :last) as n where n % 3 = 0);
update public.auth_user_state set updated_at = now()
 where auth_user_id in (select md5((n * 7919 % :employees + 1)::text)::uuid from generate_series(:first::bigint, :last) as n where n % 3 = 0);
