-- Views for people who ask in SQL, and what the lists of the pages read. They name no column of employees that its owner may want
-- to change the type of, or to drop: a view would be in the way.

-- The newest of the ledger. No order of its own beyond that: add a limit.
create or replace view public.recent_auth_sync_log as
  select l.created_at, l.direction, l.operation, l.status, l.outcome,
         coalesce((select to_jsonb(e) ->> 'email' from public.employees e where e.employee_id = l.employee_id),
                  (select s.email from public.auth_user_state s where s.auth_user_id = l.auth_user_id)) as email,
         l.employee_id, l.auth_user_id, l.error_message, l.attempts, l.next_attempt_at, l.via, l.event_id
    from public.integration_sync_log l
   order by l.id desc;
comment on view public.recent_auth_sync_log is 'webhook-service: what was received and done, the newest first; add a limit';

-- Employees without a login that an auth user may be meant for who matches several: its event has failed, and nobody has it yet.
create or replace view public.auth_sync_ambiguous as
  select distinct e.employee_id, s.auth_user_id
    from public.integration_sync_log l
    join public.auth_user_state s on s.auth_user_id = l.auth_user_id and s.deleted_at is null
   cross join lateral public.auth_sync_free_matches_v1(case when s.email_confirmed then s.email end, s.employee_number) as e (employee_id)
   where l.status = 'FAILED' and l.outcome = 'ambiguous'
     and not exists (select from public.employees h where h.auth_user_id = s.auth_user_id);

-- One row for each employee. The first that fits is the sync_status: what is dangerous, then what is wrong with a login, then what keeps
-- somebody from having one, the rarest cause first.
--   INACTIVE_WITH_AUTH  inactive, and may still sign in: neither banned nor deleted, as far as is known
--   EMAIL_MISMATCH      signs in with another confirmed e-mail than the employee's
--   AMBIGUOUS           has no login, and an auth user waits that matches this employee and others
--   ORPHANED            the login was deleted
--   MISSING_AUTH_UID    active, and has no login
--   OK                  everything else: also who is inactive without a login
create or replace view public.auth_sync_standings as
  select e.employee_id, to_jsonb(e) ->> 'email' as email, to_jsonb(e) ->> 'first_name' as first_name,
         to_jsonb(e) ->> 'last_name' as last_name, to_jsonb(e) ->> 'employee_number' as employee_number, e.is_active is not false as is_active, e.auth_user_id,
         s.email as auth_email, case when s.banned_until > now() then s.banned_until end as banned_until, e.orphaned_at,
         case when e.auth_user_id is not null and e.is_active is false and s.deleted_at is null and s.banned_until > now() is not true
              then 'INACTIVE_WITH_AUTH'
              when e.auth_user_id is not null and s.email_confirmed and s.deleted_at is null
                   and s.email is distinct from lower(btrim(to_jsonb(e) ->> 'email', E' \t\r\n')) then 'EMAIL_MISMATCH'
              when e.auth_user_id is not null then 'OK'
              when e.employee_id in (select a.employee_id from public.auth_sync_ambiguous a) then 'AMBIGUOUS'
              when e.orphaned_at is not null then 'ORPHANED'
              when e.is_active is not false then 'MISSING_AUTH_UID'
              else 'OK' end as sync_status,
         case when e.auth_user_id is not null and e.is_active is false then 'linked_inactive' when e.auth_user_id is not null then 'linked'
              when e.orphaned_at is not null then 'orphaned' when e.is_active is false then 'none' else 'missing' end as standing
    from public.employees e
    left join public.auth_user_state s on s.auth_user_id = e.auth_user_id;

create or replace view public.auth_sync_monitor as
  select employee_id, email, first_name, last_name, employee_number, is_active, auth_user_id, auth_email, banned_until, orphaned_at, sync_status
    from public.auth_sync_standings;
comment on view public.auth_sync_monitor is 'webhook-service: every employee and how it stands with the login; banned_until is null for a ban that is over';
