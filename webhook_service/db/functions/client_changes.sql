-- Changes of employees by clients: the roles of the Data API (anon, authenticated, and those of custom JWTs).
-- A client that may write employees has not proven that an e-mail or a login is its own. So the triggers record which links and e-mails a
-- client wrote (auth_sync_client_changes), and an action that follows from one waits for an admin, with the outcome changed_by_client.

-- Returns the client's role if this session is a client's, or null. PostgREST logs in as authenticator, and sets the role of each request.
-- current_user does not serve, because it is the owner in a SECURITY DEFINER function. Most sessions that are no client's need no query of
-- a table, because PostgreSQL caches the members of a role.
create or replace function public.auth_sync_client_v1() returns text
language sql stable set search_path = '' as $$
  select r.role from (select coalesce(nullif(current_setting('role', true), 'none'), session_user::text) as role) as r
   where case when r.role in ('anon', 'authenticated', 'authenticator') then true
              when r.role = 'service_role' then false
              when pg_has_role(to_regrole('authenticator')::oid, to_regrole(quote_ident(r.role))::oid, 'member')
              then public.auth_sync_is_client_v1(to_regrole(quote_ident(r.role))::oid) end
$$;

-- Returns whether a request over the Data API may have this role without being privileged. Such roles are anon, authenticated, and every
-- other role that is granted to authenticator, because a custom JWT may name it. A role is privileged if it bypasses row level security,
-- inherits from service_role, or is trusted (auth_sync_is_trusted_v1).
create or replace function public.auth_sync_is_client_v1(p_role oid) returns boolean
language sql stable set search_path = '' as $$
  select coalesce((
    select r.rolname in ('anon', 'authenticated')
           or r.rolname <> 'authenticator' and pg_has_role(to_regrole('authenticator')::oid, r.oid, 'member') and not r.rolbypassrls
              and pg_has_role(r.oid, to_regrole('service_role')::oid, 'usage') is not true
              and not public.auth_sync_is_trusted_v1(
                r.oid, (select c.relowner from pg_catalog.pg_class c where c.oid = public.auth_sync_relation_v1('public.employees')),
                (select c.relowner from pg_catalog.pg_class c where c.oid = public.auth_sync_relation_v1('public.integration_sync_log')))
      from pg_catalog.pg_roles r where r.oid = p_role), false)
$$;

-- Records the links and e-mails that a client wrote: [{"employee_id", "auth_user_id", "email"}], null for a value that did not change. The
-- e-mail that the linked auth user already has is proven.
create or replace function public.auth_sync_record_client_changes_v1(p_rows jsonb, p_role text) returns void
language plpgsql security definer set search_path = '' as $$
#variable_conflict use_variable
begin
  delete from public.auth_sync_client_changes c
   using jsonb_to_recordset(p_rows) as w (employee_id bigint, email text)
   where c.employee_id = w.employee_id and c.changed = 'email' and w.email is not null;
  insert into public.auth_sync_client_changes (employee_id, changed, value, role)
  select w.employee_id, v.changed, v.value, p_role
    from jsonb_to_recordset(p_rows) as w (employee_id bigint, auth_user_id uuid, email text)
   cross join lateral (
     values ('auth_user_id', w.auth_user_id::text), ('email', public.auth_sync_normal_v1(w.email))) as v (changed, value)
   where v.value is not null
     and not (v.changed = 'email' and exists (
       select from public.employees e
        cross join lateral (select s.email from public.auth_user_state s where s.auth_user_id = e.auth_user_id offset 0) as s
        where e.employee_id = w.employee_id and s.email = v.value offset 0))
  on conflict (employee_id, changed) do update set value = excluded.value, role = excluded.role, changed_at = now();
end $$;

-- Returns the role of the client that wrote the link of an employee to this auth user, or, if p_email is given, this e-mail of the employee.
-- Returns null if no client wrote them.
create or replace function public.auth_sync_changed_by_v1(p_employee_id bigint, p_auth_user_id uuid, p_email text) returns text
language sql stable security definer set search_path = '' as $$
  select c.role from public.auth_sync_client_changes c
   where c.employee_id = p_employee_id
     and (c.changed = 'auth_user_id' and c.value = p_auth_user_id::text or c.changed = 'email' and c.value = p_email)
   limit 1
$$;

-- Enters the actions among these that follow from a client's change as waiting for an admin, and returns the other actions. An earlier
-- action of the same kind that waits is stale.
create or replace function public.auth_sync_await_admin_v1(p_actions jsonb, p_via text) returns jsonb
language plpgsql security definer set search_path = '' as $$
#variable_conflict use_variable
declare
  waiting jsonb;
  others jsonb;
begin
  if not exists (select from public.auth_sync_client_changes) then
    return p_actions;
  end if;
  select jsonb_agg(a.action || jsonb_build_object('role', a.role)) filter (where a.role is not null),
         coalesce(jsonb_agg(a.action) filter (where a.role is null), '[]')
    into waiting, others
    from (select w.action, public.auth_sync_changed_by_v1(
                   (w.action ->> 'employee_id')::bigint, (w.action ->> 'auth_user_id')::uuid,
                   case when w.action ->> 'operation' = 'update_auth_email' then w.action #>> '{data,email}' end) as role
            from jsonb_array_elements(p_actions) as w (action) offset 0) as a;
  if waiting is not null then
    update public.integration_sync_log l
       set status = 'SUCCESS', outcome = 'stale', error_message = null, completed_at = now()
      from jsonb_to_recordset(waiting) as w (operation text, auth_user_id uuid)
     where l.auth_user_id = w.auth_user_id and l.operation = w.operation and l.direction = 'outbound' and l.status = 'FAILED'
       and l.outcome = 'changed_by_client' and l.lease is null;
    insert into public.integration_sync_log
      (event_id, direction, operation, status, outcome, error_message, auth_user_id, employee_id, request_data, via)
    select format('%s:%s', gen_random_uuid(), w.operation), 'outbound', w.operation, 'FAILED', 'changed_by_client',
           format('the role %s wrote the %s of employee %s: an admin must approve it', w.role,
                  case w.operation when 'update_auth_email' then 'e-mail or the link' else 'link' end, w.employee_id),
           w.auth_user_id, w.employee_id, coalesce(w.data, '{}'), p_via
      from jsonb_to_recordset(waiting) as w (operation text, auth_user_id uuid, employee_id bigint, data jsonb, role text);
  end if;
  return others;
end $$;

-- Drops a client's change that waits for an admin: gives the employee the e-mail of the login again, or removes the link that the client
-- wrote. Returns whether there was such an action. (A replay of the action approves the change.)
create or replace function public.auth_sync_drop_client_change_v1(p_event_id text, p_requested_by text) returns boolean
language plpgsql security definer set search_path = '' set lock_timeout = '1500ms' set statement_timeout = '3s' as $$
#variable_conflict use_variable
declare
  entry public.integration_sync_log;
  changed record;
begin
  select * into entry from public.integration_sync_log l
   where l.event_id = p_event_id and l.direction = 'outbound' and l.status = 'FAILED' and l.outcome = 'changed_by_client' and l.lease is null
     for update;
  if not found then
    return false;
  end if;
  insert into public.auth_sync_audit (who, action, target) values (p_requested_by, 'dropped the change of a client', 'event:' || p_event_id);
  select public.auth_sync_changed_by_v1(e.employee_id, e.auth_user_id, null) is not null as is_link, s.email
    into changed
    from public.employees e left join public.auth_user_state s on s.auth_user_id = e.auth_user_id
   where e.employee_id = entry.employee_id and e.auth_user_id = entry.auth_user_id;
  if found then
    perform public.auth_sync_write_employees_v1(jsonb_build_array(jsonb_build_object(
      'employee_id', entry.employee_id, 'wanted', case when changed.is_link then jsonb_build_object('auth_user_id', null)
                                                       else jsonb_build_object('email', changed.email) end)));
  end if;
  delete from public.auth_sync_client_changes c
   where c.employee_id = entry.employee_id and c.changed in ('email', 'auth_user_id') and (changed.is_link is null or (c.changed = 'auth_user_id') = changed.is_link);
  update public.integration_sync_log l
     set status = 'SUCCESS', outcome = 'stale', error_message = null, completed_at = now()
   where l.id = entry.id;
  return true;
end $$;
