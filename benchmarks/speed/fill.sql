-- A ledger with the history of a year, of the employees' users.
insert into public.integration_sync_log
  (event_id, direction, operation, status, outcome, auth_user_id, employee_id, version, request_data, attempts, via, created_at, completed_at)
select 'event-' || n, 'inbound', 'UPDATE', 'SUCCESS', (array['synced', 'unchanged', 'linked'])[n % 3 + 1],
       md5((n * 7919 % :employees + 1)::text)::uuid, n * 7919 % :employees + 1, 0,
       '{"email": "jane.doe@example.com", "email_confirmed": true, "names": {"first_name": "Jane", "last_name": "Doe"}}', 1, 'webhook',
       now() - interval '1 year' * (1 - n::float / :events), now() - interval '1 year' * (1 - n::float / :events)
  from generate_series(:first::bigint, :last) as n;
