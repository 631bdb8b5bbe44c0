-- The names that employees are searched by, in a table of their own, kept by triggers on employees.

-- Runs for each statement that writes employees, in its transaction: of whom it changed, the names are taken from employees as they are by
-- now, where triggers of its owner may have been at work. Who writes somebody's names holds the employee's row: nobody waits here.
create or replace function public.auth_sync_employees_named_v1() returns trigger
language plpgsql security definer set search_path = '' set lock_timeout = '200ms' set enable_seqscan = off set jit = off as $$
declare
  ids bigint[];
  named bigint;
begin
  if tg_op = 'INSERT' then
    ids := array(select distinct n.employee_id from after_rows n where n.employee_id is not null);
  elsif tg_op = 'UPDATE' then
    ids := array(
      select distinct c.employee_id
        from (select c.employee_id
                from (select n.employee_id, n.first_name::text, n.last_name::text, 1 as side from after_rows n
                      union all select o.employee_id, o.first_name::text, o.last_name::text, -1 from before_rows o) as c
               where c.employee_id is not null
               group by c.employee_id, c.first_name, c.last_name having sum(c.side) <> 0) as c);
  elsif tg_op = 'DELETE' then
    ids := array(select distinct o.employee_id from before_rows o where o.employee_id is not null);
  else
    delete from public.auth_sync_names;
    return null;
  end if;

  insert into public.auth_sync_names (employee_id, first_name, last_name)
  select e.employee_id, e.first_name::text, e.last_name::text
    from unnest(ids) as i (employee_id)
   cross join lateral (  -- each looked up for itself, whatever the tables were like when the plan was made
     select e.employee_id, e.first_name, e.last_name from public.employees e where e.employee_id = i.employee_id offset 0) as e
  on conflict (employee_id) do update set first_name = excluded.first_name, last_name = excluded.last_name;
  get diagnostics named = row_count;
  if named < cardinality(ids) then  -- the others are gone
    delete from public.auth_sync_names n
     where n.employee_id = any (ids) and not exists (select from public.employees e where e.employee_id = n.employee_id);
  end if;
  return null;
exception when others or assert_failure then
  raise warning 'webhook-service: names of employees cannot be searched yet (%); a relay will find them', sqlstate;
  return null;
end $$;

-- Brings the names of the employees above p_above, up to p_upto (null: to the end), whom no trigger saw. With p_since, only of those that this
-- transaction or a later one has written.
create or replace function public.auth_sync_fill_names_v1(p_above bigint default null, p_upto bigint default null, p_since xid default null)
returns void language plpgsql set search_path = '' set jit = off as $$
declare
  above bigint := coalesce(p_above, -9223372036854775808);
  upto bigint := coalesce(p_upto, 9223372036854775807);
begin
  delete from public.auth_sync_names n
   where n.employee_id > above and n.employee_id <= upto
     and not exists (select from public.employees e where e.employee_id = n.employee_id);
  insert into public.auth_sync_names (employee_id, first_name, last_name)
  select e.employee_id, e.first_name::text, e.last_name::text
    from public.employees e left join public.auth_sync_names n on n.employee_id = e.employee_id
   where e.employee_id > above and e.employee_id <= upto and (p_since is null or age(e.xmin) <= age(p_since))
     and (n.employee_id is null or (n.first_name, n.last_name) is distinct from (e.first_name::text, e.last_name::text))
   order by e.employee_id
  on conflict (employee_id) do update set first_name = excluded.first_name, last_name = excluded.last_name;
end $$;
