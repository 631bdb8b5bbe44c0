-- The other tables: the last known state of each auth user, the settings of the triggers, and the records of relays, reconciliation,
-- replays, notices and admins.

set local lock_timeout = '5s';

-- The last known state of each auth user, merged from its events. The table prevents late events from overwriting newer ones, and remembers
-- deleted users.
create table if not exists public.auth_user_state (
  auth_user_id uuid primary key,
  version bigint not null default 0,
  log_id bigint not null default 0,
  email text,
  email_confirmed boolean not null default false,
  employee_number text,
  is_anonymous boolean not null default false,
  banned_until timestamptz,
  deleted_at timestamptz,
  fields jsonb not null default '{}',
  employee_id bigint,
  updated_at timestamptz not null default now(),
  record_hash uuid,
  disabled_at timestamptz
) with (fillfactor = 85);  -- room for the next version of a row on its page, so that an update changes no index
alter table public.auth_user_state enable row level security;

comment on table public.auth_user_state is 'webhook-service: the last known state of each auth user';
comment on column public.auth_user_state.log_id is
  'the ledger row of the newest version; the later of two rows with equal versions is newer';
comment on column public.auth_user_state.fields is
  'the values that may be copied to the employee: {column: [value, version, log_id]}, each from the newest event that contains it';
comment on column public.auth_user_state.employee_id is
  'the employee who was linked last, kept after the link is removed; or the dismissed employee because of which an unlinked login was banned';
comment on column public.auth_user_state.record_hash is
  'md5 of the mapped columns of auth.users in the newest captured event; reconciliation compares it';
comment on column public.auth_user_state.disabled_at is
  'when this service banned the auth user because its employee is inactive or deleted; null for all other bans, which it does not lift';

-- For the link of a new employee. These are hash indexes, because a text may be too long for a btree.
create index if not exists auth_user_state_email_idx
  on public.auth_user_state using hash (email) where email_confirmed and deleted_at is null;
create index if not exists auth_user_state_employee_number_idx
  on public.auth_user_state using hash (employee_number) where employee_number is not null and deleted_at is null;
create index if not exists auth_user_state_email_prefix_idx
  on public.auth_user_state (left(email, 100) text_pattern_ops) where email is not null;

-- For the dismissal of an employee whose link was removed.
create index if not exists auth_user_state_employee_id_idx on public.auth_user_state (employee_id) where employee_id is not null;

-- The settings of the triggers.
create table if not exists public.auth_sync_settings (
  only_row boolean primary key default true check (only_row),
  name_fields jsonb not null default '{"first_name": "first_name", "last_name": "last_name"}',
  columns jsonb not null default '["email", "first_name", "last_name"]',
  webhook_url text,
  relay_after interval not null default '10 seconds' check (relay_after >= '0'),
  deactivation_limit text not null default '10%' check (deactivation_limit ~ '^([0-9]{1,9}|[0-9]{1,3}%|off)$'),
  secret uuid not null default gen_random_uuid(),
  autoconfirm boolean,
  link_unproven boolean not null default false
);
insert into public.auth_sync_settings default values on conflict do nothing;
alter table public.auth_sync_settings enable row level security;

comment on table public.auth_sync_settings is 'webhook-service: the settings that the triggers read';
comment on column public.auth_sync_settings.name_fields is
  'NAME_FIELDS of the service, which its migrate writes: {column of employees: key in raw_user_meta_data}';
comment on column public.auth_sync_settings.columns is
  'the columns of employees that the service may write, from EMAIL_OWNER and NAME_FIELDS';
comment on column public.auth_sync_settings.webhook_url is
  'the URL to which events are posted, set by auth_sync_send_to; null if the relay applies all events';
comment on column public.auth_sync_settings.relay_after is
  'the time between the posting of an event and the time when it is due for the relay';

comment on column public.auth_sync_settings.deactivation_limit is
  'MASS_DEACTIVATION_LIMIT of the service, written by its migrate: how many logins may be banned in an hour without an admin''s yes';

comment on column public.auth_sync_settings.secret is
  'makes the flags of a transaction unforgeable (functions/flags.sql); no role but the owner may read it';
comment on column public.auth_sync_settings.autoconfirm is
  'mailer_autoconfirm of Auth as the service last read it: whether Auth confirms e-mails without proof; null if it was never read';
comment on column public.auth_sync_settings.link_unproven is
  'LINK_UNPROVEN_EMAILS of the service: whether an e-mail links auth users although Auth confirms it without proof';

-- The links and e-mails of employees that clients (anon, authenticated) wrote.
create table if not exists public.auth_sync_client_changes (
  employee_id bigint not null,
  changed text not null check (changed in ('email', 'auth_user_id')),
  value text not null,
  role text not null,
  changed_at timestamptz not null default now(),
  primary key (employee_id, changed)
);
alter table public.auth_sync_client_changes enable row level security;
comment on table public.auth_sync_client_changes is
  'webhook-service: the links and e-mails of employees that a client (anon, authenticated) wrote; their actions wait for an admin';

-- The relays, with the time of the last pass of each.
create table if not exists public.auth_sync_relays (
  relay text primary key,
  started_at timestamptz not null default now(),
  last_run_at timestamptz not null default now()
);
alter table public.auth_sync_relays enable row level security;
comment on table public.auth_sync_relays is 'webhook-service: the relays, and when each last ran';

-- The loops of relays that fail.
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

-- Employees whose link the relay tries again.
create table if not exists public.auth_sync_hires (
  id bigint generated always as identity primary key,
  employee_id bigint not null,
  seen_at timestamptz,
  noted_at timestamptz not null default clock_timestamp()
);
create index if not exists auth_sync_hires_seen_idx on public.auth_sync_hires (seen_at, id);
alter table public.auth_sync_hires enable row level security;
comment on table public.auth_sync_hires is
  'webhook-service: employees whose link the relay tries again, because their auth user may have been added at the same time';

-- The former keys of unlinked auth users. The relay links an employee to the auth user that had its key when the employee was added.
create table if not exists public.auth_sync_former_keys (
  id bigint generated always as identity primary key,
  auth_user_id uuid not null,
  version bigint not null,
  key text not null,
  state jsonb not null,
  left_at timestamptz not null default clock_timestamp()
);
create index if not exists auth_sync_former_keys_key_idx on public.auth_sync_former_keys using hash (key);
create index if not exists auth_sync_former_keys_left_idx on public.auth_sync_former_keys (left_at);
alter table public.auth_sync_former_keys enable row level security;
comment on table public.auth_sync_former_keys is
  'webhook-service: keys that unlinked auth users lost less than a day ago, with the state that each user had then';

-- The rate limit of actions, for all relays together: a token bucket, and the pause that Auth requested.
create table if not exists public.auth_sync_rate (
  only_row boolean primary key default true check (only_row),
  tokens numeric not null default 0,
  refilled_at timestamptz not null default now(),
  paused_until timestamptz not null default now(),
  failures integer not null default 0,
  failing_since timestamptz,
  failure text,
  answered_at timestamptz
);
alter table public.auth_sync_rate
  add column if not exists failing_since timestamptz,
  add column if not exists failure text,
  add column if not exists answered_at timestamptz;
insert into public.auth_sync_rate default values on conflict do nothing;
alter table public.auth_sync_rate enable row level security;
comment on table public.auth_sync_rate is 'webhook-service: the number of calls of the Auth Admin API that may be made now';
comment on column public.auth_sync_rate.failures is 'the number of consecutive calls that failed because Auth was unavailable';
comment on column public.auth_sync_rate.failing_since is 'since when calls fail because Auth is unavailable; null if the last call got an answer';
comment on column public.auth_sync_rate.failure is 'the reason of the last call, if Auth was unavailable';
comment on column public.auth_sync_rate.answered_at is 'when Auth answered last, as far as it was recorded: at most once a minute';

-- The last complete comparison of auth.users with employees.
create table if not exists public.auth_sync_comparison (
  only_row boolean primary key default true check (only_row),
  at timestamptz not null default now(),
  who text not null,
  is_dry boolean not null,
  users bigint not null,
  differences jsonb not null default '{}',
  details jsonb not null default '{}'
);
insert into public.auth_sync_comparison (at, who, is_dry, users, differences, details)
select coalesce(l.completed_at, l.created_at), coalesce(l.request_data ->> 'requested_by', 'reconcile'), false,
       coalesce((l.changes ->> 'users')::bigint, 0), coalesce(l.changes -> 'differences', '{}'), '{}'
  from public.integration_sync_log l where l.direction = 'maintenance' and l.status = 'SUCCESS' order by l.id desc limit 1
on conflict do nothing;
alter table public.auth_sync_comparison enable row level security;
comment on table public.auth_sync_comparison is
  'webhook-service: the last complete comparison of auth users with employees, by a run of reconcile or from the dashboard; no row if there was none';
comment on column public.auth_sync_comparison.is_dry is 'whether the differences were only found, and not corrected';
comment on column public.auth_sync_comparison.differences is 'the number of differences by kind';
comment on column public.auth_sync_comparison.details is
  '{"shown": the first differences, or people that a run would change; "planned": what a run would do, {kind: count}}';

-- The bans after which the sessions of the auth user end once more.
create table if not exists public.auth_sync_session_ends (
  log_id bigint primary key,
  due_at timestamptz not null
);
create index if not exists auth_sync_session_ends_due_idx on public.auth_sync_session_ends (due_at);
alter table public.auth_sync_session_ends enable row level security;
comment on table public.auth_sync_session_ends is
  'webhook-service: the bans that wait until the sessions of the auth user have ended again, because a sign-in may have been under way';

-- The bans that the brake of mass deactivations holds.
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

-- Employees whose sync_status also depends on Auth's state. This needs a comparison of two tables, which takes long for many employees. So
-- in a large company, the lists show the employees of this table who still have the same sync_status.
create table if not exists public.auth_sync_mismatches (
  sync_status text not null,
  employee_id bigint not null,
  found_at timestamptz not null default now(),
  primary key (sync_status, employee_id)
);
alter table public.auth_sync_mismatches enable row level security;
comment on table public.auth_sync_mismatches is
  'webhook-service: employees whose sync_status was found to be EMAIL_MISMATCH or INACTIVE_WITH_AUTH, and the first of the active employees with one'
  ' number (SAME_NUMBER)';

create table if not exists public.auth_sync_mismatch_pass (
  only_row boolean primary key default true check (only_row),
  after bigint,
  seconds double precision not null default 0,
  next_at timestamptz not null default now()
);
insert into public.auth_sync_mismatch_pass default values on conflict do nothing;
alter table public.auth_sync_mismatch_pass enable row level security;
comment on table public.auth_sync_mismatch_pass is
  'webhook-service: the progress of the comparison of employees with Auth, and when the next one is due';
comment on column public.auth_sync_mismatch_pass.after is 'the last employee_id that this pass has compared; null between two passes';

-- Bulk replays. An admin replays all rows that match a filter.
create table if not exists public.auth_sync_bulk_replays (
  id bigint generated always as identity primary key,
  filter jsonb not null,
  requested_by text not null,
  requested_at timestamptz not null default now(),
  status text not null check (status in ('RUNNING', 'DONE', 'CANCELLED', 'FAILED')),
  matched bigint not null,
  up_to bigint not null,
  position bigint not null,
  replayed bigint not null default 0,
  changed bigint not null default 0,
  outcomes jsonb not null default '{}',
  error_message text,
  cancelled_by text,
  lease text,
  leased_until timestamptz,
  part bigint[],
  part_end bigint,
  part_begun_at timestamptz,
  next_due timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  ended_at timestamptz,
  constraint ended_has_a_time check ((status = 'RUNNING') = (ended_at is null)),
  constraint failed_has_a_reason check ((status = 'FAILED') = (error_message is not null))
);
create index if not exists auth_sync_bulk_replays_running_idx on public.auth_sync_bulk_replays (next_due) where status = 'RUNNING';
alter table public.auth_sync_bulk_replays enable row level security;

comment on table public.auth_sync_bulk_replays is 'webhook-service: the bulk replays, and the progress of each';
comment on column public.auth_sync_bulk_replays.matched is
  'the number of rows that matched when it was confirmed; rows that are settled in the meantime need no replay';
comment on column public.auth_sync_bulk_replays.up_to is
  'the largest matching ledger id when it was confirmed; later rows are not replayed';
comment on column public.auth_sync_bulk_replays.position is 'the ledger id up to which the rows are replayed';
comment on column public.auth_sync_bulk_replays.part is
  'the ledger ids, up to part_end, of the events that the relay with the lease replays now';
comment on column public.auth_sync_bulk_replays.next_due is 'when the next part may be claimed, which enforces the rate';

-- The notices for admins.
create table if not exists public.auth_sync_notices (
  kind text primary key check (kind in ('needs_attention', 'backlog', 'drift', 'silence', 'failing_loop', 'held_actions')),
  revision bigint not null default 0,
  is_open boolean not null default false,
  opened_at timestamptz,
  gone_at timestamptz,
  reported_at timestamptz,
  reported_times integer not null default 0,
  reported_count bigint not null default 0,
  mark bigint not null default 0,
  message jsonb,
  reached jsonb not null default '[]',
  attempts integer not null default 0,
  next_attempt_at timestamptz,
  lease text,
  leased_until timestamptz
);
insert into public.auth_sync_notices (kind)
values ('needs_attention'), ('backlog'), ('drift'), ('silence'), ('failing_loop'), ('held_actions') on conflict do nothing;
alter table public.auth_sync_notices enable row level security;
comment on table public.auth_sync_notices is
  'webhook-service: the notices that were sent to admins, and the messages that are not sent yet';
comment on column public.auth_sync_notices.revision is
  'counts the changes of the row; a relay may change it only if it has read the current revision, so that one of many relays decides';
comment on column public.auth_sync_notices.gone_at is
  'when the condition ceased to hold; null while it holds, and after the resolved message is decided';
comment on column public.auth_sync_notices.reported_times is
  'the number of messages since the condition began; the interval grows with each message';
comment on column public.auth_sync_notices.reported_count is 'the count in the last message, without the rows that were settled since';
comment on column public.auth_sync_notices.mark is 'drift only: the ledger id of the run that was reported';
comment on column public.auth_sync_notices.message is 'the message that is not sent yet, or null';
comment on column public.auth_sync_notices.reached is 'the destinations that have accepted the message';

-- Admins: their sessions, their attempts to sign in, and their actions.
create table if not exists public.auth_sync_sessions (
  session uuid primary key default gen_random_uuid(),
  who text not null,
  auth_user_id uuid,
  signed_in_at timestamptz not null default now(),
  ended_at timestamptz,
  checked_after pg_snapshot,
  second_factor boolean not null default false
);
alter table public.auth_sync_sessions add column if not exists second_factor boolean not null default false;
alter table public.auth_sync_sessions enable row level security;
comment on table public.auth_sync_sessions is
  'webhook-service: the sessions of admins; auth_user_id is null after a sign-in with the admin key';
comment on column public.auth_sync_sessions.checked_after is
  'the snapshot before Auth checked the password; a session is not valid if the password has changed since';
comment on column public.auth_sync_sessions.second_factor is 'whether Auth also checked a code of a second factor';

-- The sign-ins whose password is right, and whose second factor is not checked yet.
create table if not exists public.auth_sync_pending_sign_ins (
  id uuid primary key default gen_random_uuid(),
  who text not null,
  auth_user_id uuid not null,
  checked_after pg_snapshot not null,
  sealed text not null,
  began_at timestamptz not null default now()
);
create index if not exists auth_sync_pending_sign_ins_began_idx on public.auth_sync_pending_sign_ins (began_at);
alter table public.auth_sync_pending_sign_ins enable row level security;
comment on table public.auth_sync_pending_sign_ins is
  'webhook-service: sign-ins of admins that wait for the code of a second factor, for minutes';
comment on column public.auth_sync_pending_sign_ins.sealed is
  'the access token of the check, encrypted with a key that only the cookie of the visitor has';

-- The last change of the password of each auth user, for a day.
create table if not exists public.auth_sync_password_changes (
  auth_user_id uuid primary key,
  changed_by xid8 not null,
  changed_at timestamptz not null default now()
);
create index if not exists auth_sync_password_changes_at_idx on public.auth_sync_password_changes (changed_at);
alter table public.auth_sync_password_changes enable row level security;
comment on table public.auth_sync_password_changes is
  'webhook-service: when each auth user last changed the password, without the password; ends sessions of admins whose sign-in was under way';
comment on column public.auth_sync_password_changes.changed_by is 'the id of the transaction that changed the password';

create table if not exists public.auth_sync_sign_in_attempts (
  key text primary key,
  left_over numeric not null,
  at timestamptz not null
);
create index if not exists auth_sync_sign_in_attempts_at_idx on public.auth_sync_sign_in_attempts (at);
alter table public.auth_sync_sign_in_attempts enable row level security;
comment on table public.auth_sync_sign_in_attempts is
  'webhook-service: the remaining attempts to sign in, for each address and each account (as a hash)';

create table if not exists public.auth_sync_audit (
  id bigint generated always as identity primary key,
  at timestamptz not null default now(),
  who text not null,
  action text not null,
  target text,
  details jsonb not null default '{}',
  result text not null default 'done',
  reason text
);
alter table public.auth_sync_audit
  add column if not exists result text not null default 'done',
  add column if not exists reason text;
create index if not exists auth_sync_audit_target_idx on public.auth_sync_audit (target, id) where target is not null;
create index if not exists auth_sync_audit_who_idx on public.auth_sync_audit (who, id);
create index if not exists auth_sync_audit_at_idx on public.auth_sync_audit (at);
alter table public.auth_sync_audit enable row level security;
comment on table public.auth_sync_audit is 'webhook-service: the actions of admins, each recorded before it is performed';
comment on column public.auth_sync_audit.result is
  'pending: recorded before the act, and not ended yet; done; refused: nothing was changed; unknown: the act may have been done';
comment on column public.auth_sync_audit.reason is 'why the act was refused, or its outcome';
comment on column public.auth_sync_audit.target is 'the object of the action: event:ID, employee:ID, replay:ID';

-- The requests of the admin API that have an Idempotency-Key, with their answers, for a day.
create table if not exists public.auth_sync_idempotency_keys (
  key text primary key check (length(key) between 1 and 255),
  request text not null,
  claimed_at timestamptz not null default now(),
  lease text not null,
  leased_until timestamptz not null,
  status integer,
  body text,
  constraint answer_is_complete check ((status is null) = (body is null))
);
create index if not exists auth_sync_idempotency_keys_claimed_idx on public.auth_sync_idempotency_keys (claimed_at);
alter table public.auth_sync_idempotency_keys enable row level security;
comment on table public.auth_sync_idempotency_keys is
  'webhook-service: the Idempotency-Keys of the admin API, and the answers of their requests without passwords, for a day';
comment on column public.auth_sync_idempotency_keys.request is 'the SHA-256 of the method, the path and the body';
comment on column public.auth_sync_idempotency_keys.lease is 'the request that is under way, or that has made the answer';
comment on column public.auth_sync_idempotency_keys.status is 'the HTTP status of the answer; null while the request is under way';

-- The files with employees that admins import. They are not logged, because a file is only needed for half an hour: after a crash of the
-- database, it is uploaded again.
create unlogged table if not exists public.auth_sync_imports (
  id uuid primary key,
  who text not null,
  deactivate_missing boolean not null,
  plan jsonb,
  begun_at timestamptz not null default now()
);
create index if not exists auth_sync_imports_begun_idx on public.auth_sync_imports (begun_at);
alter table public.auth_sync_imports enable row level security;
comment on table public.auth_sync_imports is 'webhook-service: files with employees that were uploaded in the last half an hour';
comment on column public.auth_sync_imports.plan is 'the plan that the admin has seen: see auth_sync_import_v1';

create unlogged table if not exists public.auth_sync_import_lines (
  import_id uuid not null references public.auth_sync_imports (id) on delete cascade,
  line integer not null,
  data jsonb not null,
  wrong jsonb,
  wanted jsonb,
  employee_id bigint,
  kind text,
  changes jsonb,
  primary key (import_id, line)
);
alter table public.auth_sync_import_lines enable row level security;
comment on table public.auth_sync_import_lines is
  'webhook-service: the lines of these files; a negative line is an employee who is missing in the file';
comment on column public.auth_sync_import_lines.data is 'the texts of the cells that are not empty, {column: text}';
comment on column public.auth_sync_import_lines.wrong is 'the reason of the refusal that the reader of the file found';
comment on column public.auth_sync_import_lines.wanted is 'the values of data in the types of employees';
