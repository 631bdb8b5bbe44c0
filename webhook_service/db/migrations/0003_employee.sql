-- What an event means for one auth user and one employee: remembered, found, updated. Called by process (0004),
-- under its locks.

set local lock_timeout = '5s';

-- Merges what an event says into the last known state, and returns it. Each field is as of the newest event that
-- carried it, so the result does not depend on the order of arrival.
create or replace function public.auth_sync_remember_v1(p_work jsonb, p_log_id bigint) returns public.auth_user_state
language plpgsql security definer set search_path = '' as $$
declare
  before public.auth_user_state;
  known public.auth_user_state;
  described jsonb := p_work -> 'user';
  this_version bigint := (p_work ->> 'version')::bigint;
begin
  select * into strict before from public.auth_user_state where auth_user_id = (p_work ->> 'auth_user_id')::uuid;
  known := before;

  select known.fields || coalesce(jsonb_object_agg(f.key, jsonb_build_array(f.value, this_version, p_log_id)), '{}')
    into known.fields
    from jsonb_each(p_work -> 'copy') as f
   where (this_version, p_log_id) > (coalesce((known.fields -> f.key ->> 1)::bigint, -1), coalesce((known.fields -> f.key ->> 2)::bigint, 0));

  if (this_version, p_log_id) > (known.version, known.log_id) then
    known.version := this_version;
    known.log_id := p_log_id;
    known.email := lower(btrim(described ->> 'email', E' \t\r\n'));
    known.email_confirmed := (described ->> 'email_confirmed')::boolean;
    known.employee_number := described ->> 'employee_number';
    known.is_anonymous := (described ->> 'is_anonymous')::boolean;
    known.banned_until := (described ->> 'banned_until')::timestamptz;
    known.deleted_at := (described ->> 'deleted_at')::timestamptz;
    known.updated_at := now();
  end if;

  if known is distinct from before then
    update public.auth_user_state
       set (version, log_id, email, email_confirmed, employee_number, is_anonymous, banned_until, deleted_at, fields, updated_at)
         = (known.version, known.log_id, known.email, known.email_confirmed, known.employee_number, known.is_anonymous,
            known.banned_until, known.deleted_at, known.fields, known.updated_at)
     where auth_user_id = known.auth_user_id;
  end if;
  return known;
end $$;

-- Finds the situation an auth user is in, and the employee it is about:
-- {"situation": linked | none | one | several | taken, "employee_id", "employee_ids" (those that matched),
-- "is_memory": the link is gone already}.
create or replace function public.auth_sync_situation_v1(p_known public.auth_user_state, p_key jsonb) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
  found_id bigint;
  is_memory boolean := false;
  free bigint[];
  taken bigint[];
begin
  select e.employee_id into found_id from public.employees e where e.auth_user_id = p_known.auth_user_id;
  if found_id is null and p_known.deleted_at is not null then
    -- A foreign key "on delete set null" has removed the link before the event could say so; or it was us.
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
           array_agg(e.employee_id order by e.employee_id) filter (where e.auth_user_id is not null)
      into free, taken
      from public.employees e where e.employee_number::text = p_key ->> 'employee_number';
  elsif p_key ? 'email' then
    select array_agg(e.employee_id order by e.employee_id) filter (where e.auth_user_id is null),
           array_agg(e.employee_id order by e.employee_id) filter (where e.auth_user_id is not null)
      into free, taken
      from public.employees e
     where lower(btrim(e.email::text, E' \t\r\n')) = lower(btrim(p_key ->> 'email', E' \t\r\n'));
  end if;

  return case
    when cardinality(free) = 1 then jsonb_build_object('situation', 'one', 'employee_id', free[1])
    when cardinality(free) > 1 then jsonb_build_object('situation', 'several', 'employee_ids', free)
    when cardinality(taken) > 0 then jsonb_build_object('situation', 'taken', 'employee_ids', taken)
    else jsonb_build_object('situation', 'none') end;
end $$;

-- Makes an employee what the auth user's state says: linked, or orphaned if the auth user is deleted, with p_copy
-- copied. Returns what changed, {column: {"from", "to"}}; writes nothing where nothing differs.
create or replace function public.auth_sync_update_employee_v1(p_employee_id bigint, p_known public.auth_user_state, p_copy jsonb)
returns jsonb language plpgsql security definer set search_path = '' as $$
declare
  is_now jsonb;
  wanted jsonb;
  became jsonb;
  changes jsonb;
begin
  select jsonb_build_object('email', e.email, 'first_name', e.first_name, 'last_name', e.last_name, 'auth_user_id', e.auth_user_id,
                            'orphaned_at', e.orphaned_at, 'orphaned_auth_user_id', e.orphaned_auth_user_id)
    into is_now
    from public.employees e
   where e.employee_id = p_employee_id and coalesce(e.auth_user_id, p_known.auth_user_id) = p_known.auth_user_id
     for no key update;
  if not found then
    raise exception 'the employee was linked or deleted a moment ago' using errcode = 'serialization_failure';
  end if;

  if lower(btrim(p_copy ->> 'email', E' \t\r\n')) = lower(btrim(is_now ->> 'email', E' \t\r\n')) then
    p_copy := p_copy - 'email';  -- the same address in another spelling is not a change
  end if;
  wanted := is_now || p_copy || case
    when p_known.deleted_at is null then
      jsonb_build_object('auth_user_id', p_known.auth_user_id, 'orphaned_at', null, 'orphaned_auth_user_id', null)
    else
      jsonb_build_object('auth_user_id', null, 'orphaned_at', p_known.deleted_at, 'orphaned_auth_user_id', p_known.auth_user_id) end;

  select coalesce(jsonb_object_agg(w.key, jsonb_build_object('from', is_now -> w.key, 'to', w.value)), '{}')
    into changes from jsonb_each(wanted) as w where w.value is distinct from is_now -> w.key;

  if changes <> '{}' then
    -- Triggers of the employees' owner expect the search_path they always have: null is the session's own.
    perform set_config('search_path', null, true);
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
    perform set_config('search_path', '', true);
    if became -> 'auth_user_id' is distinct from wanted -> 'auth_user_id' then
      raise exception 'a trigger did not let the link be written' using errcode = 'triggered_action_exception';
    end if;
    -- A trigger may have written something else than we wanted.
    select coalesce(jsonb_object_agg(b.key, jsonb_build_object('from', is_now -> b.key, 'to', b.value)), '{}')
      into changes from jsonb_each(became) as b where b.value is distinct from is_now -> b.key;
  end if;
  return changes;
end $$;

select public.auth_sync_secure_v1();
