-- The last known state of each auth user, merged from its events.

-- Returns a hash of the mapped columns of auth.users. Reconciliation compares it.
create or replace function public.auth_sync_hash_v1(p_record jsonb) returns uuid
language sql immutable strict set search_path = '' as $$
  select md5(p_record::text)::uuid
$$;

-- Returns the mapped state of an auth user, in the form of request_data in a ledger row that was not captured.
create or replace function public.auth_sync_state_json_v1(p_known public.auth_user_state) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object(
    'email', p_known.email, 'email_confirmed', p_known.email_confirmed, 'employee_number', p_known.employee_number,
    'is_anonymous', p_known.is_anonymous, 'banned_until', p_known.banned_until, 'deleted_at', p_known.deleted_at,
    'names', (select coalesce(jsonb_object_agg(f.key, f.value -> 0), '{}') from jsonb_each(p_known.fields) as f where f.key <> 'email'))
$$;

-- Returns the key by which the employee of an unlinked auth user is searched: 'number:…' with its employee number, or else 'email:…' with
-- its confirmed e-mail. Returns null if it has neither, and for a deleted or an anonymous user.
create or replace function public.auth_sync_key_v1(p_known public.auth_user_state) returns text
language sql immutable set search_path = '' as $$
  select case
    when p_known.deleted_at is not null or p_known.is_anonymous then null
    when p_known.employee_number is not null then 'number:' || p_known.employee_number
    when p_known.email_confirmed then 'email:' || p_known.email end
$$;

-- Merges an event into the last known state of its auth user, and returns the merged state. Each field has the value of the newest event
-- that contains the field, so the result does not depend on the order of arrival. Also stores record_hash, for reconciliation. An event of
-- reconciliation replaces a state whose version is far in the future.
create or replace function public.auth_sync_remember_v1(p_work jsonb, p_log_id bigint) returns public.auth_user_state
language plpgsql security definer set search_path = '' as $$
#variable_conflict use_variable
declare
  before public.auth_user_state;
  known public.auth_user_state;
  described jsonb := p_work -> 'user';
  this_version bigint := (p_work ->> 'version')::bigint;
begin
  select * into strict before from public.auth_user_state where auth_user_id = (p_work ->> 'auth_user_id')::uuid;
  known := before;
  if p_work ->> 'event_id' ~ '^(reconcile|dry-run)-' and before.version > public.auth_sync_latest_version_v1()
     and this_version <= public.auth_sync_latest_version_v1() then
    known.version := -1;
    select coalesce(jsonb_object_agg(f.key, jsonb_build_array(f.value -> 0, -1, 0)), '{}') into known.fields from jsonb_each(before.fields) as f;
  end if;

  select known.fields || coalesce(jsonb_object_agg(f.key, jsonb_build_array(f.value, this_version, p_log_id)), '{}')
    into known.fields
    from jsonb_each(p_work -> 'copy') as f
   where (this_version, p_log_id) > (coalesce((known.fields -> f.key ->> 1)::bigint, -1), coalesce((known.fields -> f.key ->> 2)::bigint, 0));

  if (this_version, p_log_id) > (known.version, known.log_id) then
    known.version := this_version;
    known.log_id := p_log_id;
    known.email := public.auth_sync_normal_v1(described ->> 'email');
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
  if public.auth_sync_key_v1(known) is distinct from public.auth_sync_key_v1(before) then
    -- A concurrent transaction may have inserted an employee with the old key. This transaction does not see that employee
    -- (link_employees.sql).
    insert into public.auth_sync_former_keys (auth_user_id, version, key, state)
    select before.auth_user_id, before.version, public.auth_sync_key_v1(before), public.auth_sync_state_json_v1(before)
     where public.auth_sync_key_v1(before) is not null
       and not exists (select from public.employees e where e.auth_user_id = before.auth_user_id);
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
