-- The audit also has the requests of directories that changed nothing. The indexes of the acts leave them out, so that the lists of acts do
-- not read them.

set local lock_timeout = '5s';

alter table public.auth_sync_audit add column if not exists is_request boolean not null default false;
comment on column public.auth_sync_audit.is_request is
  'whether it is a request of a directory that changed nothing and is not an act: a read, or refused before the write';
create index if not exists auth_sync_audit_acts_idx on public.auth_sync_audit (id) where not is_request;
create index if not exists auth_sync_audit_acts_who_idx on public.auth_sync_audit (who, id) where not is_request;
create index if not exists auth_sync_audit_acts_target_idx on public.auth_sync_audit (target, id) where target is not null and not is_request;

drop function if exists public.auth_sync_audit_page_v1(text, bigint, integer);  -- auth_sync_audit_search_v1 returns the same
