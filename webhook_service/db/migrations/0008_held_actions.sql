-- The brake of mass deactivations: its setting, the actions that it holds, an index to count deactivations, and its kind of notice.

set local lock_timeout = '5s';

alter table public.auth_sync_settings add column if not exists deactivation_limit text not null default '10%'
  check (deactivation_limit ~ '^([0-9]{1,9}|[0-9]{1,3}%|off)$');
comment on column public.auth_sync_settings.deactivation_limit is
  'MASS_DEACTIVATION_LIMIT of the service, written by its migrate: how many logins may be banned in an hour without an admin''s yes';

create table if not exists public.auth_sync_held_actions (
  id bigint generated always as identity primary key,
  auth_user_id uuid not null,
  employee_id bigint,
  data jsonb not null default '{}',
  via text not null,
  held_at timestamptz not null default now()
);
alter table public.auth_sync_held_actions enable row level security;
comment on table public.auth_sync_held_actions is
  'webhook-service: bans that wait for an admin''s yes, because an unusual share of the company was deactivated at once';

create unique index if not exists auth_sync_held_actions_user_key on public.auth_sync_held_actions (auth_user_id);
create index if not exists integration_sync_log_disabled_idx
  on public.integration_sync_log (created_at) where operation = 'disable_auth_user';

-- A later migration may have added more kinds. This script can run again after it.
do $$ begin
  if not exists (select from pg_catalog.pg_constraint
                  where conrelid = 'public.auth_sync_notices'::regclass and conname = 'auth_sync_notices_kind_check'
                    and pg_catalog.pg_get_constraintdef(oid) like '%held_actions%') then
    alter table public.auth_sync_notices drop constraint if exists auth_sync_notices_kind_check;
    alter table public.auth_sync_notices add constraint auth_sync_notices_kind_check
      check (kind in ('needs_attention', 'backlog', 'drift', 'silence', 'failing_loop', 'held_actions'));
  end if;
end $$;
insert into public.auth_sync_notices (kind) values ('held_actions') on conflict do nothing;
