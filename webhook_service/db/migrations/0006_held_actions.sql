-- The brake of mass deactivations: its setting, the actions that it holds, an index to count deactivations, and its kind of notice.

set local lock_timeout = '5s';

alter table public.auth_sync_settings add column if not exists deactivation_limit text not null default '10%'
  check (deactivation_limit ~ '^([0-9]{1,9}|[0-9]{1,3}%|off)$');
comment on column public.auth_sync_settings.deactivation_limit is
  'MASS_DEACTIVATION_LIMIT of the service, written by its migrate: how many logins may be banned in an hour without an admin''s yes';

create table if not exists public.auth_sync_held_actions (
  id bigint generated always as identity primary key,
  auth_user_id uuid not null unique,
  employee_id bigint,
  data jsonb not null default '{}',
  via text not null,
  held_at timestamptz not null default now()
);
alter table public.auth_sync_held_actions enable row level security;
comment on table public.auth_sync_held_actions is
  'webhook-service: bans that wait for an admin''s yes, because an unusual share of the company was deactivated at once';

create index if not exists integration_sync_log_disabled_idx
  on public.integration_sync_log (created_at) where operation = 'disable_auth_user';

alter table public.auth_sync_notices drop constraint if exists auth_sync_notices_kind_check;
alter table public.auth_sync_notices add constraint auth_sync_notices_kind_check
  check (kind in ('needs_attention', 'backlog', 'drift', 'silence', 'failing_loop', 'held_actions'));
insert into public.auth_sync_notices (kind) values ('held_actions') on conflict do nothing;
