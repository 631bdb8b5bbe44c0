-- Employee n is linked with auth user md5(n), whose state is as the product has written it.
insert into public.employees (employee_id, email, first_name, last_name, employee_number, auth_user_id)
select n, 'person' || n || '@example.com', 'First' || n, 'Last' || n, 'E' || n, md5(n::text)::uuid from generate_series(1, :employees) as n;

insert into public.auth_user_state (auth_user_id, version, email, email_confirmed, employee_id, fields)
select md5(n::text)::uuid, 1, 'person' || n || '@example.com', true, n,
       jsonb_build_object('email', jsonb_build_array('person' || n || '@example.com', 1, 0),
                          'first_name', jsonb_build_array('First' || n, 1, 0), 'last_name', jsonb_build_array('Last' || n, 1, 0))
  from generate_series(1, :employees) as n;

select setval(pg_get_serial_sequence('public.employees', 'employee_id'), :employees + 1);
select public.auth_sync_fill_names_v1();
