-- The ledger: one row for each event (inbound), action (outbound) or run of ours (maintenance); the replays that were asked for and
-- the attempts that failed.

set local lock_timeout = '5s';

-- Whether a row is in one of the states that there are. In PL/pgSQL, which compiles it once a session: every statement that writes
-- reads each check expression anew, and those of nine constraints took longer than writing an index. Rows that are there are not
-- checked again when this changes: a migration that changes it adds the constraint anew, under the next version.
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
          when 'outbound' then p_outcome in ('user_not_found', 'email_taken', 'auth_refused', 'auth_unavailable', 'not_performed')
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
  constraint known_state check (public.auth_sync_is_known_state_v1(
    direction, operation, status, outcome, error_message, next_attempt_at, completed_at, lease))
);
alter table public.integration_sync_log enable row level security;
alter table public.integration_sync_log validate constraint known_state;  -- which was added unvalidated to ledgers from before 1.0

comment on table public.integration_sync_log is 'webhook-service: one row per event received or action to do';
comment on column public.integration_sync_log.event_id is 'the webhook-id of the event';
comment on column public.integration_sync_log.version is 'order among the events of one auth user; the newest wins';
comment on column public.integration_sync_log.request_data is
  'a captured event as it is sent (mapped columns only), else the mapped state of the auth user; never a hash or a token';
comment on column public.integration_sync_log.changes is 'what was changed on the employee: {column: {"from": …, "to": …}}';
comment on column public.integration_sync_log.next_attempt_at is 'when a failure is tried again; null: given up, an admin''s turn';
comment on column public.integration_sync_log.lease is 'who works on it at this moment; only its holder may settle it';
comment on column public.integration_sync_log.leased_until is 'when the lease ends, if its holder does not end it before';
comment on column public.integration_sync_log.priority is
  'of actions: 0 for one of a few, 1 for one of the many that a bulk statement wrote, which wait behind';
comment on column public.integration_sync_log.via is
  'how an event came to be applied: webhook, relay, reconcile, employees; capture, reconcile or employees while it is pending. '
  'Of an action, who asked for it: employees (a change of theirs), admin, provision, or the event that found it missing';

-- What is due, of events and of actions, and what of one auth user is open.
create index if not exists integration_sync_log_due_idx
  on public.integration_sync_log (next_attempt_at, id)
  where status <> 'SUCCESS' and direction = 'inbound' and next_attempt_at is not null;
create index if not exists integration_sync_log_actions_idx
  on public.integration_sync_log (priority, next_attempt_at, id)
  where status <> 'SUCCESS' and direction = 'outbound' and next_attempt_at is not null;
create index if not exists integration_sync_log_open_idx
  on public.integration_sync_log (auth_user_id, version) where status <> 'SUCCESS';

-- Nearly all rows are SUCCESS, and those are found by what they came to (kind_idx). The predicate is not that of the other partial
-- indexes: a query for a user's open events must not be led to it.
create index if not exists integration_sync_log_unfinished_idx on public.integration_sync_log (status, id) where status in ('PENDING', 'FAILED');

-- Both are read from their end: what happened with an outcome, and what waits for an admin.
create index if not exists integration_sync_log_kind_idx on public.integration_sync_log (operation, coalesce(outcome, ''), id);
create index if not exists integration_sync_log_needs_attention_idx
  on public.integration_sync_log ((id + 0)) where status = 'FAILED' and next_attempt_at is null;
create index if not exists integration_sync_log_ambiguous_idx
  on public.integration_sync_log (auth_user_id) where status = 'FAILED' and outcome = 'ambiguous';

-- Where the events of somebody are, by spans of 2^18 ids (262,144): what is happening now is written side by side. By the person alone,
-- each event would write a page of its own in two indexes of the whole history, which no memory holds in a large company.
create index if not exists integration_sync_log_users_idx on public.integration_sync_log ((id >> 18), auth_user_id, id);
create index if not exists integration_sync_log_employees_idx on public.integration_sync_log ((id >> 18), employee_id, id) where employee_id is not null;

-- What we have asked Auth for is little, and looked up at each change of an employee; a login that is being made has no auth user yet.
create index if not exists integration_sync_log_sent_idx on public.integration_sync_log (auth_user_id, id)
  where operation in ('disable_auth_user', 'enable_auth_user', 'update_auth_email');
create index if not exists integration_sync_log_intents_idx on public.integration_sync_log (employee_id)
  where operation = 'create_auth_user' and status <> 'SUCCESS';

-- The runs of reconciliation: one at a time, and few rows among many.
create unique index if not exists integration_sync_log_run_idx
  on public.integration_sync_log (operation) where direction = 'maintenance' and status = 'PENDING';
create index if not exists integration_sync_log_runs_idx
  on public.integration_sync_log (id) where direction = 'maintenance';

-- Every time an admin asked for an event again.
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

comment on table public.integration_sync_replays is 'webhook-service: who asked for which event again, when, and what came of it';
create index if not exists integration_sync_replays_log_idx on public.integration_sync_replays (log_id);
alter table public.integration_sync_replays enable row level security;

-- Every attempt that failed.
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
