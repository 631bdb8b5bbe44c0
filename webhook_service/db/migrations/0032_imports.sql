-- Imports of many after changes of a few, in one session: each row is looked up by its key. By the plan that a few had left there, all
-- employees without a login were compared with all of the import's, which for 60,000 took a quarter of a minute.

set local lock_timeout = '5s';

-- As in 0028 but for the last statement.
create or replace function public.auth_sync_employees_changed_v1() returns trigger
language plpgsql security definer set search_path = '' set lock_timeout = '200ms' set enable_seqscan = off set jit = off as $$
declare
  ids bigint[];
begin
  if tg_op = 'INSERT' then
    select array_agg(n.employee_id) into ids from after_rows n
     where n.auth_user_id is null and (n.email is not null or n.employee_number is not null);
  elsif exists (select from after_rows n where n.auth_user_id is null) then
    select array_agg(n.employee_id) into ids
      from after_rows n full join before_rows o on o.employee_id = n.employee_id
     where coalesce(n.employee_id = o.employee_id, false) and n.auth_user_id is null
       and ((n.email::text, n.employee_number::text) is distinct from (o.email::text, o.employee_number::text)
            or o.auth_user_id is not null and n.orphaned_auth_user_id = o.auth_user_id);  -- the login is gone: another may wait
  end if;
  if ids is null then
    return null;
  end if;
  -- No NOTIFY here: it forbids a two-phase commit, and an import may be one. The relay looks every two seconds.
  perform public.auth_sync_link_waiting_v1(ids, true);
  insert into public.auth_sync_hires (employee_id)
  select i.employee_id from unnest(ids) as i (employee_id)
   where exists (select from public.employees e where e.employee_id = i.employee_id and e.auth_user_id is null offset 0);
  return null;
exception when others or assert_failure then
  raise warning 'webhook-service: employees were not linked (%); reconciliation will find them', sqlstate;
  return null;
end $$;

-- As in 0011 but for "free".
create or replace function public.auth_sync_matches_v1(p_employee_ids bigint[])
returns table (employee_id bigint, auth_user_id uuid) language sql stable security definer set search_path = '' as $$
  with free as (
    select e.employee_id, e.employee_number::text as number, lower(btrim(e.email::text, E' \t\r\n')) as email
      from unnest(p_employee_ids) as i (employee_id)
     cross join lateral (
       select e.employee_id, e.employee_number, e.email from public.employees e
        where e.employee_id = i.employee_id and e.auth_user_id is null offset 0) as e
  ), fitting as (
    select f.employee_id, s.auth_user_id, s.log_id, true as by_number,
           (select count(*) from (select from public.employees o
                                   where o.employee_number::text = s.employee_number and o.auth_user_id is null limit 2) as at_most_two) as fit
      from free f join public.auth_user_state s on s.employee_number = f.number
     where s.deleted_at is null and not s.is_anonymous
    union all
    select f.employee_id, s.auth_user_id, s.log_id, false,
           (select count(*) from (select from public.employees o
                                   where lower(btrim(o.email::text, E' \t\r\n')) = s.email and o.auth_user_id is null limit 2) as at_most_two)
      from free f join public.auth_user_state s on s.email = f.email
     where s.deleted_at is null and s.email_confirmed and not s.is_anonymous and s.employee_number is null
  )
  select distinct on (f.employee_id) f.employee_id, f.auth_user_id
    from fitting f
   where f.fit = 1 and not exists (select from public.employees o where o.auth_user_id = f.auth_user_id)
   order by f.employee_id, f.by_number desc, f.log_id
$$;

select public.auth_sync_secure_v1();
