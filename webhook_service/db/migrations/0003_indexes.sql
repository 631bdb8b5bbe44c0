-- The indexes on employees. They are a separate migration, because the build of an index does not block readers, and the addition of a
-- column (0001) does.

set local lock_timeout = '5s';

create unique index if not exists auth_sync_employees_auth_user_id_key on public.employees (auth_user_id);
create index if not exists auth_sync_employees_email_idx on public.employees (lower(btrim(email::text, E' \t\r\n')));
create index if not exists auth_sync_employees_number_idx on public.employees ((employee_number::text));

-- For searches by the beginning of an e-mail or number. The text is cut, because a long text does not fit into a btree index and must not
-- make an import fail.
create index if not exists auth_sync_employees_email_prefix_idx
  on public.employees (left(lower(btrim(email::text, E' \t\r\n')), 100) text_pattern_ops);
create index if not exists auth_sync_employees_number_prefix_idx
  on public.employees (left(lower(employee_number::text), 100) text_pattern_ops);

-- The standing of each employee, in order of employee_id, derived from the row of the employee. The lists read this index, and the estimate
-- of the summary uses it.
create index if not exists auth_sync_employees_standing_idx on public.employees ((
  case when auth_user_id is not null and is_active is false then 'linked_inactive' when auth_user_id is not null then 'linked'
       when orphaned_at is not null then 'orphaned' when is_active is false then 'none' else 'missing' end), employee_id);
