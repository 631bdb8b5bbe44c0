-- The effect of an event on one employee: which employee it concerns, which values are copied, and the update. auth_sync_process_v1 calls
-- these functions under its locks.

-- Returns the situation of an auth user, and the employee it concerns: {"situation": linked | none | one | several | taken, "employee_id",
-- "employee_ids" (the employees that match), "is_memory": the link is gone already}. An inactive employee beside exactly one active free
-- one does not count: it is the former row of a person who was hired again.
create or replace function public.auth_sync_situation_v1(p_known public.auth_user_state, p_key jsonb) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
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
      from public.employees e where e.employee_number::text = p_key ->> 'employee_number';
  elsif p_key ? 'email' then
    select array_agg(e.employee_id order by e.employee_id) filter (where e.auth_user_id is null),
           array_agg(e.employee_id order by e.employee_id) filter (where e.auth_user_id is null and e.is_active is not false),
           array_agg(e.employee_id order by e.employee_id) filter (where e.auth_user_id is not null)
      into free, active, taken
      from public.employees e
     where lower(btrim(e.email::text, E' \t\r\n')) = lower(btrim(p_key ->> 'email', E' \t\r\n'));
  end if;

  return case
    when cardinality(active) = 1 then jsonb_build_object('situation', 'one', 'employee_id', active[1])
    when cardinality(free) = 1 then jsonb_build_object('situation', 'one', 'employee_id', free[1])
    when cardinality(free) > 1 then jsonb_build_object('situation', 'several', 'employee_ids', free)
    when cardinality(taken) > 0 then jsonb_build_object('situation', 'taken', 'employee_ids', taken)
    else jsonb_build_object('situation', 'none') end;
end $$;

-- Returns whether an e-mail action replaces this e-mail from Auth. It does if it was requested when Auth had this e-mail, or after another
-- action had sent this e-mail; and if it is open, or was performed after the event of this e-mail was created. Each part names the
-- operation, as the index needs it.
create or replace function public.auth_sync_is_replaced_v1(p_auth_user_id uuid, p_email text, p_log_id bigint) returns boolean
language sql stable set search_path = '' as $$
  select exists (
    select from public.integration_sync_log a
     where a.auth_user_id = p_auth_user_id and a.operation = 'update_auth_email'
       and a.request_data ->> 'email' <> public.auth_sync_normal_v1(p_email)
       and (a.status <> 'SUCCESS' and a.next_attempt_at is not null
            or a.status = 'SUCCESS' and a.outcome = 'email_updated'
               and a.completed_at > (select e.created_at from public.integration_sync_log e where e.id = p_log_id))
       and (a.request_data ->> 'was' = public.auth_sync_normal_v1(p_email)
            or exists (select from public.integration_sync_log b
                        where b.auth_user_id = a.auth_user_id and b.operation = 'update_auth_email' and b.id < a.id
                          and b.request_data ->> 'email' = public.auth_sync_normal_v1(p_email))))
$$;

-- Returns the values that this step copies to the employee: all allowed fields when the link is made, else those that this event carried.
-- An e-mail from Auth is not copied where the employee's own newer e-mail is about to replace it, or has replaced it since.
create or replace function public.auth_sync_copy_v1(p_work jsonb, p_step text, p_known public.auth_user_state, p_log_id bigint)
returns jsonb language sql stable set search_path = '' as $$
  select coalesce(jsonb_object_agg(f.key, f.value -> 0), '{}')
    from jsonb_each(p_known.fields) as f
   where p_work -> 'columns' ? f.key
     and (p_step = 'link'
          or (p_step = 'sync' and ((f.value ->> 1)::bigint, (f.value ->> 2)::bigint) = ((p_work ->> 'version')::bigint, p_log_id)
              and not (f.key = 'email' and public.auth_sync_is_replaced_v1(p_known.auth_user_id, f.value ->> 0, p_log_id))))
$$;

-- Makes an employee agree with the auth user's state: linked, or orphaned if the auth user is deleted, with the values of p_copy. Returns
-- the changes, {column: {"from", "to"}}. Writes nothing where nothing differs. The caller cannot choose the search_path of the write.
create or replace function public.auth_sync_update_employee_v1(p_employee_id bigint, p_known public.auth_user_state, p_copy jsonb)
returns jsonb language plpgsql security definer set search_path = '' as $$
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

  if lower(btrim(p_copy ->> 'email', E' \t\r\n')) = lower(btrim(row_now ->> 'email', E' \t\r\n')) then
    p_copy := p_copy - 'email';  -- the same address in another spelling is not a change
  end if;
  wanted := row_now || p_copy || case
    when p_known.deleted_at is null then
      jsonb_build_object('auth_user_id', p_known.auth_user_id, 'orphaned_at', null, 'orphaned_auth_user_id', null)
    else
      jsonb_build_object('auth_user_id', null, 'orphaned_at', p_known.deleted_at, 'orphaned_auth_user_id', p_known.auth_user_id) end;

  select coalesce(jsonb_object_agg(w.key, jsonb_build_object('from', row_now -> w.key, 'to', w.value)), '{}')
    into changes from jsonb_each(wanted) as w where w.value is distinct from row_now -> w.key;

  if changes <> '{}' then
    -- The triggers of the table's owner expect their usual search_path.
    perform set_config('search_path', public.auth_sync_owner_path_v1(), true);
    update public.employees e
       set email = wanted ->> 'email',
           first_name = wanted ->> 'first_name',
           last_name = wanted ->> 'last_name',
           auth_user_id = (wanted ->> 'auth_user_id')::uuid,
           orphaned_at = (wanted ->> 'orphaned_at')::timestamptz,
           orphaned_auth_user_id = (wanted ->> 'orphaned_auth_user_id')::uuid
     where e.employee_id = p_employee_id
    returning jsonb_build_object('email', e.email, 'first_name', e.first_name, 'last_name', e.last_name,
                                 'auth_user_id', e.auth_user_id, 'orphaned_at', e.orphaned_at,
                                 'orphaned_auth_user_id', e.orphaned_auth_user_id)
      into became;
    perform set_config('search_path', 'pg_catalog, pg_temp', true);
    if became -> 'auth_user_id' is distinct from wanted -> 'auth_user_id' then
      raise exception 'a trigger on employees prevented the link' using errcode = 'triggered_action_exception';
    end if;
    -- A trigger may have written other values.
    select coalesce(jsonb_object_agg(b.key, jsonb_build_object('from', row_now -> b.key, 'to', b.value)), '{}')
      into changes from jsonb_each(became) as b where b.value is distinct from row_now -> b.key;
  end if;
  return changes;
end $$;

-- Updates an employee in a savepoint. Returns {"changes": …}, or {"outcome", "error"} where the employees table refuses the update.
create or replace function public.auth_sync_try_update_v1(p_employee_id bigint, p_known public.auth_user_state, p_copy jsonb)
returns jsonb language plpgsql security definer set search_path = '' as $$
declare
  violated_table text;
begin
  return jsonb_build_object('changes', public.auth_sync_update_employee_v1(p_employee_id, p_known, p_copy));
exception when others or assert_failure then
  if sqlstate ~ '^(40|53|55P03)' then
    raise;  -- a lock or a full disk is not the event's fault: it is retried
  end if;
  get stacked diagnostics violated_table = table_name;
  return jsonb_build_object(
    'outcome', case when sqlstate = '23505' and violated_table = 'employees' and p_copy ? 'email' then 'email_taken' else 'employee_rejected' end,
    'error', format('employee %s: %s (%s)', p_employee_id, sqlerrm, sqlstate));
end $$;
