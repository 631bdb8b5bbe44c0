-- The logins of an employee that are not linked, which a dismissal bans too.
-- They are those that were linked before, and second logins with the employee's confirmed e-mail or number, such as a login by SSO. A
-- dismissal covers them too, unless another active employee may own them. A link that a client wrote does not count here: a dismissed
-- person could have moved the login to another employee.

-- Returns whether an employee is linked to an auth user by a link that no client wrote.
create or replace function public.auth_sync_is_linked_v1(p_auth_user_id uuid) returns boolean
language sql stable security definer set search_path = '' as $$
  select exists (
    select from public.employees e
     where e.auth_user_id = auth_sync_is_linked_v1.p_auth_user_id
       and not exists (select from public.auth_sync_client_changes c
                        where c.employee_id = e.employee_id and c.changed = 'auth_user_id' and c.value = e.auth_user_id::text offset 0) offset 0)
$$;

-- Returns the unlinked logins of these employees. p_people is [{employee_id, former_id, email, number}]; former_id is the id by which logins
-- remember the employee. A login is certain if no other active employee has its confirmed e-mail or its number. A login that is linked to an
-- employee is never returned, unless a client wrote the link.
create or replace function public.auth_sync_unlinked_logins_v1(p_people jsonb)
returns table (employee_id bigint, auth_user_id uuid, is_certain boolean)
language sql stable security definer set search_path = '' set enable_seqscan = off set jit = off as $$
  with people as (
    select p.employee_id, p.former_id, public.auth_sync_normal_v1(p.email) as email, p.number
      from jsonb_to_recordset(p_people) as p (employee_id bigint, former_id bigint, email text, number text)
  ), logins as (
    select p.employee_id, s.auth_user_id, s.email, s.number
      from people p
     cross join lateral (
       select s.auth_user_id, case when s.email_confirmed then s.email end as email, s.employee_number as number
         from public.auth_user_state s where s.employee_id = p.former_id and s.deleted_at is null offset 0) as s
    union
    select p.employee_id, s.auth_user_id, s.email, s.number
      from people p
     cross join lateral (
       select s.auth_user_id, s.email, s.employee_number as number from public.auth_user_state s
        where s.email = p.email and s.email <> '' and s.email_confirmed and s.deleted_at is null and not s.is_anonymous offset 0) as s
    union
    select p.employee_id, s.auth_user_id, s.email, s.number
      from people p
     cross join lateral (
       select s.auth_user_id, case when s.email_confirmed then s.email end as email, s.employee_number as number
         from public.auth_user_state s
        where s.employee_number = p.number and s.deleted_at is null and not s.is_anonymous offset 0) as s
  )
  select min(l.employee_id), l.auth_user_id,
         not exists (select from public.employees e
                      where lower(btrim(e.email::varchar::text, public.auth_sync_invisible_v1()) collate "C") collate "default" = min(l.email)
                        and e.email <> '' and e.is_active is not false and e.employee_id <> min(l.employee_id)
                        and e.auth_user_id is distinct from l.auth_user_id offset 0)
         and not exists (select from public.employees e
                          where btrim(e.employee_number::varchar::text, public.auth_sync_invisible_v1()) = min(l.number) and e.is_active is not false
                            and e.employee_id <> min(l.employee_id) and e.auth_user_id is distinct from l.auth_user_id offset 0)
    from logins l
   where not exists (
     select from public.employees e
      where e.auth_user_id = l.auth_user_id
        and not exists (select from public.auth_sync_client_changes c
                         where c.employee_id = e.employee_id and c.changed = 'auth_user_id' and c.value = e.auth_user_id::text offset 0) offset 0)
   group by l.auth_user_id
$$;

-- Returns the dismissed employee of a login that no employee is linked to, or null: an inactive employee who was linked before, or who has
-- the login's confirmed e-mail or number, or the former id of a deleted employee. Returns null if an active employee may own the login.
create or replace function public.auth_sync_dismissed_owner_v1(p_auth_user_id uuid) returns bigint
language plpgsql stable security definer set search_path = '' set enable_seqscan = off set jit = off as $$
#variable_conflict use_variable
declare
  known public.auth_user_state;
  owner bigint;
  is_active boolean;
begin
  select * into known from public.auth_user_state s where s.auth_user_id = p_auth_user_id and s.deleted_at is null;
  if not found or public.auth_sync_is_linked_v1(p_auth_user_id) then
    return null;
  end if;
  select min(e.employee_id) filter (where e.is_active is false), bool_or(e.is_active is not false) into owner, is_active
    from (select e.employee_id, e.is_active, e.auth_user_id from public.employees e
           where lower(btrim(e.email::varchar::text, public.auth_sync_invisible_v1()) collate "C") collate "default" = known.email
             and known.email <> '' and known.email_confirmed and not known.is_anonymous
          union all
          select e.employee_id, e.is_active, e.auth_user_id from public.employees e
           where btrim(e.employee_number::varchar::text, public.auth_sync_invisible_v1()) = known.employee_number and not known.is_anonymous) as e
   where e.auth_user_id is distinct from p_auth_user_id;
  if is_active then
    return null;
  end if;
  if known.employee_id is not null then
    select e.is_active is not false into is_active from public.employees e where e.employee_id = known.employee_id;
    return case when is_active is not true then known.employee_id end;  -- null if the employee was deleted
  end if;
  return owner;
end $$;

-- Returns whether this service has banned an unlinked login for one of these employees, or may have banned it. Only then does the employee's
-- activation lift the ban: a login with the same e-mail may also be that of a former colleague.
create or replace function public.auth_sync_was_disabled_for_v1(p_auth_user_id uuid, p_employee_ids bigint[]) returns boolean
language sql stable security definer set search_path = '' as $$
  select exists (select from public.auth_user_state s
                  where s.auth_user_id = p_auth_user_id and s.employee_id = any (p_employee_ids) and s.disabled_at is not null offset 0)
      or exists (select from public.integration_sync_log a
                  where a.auth_user_id = p_auth_user_id and a.employee_id = any (p_employee_ids) and a.status <> 'SUCCESS'
                    and a.direction = 'outbound' and a.operation = 'disable_auth_user' offset 0)
$$;

-- Returns whether this service has banned an unlinked login for another employee. A dismissal then requests no ban of its own, which the
-- activation would lift.
create or replace function public.auth_sync_is_disabled_for_another_v1(p_auth_user_id uuid, p_employee_ids bigint[]) returns boolean
language sql stable security definer set search_path = '' as $$
  select exists (select from public.auth_user_state s
                  where s.auth_user_id = p_auth_user_id and s.disabled_at is not null
                    and public.auth_sync_is_banned_permanently_v1(s.banned_until)
                    and coalesce(s.employee_id <> all (p_employee_ids), true) offset 0)
$$;

-- Returns the logins with these e-mails or numbers that must be banned: [{email, number}]. They are not linked, have a dismissed owner, and
-- are neither banned nor about to be. A change of employees calls this with the keys that active employees no longer have, because a login
-- with them was not banned before, and with those that inactive employees have got.
create or replace function public.auth_sync_dismissed_logins_v1(p_keys jsonb) returns table (employee_id bigint, auth_user_id uuid)
language sql stable security definer set search_path = '' set enable_seqscan = off set jit = off as $$
  select o.employee_id, s.auth_user_id
    from (select u.auth_user_id from public.auth_sync_unlinked_logins_v1(p_keys) as u) as u
   cross join lateral (
     select s.auth_user_id from public.auth_user_state s
      where s.auth_user_id = u.auth_user_id and not public.auth_sync_is_banned_permanently_v1(s.banned_until) offset 0) as s
   cross join lateral (select public.auth_sync_dismissed_owner_v1(s.auth_user_id) as employee_id offset 0) as o
   where o.employee_id is not null
     and not public.auth_sync_is_requested_v1(s.auth_user_id, 'disable_auth_user', null)
$$;

-- Returns the id of the employee whose state decides about an action: the employee who is linked to the auth user, if no client wrote the
-- link, or else the dismissed owner, or else the employee for which the action was entered. Returns null if there is none, or if it was
-- deleted. An action without an employee concerns a linked employee only.
create or replace function public.auth_sync_employee_of_action_v1(p_auth_user_id uuid, p_employee_id bigint) returns bigint
language sql stable security definer set search_path = '' as $$
  select coalesce((select e.employee_id from public.employees e
                    where e.auth_user_id = auth_sync_employee_of_action_v1.p_auth_user_id
                      and public.auth_sync_changed_by_v1(e.employee_id, e.auth_user_id, null) is null),
                  (select e.employee_id from public.employees e
                    where e.employee_id = case when auth_sync_employee_of_action_v1.p_employee_id is not null
                      then coalesce(public.auth_sync_dismissed_owner_v1(auth_sync_employee_of_action_v1.p_auth_user_id),
                                    auth_sync_employee_of_action_v1.p_employee_id) end))
$$;

-- Holds the bans of these logins for an admin, because another active employee may own them: [{auth_user_id, employee_id}]. A ban that is
-- already held is held for this reason from now on, so that no admin releases it with those of a mass deactivation.
create or replace function public.auth_sync_hold_unclear_v1(p_bans jsonb) returns void
language sql security definer set search_path = '' as $$
  insert into public.auth_sync_held_actions (auth_user_id, employee_id, data, via)
  select b.auth_user_id, b.employee_id, '{"reason": "shared_email"}', 'employees'
    from jsonb_to_recordset(p_bans) as b (auth_user_id uuid, employee_id bigint) order by b.auth_user_id
  on conflict (auth_user_id) do update set employee_id = excluded.employee_id, data = excluded.data
$$;
