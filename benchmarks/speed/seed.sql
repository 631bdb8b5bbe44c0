-- Employee n is linked to auth user md5(n), whose state is the one after an event of the first of January.
insert into public.employees (employee_id, email, first_name, last_name, employee_number, auth_user_id)
select n, 'person' || n || '@example.com', 'First' || n, 'Last' || n, 'E' || n, md5(n::text)::uuid from generate_series(1, :employees) as n;

insert into public.auth_user_state (auth_user_id, version, log_id, email, email_confirmed, is_anonymous, employee_id, fields)
select md5(n::text)::uuid, v.version, n, 'person' || n || '@example.com', true, false, n,
       jsonb_build_object('email', jsonb_build_array('person' || n || '@example.com', v.version, n),
                          'first_name', jsonb_build_array('First' || n, v.version, n), 'last_name', jsonb_build_array('Last' || n, v.version, n))
  from generate_series(1, :employees) as n, public.auth_sync_version_at_v1('2026-01-01') as v (version);

select setval(pg_get_serial_sequence('public.employees', 'employee_id'), :employees + 1);
