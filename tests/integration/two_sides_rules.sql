-- The rules that must hold when no event or action is left on either side. Each view returns the rows that break the rule in its comment.
-- The views named auth_... are for EMAIL_OWNER=auth, and those named employees_... are for EMAIL_OWNER=employees.

create schema broken;

-- The linked employees and their auth users, with their current values.
create view witness.linked as
select e.employee_id, e.is_active, lower(btrim(e.email)) as employees_email, e.email like '%_@_%' as is_usable, u.id, u.email, u.banned_until,
       coalesce(u.banned_until > now() + interval '50 years', false) as is_banned_for_good
  from public.employees e join auth.users u on u.id = e.auth_user_id
 where u.deleted_at is null;

-- The last record of each kind for an auth user, and for an employee.
create view witness.last_of_user as select distinct on (auth_user_id, what) * from witness.seen order by auth_user_id, what, id desc;
create view witness.last_of_employee as
select distinct on (employee_id, what, who) * from witness.seen order by employee_id, what, who, id desc;

create view broken.inactive as
select * from witness.linked where not is_active and not is_banned_for_good;
comment on view broken.inactive is 'the user of an inactive employee has a permanent ban';

create view broken.active as
select l.*, b.who, s.disabled_at
  from witness.linked l
  left join public.auth_user_state s on s.auth_user_id = l.id
  left join witness.last_of_user b on b.auth_user_id = l.id and b.what = 'ban'
 where l.is_active and l.banned_until > now() and (b.who = 'api' or s.disabled_at is not null);
comment on view broken.active is 'the user of an active employee is not banned, or is banned by Auth''s admin';

create view broken.former as
select u.id, l.employee_id, u.banned_until
  from auth.users u join witness.last_of_user l on l.auth_user_id = u.id and l.what = 'left'
  left join witness.last_of_user c on c.auth_user_id = u.id and c.what = 'ban'
 where u.deleted_at is null and not coalesce(u.banned_until > now() + interval '50 years', false)
   and not exists (select from public.employees e where e.auth_user_id = u.id)
   and not exists (select from public.employees e where e.is_active and lower(btrim(e.email)) = u.email)
   and not exists (
     select from witness.seen b where b.auth_user_id = u.id and b.what = 'ban' and b.who <> 'api' and b.id > l.id
        and (b.no_ban_requested or exists (  -- or the service had banned the user and read the ban, but had not settled the action
             select from witness.seen a where a.auth_user_id = u.id and a.what = 'ban' and a.who = 'api'
                and a.id > l.id and a.id < b.id and a.banned_until > now() + interval '50 years')
             or b.id = c.id and exists (  -- or the service had found the ban that this one lifts, and had not settled the action
             select from witness.seen a where a.auth_user_id = u.id and a.id > b.id and a.outcome = 'disable_auth_user unchanged')));
comment on view broken.former is
  'the user of a deleted employee has a permanent ban, unless it has another employee or the e-mail of an active one, or Auth''s admin has lifted the service''s ban';

create view broken.never_dismissed as
select b.auth_user_id as id, b.banned_until
  from witness.seen b
 where b.what = 'ban' and b.who = 'api' and not exists (
         select from witness.seen d where d.auth_user_id = b.auth_user_id and d.what = 'dismissed' and d.id < b.id)
   and not exists (
         select from witness.seen u join witness.seen e on e.email = u.email join witness.seen i on i.employee_id = e.employee_id
          where u.auth_user_id = b.auth_user_id and u.what in ('new', 'email') and e.what in ('hired', 'employee email', 'inactive')
            and i.what = 'inactive' and u.id < b.id and i.id < b.id);
comment on view broken.never_dismissed is
  'the service does not set or lift a ban of a user who was never dismissed, and never had the e-mail of a dismissed employee';

create view broken.emails as
select *
  from witness.linked l
 where l.is_usable and l.email is distinct from l.employees_email
   and not (exists (select from public.integration_sync_log a
                     where a.auth_user_id = l.id and a.operation = 'update_auth_email' and a.request_data ->> 'email' = l.employees_email
                       and a.status = 'FAILED' and a.outcome = 'email_taken' and a.next_attempt_at is null)
            and exists (select from auth.users u where u.id <> l.id and u.email = l.employees_email and not u.is_sso_user))
   and not (exists (select from public.integration_sync_log i
                     where i.auth_user_id = l.id and i.direction = 'inbound' and i.status = 'FAILED' and i.outcome = 'email_taken')
            and to_regclass('public.emails_of_employees') is not null
            and exists (select from public.employees e where e.employee_id <> l.employee_id and lower(btrim(e.email)) = l.email));
comment on view broken.emails is
  'the e-mails of an employee and its user are equal, unless another person has the e-mail and that side refuses it';

create view broken.open as
select auth_user_id as id, event_id, operation, status, outcome
  from public.integration_sync_log
 where direction = 'outbound' and status <> 'SUCCESS' and (outcome in ('email_taken', 'user_not_found') and next_attempt_at is null) is not true;
comment on view broken.open is 'no action is open, except those that need attention because the e-mail is taken or the user was deleted';

create view broken.auth_hr as
select l.*, h.email as hrs_email
  from witness.linked l
  join witness.seen s on s.what = 'linked' and s.employee_id = l.employee_id and s.auth_user_id = l.id
  join witness.last_of_employee h on h.employee_id = l.employee_id and h.what = 'employee email' and h.who = 'hr' and h.id > s.id
 where h.email like '%_@_%' and l.employees_email is distinct from h.email and not exists (
         select from witness.seen w
          where w.auth_user_id = l.id and (w.what = 'email' and w.who <> 'api' or w.outcome like '%email_taken' and w.email = h.email));
comment on view broken.auth_hr is 'if only HR changes an e-mail, both sides have the e-mail of HR, unless another user has it';

create view broken.auth_user as
select l.*, a.email as users_email
  from witness.linked l
  join lateral (select * from witness.seen w where w.auth_user_id = l.id and w.what = 'email' and w.who <> 'api' order by w.id desc limit 1) as a
       on a.who = 'auth' and a.email <> l.email  -- a change that the user makes between two calls of an action may come too late
 where not exists (select from witness.seen w
                    where w.auth_user_id = l.id and w.what in ('new', 'email', 'employee email') and w.id < a.id and w.email = a.email)
   and not exists (select from witness.seen w
                    where l.employee_id = w.employee_id and w.what in ('linked', 'employee email') and w.who = 'hr' and w.id > a.id)
   and not exists (select from witness.seen w  -- an employee who had the login before has changed it
                    where l.id = w.auth_user_id and w.what = 'employee email' and w.who = 'hr' and w.id > a.id);
comment on view broken.auth_user is 'if a user changes the e-mail last, to a new e-mail, both sides have this e-mail';

create view broken.employees_own as
select auth_user_id as id, employee_id, email from witness.seen where what = 'employee email' and who = 'service';
comment on view broken.employees_own is 'the service never changes the e-mail of an employee';

-- Returns all records of an auth user and its employees, in the order of time.
create function witness.story(p_user uuid) returns setof text language sql as $$
  select concat_ws(' ', to_char(at, 'MI:SS.US'), what) from (
    select at, id, concat_ws(' ', who || ':', what, employee_id, email, outcome, banned_until::date,
                             case when no_ban_requested then 'no ban requested' end) as what
      from witness.seen
     where auth_user_id = p_user or employee_id in (select employee_id from witness.seen where auth_user_id = p_user)
    union all
    select created_at, id, concat_ws(' ', 'ledger', id, operation, 'via', via, status, outcome, 'done', to_char(completed_at, 'MI:SS.US'),
                                     'attempts', attempts, request_data -> 'record', request_data - 'record', changes)
      from public.integration_sync_log where auth_user_id = p_user) as records
   order by at, id
$$;

grant usage on schema broken to public;
