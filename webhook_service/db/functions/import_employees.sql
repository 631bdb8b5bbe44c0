-- Imports employees from a file: the lines are stored first, then planned, and then applied in one transaction.
-- ledger/employee_import.py calls these functions. auth_sync_import_v1 takes as long as the file needs (ports.LONG_CALLS).

-- Returns the columns of employees, {name: whether an import may write it}. employee_id only chooses the employee.
create or replace function public.auth_sync_import_columns_v1() returns jsonb
language sql stable security definer set search_path = '' as $$
  select jsonb_object_agg(a.attname, a.attname not in ('employee_id', 'auth_user_id', 'orphaned_at', 'orphaned_auth_user_id')
                                     and a.attgenerated = '' and a.attidentity <> 'a')
    from pg_catalog.pg_attribute a
   where a.attrelid = 'public.employees'::regclass and a.attnum > 0 and not a.attisdropped
$$;

-- Begins an import, and deletes those that are older than half an hour. Always returns true.
create or replace function public.auth_sync_begin_import_v1(p_import uuid, p_who text, p_deactivate_missing boolean) returns boolean
language plpgsql security definer set search_path = '' set lock_timeout = '1500ms' as $$
#variable_conflict use_variable
begin
  perform public.auth_sync_prune_imports_v1();
  insert into public.auth_sync_imports (id, who, deactivate_missing) values (p_import, p_who, p_deactivate_missing) on conflict do nothing;
  return true;
end $$;

-- Deletes the imports that were begun more than half an hour ago. Waits for no lock.
create or replace function public.auth_sync_prune_imports_v1() returns void
language sql security definer set search_path = '' as $$
  delete from public.auth_sync_imports where id = any (array(
    select i.id from public.auth_sync_imports i where i.begun_at < now() - interval '30 minutes' for update skip locked))
$$;

-- Stores lines of the file: [{"line", "data": {column: text}, "wrong": null or {"reason", ...}}]. A retry stores them once. Returns the
-- number of the lines.
create or replace function public.auth_sync_add_import_lines_v1(p_import uuid, p_lines jsonb) returns integer
language sql security definer set search_path = '' set lock_timeout = '1500ms' as $$
  insert into public.auth_sync_import_lines (import_id, line, data, wrong)
  select p_import, r.line, r.data, r.wrong from jsonb_to_recordset(p_lines) as r (line integer, data jsonb, wrong jsonb)
  on conflict do nothing;
  select jsonb_array_length(p_lines)
$$;

-- Returns the plan that the admin has seen last, or null if there is none any more.
create or replace function public.auth_sync_import_plan_v1(p_import uuid) returns jsonb
language sql stable security definer set search_path = '' as $$
  select i.plan from public.auth_sync_imports i where i.id = p_import and i.begun_at > now() - interval '30 minutes'
$$;

-- Deletes an import. Always returns true.
create or replace function public.auth_sync_discard_import_v1(p_import uuid) returns boolean
language sql security definer set search_path = '' set lock_timeout = '1500ms' as $$
  delete from public.auth_sync_imports i where i.id = p_import;
  select true
$$;

-- Converts the cells to the types of employees. A line that has a value of another type is refused, with its column. Lines are only
-- converted one by one if the conversion of all lines together fails.
create or replace function public.auth_sync_read_import_v1(p_import uuid) returns void
language plpgsql security definer set search_path = '' as $$
#variable_conflict use_variable
declare
  cell record;
begin
  update public.auth_sync_import_lines l
     set kind = case when l.wrong is not null then 'refused' end, changes = l.wrong, employee_id = null, wanted = null
   where l.import_id = p_import;
  begin
    perform public.auth_sync_convert_import_v1(p_import);
    return;
  exception when others then
    if sqlstate ~ '^(40|53|55P03)' then
      raise;
    end if;
  end;
  for cell in
    select l.line, d.key, d.value from public.auth_sync_import_lines l cross join jsonb_each(l.data) as d
     where l.import_id = p_import order by l.line, d.key
  loop
    begin
      perform jsonb_populate_record(null::public.employees, jsonb_build_object(cell.key, cell.value));
    exception when others then
      update public.auth_sync_import_lines l
         set kind = 'refused', wanted = '{}', changes = jsonb_build_object('reason', 'rejected', 'sqlstate', sqlstate, 'column', cell.key)
       where l.import_id = p_import and l.line = cell.line and l.kind is null;
    end;
  end loop;
  perform public.auth_sync_convert_import_v1(p_import);
end $$;

-- Sets the wanted values of the lines that have none. Raises an error if a value does not fit its column.
create or replace function public.auth_sync_convert_import_v1(p_import uuid) returns void
language sql security definer set search_path = '' as $$
  update public.auth_sync_import_lines l
     set wanted = (select coalesce(jsonb_object_agg(k.name, r.typed -> k.name), '{}')
                     from (select to_jsonb(jsonb_populate_record(null::public.employees, l.data)) as typed offset 0) as r,
                          jsonb_object_keys(l.data) as k (name))
   where l.import_id = p_import and l.wanted is null
$$;

-- Finds the employee of each line, by employee_id, else by employee_number, else by the e-mail, and sets the kind of each line: new,
-- changed, unchanged or refused. The changes of a new or changed line are {column: {"from", "to"}}. Those of a refused line are {"reason",
-- ...}. A line that changes what a directory manages is refused, unless it only deactivates. The lines have no statistics, because they are new. So nested loops are only used for the searches in employees by an index.
create or replace function public.auth_sync_match_import_v1(p_import uuid) returns void
language plpgsql security definer set search_path = '' set plan_cache_mode = force_custom_plan
set enable_seqscan = off set enable_nestloop = off set jit = off as $$
#variable_conflict use_variable
begin
  with keyed as materialized (
    select l.line, l.wanted, l.kind = 'refused' as is_refused, (l.wanted ->> 'employee_id')::bigint as id,
           l.wanted ->> 'employee_number' as number, nullif(public.auth_sync_normal_v1(l.wanted ->> 'email'), '') as email
      from public.auth_sync_import_lines l where l.import_id = p_import
  ), matched as materialized (
    select k.*, i.ids, n.ids as of_number, m.ids as of_email,
           case when k.id is not null then i.ids[1] when cardinality(n.ids) > 0 then n.ids[1] else m.ids[1] end as employee_id
      from keyed k
     cross join lateral (
       select array(select e.employee_id::bigint from public.employees e where e.employee_id = k.id offset 0) as ids) as i
     cross join lateral (
       select array(select f.id from (select e.employee_id::bigint as id from public.employees e
                                       where btrim(e.employee_number::varchar::text, public.auth_sync_invisible_v1()) = k.number limit 20) as f order by f.id) as ids) as n
     cross join lateral (
       select array(select f.id from (select e.employee_id::bigint as id from public.employees e
                                       where lower(btrim(e.email::varchar::text, public.auth_sync_invisible_v1()) collate "C") collate "default"
                                             = k.email limit 20) as f order by f.id) as ids) as m
  ), compared as materialized (
    select m.*, e.present, public.auth_sync_normal_v1(e.present ->> 'email') is distinct from m.email and m.email is not null as has_new_email,
           (select coalesce(jsonb_object_agg(w.key, jsonb_build_object('from', e.present -> w.key, 'to', w.value)), '{}')
              from jsonb_each(m.wanted) as w
             where w.key <> 'employee_id' and w.value is distinct from coalesce(e.present -> w.key, 'null')
               and not (w.key = 'email' and public.auth_sync_normal_v1(e.present ->> 'email') is not distinct from m.email)
               and not (w.key = 'is_active' and w.value = 'true' and coalesce(e.present -> w.key = 'null', false))) as changes
      from matched m
      left join lateral (select to_jsonb(f.*) as present from public.employees f where f.employee_id = m.employee_id offset 0) as e on true
  ), numbered as (
    select c.*,
           (select exists (select from public.auth_sync_scim_tokens t where t.revoked_at is null)) and c.employee_id is not null
             and (c.changes ?| array['email', 'first_name', 'last_name', 'employee_number'] or c.changes #> '{is_active,to}' = 'true')
             and public.auth_sync_scim_manager_v1(c.employee_id) is not null as is_managed,
           case when c.employee_id is not null then coalesce(lag(c.line) over same_employee, lead(c.line) over same_employee) end as of_same,
           case when c.number is not null then coalesce(lag(c.line) over same_number, lead(c.line) over same_number) end as number_line,
           case when c.has_new_email then coalesce(lag(c.line) over same_email, lead(c.line) over same_email) end as email_line
      from compared c
    window same_employee as (partition by c.employee_id order by c.line),
           same_number as (partition by c.number order by c.line),
           same_email as (partition by c.email, c.has_new_email order by c.line)
  ), judged as materialized (
    select n.*, case
      when n.id is null and n.number is null and n.email is null then '{"reason": "no_key"}'
      when n.id is not null and n.employee_id is null then jsonb_build_object('reason', 'unknown_employee', 'other', n.id)
      when n.number_line is not null then jsonb_build_object('reason', 'number_twice', 'line', n.number_line, 'column', 'employee_number')
      when n.email_line is not null then jsonb_build_object('reason', 'email_twice', 'line', n.email_line, 'column', 'email')
      when n.id is null and cardinality(n.of_number) > 1 then
        jsonb_build_object('reason', 'ambiguous_number', 'others', to_jsonb(n.of_number), 'column', 'employee_number')
      when n.id is null and n.of_number = '{}' and cardinality(n.of_email) > 1 then
        jsonb_build_object('reason', 'ambiguous_email', 'others', to_jsonb(n.of_email), 'column', 'email')
      when n.of_number <> '{}' and n.employee_id <> all (n.of_number) then
        jsonb_build_object('reason', 'number_of_other', 'other', n.of_number[1], 'column', 'employee_number')
      when n.of_email <> '{}' and n.employee_id <> all (n.of_email) then
        jsonb_build_object('reason', 'email_of_other', 'other', n.of_email[1], 'column', 'email')
      when n.of_same is not null then jsonb_build_object('reason', 'employee_twice', 'line', n.of_same)
      when n.id is null and n.of_number = '{}' and n.number is not null and n.present ->> 'employee_number' is not null then
        jsonb_build_object('reason', 'other_number', 'other', n.employee_id, 'column', 'employee_number')
      when n.is_managed then jsonb_build_object('reason', 'managed', 'directory', public.auth_sync_scim_manager_v1(n.employee_id))
      when n.has_new_email and n.email !~ public.auth_sync_usable_v1() then '{"reason": "unusable_email", "column": "email"}'
      end as reason
      from numbered n
  )
  update public.auth_sync_import_lines l
     set employee_id = j.employee_id,
         kind = case when j.is_refused or j.reason is not null then 'refused' when j.employee_id is null then 'new'
                     when j.changes = '{}' then 'unchanged' else 'changed' end,
         changes = case when j.is_refused then l.changes else coalesce(j.reason, j.changes) end
    from judged j
   where l.import_id = p_import and l.line = j.line;
end $$;

-- Adds the active employees who are missing in the file, as negative lines of the kind "leaves". It leaves out the employees that a
-- directory manages, because the directory deactivates them.
create or replace function public.auth_sync_add_leavers_v1(p_import uuid) returns void
language plpgsql security definer set search_path = '' set plan_cache_mode = force_custom_plan
set enable_nestloop = off set jit = off as $$
#variable_conflict use_variable
begin
  insert into public.auth_sync_import_lines (import_id, line, data, wanted, employee_id, kind, changes)
  select p_import, -row_number() over (order by e.employee_id), '{}', '{"is_active": false}', e.employee_id, 'leaves',
         jsonb_build_object('is_active', jsonb_build_object('from', e.is_active, 'to', false))
    from public.employees e
   where e.is_active is not false
     and not exists (select from public.auth_sync_import_lines l where l.import_id = p_import and l.employee_id = e.employee_id)
     and not exists (select from public.auth_sync_scim_people p
                      where p.employee_id = e.employee_id and p.manages
                        and p.client_id in (select t.client_id from public.auth_sync_scim_tokens t where t.revoked_at is null));
end $$;

-- Plans an import, and applies it unless p_is_dry is true. Returns null if the import does not exist any more, and otherwise the plan:
-- {"state": planned | applied | refused_lines | mass_deactivation | plan_changed, "digest": names this plan, "counts": {"new", "changed",
-- "leaves", "unchanged", "refused"}, "logins": how many linked employees it deactivates, "is_mass", "deactivate_missing", "items": {kind:
-- the first p_limit lines}}. Only the state "applied" has changed employees. p_digest is the digest of the plan that a person has
-- approved, or null. To find out what employees refuses, a dry run writes everything and rolls it back.
--
-- Only one import is planned or applied at a time: {"state": "under_way"} if there is another one. Two imports of a file at once would both
-- find its employees missing, and create them twice.
create or replace function public.auth_sync_import_v1(
  p_import uuid, p_is_dry boolean, p_digest text, p_skip_refused boolean, p_allow_mass boolean, p_limit integer
) returns jsonb
language plpgsql security definer set search_path = '' set plan_cache_mode = force_custom_plan
set lock_timeout = '5s' set statement_timeout = '10min' as $$
#variable_conflict use_variable
declare
  begun public.auth_sync_imports;
  result jsonb;
  refusals jsonb;
  refusal jsonb;
  logins bigint;
  is_mass boolean;
  mark text;
  state text := 'planned';
begin
  if not pg_try_advisory_xact_lock(4471930286651298103) then
    return '{"state": "under_way"}';
  end if;
  select i.* into begun from public.auth_sync_imports i where i.id = p_import and i.begun_at > now() - interval '30 minutes' for update;
  if not found then
    return null;
  end if;
  delete from public.auth_sync_import_lines l where l.import_id = p_import and l.line < 0;
  perform public.auth_sync_read_import_v1(p_import);
  perform public.auth_sync_match_import_v1(p_import);
  if begun.deactivate_missing then
    perform public.auth_sync_add_leavers_v1(p_import);
  end if;
  select count(*) into logins from public.auth_sync_import_lines l
   where l.import_id = p_import and l.kind in ('changed', 'leaves') and l.changes #> '{is_active,to}' = 'false'
     and exists (select from public.employees e where e.employee_id = l.employee_id and e.auth_user_id is not null offset 0);
  is_mass := public.auth_sync_is_mass_v1(logins, 0);

  begin
    refusals := public.auth_sync_write_import_v1(p_import);
    select md5(jsonb_build_array(count(*), sum(hashtextextended(
             jsonb_build_array(l.line, l.kind, l.employee_id, l.wanted, l.changes)::text, 0)), refusals)::text) into mark
      from public.auth_sync_import_lines l where l.import_id = p_import;
    state := case
      when p_is_dry then 'planned'
      when mark <> p_digest then 'plan_changed'
      when (not p_skip_refused or begun.deactivate_missing)
           and (refusals <> '[]' or exists (
                  select from public.auth_sync_import_lines l where l.import_id = p_import and l.kind = 'refused')) then 'refused_lines'
      when is_mass and not p_allow_mass then 'mass_deactivation'
      else 'applied' end;
    if state <> 'applied' then
      raise exception 'only a trial' using errcode = 'WSTRY';
    end if;
  exception when sqlstate 'WSTRY' then
    null;
  end;

  for refusal in select r.reason from jsonb_array_elements(refusals) as r (reason) loop
    update public.auth_sync_import_lines l set kind = 'refused', changes = refusal - 'at'
     where l.import_id = p_import and l.line = (refusal ->> 'at')::integer;
  end loop;
  result := jsonb_build_object(
    'state', state, 'digest', mark, 'logins', logins, 'is_mass', is_mass, 'deactivate_missing', begun.deactivate_missing,
    'counts', '{"new": 0, "changed": 0, "leaves": 0, "unchanged": 0, "refused": 0}'::jsonb || (
      select coalesce(jsonb_object_agg(c.kind, c.count), '{}')
        from (select l.kind, count(*) from public.auth_sync_import_lines l where l.import_id = p_import group by l.kind) as c),
    'items', (
      select jsonb_object_agg(k.kind, (
        select coalesce(jsonb_agg(jsonb_build_object(
                 'line', case when l.line > 0 then l.line end, 'employee_id', l.employee_id,
                 'name', nullif(concat_ws(' ', p.person ->> 'first_name', p.person ->> 'last_name'), ''), 'email', p.person ->> 'email',
                 'changes', case when k.kind in ('changed', 'leaves') then l.changes end,
                 'refused', case when k.kind = 'refused' then l.changes end) order by l.line > 0, abs(l.line)), '[]')
          from (select a.* from public.auth_sync_import_lines a where a.import_id = p_import and a.kind = k.kind
                 order by a.line > 0, abs(a.line) limit p_limit) as l
          left join lateral (select to_jsonb(e.*) as row from public.employees e where e.employee_id = l.employee_id offset 0) as e on true
         cross join lateral (select coalesce(e.row, '{}') || coalesce(l.wanted, '{}') as person) as p))
        from unnest(array['new', 'changed', 'leaves', 'refused']) as k (kind)));
  if state = 'applied' then
    delete from public.auth_sync_imports i where i.id = p_import;
  else
    update public.auth_sync_imports i set plan = result where i.id = p_import;
  end if;
  return result;
end $$;
