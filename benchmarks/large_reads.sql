-- Employee n has auth user n. 10 % have a name that is not in ASCII. 5 % have no login, and 1 % are inactive without one; 10 % are inactive with one, nearly all of them banned.
insert into public.employees (employee_id, email, first_name, last_name, employee_number, is_active, auth_user_id, orphaned_at, orphaned_auth_user_id)
select n, case when n % 100000 in (40, 60) then 'office' || n / 100000 else 'person' || n end || '@example.com',
       case when n % 10 = 4 then 'Björn' else 'First' || n % 1000 end, case when n % 10 = 4 then 'Müller' else 'Last' end || n, 'E' || n, n % 10 <> 1 and n % 100 <> 2,
       case when n % 20 <> 0 and n % 100 <> 2 and n % 20000 <> 3 then md5(n::text)::uuid end,
       case when n % 20000 = 3 then now() end, case when n % 20000 = 3 then md5(n::text)::uuid end
  from generate_series(1, :employees) as n;

insert into public.auth_user_state (auth_user_id, email, email_confirmed, banned_until, deleted_at, employee_id)
select md5(n::text)::uuid, case when n % 25000 = 4 then 'other' else 'person' end || n || '@example.com', true,
       case when n % 10 = 1 and n % 50000 <> 1 then now() + interval '100 years' end, case when n % 20000 = 3 then now() end, n
  from generate_series(1, :employees) as n
 where n % 20 <> 0 and n % 100 <> 2;

insert into public.auth_user_state (auth_user_id, email, email_confirmed)
select md5('alone' || n)::uuid, case when n <= 10 then 'office' || n - 1 else 'alone' || n end || '@example.com', true
  from generate_series(1, :employees / 20) as n;

-- ledger
insert into public.integration_sync_log
  (event_id, direction, operation, status, outcome, error_message, auth_user_id, employee_id, version, request_data, attempts, next_attempt_at, via,
   created_at, completed_at)
select 'event-' || n, case when operation in ('INSERT', 'UPDATE', 'DELETE') then 'inbound' else 'outbound' end, operation,
       case when outcome is null then 'PENDING' when outcome in ('ambiguous', 'email_taken', 'auth_unavailable') then 'FAILED' else 'SUCCESS' end,
       outcome, case when outcome in ('ambiguous', 'email_taken', 'auth_unavailable') then 'because' end,
       case when outcome = 'ambiguous' then md5('alone' || n % 10 + 1)::uuid else md5(who::text)::uuid end,
       case when outcome not in ('ambiguous', 'unmatched') then who end, n, '{"type": "UPDATE", "record": {"email": "jane@example.com"}}', 1,
       case when outcome in ('auth_unavailable', 'email_taken') then now() + interval '1 hour' end, 'relay',
       at, case when outcome not in ('ambiguous', 'email_taken', 'auth_unavailable') then at end
  from (select n, n * 7919 % :employees + 1 as who,
               case when n % 5000 = 7 then 'DELETE' when n % 5 = 0 then 'INSERT' when n % 50 = 9 then 'disable_auth_user'
                    when n % 50 = 19 then 'update_auth_email' when n % 1000000 = 29 then 'create_auth_user' else 'UPDATE' end as operation,
               -- The first 80 % are spread over a year, the others over the last three days.
               case when n < :events * 0.8 then now() - interval '3 days' - interval '397 days' * (1 - n / (:events * 0.8))
                    else now() - interval '3 days' * (:events - n) / (:events * 0.2) end as at
          from generate_series(:first::bigint, :last) as n) as numbered,
       lateral (select case
         when n > :events - 200 and operation = 'UPDATE' then null
         when operation = 'create_auth_user' then 'created'
         when operation = 'disable_auth_user' then case when n % 20000 = 9 then 'auth_unavailable' else 'disabled' end
         when operation = 'update_auth_email' then 'email_updated'
         when n % 250000 = 7 then 'orphaned' when n % 20000 = 11 then 'ambiguous' when n % 50000 = 13 then 'email_taken'
         when operation = 'INSERT' and n < :events * 0.3 then 'linked'
         else (array['synced', 'unchanged', 'unmatched', 'stale'])[n % 4 + 1] end as outcome) as decided;
