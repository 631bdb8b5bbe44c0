-- What employees are found by. A migration of its own: building an index lets readers in, adding a column (0001)
-- does not.

set local lock_timeout = '5s';

create unique index if not exists auth_sync_employees_auth_user_id_key on public.employees (auth_user_id);
create index if not exists auth_sync_employees_email_idx on public.employees (lower(btrim(email::text, E' \t\r\n')));
create index if not exists auth_sync_employees_number_idx on public.employees ((employee_number::text));
