-- Protection against mass deactivations: bans that are held until an admin decides.
-- If an import or another program deactivates an unusual share of the company, its bans are not entered into the ledger. They are held in
-- auth_sync_held_actions until an admin releases or discards them. Single deactivations pass, and so do those that an admin has confirmed
-- in the dashboard or before a reconcile run. The view auth_sync_held_bans has the held bans that are still needed, each with its reason:
-- mass_deactivation, or shared_email (auth_sync_hold_unclear_v1). An admin releases or discards the bans of one reason at a time.

-- Returns whether p_count bans in an hour exceed the limit. The limit is a number, or a share of the linked employees. With a share, 20
-- bans are always allowed. p_gone is the number of these logins that no employee has now. They are added to the linked employees. If these
-- may be fewer than 20,000, as many are counted as the decision needs. More are estimated from the statistics of PostgreSQL.
create or replace function public.auth_sync_is_mass_v1(p_count bigint, p_gone bigint) returns boolean
language plpgsql stable security definer set search_path = '' as $$
#variable_conflict use_variable
declare
  setting text := coalesce((select s.deactivation_limit from public.auth_sync_settings s), '10%');
  share numeric;
  needed bigint;
  linked bigint;
begin
  if setting = 'off' or right(setting, 1) = '%' and p_count <= 20 then
    return false;
  elsif right(setting, 1) <> '%' then
    return p_count > setting::bigint;
  end if;
  share := rtrim(setting, '%')::numeric / 100;
  needed := ceil(p_count / greatest(share, 0.001));
  if needed > 20000 then
    select (c.reltuples * (1 - s.null_frac))::bigint into linked
      from pg_catalog.pg_class c
      join pg_catalog.pg_stats s on s.schemaname = 'public' and s.tablename = 'employees' and s.attname = 'auth_user_id'
     where c.oid = 'public.employees'::regclass;
  end if;
  if linked is null or linked < 20000 then
    select count(*) into linked from (select from public.employees e where e.auth_user_id is not null limit needed) as few;
  end if;
  return p_count > (linked + p_gone) * share;
end $$;

-- Returns whether these bans must be held. The count includes them and the bans of the last hour, except those that an admin has confirmed.
-- The order makes the planner use the index of bans by time, even if the table was empty at the time of planning.
create or replace function public.auth_sync_must_hold_v1(p_bans jsonb) returns boolean
language sql stable security definer set search_path = '' set enable_seqscan = off set enable_sort = off set enable_bitmapscan = off as $$
  select public.auth_sync_is_mass_v1(
    jsonb_array_length(p_bans)
    + (select count(*)
         from (select from public.integration_sync_log l
                where l.operation = 'disable_auth_user' and l.created_at > now() - interval '1 hour' and l.via not in ('admin', 'reconcile')
                order by l.created_at offset 0) as recent),
    (select count(*) from jsonb_to_recordset(p_bans) as b (auth_user_id uuid)
      where not exists (select from public.employees e where e.auth_user_id = b.auth_user_id offset 0)))
$$;

-- Holds these bans, and also the bans that the same transaction has already entered, because a program may change employees row by row. The
-- earlier bans are recognized by the time at which the transaction began.
create or replace function public.auth_sync_hold_v1(p_bans jsonb, p_via text) returns void
language plpgsql security definer set search_path = '' as $$
#variable_conflict use_variable
begin
  with taken_back as (
    delete from public.integration_sync_log l
     where l.operation = 'disable_auth_user' and l.created_at = now() and l.status = 'PENDING' and l.lease is null
       and l.via not in ('admin', 'reconcile')
    returning l.auth_user_id, l.employee_id, l.request_data, l.via
  )
  insert into public.auth_sync_held_actions (auth_user_id, employee_id, data, via)
  select h.auth_user_id, min(h.employee_id), (array_agg(h.data))[1], min(h.via)
    from (select t.auth_user_id, t.employee_id, t.request_data as data, t.via from taken_back t
          union all
          select b.auth_user_id, b.employee_id, coalesce(b.data, '{}'), p_via
            from jsonb_to_recordset(p_bans) as b (auth_user_id uuid, employee_id bigint, data jsonb)) as h
   group by h.auth_user_id order by min(h.employee_id)
  on conflict (auth_user_id) do nothing;
end $$;

-- Returns the number of held bans, up to 10,000, and the age of the oldest: {"held_bans", "held_bans_oldest_seconds"}. The age is null if
-- nothing is held. If the employees table was replaced, the view auth_sync_held_bans is missing until `migrate` restores it. Until then,
-- all held bans are counted, even those that are not needed any more.
create or replace function public.auth_sync_held_numbers_v1() returns jsonb
language plpgsql stable security definer set search_path = '' set enable_seqscan = off set jit = off as $$
#variable_conflict use_variable
begin
  return (
    select jsonb_build_object('held_bans', count(*), 'held_bans_oldest_seconds', extract(epoch from now() - min(h.held_at)))
      from (select b.held_at from public.auth_sync_held_bans b order by b.id limit 10000) as h);
exception when undefined_table or undefined_column then
  return (
    select jsonb_build_object('held_bans', count(*), 'held_bans_oldest_seconds', extract(epoch from now() - min(h.held_at)))
      from (select a.held_at from public.auth_sync_held_actions a order by a.id limit 10000) as h);
end $$;

-- Returns the held bans of p_reason, or of all reasons if it is null: {"count": up to 10,000, "oldest_seconds", "newest_id", "people": the
-- first p_limit, each {"auth_user_id", "employee_id", "name", "email", "held_at", "reason"}}. An admin's decision names newest_id, so that
-- it does not include later bans. oldest_seconds and newest_id are null if nothing is held.
create or replace function public.auth_sync_held_actions_v1(p_limit integer, p_reason text) returns jsonb
language sql stable security definer set search_path = '' set enable_seqscan = off set jit = off as $$
  select jsonb_build_object(
    'count', n.count,
    'oldest_seconds', n.oldest_seconds,
    'newest_id', (select h.id from public.auth_sync_held_bans h where p_reason is null or h.reason = p_reason order by h.id desc limit 1),
    'people', (
      select coalesce(jsonb_agg(jsonb_build_object(
               'auth_user_id', h.auth_user_id, 'employee_id', h.employee_id, 'held_at', h.held_at, 'reason', h.reason,
               'name', nullif(concat_ws(' ', e.person ->> 'first_name', e.person ->> 'last_name'), ''),
               'email', coalesce(s.email, e.person ->> 'email')) order by h.id), '[]')
        from (select * from public.auth_sync_held_bans b where p_reason is null or b.reason = p_reason order by b.id limit p_limit) as h
        left join lateral (select to_jsonb(e.*) as person from public.employees e where e.employee_id = h.employee_id offset 0) as e on true
        left join lateral (select s.email from public.auth_user_state s where s.auth_user_id = h.auth_user_id offset 0) as s on true))
    from (select count(*), extract(epoch from now() - min(h.held_at)) as oldest_seconds
            from (select b.held_at from public.auth_sync_held_bans b
                   where p_reason is null or b.reason = p_reason order by b.id limit 10000) as h) as n
$$;

-- Enters the first p_limit bans that are held for p_reason into the ledger, where relays perform them. "changed_at" in the data of a ban is
-- the time at which the employee was changed. Bans that were held after p_newest_id (newest_id of auth_sync_held_actions_v1)
-- are not released, because the admin has not seen them. Returns the number of released bans.
create or replace function public.auth_sync_release_held_v1(p_requested_by text, p_newest_id bigint, p_reason text, p_limit integer)
returns bigint
language plpgsql security definer set search_path = '' set lock_timeout = '1500ms' set statement_timeout = '30s' as $$
#variable_conflict use_variable
declare
  actions jsonb;
begin
  perform public.auth_sync_set_flag_v1('confirmed=admin');
  with released as (
    delete from public.auth_sync_held_actions h
     where h.id in (
       select b.id from public.auth_sync_held_bans b where b.id <= p_newest_id and b.reason = p_reason order by b.id limit p_limit)
    returning h.auth_user_id, h.employee_id, h.data || case when h.via = 'employees' then jsonb_build_object('changed_at', h.held_at)
                                                            else '{}' end as data
  )
  select jsonb_agg(jsonb_build_object('operation', 'disable_auth_user', 'auth_user_id', r.auth_user_id, 'employee_id', r.employee_id,
                                      'data', r.data))
    into actions from released r;
  if actions is null then
    return 0;
  end if;
  insert into public.auth_sync_audit (who, action, details)
  values (p_requested_by, 'released held bans', jsonb_build_object('count', jsonb_array_length(actions), 'reason', p_reason));
  perform public.auth_sync_enter_actions_v1(actions, 'admin');
  return jsonb_array_length(actions);
end $$;

-- Removes the bans up to p_newest_id that are held for p_reason: their logins stay as they are. Returns the number of removed bans that were
-- still needed.
create or replace function public.auth_sync_discard_held_v1(p_requested_by text, p_newest_id bigint, p_reason text) returns bigint
language plpgsql security definer set search_path = '' set lock_timeout = '1500ms' set statement_timeout = '30s' as $$
#variable_conflict use_variable
declare
  discarded bigint;
begin
  select count(*) into discarded from public.auth_sync_held_bans b where b.id <= p_newest_id and b.reason = p_reason;
  delete from public.auth_sync_held_actions h where h.id <= p_newest_id and coalesce(h.data ->> 'reason', 'mass_deactivation') = p_reason;
  if discarded > 0 then
    insert into public.auth_sync_audit (who, action, details)
    values (p_requested_by, 'discarded held bans', jsonb_build_object('count', discarded, 'reason', p_reason));
  end if;
  return discarded;
end $$;

-- Writes MASS_DEACTIVATION_LIMIT for the triggers; called by `migrate`. Always returns true.
create or replace function public.auth_sync_limit_deactivations_v1(p_limit text) returns boolean
language sql security definer set search_path = '' as $$
  insert into public.auth_sync_settings (deactivation_limit) values (p_limit)
  on conflict (only_row) do update set deactivation_limit = p_limit;
  select true
$$;
