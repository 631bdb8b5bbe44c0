-- Removes objects that only a database from before the first release has.

set local lock_timeout = '5s';

-- The names by which employees were searched, with the triggers on employees that kept them up to date.
drop function if exists public.auth_sync_employees_named_v1() cascade;
drop function if exists public.auth_sync_fill_names_v1(bigint, bigint, xid);
drop table if exists public.auth_sync_names;

drop function if exists public.auth_sync_process_v1(jsonb, boolean, text);
drop function if exists public.auth_sync_process_v2(jsonb, boolean, text, integer, boolean);
