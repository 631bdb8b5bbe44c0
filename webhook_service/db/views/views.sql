-- Views for people who query in SQL, and for the lists of the pages. They name no column of employees that the owner of the table may want
-- to drop or give another type, because a view that names a column prevents both.

-- The newest rows of the ledger. Add a limit, because the view has none.
create or replace view public.recent_auth_sync_log as
  select l.created_at, l.direction, l.operation, l.status, l.outcome,
         coalesce((select to_jsonb(e.*) ->> 'email' from public.employees e where e.employee_id = l.employee_id),
                  (select s.email from public.auth_user_state s where s.auth_user_id = l.auth_user_id)) as email,
         l.employee_id, l.auth_user_id, l.error_message, l.attempts, l.next_attempt_at, l.via, l.event_id
    from public.integration_sync_log l
   order by l.id desc;
comment on view public.recent_auth_sync_log is 'webhook-service: the events and actions, newest first; add a limit';

-- Employees who have no login and match an auth user that matches several employees. The event of this auth user has failed, and no
-- employee is linked to it.
create or replace view public.auth_sync_ambiguous as
  select distinct e.employee_id, s.auth_user_id
    from (select distinct f.auth_user_id from public.integration_sync_log f where f.status = 'FAILED' and f.outcome = 'ambiguous') as l
    join public.auth_user_state s on s.auth_user_id = l.auth_user_id and s.deleted_at is null
   cross join lateral public.auth_sync_free_matches_v1(case when s.email_confirmed then s.email end, s.employee_number) as e (employee_id)
   where not exists (select from public.employees h where h.auth_user_id = s.auth_user_id);

-- One row for each employee. sync_status is the first of these values that applies. The order is by severity: a security problem, a problem
-- of the login, then the reasons why there is no login, the rarest reason first.
--   INACTIVE_WITH_AUTH  the employee is inactive, and the login is neither banned nor deleted, as far as is known
--   EMAIL_MISMATCH      the login has another confirmed e-mail than the employee
--   AMBIGUOUS           the employee has no login; an auth user waits that matches this employee and other employees
--   ORPHANED            the login was deleted
--   UNUSABLE_EMAIL      the employee is active, and has no login; no login can have the e-mail ("mailto:", two addresses in one cell)
--   MISSING_AUTH_UID    the employee is active, and has no login
--   OK                  none of the above, which includes an inactive employee who has no login
create or replace view public.auth_sync_standings as
  select e.employee_id, to_jsonb(e.*) ->> 'email' as email, to_jsonb(e.*) ->> 'first_name' as first_name,
         to_jsonb(e.*) ->> 'last_name' as last_name, to_jsonb(e.*) ->> 'employee_number' as employee_number, e.is_active is not false as is_active, e.auth_user_id,
         s.email as auth_email, case when s.banned_until > now() then s.banned_until end as banned_until, e.orphaned_at,
         case when e.auth_user_id is not null and e.is_active is false and s.deleted_at is null and s.banned_until > now() is not true
              then 'INACTIVE_WITH_AUTH'
              when e.auth_user_id is not null and s.email_confirmed and s.deleted_at is null
                   and s.email is distinct from lower(btrim(to_jsonb(e.*) ->> 'email', public.auth_sync_invisible_v1()) collate "C") collate "default" then 'EMAIL_MISMATCH'
              when e.auth_user_id is not null then 'OK'
              when e.employee_id in (select a.employee_id from public.auth_sync_ambiguous a) then 'AMBIGUOUS'
              when e.orphaned_at is not null then 'ORPHANED'
              when e.is_active is not false
                   and btrim(to_jsonb(e.*) ->> 'email', public.auth_sync_invisible_v1()) collate "C" !~ public.auth_sync_usable_v1() then 'UNUSABLE_EMAIL'
              when e.is_active is not false then 'MISSING_AUTH_UID'
              else 'OK' end as sync_status,
         case when e.auth_user_id is not null and e.is_active is false then 'linked_inactive' when e.auth_user_id is not null then 'linked'
              when e.orphaned_at is not null then 'orphaned' when e.is_active is false then 'none' else 'missing' end as standing
    from public.employees e
    left join public.auth_user_state s on s.auth_user_id = e.auth_user_id;

-- The held bans that are still needed: without those of active employees, and of auth users who were deleted or banned since. The trigger
-- removes most of these itself, but does not see a change that was made without triggers, or by Auth. Because of `offset 0`, PostgreSQL
-- searches each employee and user by an index, and does not read the whole tables.
create or replace view public.auth_sync_held_bans as
  select h.id, h.auth_user_id, h.employee_id, h.data, h.via, h.held_at, coalesce(h.data ->> 'reason', 'mass_deactivation') as reason
    from public.auth_sync_held_actions h
   where not exists (select from public.employees e where e.auth_user_id = h.auth_user_id and e.is_active is not false offset 0)
     and not exists (select from public.employees e where e.employee_id = h.employee_id and e.is_active is not false offset 0)
     and not exists (select from public.auth_user_state s
                      where s.auth_user_id = h.auth_user_id
                        and (s.deleted_at is not null or public.auth_sync_is_banned_permanently_v1(s.banned_until)) offset 0);

-- Every employee with its sync_status, and the last known state of its login.
create or replace view public.auth_sync_monitor as
  select employee_id, email, first_name, last_name, employee_number, is_active, auth_user_id, auth_email, banned_until, orphaned_at, sync_status,
         -- The inactive employee who holds the login of a person who was hired again in this row.
         case when sync_status = 'MISSING_AUTH_UID' then public.auth_sync_login_holder_v1(email, employee_number) end as login_holder,
         -- The time at which the ban of this inactive employee's login was held.
         case when sync_status = 'INACTIVE_WITH_AUTH' then (
           select h.held_at from public.auth_sync_held_actions h where h.auth_user_id = auth_sync_standings.auth_user_id) end as ban_held_at
    from public.auth_sync_standings;
comment on view public.auth_sync_monitor is
  'webhook-service: every employee with the status of its login; banned_until is null for a ban that is over; login_holder is the'
  ' inactive employee whose login has this employee''s e-mail or number; ban_held_at is set while the ban of the login waits for an admin';
