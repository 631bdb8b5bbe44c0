-- The inbox: what needs an admin now, one row for each person and cause. A row is there only while its cause holds.
--
-- The groups, in order of severity. Within a group of ledger rows the newest are first, otherwise the order is by id.
--   1  held_mass_deactivation, held_shared_email   the ban of a login is held
--   2  still_in            a dismissed employee's login is not banned, and no ban is under way
--   3  changed_by_client, action_failed            an action waits for an approval, or is no longer retried
--   4  action_waits        an action is retried, or waits although it is due
--   5  event_failed        an event that only an admin can decide about, or that is no longer retried
--   6  same_number         active employees with one employee number
--   7  orphaned            an active employee's login was deleted
--   8  email_mismatch      an active employee's login has another confirmed e-mail, and no change is under way
--   9  unusable_email      no login can have the e-mail of an active employee without a login
-- Each group is read by an index, up to its limit. In a company of more than 10,000 employees, groups 2, 6 and 8 are read from
-- auth_sync_mismatches, as in the lists of employees, and each of their rows is checked again.

-- Returns the first employee_ids above p_after that have this problem: INACTIVE_WITH_AUTH, EMAIL_MISMATCH or SAME_NUMBER. The first of the
-- active employees with a number stands for all of them.
create or replace function public.auth_sync_with_problem_v1(p_problem text, p_after bigint, p_limit integer) returns setof bigint
language plpgsql stable security definer set search_path = '' set plan_cache_mode = force_custom_plan set enable_seqscan = off
set enable_hashjoin = off set enable_mergejoin = off set enable_bitmapscan = off set jit = off as $$
#variable_conflict use_variable
declare
  candidates text := 'select c.employee_id from public.auth_sync_mismatches c where (c.sync_status, c.employee_id) > ($1, $2) and c.sync_status <= $1'
                     ' order by c.sync_status, c.employee_id';
  test text := case p_problem
    when 'SAME_NUMBER' then
      'e.is_active is not false and btrim(e.employee_number::varchar::text, public.auth_sync_invisible_v1()) <> '''''
      ' and exists (select from public.employees o where btrim(o.employee_number::varchar::text, public.auth_sync_invisible_v1()) = btrim(e.employee_number::varchar::text, public.auth_sync_invisible_v1())'
      '              and o.employee_id <> e.employee_id and o.is_active is not false offset 0)'
      ' and not exists (select from public.employees o where btrim(o.employee_number::varchar::text, public.auth_sync_invisible_v1()) = btrim(e.employee_number::varchar::text, public.auth_sync_invisible_v1())'
      '                  and o.employee_id < e.employee_id and o.is_active is not false offset 0)'
    when 'EMAIL_MISMATCH' then
      'e.is_active is not false'
      ' and exists (select from public.auth_user_state s where s.auth_user_id = e.auth_user_id and s.email_confirmed and s.deleted_at is null'
      '              and s.email is distinct from lower(btrim(e.email::varchar::text, public.auth_sync_invisible_v1()) collate "C") collate "default" offset 0)'
      ' and not exists (select from public.integration_sync_log l'
      '                  where l.auth_user_id = e.auth_user_id and l.status <> ''SUCCESS'' and l.dismissed_at is null offset 0)'
    else
      'e.auth_user_id is not null and e.is_active is false'
      ' and not exists (select from public.auth_user_state s where s.auth_user_id = e.auth_user_id'
      '                  and (s.deleted_at is not null or s.banned_until > now()) offset 0)'
      ' and not exists (select from public.auth_sync_held_actions h where h.auth_user_id = e.auth_user_id offset 0)'
      ' and not exists (select from public.integration_sync_log l where l.auth_user_id = e.auth_user_id and l.operation = ''disable_auth_user'''
      '                  and l.operation in (''disable_auth_user'', ''enable_auth_user'', ''update_auth_email'')'
      '                  and (l.status <> ''SUCCESS'' and l.dismissed_at is null or l.completed_at > now() - interval ''1 minute'') offset 0)' end;
begin
  if (select count(*) <= 10000 from (select from public.employees e limit 10001) as few) then
    candidates := 'select e.employee_id from public.employees e where e.employee_id > $2 order by e.employee_id';
  end if;
  return query execute format(
    'select c.employee_id::bigint from (%s) as c cross join lateral (select from public.employees e where e.employee_id = c.employee_id and %s offset 0) as e'
    ' limit $3', candidates, test)
    using p_problem, coalesce(p_after, -9223372036854775808), p_limit;
end $$;

-- Returns the ledger rows with one of these operations and outcomes ('' if pending) that are not done and not dismissed, below p_below,
-- newest first, at most p_limit of each kind. p_is_retried says whether they are retried; null allows both. Of several rows of one auth user
-- that ask for the same, only the newest is returned. The outcome implies the status. A condition on the status would let the planner read
-- all open rows by another index.
create or replace function public.auth_sync_inbox_ledger_v1(
  p_operations text[], p_outcomes text[], p_is_retried boolean, p_below bigint, p_limit integer
) returns setof public.integration_sync_log
language plpgsql stable security definer set search_path = '' set plan_cache_mode = force_custom_plan set enable_seqscan = off
set enable_hashjoin = off set enable_mergejoin = off set enable_bitmapscan = off set enable_sort = off set enable_incremental_sort = off
set jit = off as $$
#variable_conflict use_variable
declare
  kind record;
begin
  for kind in select o.operation, c.outcome from unnest(p_operations) as o (operation) cross join unnest(p_outcomes) as c (outcome) loop
    return query
    select l.* from public.integration_sync_log l
     where (l.operation, coalesce(l.outcome, ''), l.id) > (kind.operation, kind.outcome, 0)
       and (l.operation, coalesce(l.outcome, ''), l.id) < (kind.operation, kind.outcome, coalesce(p_below, 9223372036854775807))
       and l.dismissed_at is null
       and (p_is_retried is null or (l.next_attempt_at is not null) = p_is_retried)
       and not (l.status = 'PENDING' and l.changes ? 'sessions_end_again_at')
       and case when l.direction = 'inbound' and l.version is not null then not exists (  -- from the version of l, so that few rows are read
         select from public.integration_sync_log n
          where n.auth_user_id = l.auth_user_id and n.version >= l.version and n.status <> 'SUCCESS' and n.dismissed_at is null
            and n.direction = 'inbound' and (n.version, n.id) > (l.version, l.id) and n.outcome = l.outcome
            and (p_is_retried is null or (n.next_attempt_at is not null) = p_is_retried)
         offset 0)
       when l.direction = 'inbound' then not exists (
         select from public.integration_sync_log n
          where n.auth_user_id = l.auth_user_id and n.status <> 'SUCCESS' and n.dismissed_at is null and n.direction = 'inbound'
            and n.id > l.id and n.outcome = l.outcome and (p_is_retried is null or (n.next_attempt_at is not null) = p_is_retried)
         offset 0)
       else not exists (
         select from public.integration_sync_log n
          where n.auth_user_id = l.auth_user_id and n.status <> 'SUCCESS' and n.dismissed_at is null and n.direction = l.direction
            and n.id > l.id and (n.operation = l.operation or n.operation in ('disable_auth_user', 'enable_auth_user')
                                                              and l.operation in ('disable_auth_user', 'enable_auth_user'))
         offset 0) end
     order by l.operation desc, coalesce(l.outcome, '') desc, l.id desc limit p_limit;
  end loop;
end $$;

-- Returns whether an action that was not performed is still needed: no newer action has replaced it, and Auth does not have its result yet.
create or replace function public.auth_sync_is_needed_v1(p_entry public.integration_sync_log) returns boolean
language plpgsql stable security definer set search_path = '' set plan_cache_mode = force_custom_plan set enable_seqscan = off set jit = off as $$
#variable_conflict use_variable
declare
  login public.auth_user_state;
  is_active boolean;
begin
  if exists (select from public.integration_sync_log n
              where n.auth_user_id = p_entry.auth_user_id and n.id > p_entry.id
                and n.operation in ('disable_auth_user', 'enable_auth_user', 'update_auth_email')
                and p_entry.operation <> 'create_auth_user'
                and (n.operation = 'update_auth_email') = (p_entry.operation = 'update_auth_email')) then
    return false;
  elsif p_entry.operation = 'create_auth_user' then
    return not exists (select from public.employees e where e.employee_id = p_entry.employee_id and e.auth_user_id is not null);
  elsif p_entry.outcome = 'changed_by_client' then
    return true;
  end if;
  select s.* into login from public.auth_user_state s where s.auth_user_id = p_entry.auth_user_id;
  select bool_or(e.is_active is not false) into is_active from public.employees e where e.auth_user_id = p_entry.auth_user_id;
  return login.deleted_at is null and case p_entry.operation
    when 'disable_auth_user' then is_active is not true and not public.auth_sync_is_banned_permanently_v1(login.banned_until)
    when 'enable_auth_user' then is_active and (login.auth_user_id is null or login.banned_until > now())
    else login.email is distinct from public.auth_sync_normal_v1(p_entry.request_data ->> 'email') end;
end $$;

-- Returns whether the cause of a failed event still holds: no newer event of the auth user was applied, and the user has no employee if it
-- failed because of that (see auth_sync_close_healed_v1).
create or replace function public.auth_sync_is_unhealed_v1(p_entry public.integration_sync_log) returns boolean
language plpgsql stable security definer set search_path = '' set plan_cache_mode = force_custom_plan set enable_seqscan = off set jit = off as $$
#variable_conflict use_variable
declare
  login public.auth_user_state;
begin
  select s.* into login from public.auth_user_state s where s.auth_user_id = p_entry.auth_user_id;
  if (login.version, login.log_id) > (p_entry.version, p_entry.id)
     and coalesce((select n.status from public.integration_sync_log n where n.id = login.log_id), 'SUCCESS') = 'SUCCESS' then
    return false;
  end if;
  return not (p_entry.outcome in ('ambiguous', 'already_linked')
              and exists (select from public.employees e where e.auth_user_id = p_entry.auth_user_id));
end $$;

-- Returns the first rows of a group after a position, [{"group", "position", "cause", "at", "employee_id", "auth_user_id", "event_id"}].
create or replace function public.auth_sync_inbox_group_v1(p_group integer, p_after bigint, p_limit integer) returns jsonb
language plpgsql stable security definer set search_path = '' set plan_cache_mode = force_custom_plan set enable_seqscan = off
set enable_hashjoin = off set enable_mergejoin = off set enable_bitmapscan = off set jit = off as $$
#variable_conflict use_variable
declare
  after bigint := coalesce(p_after, -9223372036854775808);
  below bigint := coalesce(p_after, 9223372036854775807);
  actions text[] := array['disable_auth_user', 'enable_auth_user', 'update_auth_email', 'create_auth_user'];
  failures text[] := array['user_not_found', 'email_taken', 'auth_refused', 'auth_unavailable', 'not_performed'];
  entries public.integration_sync_log[];
  entry public.integration_sync_log;
  newest public.integration_sync_log[];
  part integer := p_limit;
  found jsonb := '[]';
begin
  if p_group = 1 then
    select jsonb_agg(jsonb_build_object('position', h.id, 'cause', 'held_' || h.reason, 'at', h.held_at, 'employee_id', h.employee_id,
                                        'auth_user_id', h.auth_user_id) order by h.id)
      into found from (select b.* from public.auth_sync_held_bans b where b.id > after order by b.id limit p_limit) as h;
  elsif p_group in (2, 6, 8) then
    select jsonb_agg(jsonb_build_object('position', w.id, 'employee_id', w.id, 'cause',
                                        case p_group when 2 then 'still_in' when 6 then 'same_number' else 'email_mismatch' end))
      into found
      from public.auth_sync_with_problem_v1(case p_group when 2 then 'INACTIVE_WITH_AUTH' when 6 then 'SAME_NUMBER' else 'EMAIL_MISMATCH' end,
                                            p_after, p_limit) as w (id);
  elsif p_group = 7 then
    select jsonb_agg(jsonb_build_object('position', o.employee_id, 'employee_id', o.employee_id, 'cause', 'orphaned', 'at', o.orphaned_at)
                     order by o.employee_id)
      into found
      from (select e.employee_id, e.orphaned_at from public.employees e
             where e.auth_user_id is null and e.orphaned_at is not null and e.is_active is not false and e.employee_id > after
             order by e.employee_id limit p_limit) as o;
  elsif p_group = 9 then
    select jsonb_agg(jsonb_build_object('position', u.employee_id, 'employee_id', u.employee_id, 'cause', 'unusable_email') order by u.employee_id)
      into found
      from (select e.employee_id from public.employees e  -- the conditions of its index
             where e.auth_user_id is null and e.orphaned_at is null and e.is_active is not false
               and btrim(e.email::varchar::text, public.auth_sync_invisible_v1()) collate "C" !~ public.auth_sync_usable_v1()
               and e.employee_id > after order by e.employee_id limit p_limit) as u;
  else
    loop  -- over parts, because a part may have rows whose cause is gone
      if p_group = 3 then
        select array_agg(l order by l.id desc) into newest
          from (select l.* from public.auth_sync_inbox_ledger_v1(actions, failures || array['changed_by_client'], false, below, part) as l
                 order by l.id desc limit part) as l;
      elsif p_group = 4 then
        select array_agg(l order by l.id desc) into newest
          from (select l.* from public.auth_sync_inbox_ledger_v1(
                         actions, case when public.auth_sync_actions_wait_v1() then array[''] || failures else failures end, true, below, part) as l
                 order by l.id desc limit part) as l;
      else
        select array_agg(l order by l.id desc) into newest
          from (select l.* from (
                  select r.* from public.auth_sync_inbox_ledger_v1(array['INSERT', 'UPDATE', 'DELETE'],
                                                                   array['ambiguous', 'already_linked', 'email_taken', 'employee_rejected'],
                                                                   null, below, part) as r
                  union all
                  select n.* from public.auth_sync_inbox_ledger_v1(array['INSERT', 'UPDATE', 'DELETE'], array['unreadable', 'not_applied'], false,
                                                                   below, part) as n) as l
                 order by l.id desc limit part) as l;
      end if;
      exit when newest is null;
      foreach entry in array newest loop
        below := entry.id;
        if (case when p_group = 5 then public.auth_sync_is_unhealed_v1(entry)
                 when entry.status = 'PENDING' then public.auth_sync_waits_long_v1(entry) and public.auth_sync_is_needed_v1(entry)
                 else public.auth_sync_is_needed_v1(entry) end) then
          entries := entries || entry;
          exit when cardinality(entries) = p_limit;
        end if;
      end loop;
      exit when cardinality(entries) = p_limit or cardinality(newest) < part;
      part := least(2 * part, 1000);
    end loop;
    select jsonb_agg(jsonb_build_object(
             'position', l.id, 'at', l.created_at, 'employee_id', l.employee_id, 'auth_user_id', l.auth_user_id, 'event_id', l.event_id,
             'cause', case when p_group = 5 then 'event_failed' when p_group = 4 then 'action_waits'
                           when l.outcome = 'changed_by_client' then 'changed_by_client' else 'action_failed' end) order by l.id desc)
      into found from unnest(entries) as l;
  end if;
  return (select coalesce(jsonb_agg(jsonb_build_object('group', p_group) || r.item order by r.place), '[]')
            from jsonb_array_elements(found) with ordinality as r (item, place));
end $$;

-- Returns whether pending actions may be rows of the inbox: Auth does not answer, or an action has waited for long.
create or replace function public.auth_sync_actions_wait_v1() returns boolean
language sql stable security definer set search_path = '' set enable_seqscan = off set enable_bitmapscan = off set enable_sort = off
set jit = off as $$
  select exists (select from public.auth_sync_rate r where r.failing_since is not null)
      or coalesce((select l.next_attempt_at from public.integration_sync_log l
                    where l.status <> 'SUCCESS' and l.direction = 'outbound' and l.next_attempt_at is not null and l.priority = 0
                    order by l.priority, l.next_attempt_at, l.id limit 1) < now() - interval '10 minutes', false)
      or coalesce((select l.next_attempt_at from public.integration_sync_log l
                    where l.status <> 'SUCCESS' and l.direction = 'outbound' and l.next_attempt_at is not null and l.priority = 1
                    order by l.priority, l.next_attempt_at, l.id limit 1) < now() - interval '1 day', false)
$$;

-- Returns whether a pending action waits although it is due: Auth does not answer, or it has waited for ten minutes (in bulk: for a day).
create or replace function public.auth_sync_waits_long_v1(p_entry public.integration_sync_log) returns boolean
language sql stable security definer set search_path = '' as $$
  select p_entry.created_at < now() - case when p_entry.priority = 0 then interval '10 minutes' else interval '1 day' end
      or exists (select from public.auth_sync_rate r where r.failing_since is not null)
$$;

-- Returns a row of the inbox with what its sentence and its actions need: the current names and e-mails, the event or action, and "others":
-- the other people that the cause is about, [{"employee_id", "name", "email", "is_active", "auth_user_id"}].
create or replace function public.auth_sync_inbox_row_v1(p_row jsonb) returns jsonb
language plpgsql stable security definer set search_path = '' set plan_cache_mode = force_custom_plan set enable_seqscan = off set jit = off as $$
#variable_conflict use_variable
declare
  entry public.integration_sync_log;
  login public.auth_user_state;
  person jsonb;
  others jsonb := '[]';
begin
  select l.* into entry from public.integration_sync_log l where l.event_id = p_row ->> 'event_id';
  select jsonb_build_object('employee_id', e.employee_id, 'name', nullif(concat_ws(' ', e.first_name::text, e.last_name::text), ''),
                            'email', e.email::text, 'employee_number', e.employee_number::varchar::text, 'is_active', e.is_active is not false,
                            'linked_to', e.auth_user_id)
    into person from public.employees e where e.employee_id = (p_row ->> 'employee_id')::bigint;
  select s.* into login from public.auth_user_state s where s.auth_user_id = coalesce((p_row ->> 'auth_user_id')::uuid, (person ->> 'linked_to')::uuid);
  if p_row ->> 'cause' = 'same_number' then
    others := (
      select coalesce(jsonb_agg(jsonb_build_object(
               'employee_id', o.employee_id, 'name', nullif(concat_ws(' ', o.first_name::text, o.last_name::text), ''), 'email', o.email::text,
               'is_active', true, 'auth_user_id', o.auth_user_id) order by o.employee_id), '[]')
        from (select e.* from public.employees e
               where btrim(e.employee_number::varchar::text, public.auth_sync_invisible_v1()) = btrim(person ->> 'employee_number', public.auth_sync_invisible_v1()) and e.is_active is not false
                 and e.employee_id <> (p_row ->> 'employee_id')::bigint order by e.employee_id limit 5) as o);
  elsif entry.outcome = 'ambiguous' then
    others := (
      select coalesce(jsonb_agg(jsonb_build_object(
               'employee_id', e.employee_id, 'name', nullif(concat_ws(' ', e.first_name::text, e.last_name::text), ''), 'email', e.email::text,
               'is_active', e.is_active is not false, 'auth_user_id', null) order by e.employee_id), '[]')
        from (select m.id from public.auth_sync_free_matches_v1(case when login.email_confirmed then login.email end, login.employee_number) as m (id)
               order by m.id limit 5) as m
        join public.employees e on e.employee_id = m.id);
  elsif entry.outcome in ('already_linked', 'email_taken') then
    others := public.auth_sync_others_v1(entry.event_id);
  end if;
  return p_row || coalesce(person, '{}') || jsonb_build_object(
    'auth_user_id', coalesce((p_row ->> 'auth_user_id')::uuid, login.auth_user_id), 'login_email', login.email, 'others', others,
    'operation', entry.operation, 'outcome', entry.outcome, 'status', entry.status, 'error_message', entry.error_message,
    'next_attempt_at', entry.next_attempt_at, 'wanted', entry.request_data ->> 'email');
end $$;

-- Returns a page of the inbox: {"rows": [...], "next": {"group", "position"} to continue after, or null, "auth_failure": why Auth is
-- unavailable now, or null}.
create or replace function public.auth_sync_inbox_v1(p_group integer, p_position bigint, p_limit integer) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
#variable_conflict use_variable
declare
  number integer := greatest(coalesce(p_group, 1), 1);
  after bigint := p_position;
  found jsonb := '[]';
begin
  while number <= 9 and jsonb_array_length(found) <= p_limit loop
    found := found || public.auth_sync_inbox_group_v1(number, after, p_limit + 1 - jsonb_array_length(found));
    number := number + 1;
    after := null;
  end loop;
  return jsonb_build_object(
    'rows', (select coalesce(jsonb_agg(public.auth_sync_inbox_row_v1(r.item) order by r.place), '[]')
               from jsonb_array_elements(found) with ordinality as r (item, place) where r.place <= p_limit),
    'next', case when jsonb_array_length(found) > p_limit
                 then jsonb_build_object('group', found -> (p_limit - 1) -> 'group', 'position', found -> (p_limit - 1) -> 'position') end,
    'auth_failure', (select r.failure from public.auth_sync_rate r where r.failing_since is not null));
end $$;

-- Returns the number of rows of the inbox, at most p_limit.
create or replace function public.auth_sync_inbox_count_v1(p_limit integer) returns bigint
language plpgsql stable security definer set search_path = '' as $$
#variable_conflict use_variable
declare
  n bigint := 0;
begin
  for number in 1..9 loop
    exit when n >= p_limit;
    n := n + jsonb_array_length(public.auth_sync_inbox_group_v1(number, null, (p_limit - n)::integer));
  end loop;
  return n;
end $$;
