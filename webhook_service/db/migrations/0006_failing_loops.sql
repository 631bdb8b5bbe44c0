-- The loops of relays that fail, and the kind of notice that reports them.

set local lock_timeout = '5s';

create table if not exists public.auth_sync_failing_loops (
  relay text not null,
  loop text not null,
  reason text not null,
  detail text not null,
  since timestamptz not null,
  reported_at timestamptz not null default now(),
  primary key (relay, loop)
);
alter table public.auth_sync_failing_loops enable row level security;
comment on table public.auth_sync_failing_loops is
  'webhook-service: the loops of relays whose last pass failed; a row that is not reported for two minutes is of a relay that is gone';
comment on column public.auth_sync_failing_loops.since is 'when the first of the passes failed that have failed in a row';

-- A later migration may have added more kinds. This script can run again after it.
do $$ begin
  if not exists (select from pg_catalog.pg_constraint
                  where conrelid = 'public.auth_sync_notices'::regclass and conname = 'auth_sync_notices_kind_check'
                    and pg_catalog.pg_get_constraintdef(oid) like '%failing_loop%') then
    alter table public.auth_sync_notices drop constraint if exists auth_sync_notices_kind_check;
    alter table public.auth_sync_notices add constraint auth_sync_notices_kind_check
      check (kind in ('needs_attention', 'backlog', 'drift', 'silence', 'failing_loop'));
  end if;
end $$;
insert into public.auth_sync_notices (kind) values ('failing_loop') on conflict do nothing;
