-- Removes what a database from before the first release has, and a new one never had.

set local lock_timeout = '5s';

drop function if exists public.auth_sync_process_v1(jsonb, boolean, text);
drop function if exists public.auth_sync_process_v2(jsonb, boolean, text, integer, boolean);
