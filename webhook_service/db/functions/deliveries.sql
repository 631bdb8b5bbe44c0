-- The deliveries to subscribers: the feed makes them from the ledger, and relays claim and settle them.
--
-- The feed reads the ledger by ids, without an index or a trigger of its own, so that an event costs nothing more. The order of ids is not
-- the order of commits, and a row ends long after it was written. So the feed remembers two kinds of ids that it has passed:
--   open rows (auth_sync_feed_open), until they have ended
--   ids that it did not find (auth_sync_feed_gaps), until all transactions have ended that were running when the feed passed them. Each
--   transaction, also one that has written nothing yet, holds a lock on its virtual id, which every role sees in pg_locks

-- Returns the types of the events that follow from a row of the ledger, in their order. An action follows from a change of the employee if
-- its via is employees, or if it was held since the change. p_is_new says whether the feed reads the row for the first time.
create or replace function public.auth_sync_event_types_v1(p_entry public.integration_sync_log, p_is_new boolean) returns text[]
language sql stable set search_path = '' as $$
  select array_remove(array[
    case when p_is_new and p_entry.employee_id is not null and (p_entry.via = 'employees' or p_entry.request_data ? 'changed_at') then
      case p_entry.operation when 'disable_auth_user' then 'employee.deactivated' when 'enable_auth_user' then 'employee.activated' end end,
    case when p_entry.operation = 'create_auth_user' and p_entry.outcome in ('created', 'linked') and p_entry.employee_id is not null
              and p_entry.request_data ? 'employee' and not p_entry.request_data -> 'employee' ? 'employee_id' then 'employee.created' end,
    case when p_entry.status = 'SUCCESS' and p_entry.direction = 'outbound' then case
      when p_entry.outcome = 'email_updated' then 'login.email_updated' when p_entry.outcome = 'created' then 'login.created'
      -- unchanged: a relay that was killed may have set or lifted the ban
      when p_entry.outcome in ('disabled', 'unchanged') and p_entry.operation = 'disable_auth_user' then 'login.disabled'
      when p_entry.outcome in ('enabled', 'unchanged') and p_entry.operation = 'enable_auth_user' then 'login.enabled' end end,
    case when p_entry.status = 'SUCCESS' then case p_entry.outcome
      when 'linked' then 'employee.linked' when 'created' then 'employee.linked' when 'synced' then 'employee.synced'
      when 'orphaned' then 'employee.orphaned' end end], null)
$$;

-- Returns the webhook-id of an event. It is the same in each attempt and after a replay. It derives from times, because the ids of the ledger
-- and of some events begin again after an uninstallation. If an employee has several logins, a change of the employee requests several
-- actions. They give one id, because it derives from the change: the time of its transaction, and the last opposite change in the same
-- transaction. The search reads two spans of ids (auth_sync_spans_v1).
create or replace function public.auth_sync_webhook_id_v1(p_entry public.integration_sync_log, p_type text) returns text
language sql stable set search_path = '' as $$
  select format('evt_%s_%s', left(encode(sha256(convert_to(case
           when p_type in ('employee.deactivated', 'employee.activated') then format('%s %s %s',
             p_entry.employee_id, extract(epoch from coalesce((p_entry.request_data ->> 'changed_at')::timestamptz, p_entry.created_at)),
             (select max(l.id) from public.integration_sync_log l
               where l.id >> 18 = any (array[p_entry.id >> 18, (p_entry.id >> 18) - 1]) and l.employee_id = p_entry.employee_id
                 and l.id < p_entry.id and l.created_at = p_entry.created_at
                 and l.operation in ('disable_auth_user', 'enable_auth_user') and l.operation <> p_entry.operation))
           else format('%s %s', p_entry.event_id, extract(epoch from p_entry.created_at)) end, 'UTF8')), 'hex'), 32), replace(p_type, '.', '_'))
$$;

-- Returns the payload of an event: ids, and names of changed columns, but no values of them.
create or replace function public.auth_sync_event_payload_v1(p_entry public.integration_sync_log, p_type text, p_at timestamptz) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object('type', p_type, 'version', 1,
    'timestamp', to_char(p_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
    'data', jsonb_build_object(
      'event_id', p_entry.event_id, 'employee_id', p_entry.employee_id, 'auth_user_id', p_entry.auth_user_id,
      'changes', case
        when p_entry.direction = 'inbound' then (select coalesce(jsonb_agg(c order by c), '[]') from jsonb_object_keys(p_entry.changes) as c)
        when p_type in ('employee.deactivated', 'employee.activated') then '["is_active"]'
        when p_type = 'employee.linked' then '["auth_user_id"]'
        when p_type = 'login.email_updated' then '["email"]' else '[]' end::jsonb))
$$;

-- Reads up to p_limit new rows of the ledger, and those that have ended or appeared since, and makes deliveries from them. Returns {"read":
-- the number of rows, "deliveries": the number that was made}. One pass at a time reads. It returns zeros if another pass is reading.
--
-- The order of the statements matters, because each sees what was committed before it. The rows of a gap are read after its transactions
-- were found to have ended. A row is remembered as open before its deliveries are made, so a row that ends in between is read twice, and
-- not missed.
--
-- Each pass compares all open rows with the unfinished rows of the ledger. The condition on the status repeats the predicate of
-- integration_sync_log_unfinished_idx, and `offset 0` hides the limit from the planner. Otherwise it would read the whole ledger.
create or replace function public.auth_sync_read_feed_v1(p_limit integer) returns jsonb
language plpgsql security definer
set search_path = '' set plan_cache_mode = force_custom_plan set lock_timeout = '1500ms' set statement_timeout = '3s' set jit = off as $$
#variable_conflict use_variable
declare
  after_id bigint;
  running text[];
  ended bigint[];
  new_ids bigint[];
  gap_ids bigint[];
  done_ids bigint[];
  made bigint := 0;
begin
  if not exists (select from public.auth_sync_subscribers) or not pg_try_advisory_xact_lock(5093387412675531206) then
    return '{"read": 0, "deliveries": 0}';
  end if;
  select f.position into after_id from public.auth_sync_feed f where f.only_row;
  if after_id > greatest((select s.last_value - (not s.is_called)::integer from public.integration_sync_log_id_seq s),
                         (select l.id from public.integration_sync_log l order by l.id desc limit 1))
     or exists (select from public.auth_sync_feed f join public.integration_sync_log l on l.id = f.position where l.event_id <> f.event_id) then
    perform public.auth_sync_begin_feed_v1(0);  -- the ledger was truncated, and its ids begin again
    after_id := 0;
  end if;
  new_ids := array(select l.id from public.integration_sync_log l where l.id > after_id order by l.id limit p_limit);
  running := array(select distinct k.virtualtransaction from pg_catalog.pg_locks k
                    where k.locktype in ('virtualxid', 'transactionid') and k.pid is distinct from pg_backend_pid());
  ended := array(select g.first_id from public.auth_sync_feed_gaps g where not g.running && running);
  gap_ids := array(select l.id from public.auth_sync_feed_gaps g
                    cross join lateral (select l.id from public.integration_sync_log l
                                         where l.id between g.first_id and g.last_id offset 0) as l);
  done_ids := array(select d.log_id
                      from (select o.log_id from public.auth_sync_feed_open o
                             where not exists (select from public.integration_sync_log l
                                                where l.id = o.log_id and l.status in ('PENDING', 'FAILED')) offset 0) as d
                     order by d.log_id limit p_limit);
  if cardinality(done_ids) >= p_limit then
    new_ids := '{}';  -- the other rows that have ended come first, because new ones may be about the same employees
  end if;

  delete from public.auth_sync_feed_gaps g where g.first_id = any (ended);
  with filled as (
    delete from public.auth_sync_feed_gaps g
     where exists (select from unnest(gap_ids) as i where i between g.first_id and g.last_id)
    returning g.first_id, g.last_id, g.running
  ), points as (
    select f.first_id, f.running, p.id, lag(p.id, 1, f.first_id - 1) over (partition by f.first_id order by p.id) as before
      from filled f
     cross join lateral (select i as id from unnest(gap_ids) as i where i between f.first_id and f.last_id
                         union all select f.last_id + 1) as p
  )
  insert into public.auth_sync_feed_gaps (first_id, last_id, running)
  select p.before + 1, p.id - 1, p.running from points p where p.id - p.before > 1;
  insert into public.auth_sync_feed_gaps (first_id, last_id, running)
  select p.before + 1, p.id - 1, running
    from (select i as id, lag(i, 1, after_id) over (order by i) as before from unnest(new_ids) as i) as p where p.id - p.before > 1;

  insert into public.auth_sync_feed_open (log_id)
  select l.id from public.integration_sync_log l
   where l.id = any (new_ids || gap_ids) and l.status in ('PENDING', 'FAILED') and l.direction <> 'maintenance'
  on conflict do nothing;
  delete from public.auth_sync_feed_open o where o.log_id = any (done_ids);

  if new_ids || gap_ids || done_ids <> '{}' then
    with entries as (
      select l as entry, l.id = any (new_ids || gap_ids) as is_new
        from public.integration_sync_log l where l.id = any (new_ids || gap_ids || done_ids)
    ), events as (
      select (e.entry).id as log_id, t.type, t.place, public.auth_sync_event_payload_v1(e.entry, t.type, a.at) as payload, a.at,
             public.auth_sync_webhook_id_v1(e.entry, t.type) as webhook_id,
             coalesce('employee ' || (e.entry).employee_id, 'auth user ' || (e.entry).auth_user_id) as order_key
        from entries e
       cross join lateral unnest(public.auth_sync_event_types_v1(e.entry, e.is_new)) with ordinality as t (type, place)
       cross join lateral (select case when t.type in ('employee.deactivated', 'employee.activated')
                                       then (e.entry).created_at else (e.entry).completed_at end as at) as a
    )
    insert into public.auth_sync_deliveries (subscriber_id, webhook_id, type, payload, order_key)
    select s.id, e.webhook_id, e.type, e.payload, e.order_key
      from events e
      join public.auth_sync_subscribers s
        on (e.at <@ tstzrange(s.active_since, s.disabled_at) or e.at <@ s.former_periods) and (s.types is null or e.type = any (s.types))
     order by e.at, e.log_id, e.place
    on conflict (subscriber_id, webhook_id) do nothing;
    get diagnostics made = row_count;
  end if;
  if new_ids <> '{}' then
    update public.auth_sync_feed f set (position, event_id) = (
      select l.id, l.event_id from public.integration_sync_log l where l.id = new_ids[cardinality(new_ids)]) where f.only_row;
  end if;
  return jsonb_build_object('read', cardinality(new_ids || gap_ids || done_ids), 'deliveries', made);
end $$;

-- Claims up to p_limit due deliveries for p_lease_seconds. Returns [{id, "subscriber": its name, url, secrets, allow_private, webhook_id,
-- attempts, payload}]. A delivery is not claimed while an earlier one of the same subscriber and employee is pending. The subscribers with due
-- deliveries share the claim, so that a slow one does not fill it. A subscriber whose last attempt failed is tried with one delivery, after
-- its pause.
create or replace function public.auth_sync_claim_deliveries_v1(p_relay text, p_limit integer, p_lease_seconds integer) returns jsonb
language plpgsql security definer
set search_path = '' set plan_cache_mode = force_custom_plan set lock_timeout = '1500ms' set statement_timeout = '3s' set jit = off as $$
#variable_conflict use_variable
declare
  claimed jsonb;
begin
  with due as (
    select d.id
      from public.auth_sync_subscribers s
     cross join lateral (
       select d.id, d.next_attempt_at from public.auth_sync_deliveries d
        where d.subscriber_id = s.id and d.status = 'PENDING' and d.next_attempt_at <= now() and (d.leased_until is null or d.leased_until < now())
          and not exists (select from public.auth_sync_deliveries earlier
                           where earlier.subscriber_id = d.subscriber_id and earlier.order_key = d.order_key
                             and earlier.status = 'PENDING' and earlier.id < d.id)
        order by d.next_attempt_at, d.id
        limit case when s.failures > 0 then 1 else p_limit end
        for update skip locked) as d
     where s.disabled_at is null and (s.paused_until is null or s.paused_until <= now())
     order by row_number() over (partition by s.id order by d.next_attempt_at, d.id), d.next_attempt_at, d.id limit p_limit
  ), taken as (
    update public.auth_sync_deliveries d
       set lease = p_relay, leased_until = now() + make_interval(secs => p_lease_seconds)
      from due where d.id = due.id
    returning d.*
  )
  select coalesce(jsonb_agg(jsonb_build_object(
           'id', t.id, 'subscriber', s.name, 'url', s.url, 'secrets', public.auth_sync_subscriber_secrets_v1(s), 'allow_private', s.allow_private,
           'webhook_id', t.webhook_id, 'attempts', t.attempts, 'payload', t.payload)
           order by t.id), '[]')
    into claimed from taken t join public.auth_sync_subscribers s on s.id = t.subscriber_id;
  return claimed;
end $$;

-- Settles a delivery whose lease is still p_lease. p_status_code is the answer's status, or null without an answer. p_error is the stable
-- reason of a failure, or null after a 2xx. p_retry_after is in seconds, or null. Returns done, retried, dead or gone, or null if the lease
-- was lost. A 410 disables the subscriber, and the delivery waits. After another failure, the delivery is due again after the backoff of
-- the ledger, which spans 76 hours, and then is dead. The pause of the subscriber doubles with each failure, up to five minutes.
create or replace function public.auth_sync_settle_delivery_v1(
  p_id bigint, p_lease text, p_status_code integer, p_error text, p_retry_after integer
) returns text
language plpgsql security definer set search_path = '' set plan_cache_mode = force_custom_plan set lock_timeout = '1500ms' set statement_timeout = '3s' as $$
#variable_conflict use_variable
declare
  entry public.auth_sync_deliveries;
  is_gone boolean := p_error is not null and p_status_code is not distinct from 410;
begin
  update public.auth_sync_deliveries d
     set (status, next_attempt_at, completed_at) = (
           select case when p_error is null then 'DONE' when w.again is null then 'DEAD' else 'PENDING' end,
                  case when p_error is not null then w.again end,
                  case when p_error is null or w.again is null then now() end
             from (select case when is_gone then now() else now() + public.auth_sync_backoff_v1(d.attempts + 1) end as again) as w),
         attempts = d.attempts + 1, status_code = p_status_code, error = p_error, lease = null, leased_until = null
   where d.id = p_id and d.status = 'PENDING' and d.lease = p_lease
  returning * into entry;
  if not found then
    return null;
  end if;
  update public.auth_sync_subscribers s
     set failures = case when p_error is null then 0 else s.failures + 1 end,
         paused_until = case when p_error is not null then now() + greatest(
           least(interval '5 minutes', interval '5 seconds' * power(2, least(s.failures, 10))),
           make_interval(secs => least(coalesce(p_retry_after, 0), 3600))) end,
         disabled_at = case when is_gone then coalesce(s.disabled_at, now()) else s.disabled_at end,
         disabled_reason = case when is_gone then coalesce(s.disabled_reason, 'gone') else s.disabled_reason end
   where s.id = entry.subscriber_id and (p_error is not null or s.failures > 0);
  return case when is_gone then 'gone' when entry.status = 'PENDING' then 'retried' else lower(entry.status) end;
end $$;

-- Makes deliveries of a subscriber due again: all dead ones, or the one with p_id, which may also be done. Returns their number, at most
-- p_limit, or null if there is no such subscriber.
create or replace function public.auth_sync_replay_deliveries_v1(p_name text, p_id bigint, p_limit integer) returns bigint
language plpgsql security definer set search_path = '' set plan_cache_mode = force_custom_plan set lock_timeout = '1500ms' set statement_timeout = '3s' as $$
#variable_conflict use_variable
declare
  of_id bigint := (select s.id from public.auth_sync_subscribers s where s.name = p_name);
  replayed bigint;
begin
  if of_id is null then
    return null;
  end if;
  with again as (
    update public.auth_sync_deliveries d
       set status = 'PENDING', attempts = 0, next_attempt_at = now(), completed_at = null
     where d.id = any (array(select c.id from public.auth_sync_deliveries c
                              where c.subscriber_id = of_id
                                and case when p_id is null then c.status = 'DEAD' else c.id = p_id and c.status <> 'PENDING' end
                              order by c.id limit p_limit for update))
    returning 1
  )
  select count(*) into replayed from again;
  return replayed;
end $$;

-- Deletes up to p_limit deliveries that were done or dead before this time, the oldest first, and returns their number. With p_dry_run, only
-- counts them.
create or replace function public.auth_sync_prune_deliveries_v1(p_before timestamptz, p_limit integer, p_dry_run boolean) returns bigint
language plpgsql security definer set search_path = '' set plan_cache_mode = force_custom_plan set lock_timeout = '1500ms' set statement_timeout = '3s' as $$
#variable_conflict use_variable
declare
  pruned bigint;
begin
  if p_dry_run then
    return (select count(*) from public.auth_sync_deliveries d where d.status <> 'PENDING' and d.completed_at < p_before);
  end if;
  with gone as (
    delete from public.auth_sync_deliveries
     where id = any (array(select d.id from public.auth_sync_deliveries d
                            where d.status <> 'PENDING' and d.completed_at < p_before
                            order by d.completed_at limit p_limit for update skip locked))
    returning 1
  )
  select count(*) into pruned from gone;
  return pruned;
end $$;

-- Returns {"open_deliveries": of enabled subscribers, "dead_deliveries", each up to 10,000, "disabled_subscribers": those that answered 410}.
create or replace function public.auth_sync_delivery_numbers_v1() returns jsonb
language sql stable security definer set search_path = '' as $$
  select jsonb_build_object(
    'open_deliveries', (select count(*) from (select from public.auth_sync_subscribers s
                                                join public.auth_sync_deliveries d on d.subscriber_id = s.id and d.status = 'PENDING'
                                               where s.disabled_at is null limit 10000) as few),
    'dead_deliveries', (select count(*) from (select from public.auth_sync_subscribers s
                                                join public.auth_sync_deliveries d on d.subscriber_id = s.id and d.status = 'DEAD' limit 10000) as few),
    'disabled_subscribers', (select count(*) from public.auth_sync_subscribers s where s.disabled_reason = 'gone'))
$$;
