-- The effect of an event on one employee: the choice of the employee, the copied values, and the update.
-- auth_sync_apply_v1 (process.sql) calls these functions under the locks of the batch.

-- Returns the situation of an auth user, and its employee: {"situation": linked | none | one | several | taken, "employee_id",
-- "employee_ids" (the employees that match), "is_memory": whether the link has already been removed}. An inactive
-- employee does not count if exactly one active free employee matches too: it is the former row of a person who was hired again.
create or replace function public.auth_sync_situation_v1(p_known public.auth_user_state, p_key jsonb) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
#variable_conflict use_variable
declare
  found_id bigint;
  is_memory boolean := false;
  free bigint[];
  active bigint[];
  taken bigint[];
begin
  select e.employee_id into found_id from public.employees e where e.auth_user_id = p_known.auth_user_id;
  if found_id is null and p_known.deleted_at is not null then
    -- A foreign key "on delete set null", or this service, has removed the link before the event arrived.
    select e.employee_id into found_id
      from public.employees e
     where e.employee_id = p_known.employee_id and e.auth_user_id is null
       and coalesce(e.orphaned_auth_user_id, p_known.auth_user_id) = p_known.auth_user_id;
    is_memory := true;
  end if;
  if found_id is not null then
    return jsonb_build_object('situation', 'linked', 'employee_id', found_id, 'is_memory', is_memory);
  end if;

  if p_key ? 'employee_number' then
    select array_agg(e.employee_id order by e.employee_id) filter (where e.auth_user_id is null),
           array_agg(e.employee_id order by e.employee_id) filter (where e.auth_user_id is null and e.is_active is not false),
           array_agg(e.employee_id order by e.employee_id) filter (where e.auth_user_id is not null)
      into free, active, taken
      from public.employees e where btrim(e.employee_number::varchar::text, public.auth_sync_invisible_v1()) = p_key ->> 'employee_number';
  elsif p_key ? 'email' then
    select array_agg(e.employee_id order by e.employee_id) filter (where e.auth_user_id is null),
           array_agg(e.employee_id order by e.employee_id) filter (where e.auth_user_id is null and e.is_active is not false),
           array_agg(e.employee_id order by e.employee_id) filter (where e.auth_user_id is not null)
      into free, active, taken
      from public.employees e
     where lower(btrim(e.email::varchar::text, public.auth_sync_invisible_v1()) collate "C") collate "default"
           = public.auth_sync_normal_v1(p_key ->> 'email');
  end if;

  return case
    when cardinality(active) = 1 then jsonb_build_object('situation', 'one', 'employee_id', active[1])
    when cardinality(free) = 1 then jsonb_build_object('situation', 'one', 'employee_id', free[1])
    when cardinality(free) > 1 then jsonb_build_object('situation', 'several', 'employee_ids', free)
    when cardinality(taken) > 0 then jsonb_build_object('situation', 'taken', 'employee_ids', taken)
    else jsonb_build_object('situation', 'none') end;
end $$;

-- Returns whether an e-mail action replaces this e-mail from Auth. Such an action meets two conditions:
-- 1. It is open, or was performed after the event of this e-mail was created. A retry that finds the e-mail in Auth follows a call whose
--    response was lost.
-- 2. It was requested when Auth had this e-mail, or after another action had sent this e-mail.
-- Each subquery on actions names the operation, because integration_sync_log_sent_idx is a partial index on the operation.
create or replace function public.auth_sync_is_replaced_v1(p_auth_user_id uuid, p_email text, p_log_id bigint) returns boolean
language sql stable set search_path = '' as $$
  select exists (
    select from public.integration_sync_log a
     where a.auth_user_id = p_auth_user_id and a.operation = 'update_auth_email'
       and a.request_data ->> 'email' <> public.auth_sync_normal_v1(p_email)
       and (a.status <> 'SUCCESS' and a.next_attempt_at is not null
            or a.status = 'SUCCESS' and (a.outcome = 'email_updated' or a.outcome = 'unchanged' and a.attempts > 1)
               and a.completed_at > (select e.created_at from public.integration_sync_log e where e.id = p_log_id))
       and (a.request_data ->> 'was' = public.auth_sync_normal_v1(p_email)
            or exists (select from public.integration_sync_log b
                        where b.auth_user_id = a.auth_user_id and b.operation = 'update_auth_email' and b.id < a.id
                          and b.request_data ->> 'email' = public.auth_sync_normal_v1(p_email))))
$$;

-- Returns the values that this step copies to the employee. A link copies all allowed fields, and any other step copies the fields of this
-- event. An e-mail from Auth is not copied if the employee's newer e-mail will replace it, or has replaced it since.
create or replace function public.auth_sync_copy_v1(p_work jsonb, p_step text, p_known public.auth_user_state, p_log_id bigint)
returns jsonb language sql stable set search_path = '' as $$
  select coalesce(jsonb_object_agg(f.key, f.value -> 0), '{}')
    from jsonb_each(p_known.fields) as f
   where p_work -> 'columns' ? f.key
     and (p_step = 'link'
          or (p_step = 'sync' and ((f.value ->> 1)::bigint, (f.value ->> 2)::bigint) = ((p_work ->> 'version')::bigint, p_log_id)
              and not (f.key = 'email' and public.auth_sync_is_replaced_v1(p_known.auth_user_id, f.value ->> 0, p_log_id))))
$$;

-- Writes employees. p_rows is [{"employee_id", "wanted": {column: value}}]. Returns the written rows, [{column: value}], without the changes
-- of triggers that run after the statement. A statement sets only the columns that differ, because a trigger "update of <column>" of the
-- table's owner runs for each column that is set, even if the value does not change. So there is one statement for each set of columns. The
-- triggers expect the search_path of the owner, and the caller cannot choose it. A schema of another role may stand before pg_catalog in it,
-- so each statement under this path names the schema of every type, function and operator.
create or replace function public.auth_sync_write_employees_v1(p_rows jsonb) returns jsonb
language plpgsql security definer set search_path = '' as $$
#variable_conflict use_variable
declare
  part record;
  written jsonb;
  in_all jsonb := '[]';
begin
  for part in
    select d.columns, jsonb_agg(jsonb_build_object('employee_id', r.employee_id) || r.wanted order by r.employee_id) as rows
      from jsonb_to_recordset(p_rows) as r (employee_id bigint, wanted jsonb)
     cross join lateral (
       select jsonb_build_object('email', e.email, 'first_name', e.first_name, 'last_name', e.last_name, 'auth_user_id', e.auth_user_id,
                                 'orphaned_at', e.orphaned_at, 'orphaned_auth_user_id', e.orphaned_auth_user_id) as present
         from public.employees e where e.employee_id = r.employee_id offset 0) as e
     cross join lateral (
       select array_agg(w.key order by w.key) as columns from jsonb_each(r.wanted) as w where w.value is distinct from e.present -> w.key) as d
     where d.columns <> '{}'
     group by d.columns order by d.columns
  loop
    if public.auth_sync_client_v1() is not null then
      perform public.auth_sync_set_flag_v1('own_write');  -- the client did not write these values
    end if;
    perform set_config('search_path', public.auth_sync_owner_path_v1(), true);
    execute format(
      'with written as (update public.employees e set (%s) = row(%s)'  -- by ctid, so that each row is searched separately
      '  from (select w.*, found.place'
      '          from pg_catalog.jsonb_to_recordset($1) as w (employee_id pg_catalog.int8, email pg_catalog.text,'
      '                                                       first_name pg_catalog.text, last_name pg_catalog.text,'
      '                                                       auth_user_id pg_catalog.uuid, orphaned_at pg_catalog.timestamptz,'
      '                                                       orphaned_auth_user_id pg_catalog.uuid)'
      '         cross join lateral ('
      '           select f.ctid as place from public.employees f where f.employee_id operator(pg_catalog.=) w.employee_id offset 0) as found'
      '        offset 0) as w'
      ' where e.ctid operator(pg_catalog.=) w.place'
      ' returning pg_catalog.jsonb_build_object(''email'', e.email, ''first_name'', e.first_name, ''last_name'', e.last_name,'
      '   ''auth_user_id'', e.auth_user_id, ''orphaned_at'', e.orphaned_at, ''orphaned_auth_user_id'', e.orphaned_auth_user_id) as became)'
      ' select pg_catalog.jsonb_agg(w.became) from written w',
      (select string_agg(quote_ident(c.name), ', ') from unnest(part.columns) as c (name)),
      (select string_agg('w.' || quote_ident(c.name), ', ') from unnest(part.columns) as c (name))) into written using part.rows;
    perform set_config('search_path', 'pg_catalog, pg_temp', true), set_config('auth_sync.own_write', '', true);
    in_all := in_all || coalesce(written, '[]');
  end loop;
  return in_all;
end $$;

-- Raises an error if the employee is not linked to the auth user, because a trigger has prevented the link. First checks the deferred
-- constraints, so their errors are raised here and not at the commit.
create or replace function public.auth_sync_require_login_v1(p_employee_id bigint, p_auth_user_id uuid) returns void
language plpgsql security definer set search_path = '' as $$
#variable_conflict use_variable
begin
  set constraints all immediate;
  if p_employee_id is not null
     and not exists (select from public.employees e where e.employee_id = p_employee_id and e.auth_user_id = p_auth_user_id) then
    raise exception 'a trigger on employees prevented the link' using errcode = 'triggered_action_exception';
  end if;
end $$;

-- Links an employee to an auth user, and clears the flag of an orphan. Raises an error if a trigger of the table's owner prevents the link.
create or replace function public.auth_sync_set_login_v1(p_employee_id bigint, p_auth_user_id uuid) returns void
language plpgsql security definer set search_path = '' as $$
#variable_conflict use_variable
begin
  perform public.auth_sync_write_employees_v1(jsonb_build_array(jsonb_build_object('employee_id', p_employee_id, 'wanted', jsonb_build_object(
    'auth_user_id', p_auth_user_id, 'orphaned_at', null, 'orphaned_auth_user_id', null))));
  perform public.auth_sync_require_login_v1(p_employee_id, p_auth_user_id);
end $$;

-- Returns whether the table's owner has a trigger for single columns that the fast path sets. The fast path sets all of them together.
create or replace function public.auth_sync_has_column_triggers_v1() returns boolean
language plpgsql stable set search_path = '' as $$
#variable_conflict use_variable
begin
  return exists (select from pg_catalog.pg_trigger t
                   join pg_catalog.pg_attribute a on a.attrelid = t.tgrelid and a.attnum = any (t.tgattr)
                  where t.tgrelid = 'public.employees'::regclass and t.tgattr <> ''
                    and a.attname in ('first_name', 'last_name', 'auth_user_id', 'orphaned_at', 'orphaned_auth_user_id'));
end $$;

-- Updates an employee from the auth user's state and the values of p_copy: links it, or flags it as an orphan if the auth user is deleted.
-- Returns the changes, {column: {"from", "to"}}. Writes nothing if no value differs. The caller cannot choose the search_path of the write.
create or replace function public.auth_sync_update_employee_v1(p_employee_id bigint, p_known public.auth_user_state, p_copy jsonb)
returns jsonb language plpgsql security definer set search_path = '' as $$
#variable_conflict use_variable
declare
  row_now jsonb;
  wanted jsonb;
  became jsonb;
  changes jsonb;
begin
  select jsonb_build_object('email', e.email, 'first_name', e.first_name, 'last_name', e.last_name, 'auth_user_id', e.auth_user_id,
                            'orphaned_at', e.orphaned_at, 'orphaned_auth_user_id', e.orphaned_auth_user_id)
    into row_now
    from public.employees e
   where e.employee_id = p_employee_id and coalesce(e.auth_user_id, p_known.auth_user_id) = p_known.auth_user_id
     for no key update;
  if not found then
    raise exception 'another transaction has just linked or deleted the employee' using errcode = 'serialization_failure';
  end if;

  if public.auth_sync_normal_v1(p_copy ->> 'email') = public.auth_sync_normal_v1(row_now ->> 'email') then
    p_copy := p_copy - 'email';  -- the e-mails differ only in case or surrounding spaces and invisible characters
  end if;
  wanted := row_now || p_copy || case
    when p_known.deleted_at is null then
      jsonb_build_object('auth_user_id', p_known.auth_user_id, 'orphaned_at', null, 'orphaned_auth_user_id', null)
    else
      jsonb_build_object('auth_user_id', null, 'orphaned_at', p_known.deleted_at, 'orphaned_auth_user_id', p_known.auth_user_id) end;

  select coalesce(jsonb_object_agg(w.key, jsonb_build_object('from', row_now -> w.key, 'to', w.value)), '{}')
    into changes from jsonb_each(wanted) as w where w.value is distinct from row_now -> w.key;

  if changes <> '{}' then
    became := public.auth_sync_write_employees_v1(
      jsonb_build_array(jsonb_build_object('employee_id', p_employee_id, 'wanted', wanted))) -> 0;
    if became -> 'auth_user_id' is distinct from wanted -> 'auth_user_id' then
      raise exception 'a trigger on employees prevented the link' using errcode = 'triggered_action_exception';
    end if;
    -- A trigger may have written other values.
    select coalesce(jsonb_object_agg(b.key, jsonb_build_object('from', row_now -> b.key, 'to', b.value)), '{}')
      into changes from jsonb_each(became) as b where b.value is distinct from row_now -> b.key;
  end if;
  return changes;
end $$;

-- Updates an employee in a savepoint. Returns {"changes": …}, or {"outcome", "error"} if the employees table refuses the update.
create or replace function public.auth_sync_try_update_v1(p_employee_id bigint, p_known public.auth_user_state, p_copy jsonb)
returns jsonb language plpgsql security definer set search_path = '' as $$
#variable_conflict use_variable
declare
  violated_table text;
begin
  return jsonb_build_object('changes', public.auth_sync_update_employee_v1(p_employee_id, p_known, p_copy));
exception when others or assert_failure then
  if sqlstate ~ '^(40|53|55P03)' then
    raise;  -- the event did not cause a lock or a full disk, so it is retried
  end if;
  get stacked diagnostics violated_table = table_name;
  return jsonb_build_object(
    'outcome', case when sqlstate = '23505' and violated_table = 'employees' and p_copy ? 'email' then 'email_taken' else 'employee_rejected' end,
    'error', format('employee %s: %s (%s)', p_employee_id, sqlerrm, sqlstate));
end $$;
