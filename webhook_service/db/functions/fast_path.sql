-- The fast path: applies the common events of a batch in one SQL statement.

-- Applies the works that qualify and returns their results, or null if no work qualifies. If the rows are not locked (p_are_locked is
-- false), it applies all works or none. It returns [] and changes nothing if a row has changed since it was read, or if a trigger or
-- constraint of employees refuses or alters the write.
--
-- A work qualifies if all of these conditions hold:
--   - its event is open, is newer than the known state, and is the only event of its auth user in the batch
--   - no older event of the user is pending
--   - it keeps a link, makes a link, or matches no employee
--   - it changes no e-mail, and requires no action in Auth
--   - an e-mail links auth users, or its auth user is linked or has no confirmed e-mail
--   - it changes no employee if the table's owner has triggers for single columns (auth_sync_write_employees_v1)
-- The ctid and xmin identify each row on which the decision depends. If either differs later, the row has changed. Locks are taken in the
-- order of auth_sync_lock_v1: each part that writes begins by counting the rows that the part before it has written.
create or replace function public.auth_sync_apply_fast_v1(p_works jsonb, p_are_locked boolean) returns jsonb
language plpgsql security definer set search_path = '' set enable_sort = off as $$
#variable_conflict use_variable
declare
  fast integer;
  to_change integer;
  in_ledger integer;
  in_states integer;
  in_employees integer;
  results jsonb;
  has_column_triggers boolean := public.auth_sync_has_column_triggers_v1();
  links_by_email boolean := public.auth_sync_links_by_email_v1();
begin
  with judged as materialized (
    -- A link also copies the values of older events; a sync copies only the values of this one.
    select m.*,
           case when m.columns ? 'first_name' and m.copy ? 'first_name' then coalesce(m.copy ->> 'first_name', m.first_name)
                when m.columns ? 'first_name' and m.step = 'link' then coalesce(m.known_fields -> 'first_name' ->> 0, m.first_name)
                else m.first_name end as new_first_name,
           case when m.columns ? 'last_name' and m.copy ? 'last_name' then coalesce(m.copy ->> 'last_name', m.last_name)
                when m.columns ? 'last_name' and m.step = 'link' then coalesce(m.known_fields -> 'last_name' ->> 0, m.last_name)
                else m.last_name end as new_last_name,
           (m.is_open
             and case when m.situation = 'none' then m.step in ('unmatched', 'unconfirmed', 'ignored') else
               not has_column_triggers and (m.situation, m.step) in (('linked', 'sync'), ('one', 'link'))
               and m.is_active is not false
               and case when m.columns ? 'email' and m.copy ? 'email' then m.copied_address = m.employee_address
                        when m.columns ? 'email' and m.step = 'link' and m.known_fields ? 'email'
                          then m.known_address = m.employee_address
                        when m.columns ? 'email' then true
                        else m.employee_email not like '%_@_%'
                             or coalesce(m.email = m.employee_address, m.employee_email is null) end end) is true
           as is_fast
      from (
        select g.event_id, g.operation, g.auth_user_id, g.version, g.via, g."user", g.copy, g.columns,
               n.email, lower(btrim(g.copy ->> 'email', public.auth_sync_invisible_v1()) collate "C") collate "default" as copied_address,
               lower(btrim(s.fields -> 'email' ->> 0, public.auth_sync_invisible_v1()) collate "C") collate "default" as known_address,
               lower(btrim(coalesce(e.email::text, f.email), public.auth_sync_invisible_v1()) collate "C") collate "default" as employee_address,
               l.id as known_log_id, l.ctid as log_row, l.xmin as log_xmin,
               md5(nullif(l.request_data -> 'record', 'null')::text)::uuid as record_hash,
               s.fields as known_fields, s.ctid as state_row, s.xmin as state_xmin,
               coalesce(e.employee_id, f.employee_id) as employee_id, coalesce(e.email::text, f.email) as employee_email,
               coalesce(e.first_name::text, f.first_name) as first_name, coalesce(e.last_name::text, f.last_name) as last_name,
               coalesce(e.is_active, f.is_active) as is_active, coalesce(e.orphaned_at, f.orphaned_at) as orphaned_at,
               coalesce(e.orphaned_auth_user_id, f.orphaned_auth_user_id) as orphaned_auth_user_id,
               coalesce(e.ctid, f.ctid) as employee_row, coalesce(e.xmin, f.xmin) as employee_xmin,
               case when e.employee_id is not null then 'linked' when f.employee_id is null then 'none'
                    when f.auth_user_id is null then 'one' else 'taken' end as situation,
               g.steps ->> case when e.employee_id is not null then 'linked' when f.employee_id is null then 'none' else 'one' end as step,
               g."user" -> 'deleted_at' = 'null'
                 and case when l.id is null then g.via <> 'replay' and g.lease is null else
                       l.status = 'PENDING' and (l.auth_user_id, l.version) = (g.auth_user_id, g.version)
                       and case g.via when 'replay' then false when 'relay' then coalesce(g.lease = l.lease, g.lease is null)
                                      else coalesce(l.leased_until < now(), true) end end
                 and (s.auth_user_id is null
                      or (g.version, coalesce(l.id, 9223372036854775807)) > (s.version, s.log_id) and s.deleted_at is null
                         and s.disabled_at is null and (s.email is null or s.email = n.email)
                         and s.employee_number is null and (not s.email_confirmed or (g."user" ->> 'email_confirmed')::boolean))
                 and case when e.employee_id is not null
                          then coalesce(e.employee_id = s.employee_id, false)
                               or not exists (select from public.auth_sync_client_changes c
                                               where c.employee_id = e.employee_id and c.changed = 'auth_user_id')
                          else s.employee_id is null and g.key ->> 'employee_number' is null and (links_by_email or n.key_address is null) end
                 -- A pending row has no outcome. This form of the condition, and an order that only one index has, make the planner use the
                 -- index of open rows by user. With "status = 'PENDING'" it would read the pending rows of all users.
                 and (select o.version from public.integration_sync_log o
                       where o.auth_user_id = g.auth_user_id and o.version < g.version and o.status <> 'SUCCESS'
                         and o.outcome is null and o.direction = 'inbound'
                       order by o.version limit 1) is null
               as is_open
          from jsonb_to_recordset(p_works) as g (event_id text, operation text, auth_user_id uuid, version bigint, via text, lease text,
                                                 "user" jsonb, copy jsonb, columns jsonb, key jsonb, steps jsonb)
         cross join lateral (
           select lower(btrim(g."user" ->> 'email', public.auth_sync_invisible_v1()) collate "C") collate "default" as email,
                  lower(btrim(g.key ->> 'email', public.auth_sync_invisible_v1()) collate "C") collate "default" as key_address
           offset 0) as n
          -- Each row is searched separately. The plan of a plain join, made while the table was empty, would read the whole table.
          left join lateral (
            select l.id, l.status, l.auth_user_id, l.version, l.lease, l.leased_until, l.request_data, l.ctid, l.xmin
              from public.integration_sync_log l where l.event_id = g.event_id
            offset 0) as l on true
          left join lateral (
            select s.auth_user_id, s.version, s.log_id, s.email, s.email_confirmed, s.employee_number, s.deleted_at, s.disabled_at, s.employee_id, s.fields, s.ctid, s.xmin
              from public.auth_user_state s where s.auth_user_id = g.auth_user_id
            offset 0) as s on true
          left join lateral (
            select e.employee_id, e.email, e.first_name, e.last_name, e.is_active, e.orphaned_at, e.orphaned_auth_user_id, e.ctid, e.xmin
              from public.employees e where e.auth_user_id = g.auth_user_id
            offset 0) as e on true
          left join lateral (  -- an event with two matches has two rows here, so it does not qualify
            select f.employee_id, f.auth_user_id, f.email::text, f.first_name::text, f.last_name::text, f.is_active, f.orphaned_at,
                   f.orphaned_auth_user_id, f.ctid, f.xmin
              from public.employees f
             where e.employee_id is null
               and lower(btrim(f.email::varchar::text, public.auth_sync_invisible_v1()) collate "C") collate "default" = n.key_address
             limit 2) as f on true
         -- This condition is always true, but the planner expects it to hold for one row in 200. So the planner expects one row from the
         -- batch, and begins with the batch. If it expected a hundred rows, a plan made while a table was empty would read the whole table.
         where coalesce(g.version, 0) >= -9223372036854775808 and coalesce(g.version, 0) <= 9223372036854775807
         offset 0) as m  -- each column is computed once
  ), fast as materialized (
    select o.event_id, o.operation, o.auth_user_id, o.version, o.via, o."user", o.email, o.record_hash, o.log_id, o.log_row, o.log_xmin, o.state_row,
           o.state_xmin, o.employee_id, o.employee_email, o.new_first_name, o.new_last_name, o.employee_row, o.employee_xmin, o.is_changed,
           case o.step when 'link' then 'linked' when 'sync' then case when o.is_changed then 'synced' else 'unchanged' end else o.step end as outcome,
           coalesce(o.known_fields, '{}') || jsonb_strip_nulls(jsonb_build_object(
             'email', case when o.copy ? 'email' then jsonb_build_array(o.copy -> 'email', o.version, o.log_id) end,
             'first_name', case when o.copy ? 'first_name' then jsonb_build_array(o.copy -> 'first_name', o.version, o.log_id) end,
             'last_name', case when o.copy ? 'last_name' then jsonb_build_array(o.copy -> 'last_name', o.version, o.log_id) end)) as fields,
           case when not o.is_changed then '{}' else
             case when o.new_first_name is distinct from o.first_name
               then jsonb_build_object('first_name', jsonb_build_object('from', o.first_name, 'to', o.new_first_name)) else '{}' end
             || case when o.new_last_name is distinct from o.last_name
               then jsonb_build_object('last_name', jsonb_build_object('from', o.last_name, 'to', o.new_last_name)) else '{}' end
             || case when o.step = 'link'
               then jsonb_build_object('auth_user_id', jsonb_build_object('from', null, 'to', o.auth_user_id)) else '{}' end
             || case when o.orphaned_at is not null
               then jsonb_build_object('orphaned_at', jsonb_build_object('from', o.orphaned_at, 'to', null)) else '{}' end
             || case when o.orphaned_auth_user_id is not null
               then jsonb_build_object('orphaned_auth_user_id', jsonb_build_object('from', o.orphaned_auth_user_id, 'to', null)) else '{}' end
           end as changes
      from (select j.*, coalesce(j.known_log_id, nextval('public.integration_sync_log_id_seq')) as log_id,
                   j.step = 'link' or j.step = 'sync' and (
                     (j.new_first_name, j.new_last_name) is distinct from (j.first_name, j.last_name)
                     or j.orphaned_at is not null or j.orphaned_auth_user_id is not null) as is_changed
              from judged j
             -- A link may depend on works of the batch that do not qualify. If there are such works, a work that searches an employee is
             -- left out here, and is applied in the order of versions.
             where j.is_fast
               and ((select bool_and(j.is_fast) and count(distinct j.auth_user_id) = count(*) from judged j)
                    or p_are_locked and j.step not in ('link', 'unmatched')
                       and (select count(*) from judged o where o.auth_user_id = j.auth_user_id or o.event_id = j.event_id) = 1)
             order by j.event_id collate "C") as o
  ), added as (
    insert into public.integration_sync_log
      (id, event_id, direction, operation, status, outcome, auth_user_id, employee_id, version, request_data, changes, attempts, via, completed_at)
    overriding system value
    select o.log_id, o.event_id, 'inbound', o.operation, 'SUCCESS', o.outcome, o.auth_user_id, o.employee_id, o.version, o."user",
           o.changes, 1, o.via, now()
      from fast o where o.log_row is null  -- no "on conflict": it costs an index scan and a WAL record for each row, and a conflict is rare
    returning 1
  ), closed as (
    update public.integration_sync_log l
       set status = 'SUCCESS', outcome = o.outcome, employee_id = coalesce(o.employee_id, l.employee_id), changes = o.changes,
           attempts = l.attempts + 1, next_attempt_at = null, lease = null, leased_until = null, via = o.via, completed_at = now()
      from fast o
     where o.log_row is not null and l.ctid = o.log_row and l.xmin = o.log_xmin and l.id = o.log_id
    returning 1
  ), ledger as materialized (
    select count(*) as written from (select from added union all select from closed) as l
  ), users_added as (
    insert into public.auth_user_state
      (auth_user_id, version, log_id, email, email_confirmed, employee_number, is_anonymous, banned_until, fields, employee_id, record_hash)
    select o.auth_user_id, o.version, o.log_id, o.email, (o."user" ->> 'email_confirmed')::boolean, o."user" ->> 'employee_number',
           (o."user" ->> 'is_anonymous')::boolean, (o."user" ->> 'banned_until')::timestamptz, o.fields, o.employee_id, o.record_hash
      from fast o where o.state_row is null and (select written from ledger) > 0 order by o.auth_user_id
    returning 1
  ), users_known as (
    update public.auth_user_state s
       set version = o.version, log_id = o.log_id, email = o.email, email_confirmed = (o."user" ->> 'email_confirmed')::boolean,
           employee_number = o."user" ->> 'employee_number', is_anonymous = (o."user" ->> 'is_anonymous')::boolean,
           banned_until = (o."user" ->> 'banned_until')::timestamptz, deleted_at = null, fields = o.fields,
           employee_id = coalesce(o.employee_id, s.employee_id), record_hash = coalesce(o.record_hash, s.record_hash), updated_at = now()
      from (select o.auth_user_id, o.version, o.log_id, o.email, o."user", o.fields, o.employee_id, o.record_hash, o.state_row, o.state_xmin
              from fast o
             where o.state_row is not null and (select written from ledger) > 0
             order by o.auth_user_id) as o
     where s.ctid = o.state_row and s.xmin = o.state_xmin and s.auth_user_id = o.auth_user_id
    returning 1
  ), states as materialized (
    select count(*) as written from (select from users_added union all select from users_known) as s
  ), became as (
    update public.employees e
       set first_name = o.new_first_name, last_name = o.new_last_name, auth_user_id = o.auth_user_id, orphaned_at = null, orphaned_auth_user_id = null
      from (select o.auth_user_id, o.employee_id, o.employee_row, o.employee_xmin, o.employee_email, o.new_first_name, o.new_last_name
              from fast o
             where o.is_changed  -- the triggers of the table's owner expect its search_path
               and (select set_config('search_path', public.auth_sync_owner_path_v1(), true) from states where states.written > 0) <> ''
             order by o.employee_id) as o
     where e.ctid = o.employee_row and e.xmin = o.employee_xmin and e.employee_id = o.employee_id
    returning (e.email::text, e.first_name::text, e.last_name::text, e.auth_user_id, e.orphaned_at is null, e.orphaned_auth_user_id is null)
              is not distinct from (o.employee_email, o.new_first_name, o.new_last_name, o.auth_user_id, true, true) as is_as_planned
  )
  select count(*), count(*) filter (where o.is_changed), (select written from ledger), (select written from states), (select count(*) from became where is_as_planned),
         jsonb_agg(jsonb_build_object('event_id', o.event_id, 'status', 'SUCCESS', 'outcome', o.outcome, 'employee_id', o.employee_id))
    into fast, to_change, in_ledger, in_states, in_employees, results
    from fast o;
  perform set_config('search_path', 'pg_catalog, pg_temp', true);
  if in_ledger < fast or in_states < fast or in_employees < to_change then
    raise exception 'a row is no longer as it was read, or does not become what it should' using errcode = 'WHNEW';
  end if;
  return results;
exception when others or assert_failure then
  if sqlstate ~ '^(40|53|55P03)' then
    raise;  -- after a lock, a deadlock or a full disk, the caller retries
  end if;
  return '[]';
end $$;
