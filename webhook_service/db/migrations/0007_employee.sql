-- What an event means for one auth user and one employee, as in 0003; now it also remembers what reconciliation compares,
-- and writes employees under a search_path that the caller cannot choose.

set local lock_timeout = '5s';

-- As in 0003, and remembers what reconciliation compares.
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
    known.record_hash := coalesce((p_work ->> 'record_hash')::uuid, known.record_hash);
    known.updated_at := now();
  end if;

  if before.email is not null and known.email is distinct from before.email then
    perform public.auth_sync_email_freed_v1(before.email);
  end if;
  if known is distinct from before then
    update public.auth_user_state
       set (version, log_id, email, email_confirmed, employee_number, is_anonymous, banned_until, deleted_at, fields, record_hash, updated_at)
         = (known.version, known.log_id, known.email, known.email_confirmed, known.employee_number, known.is_anonymous,
            known.banned_until, known.deleted_at, known.fields, known.record_hash, known.updated_at)
     where auth_user_id = known.auth_user_id;
  end if;
  return known;
end $$;

-- What the mapped columns of auth.users are compared by.
create or replace function public.auth_sync_hash_v1(p_record jsonb) returns uuid
language sql immutable strict set search_path = '' as $$
  select md5(p_record::text)::uuid
$$;

-- The search_path that triggers of the employees' owner expect: the one that this database, or our owner, has by setting.
-- Never the caller's, who could have anything found in it.
create or replace function public.auth_sync_owner_path_v1() returns text
language sql stable security definer set search_path = '' as $$
  select coalesce((
    select substr(c.setting, length('search_path=') + 1)
      from pg_catalog.pg_db_role_setting s
      left join pg_catalog.pg_database d on d.oid = s.setdatabase
      cross join unnest(s.setconfig) as c (setting)
     where c.setting like 'search\_path=%'
       and (s.setdatabase = 0 or d.datname = current_database())
       and (s.setrole = 0 or s.setrole = (select oid from pg_catalog.pg_roles where rolname = current_user))
     order by s.setdatabase = 0, s.setrole = 0
     limit 1), 'public, extensions') || ', pg_temp'
$$;

-- As in 0003. Makes an employee what the auth user's state says: linked, or orphaned if the auth user is deleted, with p_copy
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
    -- Triggers of the employees' owner expect the search_path they always have.
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
      raise exception 'a trigger did not let the link be written' using errcode = 'triggered_action_exception';
    end if;
    -- A trigger may have written something else than we wanted.
    select coalesce(jsonb_object_agg(b.key, jsonb_build_object('from', is_now -> b.key, 'to', b.value)), '{}')
      into changes from jsonb_each(became) as b where b.value is distinct from is_now -> b.key;
  end if;
  return changes;
end $$;

select public.auth_sync_secure_v1();
