-- The ledger: one row for each event (inbound), action (outbound) or run of reconciliation (maintenance), with its replays
-- and failed attempts.

set local lock_timeout = '5s';

-- Returns whether a row is in one of the allowed states. PL/pgSQL compiles the function once in each session. PostgreSQL parses a check
-- expression again in every statement that writes, and the expressions of nine constraints took longer than writing an index. PostgreSQL
-- does not check existing rows again when this function changes. A migration that changes it must add the constraint again, with the next
-- version of the function.
create or replace function public.auth_sync_is_known_state_v1(
  p_direction text, p_operation text, p_status text, p_outcome text, p_error_message text,
  p_next_attempt_at timestamptz, p_completed_at timestamptz, p_lease text
) returns boolean language plpgsql immutable set search_path = '' as $$
begin
  return
    case p_direction
      when 'inbound' then p_operation in ('INSERT', 'UPDATE', 'DELETE')
      when 'outbound' then p_operation in ('disable_auth_user', 'enable_auth_user', 'update_auth_email', 'create_auth_user')
      when 'maintenance' then p_operation in ('reconcile')
      else false end
    and case p_status
      when 'PENDING' then p_outcome is null and p_completed_at is null
      when 'SUCCESS' then
        p_completed_at is not null and p_error_message is null and p_next_attempt_at is null and p_lease is null
        and p_outcome is not null and case p_direction
          when 'inbound' then p_outcome in ('linked', 'synced', 'unchanged', 'orphaned', 'unmatched', 'unconfirmed', 'ignored', 'stale')
          when 'outbound' then p_outcome in ('disabled', 'enabled', 'email_updated', 'created', 'linked', 'unchanged', 'stale', 'gone', 'undone')
          else p_outcome in ('reconciled') end
      when 'FAILED' then
        p_error_message is not null
        and p_outcome is not null and case p_direction
          when 'inbound' then p_outcome in ('ambiguous', 'already_linked', 'email_taken', 'employee_rejected', 'unreadable', 'not_applied')
          when 'outbound' then p_outcome in ('user_not_found', 'email_taken', 'auth_refused', 'auth_unavailable', 'not_performed', 'changed_by_client')
          else p_outcome in ('incomplete', 'interrupted') end
      else false end;
end $$;

create table if not exists public.integration_sync_log (
  id bigint generated always as identity primary key,
  event_id text not null unique,
  system_name text not null default 'SUPABASE_AUTH',
  direction text not null,
  operation text not null,
  status text not null default 'PENDING',
  outcome text,
  auth_user_id uuid,
  employee_id bigint,
  version bigint,
  request_data jsonb not null default '{}',
  changes jsonb not null default '{}',
  error_message text,
  attempts integer not null default 0,
  next_attempt_at timestamptz,
  via text not null,
  created_at timestamptz not null default now(),
  completed_at timestamptz,
  lease text,
  leased_until timestamptz,
  priority smallint not null default 0,
  dismissed_at timestamptz,
  constraint known_state check (public.auth_sync_is_known_state_v1(
    direction, operation, status, outcome, error_message, next_attempt_at, completed_at, lease))
);
alter table public.integration_sync_log
  add column if not exists dismissed_at timestamptz;
alter table public.integration_sync_log enable row level security;
alter table public.integration_sync_log validate constraint known_state;  -- ledgers from before 1.0 have it unvalidated

comment on table public.integration_sync_log is 'webhook-service: one row for each event, action or run of reconciliation';
comment on column public.integration_sync_log.event_id is 'the webhook-id of the event';
comment on column public.integration_sync_log.version is 'orders the events of one auth user; the newest wins';
comment on column public.integration_sync_log.request_data is
  'the payload of a captured event (mapped columns only), otherwise the mapped state of the auth user; never a password hash or a token';
comment on column public.integration_sync_log.changes is 'the changes of the employee: {column: {"from": …, "to": …}}';
comment on column public.integration_sync_log.next_attempt_at is
  'when a failed row is retried; null if it is not retried and needs attention';
comment on column public.integration_sync_log.lease is
  'the process that has claimed the row; only this process may settle it';
comment on column public.integration_sync_log.leased_until is 'when the lease ends, unless its process ends it earlier';
comment on column public.integration_sync_log.priority is
  'actions only: 1 for actions of bulk statements, which are performed after all other actions, otherwise 0';
comment on column public.integration_sync_log.dismissed_at is
  'when an admin decided that the failed row needs no attention; null again after a replay';
comment on column public.integration_sync_log.via is
  'the origin of a pending event: capture, reconcile or employees; then what applied it: webhook, relay, reconcile or employees. '
  'The origin of an action: employees (a change of the table), admin, provision, or the via of the event that requested it';

-- The due rows, for events and for actions; and the open rows of one auth user.
create index if not exists integration_sync_log_due_idx
  on public.integration_sync_log (next_attempt_at, id)
  where status <> 'SUCCESS' and direction = 'inbound' and next_attempt_at is not null;
create index if not exists integration_sync_log_actions_idx
  on public.integration_sync_log (priority, next_attempt_at, id)
  where status <> 'SUCCESS' and direction = 'outbound' and next_attempt_at is not null;
create index if not exists integration_sync_log_open_idx
  on public.integration_sync_log (auth_user_id, version) where status <> 'SUCCESS';

-- Nearly all rows are SUCCESS. They are searched by operation and outcome (kind_idx). The predicate differs from those of the other partial
-- indexes, so that the planner cannot use this index for the open events of a user.
create index if not exists integration_sync_log_unfinished_idx on public.integration_sync_log (status, id) where status in ('PENDING', 'FAILED');

-- Both indexes are read from their end: the newest rows with an outcome, and the newest rows that need attention.
create index if not exists integration_sync_log_kind_idx on public.integration_sync_log (operation, coalesce(outcome, ''), id);
create index if not exists integration_sync_log_needs_attention_idx
  on public.integration_sync_log ((id + 0)) where status = 'FAILED' and next_attempt_at is null;
create index if not exists integration_sync_log_ambiguous_idx
  on public.integration_sync_log (auth_user_id) where status = 'FAILED' and outcome = 'ambiguous';

-- The events of one person, by spans of 2^18 ids (262,144), so that new rows are written beside each other. In indexes on the person alone,
-- each event would write separate pages in two indexes of the whole history, which do not fit into memory in a large company.
create index if not exists integration_sync_log_users_idx on public.integration_sync_log ((id >> 18), auth_user_id, id);
create index if not exists integration_sync_log_employees_idx on public.integration_sync_log ((id >> 18), employee_id, id) where employee_id is not null;

-- The ledger has few actions, and each change of an employee searches them. A login that is being created has no auth user yet.
create index if not exists integration_sync_log_sent_idx on public.integration_sync_log (auth_user_id, id)
  where operation in ('disable_auth_user', 'enable_auth_user', 'update_auth_email');
create index if not exists integration_sync_log_intents_idx on public.integration_sync_log (employee_id)
  where operation = 'create_auth_user' and status <> 'SUCCESS';

-- The runs of reconciliation. Only one can be active at a time, and they are few rows among many.
create unique index if not exists integration_sync_log_run_idx
  on public.integration_sync_log (operation) where direction = 'maintenance' and status = 'PENDING';
create index if not exists integration_sync_log_runs_idx
  on public.integration_sync_log (id) where direction = 'maintenance';

-- The replays, with one row for each replay of an event or action.
create table if not exists public.integration_sync_replays (
  id bigint generated always as identity primary key,
  log_id bigint not null references public.integration_sync_log (id) on delete cascade,
  requested_by text not null,
  requested_at timestamptz not null default now(),
  status_before text not null,
  outcome_before text,
  status text not null,
  outcome text not null
);

comment on table public.integration_sync_replays is
  'webhook-service: each replay of an event or action: the admin, the time and the outcome';
create index if not exists integration_sync_replays_log_idx on public.integration_sync_replays (log_id);
alter table public.integration_sync_replays enable row level security;

-- The failed attempts.
create table if not exists public.auth_sync_attempts (
  id bigint generated always as identity primary key,
  log_id bigint not null references public.integration_sync_log (id) on delete cascade,
  attempt integer not null,
  at timestamptz not null default now(),
  via text not null,
  outcome text not null,
  error_message text not null
);
create index if not exists auth_sync_attempts_log_idx on public.auth_sync_attempts (log_id);
alter table public.auth_sync_attempts enable row level security;
comment on table public.auth_sync_attempts is 'webhook-service: every failed attempt of an event or action';

-- For the count of recent bans.
create index if not exists integration_sync_log_disabled_idx
  on public.integration_sync_log (created_at) where operation = 'disable_auth_user';
