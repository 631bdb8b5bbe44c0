-- Reconciliation: compares auth.users, the last known states and employees, page by page.
-- Enters the differences into the ledger as events. A run is also a row of the ledger.

-- Returns whether an action for this auth user is open, is held, or needs attention.
create or replace function public.auth_sync_is_asked_v1(p_auth_user_id uuid) returns boolean
language sql stable set search_path = '' as $$
  select exists (select from public.integration_sync_log a
                  where a.auth_user_id = p_auth_user_id and a.status <> 'SUCCESS' and a.direction = 'outbound' and a.operation <> 'create_auth_user'
                    and not (a.status = 'PENDING' and a.changes ? 'sessions_end_again_at'))  -- this ban was performed
      or exists (select from public.auth_sync_held_actions h
                  where h.auth_user_id = p_auth_user_id
                    and not exists (select from public.employees e where e.auth_user_id = h.auth_user_id and e.is_active is not false offset 0) offset 0)
$$;

-- Returns the auth users after p_after whose state or employee differs from auth.users. Omits pending changes, because they will be
-- applied, and failed changes, because an admin decides.
--   kind: unknown (never seen), deleted, email, ban, changed; orphan, missing_link, stale_email; and the actions that Auth must perform
--   for the employee and that are not requested yet: not_disabled, not_enabled, email_not_sent, employee_gone
-- The last row (is_last) marks the end of the page and is not an auth user. Its version is the number of auth users that were compared.
create or replace function public.auth_sync_drifting_users_v1(p_after uuid, p_limit integer, p_columns jsonb)
returns table (auth_user_id uuid, kind text, employee_id bigint, version bigint, record jsonb, is_last boolean)
language plpgsql stable security definer set search_path = '' set timezone = 'UTC' as $$
#variable_conflict use_variable
declare
  links_by_email boolean := public.auth_sync_links_by_email_v1();
begin
  return query with page as (
    select u.id, u.updated_at,
           public.auth_sync_mapped_v1(to_jsonb(u), s.name_fields) as record
      from auth.users u left join public.auth_sync_settings s on true
     where u.id > p_after order by u.id limit p_limit
  ), compared as (
    select p.id, p.updated_at, p.record, s.version, s.auth_user_id is not null as is_known, e.employee_id::bigint,
           s.record_hash is not distinct from public.auth_sync_hash_v1(p.record) as is_same,
           coalesce(case
             when s.version > public.auth_sync_latest_version_v1() then 'changed'
             when s.record_hash is not distinct from public.auth_sync_hash_v1(p.record) and l.status is not distinct from 'FAILED' then null
             when s.auth_user_id is null then 'unknown'
             when s.record_hash is distinct from public.auth_sync_hash_v1(p.record) then case
               when p.record ->> 'deleted_at' is not null then 'deleted'
               when s.email is distinct from public.auth_sync_normal_v1(p.record ->> 'email') then 'email'
               when s.banned_until is distinct from (p.record ->> 'banned_until')::timestamptz then 'ban'
               else 'changed' end
             when s.deleted_at is not null then case when e.employee_id is not null then 'orphan' end
             when e.employee_id is not null then case
               when p_columns ? 'email' and s.fields ? 'email' and s.email_confirmed
                    and s.email is distinct from lower(btrim(e.email::varchar::text, public.auth_sync_invisible_v1()) collate "C") collate "default"
                    and not (l.via = 'reconcile' and l.outcome = 'unchanged')  -- the employee has kept its e-mail, which is reported once
                    and not public.auth_sync_is_asked_v1(p.id)
               then 'stale_email' end
             when s.is_anonymous then null
             when s.employee_number is not null then case
               when (select count(*) = 1 or count(*) filter (where o.is_active is not false) = 1 from public.employees o
                      where btrim(o.employee_number::varchar::text, public.auth_sync_invisible_v1()) = s.employee_number and o.auth_user_id is null)
               then 'missing_link' end
             when s.email_confirmed and links_by_email then case
               when (select count(*) = 1 or count(*) filter (where o.is_active is not false) = 1 from public.employees o
                      where lower(btrim(o.email::varchar::text, public.auth_sync_invisible_v1()) collate "C") collate "default" = s.email
                        and o.auth_user_id is null)
               then 'missing_link' end
           end, (
             select case w.operation
                      when 'enable_auth_user' then 'not_enabled'
                      when 'update_auth_email' then 'email_not_sent'
                      else case when exists (select from public.employees o where o.employee_id = w.employee_id offset 0)
                                then 'not_disabled' else 'employee_gone' end end
               from public.auth_sync_needed_actions_v1(s.auth_user_id, p_columns) as w
              where (e.is_active is false or s.disabled_at is not null or not p_columns ? 'email'
                     or e.employee_id is null and (
                       s.employee_id is not null or s.employee_number is not null
                       or s.email_confirmed and exists (
                         select from public.employees o
                          where lower(btrim(o.email::varchar::text, public.auth_sync_invisible_v1()) collate "C") collate "default" = s.email
                            and o.is_active is false offset 0)))  -- only few rows then need the closer check
                and not public.auth_sync_is_asked_v1(s.auth_user_id)
              order by w.operation limit 1)) as kind
      from page p
      left join lateral (select * from public.auth_user_state s where s.auth_user_id = p.id offset 0) as s on true
      left join lateral (
        select e.employee_id, e.email, e.is_active from public.employees e where e.auth_user_id = p.id offset 0) as e on true
      left join lateral (
        select l.status, l.via, l.outcome from public.integration_sync_log l where l.id = s.log_id offset 0) as l on true
     where not exists (select from public.integration_sync_log o
                        where o.auth_user_id = p.id and o.status <> 'SUCCESS' and o.direction = 'inbound'
                          and (o.status = 'PENDING' or o.request_data -> 'record' = p.record)
                       offset 0)
  )
  select c.id, c.kind, c.employee_id,
         -- This version is newer than the user's state, and older than any change that is captured during the comparison.
         -- If the state's version is far in the future, this version replaces it (auth_sync_remember_v1).
         case when c.version > public.auth_sync_latest_version_v1() then public.auth_sync_version_at_v1(least(c.updated_at, now())) + 1
              else greatest(coalesce(c.version, -1) + 1,
                            case when c.is_same then 0 else public.auth_sync_version_at_v1(least(c.updated_at, now())) + 1 end) end,
         c.record, false
    from compared c where c.kind is not null
  union all
  select id, null, null, (select count(*) from page), null, true from (select id from page order by id desc limit 1) as last;
end $$;

-- Returns the differences of auth users that auth.users does not have, in the same form: deleted (the state does not record the deletion),
-- orphan (only an employee has the user).
create or replace function public.auth_sync_drifting_gone_v1(p_after uuid, p_limit integer)
returns table (auth_user_id uuid, kind text, employee_id bigint, version bigint, record jsonb, is_last boolean)
language plpgsql stable security definer set search_path = '' set timezone = 'UTC' as $$
#variable_conflict use_variable
begin
  return query with page as (
    select id from (
      (select s.auth_user_id as id from public.auth_user_state s
        where s.auth_user_id > p_after and s.deleted_at is null order by 1 limit p_limit)
      union
      (select e.auth_user_id from public.employees e where e.auth_user_id > p_after order by 1 limit p_limit)) as candidates
     order by id limit p_limit
  )
  select p.id, case when s.deleted_at is null and s.auth_user_id is not null then 'deleted' else 'orphan' end, e.employee_id::bigint,
         case when s.version > public.auth_sync_latest_version_v1() then public.auth_sync_version_at_v1(now()) else coalesce(s.version, 0) + 1 end,
         jsonb_build_object('id', p.id, 'deleted_at', now()), false
    from page p
    left join lateral (
      select s.auth_user_id, s.version, s.log_id, s.deleted_at from public.auth_user_state s where s.auth_user_id = p.id offset 0) as s on true
    left join lateral (select e.employee_id from public.employees e where e.auth_user_id = p.id offset 0) as e on true
    left join lateral (select l.status from public.integration_sync_log l where l.id = s.log_id offset 0) as l on true
   where not exists (select from auth.users u where u.id = p.id offset 0)
     and not (l.status is not distinct from 'FAILED' and s.deleted_at is not null)
     and not exists (select from public.integration_sync_log o
                      where o.auth_user_id = p.id and o.status <> 'SUCCESS' and o.direction = 'inbound'
                        and (o.status = 'PENDING' or o.operation = 'DELETE')
                     offset 0)
  union all
  select id, null, null, (select count(*) from page), null, true from (select id from page order by id desc limit 1) as last;
end $$;

-- Returns the events that correct these differences: [{event_id, operation, version, auth_user_id, request_data}], oldest version first.
-- If p_columns has no names, the event of an auth user that was never seen keeps the employee's names ("keeps_names").
create or replace function public.auth_sync_correcting_v1(p_run text, p_part text, p_differing jsonb, p_columns jsonb) returns jsonb
language sql stable set search_path = '' as $$
  select coalesce(jsonb_agg(to_jsonb(event) order by event.version, event.auth_user_id), '[]')
    from (select format('%s-%s-%s', p_run, d.auth_user_id, d.version) as event_id, o.operation, d.version, d.auth_user_id,
                 public.auth_sync_payload_v1(o.operation, d.version, d.record)
                 || case when d.kind = 'unknown' and p_columns <@ '["email"]'
                         then '{"keeps_names": true}' else '{}' end::jsonb as request_data
            from jsonb_to_recordset(p_differing) as d (auth_user_id uuid, kind text, version bigint, record jsonb)
           cross join lateral (
             select case when p_part = 'gone' then 'DELETE' when d.kind = 'unknown' then 'INSERT' else 'UPDATE' end as operation) as o) as event
$$;

-- Compares one page of a run. p_part is users or gone, and p_after is the id to continue after. p_columns are the columns of employees that
-- this service may write, without the names if those of auth users that were never seen are not to be copied. Enters the differences into
-- the ledger, unless p_run is null (a dry run). Returns {"differences": [{auth_user_id, kind, employee_id}], "events": [...] for
-- auth_sync_process_v1, "planned": the events of a dry run, which are not in the ledger, "seen": number of compared users, "next": the id to
-- continue after, or null}.
create or replace function public.auth_sync_reconcile_page_v1(
  p_run text, p_part text, p_after uuid, p_limit integer, p_columns jsonb
) returns jsonb
language plpgsql security definer
set search_path = '' set lock_timeout = '1500ms' set statement_timeout = '3s' set enable_seqscan = off set jit = off as $$
#variable_conflict use_variable
declare
  differing jsonb;
  last uuid;
  seen bigint;
  entered jsonb := '[]';
  planned jsonb;
begin
  if public.auth_sync_relation_v1('auth.users') is null then
    raise exception 'this database has no auth.users' using errcode = 'undefined_object';
  end if;
  if p_part = 'users' then
    select jsonb_agg(to_jsonb(d) order by d.auth_user_id) filter (where not d.is_last),
           (max(d.auth_user_id::text) filter (where d.is_last))::uuid, sum(d.version) filter (where d.is_last)
      into differing, last, seen from public.auth_sync_drifting_users_v1(p_after, p_limit, p_columns) as d;
  else
    select jsonb_agg(to_jsonb(d) order by d.auth_user_id) filter (where not d.is_last),
           (max(d.auth_user_id::text) filter (where d.is_last))::uuid, sum(d.version) filter (where d.is_last)
      into differing, last, seen from public.auth_sync_drifting_gone_v1(p_after, p_limit) as d;
  end if;

  planned := public.auth_sync_correcting_v1(coalesce(p_run, 'dry-run'), p_part, differing, p_columns);
  if p_run is not null then
    update public.integration_sync_log set leased_until = now() + interval '60 seconds'
     where event_id = p_run and direction = 'maintenance' and status = 'PENDING';
    if not found then
      raise exception 'the reconciliation % has ended already' , p_run using errcode = 'object_not_in_prerequisite_state';
    end if;
    with written as (
      insert into public.integration_sync_log (event_id, direction, operation, auth_user_id, version, request_data, via, next_attempt_at)
      select p.event_id, 'inbound', p.operation, p.auth_user_id, p.version, p.request_data, 'reconcile', now() + interval '30 seconds'
        from jsonb_to_recordset(planned) as p (event_id text, operation text, auth_user_id uuid, version bigint, request_data jsonb)
      on conflict (event_id) do nothing
      returning id, event_id, operation, version, auth_user_id, request_data
    )
    select coalesce(jsonb_agg(to_jsonb(written) order by version, id), '[]') into entered from written;
    planned := '[]';
  end if;
  return jsonb_build_object(
    'differences', (select coalesce(jsonb_agg(d - array['record', 'version', 'is_last']), '[]') from jsonb_array_elements(differing) as d),
    'events', entered,
    'planned', planned,
    'seen', coalesce(seen, 0),
    'next', last);
end $$;

-- Begins a run. Returns {"run": its event id, or null if another run is active; "users", "known": numbers of auth users and of known states
-- to compare; "failed": number of events that are retried or need attention; "is_first": whether no run has ended with success}. A run
-- whose process died is recorded as interrupted and never counts as a success.
create or replace function public.auth_sync_begin_reconcile_v1(p_requested_by text, p_dry_run boolean) returns jsonb
language plpgsql security definer set search_path = '' set lock_timeout = '1500ms' set statement_timeout = '3s' as $$
#variable_conflict use_variable
declare
  run text;
begin
  if public.auth_sync_relation_v1('auth.users') is null then
    return null;
  end if;
  if not p_dry_run then
    update public.integration_sync_log
       set status = 'FAILED', outcome = 'interrupted', error_message = 'the run ended without reporting a result', lease = null,
           attempts = 1
     where direction = 'maintenance' and status = 'PENDING' and leased_until < now();
    insert into public.integration_sync_log (event_id, direction, operation, via, request_data, leased_until)
    values (format('reconcile-%s-%s', public.auth_sync_version_at_v1(now()) / 4, pg_current_xact_id()),
            'maintenance', 'reconcile', 'reconcile', jsonb_build_object('requested_by', p_requested_by), now() + interval '60 seconds')
    on conflict (operation) where direction = 'maintenance' and status = 'PENDING' do nothing
    returning event_id into run;
  end if;
  return jsonb_build_object('run', run, 'users', public.auth_sync_size_v1('auth.users'),
                            'known', public.auth_sync_size_v1('public.auth_user_state'),
                            'is_first', not exists (select from public.integration_sync_log
                                                     where direction = 'maintenance' and status = 'SUCCESS'),
                            'failed', (select count(*) from public.integration_sync_log where status = 'FAILED' and direction = 'inbound'));
end $$;

-- Returns whether the daily run is due: the newest run began before p_at (a time of the day in UTC) was last reached, or has failed and began
-- more than an hour ago. It is never due on the day of the installation.
create or replace function public.auth_sync_reconcile_is_due_v1(p_at text) returns boolean
language sql stable security definer set search_path = '' as $$
  select public.auth_sync_relation_v1('auth.users') is not null
     and exists (select from public.auth_sync_migrations m where m.applied_at < reached.at)
     and coalesce((select l.created_at < reached.at or l.status = 'FAILED' and l.created_at < now() - interval '1 hour' from public.integration_sync_log l
                    where l.direction = 'maintenance' order by l.id desc limit 1), true)
    from (select date_trunc('day', now(), 'UTC') + p_at::interval as at) as today
   cross join lateral (select today.at - case when today.at > now() then interval '1 day' else interval '0' end as at) as reached
$$;

-- Ends a run. With p_error the run has failed. p_summary is its result, as JSON. A run that has compared everything is the last
-- comparison. Always returns true.
create or replace function public.auth_sync_end_reconcile_v1(p_run text, p_error text, p_summary jsonb) returns boolean
language sql security definer set search_path = '' as $$
  update public.integration_sync_log
     set status = case when p_error is null then 'SUCCESS' else 'FAILED' end,
         outcome = case when p_error is null then 'reconciled' else 'incomplete' end,
         error_message = p_error, changes = p_summary, attempts = 1, leased_until = null,
         completed_at = case when p_error is null then now() end
   where event_id = p_run and direction = 'maintenance' and status = 'PENDING';
  select public.auth_sync_note_comparison_v1(l.request_data ->> 'requested_by', false, p_summary)
    from public.integration_sync_log l where l.event_id = p_run and (p_error is null or p_error like '%left to the relay');
  select true
$$;

-- Returns the newest run, or null: {"event_id", "status": RUNNING | DONE | FAILED, "requested_by", "began_at", "ended_at" (null unless it
-- ended with success), "error_message"}. A run whose process died is FAILED once its lease has ended.
create or replace function public.auth_sync_reconcile_run_v1() returns jsonb
language sql stable security definer set search_path = '' set plan_cache_mode = force_custom_plan set enable_seqscan = off set jit = off as $$
  select jsonb_build_object(
    'event_id', l.event_id, 'requested_by', l.request_data ->> 'requested_by', 'began_at', l.created_at, 'ended_at', l.completed_at,
    'status', case when l.status = 'SUCCESS' then 'DONE' when l.status = 'PENDING' and l.leased_until > now() then 'RUNNING' else 'FAILED' end,
    'error_message', l.error_message)
    from public.integration_sync_log l where l.direction = 'maintenance' order by l.id desc limit 1
$$;
