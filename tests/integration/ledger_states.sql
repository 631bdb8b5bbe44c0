-- Counts the combinations of values that are a known state of a ledger row. Also counts the combinations on which the check and the nine
-- checks before it differ.
with row as (
  select * from unnest(array['inbound', 'outbound', 'maintenance', 'other']) as direction,
    unnest(array['INSERT', 'UPDATE', 'DELETE', 'disable_auth_user', 'enable_auth_user', 'update_auth_email', 'create_auth_user',
                 'reconcile', 'other']) as operation,
    unnest(array['PENDING', 'SUCCESS', 'FAILED', 'other']) as status,
    unnest(array['linked', 'synced', 'unchanged', 'orphaned', 'unmatched', 'unconfirmed', 'ignored', 'stale', 'disabled', 'enabled',
                 'email_updated', 'created', 'gone', 'undone', 'reconciled', 'ambiguous', 'already_linked', 'email_taken',
                 'employee_rejected', 'unreadable', 'not_applied', 'user_not_found', 'auth_refused', 'auth_unavailable',
                 'not_performed', 'incomplete', 'interrupted', 'other', null]) as outcome,
    unnest(array['because', null]) as error_message, unnest(array[now(), null]) as next_attempt_at,
    unnest(array[now(), null]) as completed_at, unnest(array['relay', null]) as lease
), judged as (
  select public.auth_sync_is_known_state_v1(
           direction, operation, status, outcome, error_message, next_attempt_at, completed_at, lease) as now,
         direction in ('inbound', 'outbound', 'maintenance')
         and (case direction
           when 'inbound' then operation in ('INSERT', 'UPDATE', 'DELETE')
           when 'outbound' then operation in ('disable_auth_user', 'enable_auth_user', 'update_auth_email', 'create_auth_user')
           else operation in ('reconcile') end) is not false
         and status in ('PENDING', 'SUCCESS', 'FAILED')
         and (status <> 'PENDING' or (outcome is null and completed_at is null)) is not false
         and (status <> 'SUCCESS' or (
           outcome is not null and completed_at is not null and error_message is null and next_attempt_at is null)) is not false
         and (status <> 'FAILED' or (outcome is not null and error_message is not null)) is not false
         and (status <> 'SUCCESS' or case direction
           when 'inbound' then outcome in ('linked', 'synced', 'unchanged', 'orphaned', 'unmatched', 'unconfirmed', 'ignored', 'stale')
           when 'outbound' then outcome in (
             'disabled', 'enabled', 'email_updated', 'created', 'linked', 'unchanged', 'stale', 'gone', 'undone')
           else outcome in ('reconciled') end) is not false
         and (status <> 'FAILED' or case direction
           when 'inbound' then outcome in (
             'ambiguous', 'already_linked', 'email_taken', 'employee_rejected', 'unreadable', 'not_applied')
           when 'outbound' then outcome in ('user_not_found', 'email_taken', 'auth_refused', 'auth_unavailable', 'not_performed')
           else outcome in ('incomplete', 'interrupted') end) is not false
         and (status <> 'SUCCESS' or lease is null) as before
    from row
)
select count(*) filter (where now) as good, count(*) filter (where now is distinct from before) as different from judged
