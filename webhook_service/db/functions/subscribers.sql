-- Subscribers: other systems that get events of the ledger as signed webhooks. deliveries.sql makes and settles their deliveries.

-- Makes the feed begin after this id of the ledger, and forgets all ids before it. The caller must hold the feed's advisory lock.
create or replace function public.auth_sync_begin_feed_v1(p_position bigint) returns void
language sql security definer set search_path = '' as $$
  delete from public.auth_sync_feed_open where log_id is not null;
  delete from public.auth_sync_feed_gaps where first_id is not null;
  insert into public.auth_sync_feed (position) values (p_position)
  on conflict (only_row) do update set position = excluded.position, event_id = null;
$$;

-- Creates a subscriber, which gets the events that end from now on. Returns whether it was created: false if the name is in use. With the
-- first subscriber, the feed begins: an hour back, so that it reads the rows of transactions that are running now, and with all open rows.
-- p_types is a list of event types, or null for all.
create or replace function public.auth_sync_create_subscriber_v1(
  p_name text, p_url text, p_secret text, p_types jsonb, p_allow_private boolean
) returns boolean
language plpgsql security definer set search_path = '' set lock_timeout = '1500ms' set statement_timeout = '3s' as $$
#variable_conflict use_variable
begin
  perform pg_advisory_xact_lock(5093387412675531206);  -- no pass reads the feed meanwhile
  if not exists (select from public.auth_sync_subscribers) then
    perform public.auth_sync_begin_feed_v1(coalesce(public.auth_sync_id_at_v1(now() - interval '1 hour'), 0));
    insert into public.auth_sync_feed_open (log_id)
    select id from public.integration_sync_log where status in ('PENDING', 'FAILED') and direction <> 'maintenance';
  end if;
  insert into public.auth_sync_subscribers (name, url, secret, types, allow_private)
  values (p_name, p_url, p_secret, case when jsonb_typeof(p_types) = 'array' then array(select jsonb_array_elements_text(p_types)) end,
          p_allow_private)
  on conflict (name) do nothing;
  return found;
end $$;

-- Returns a subscriber without its secrets, with the numbers of its pending and dead deliveries, each up to 10,000.
create or replace function public.auth_sync_subscriber_json_v1(p_subscriber public.auth_sync_subscribers) returns jsonb
language sql stable set search_path = '' as $$
  select to_jsonb(p_subscriber) - array['secret', 'former_secret', 'former_periods'] || jsonb_build_object(
    'pending', (select count(*) from (select from public.auth_sync_deliveries d
                                       where d.subscriber_id = p_subscriber.id and d.status = 'PENDING' limit 10000) as few),
    'dead', (select count(*) from (select from public.auth_sync_deliveries d
                                    where d.subscriber_id = p_subscriber.id and d.status = 'DEAD' limit 10000) as few))
$$;

-- Returns all subscribers, by name (auth_sync_subscriber_json_v1).
create or replace function public.auth_sync_subscribers_v1() returns jsonb
language sql stable security definer set search_path = '' as $$
  select coalesce(jsonb_agg(public.auth_sync_subscriber_json_v1(s) order by s.name), '[]') from public.auth_sync_subscribers s
$$;

-- Returns a subscriber with its newest deliveries that are not done, at most p_limit, dead ones first, or null if there is no such
-- subscriber: "deliveries": [{id, type, status, attempts, next_attempt_at, status_code, error, created_at, completed_at, event_id,
-- employee_id}].
create or replace function public.auth_sync_subscriber_v1(p_name text, p_limit integer) returns jsonb
language sql stable security definer set search_path = '' as $$
  select public.auth_sync_subscriber_json_v1(s) || jsonb_build_object('deliveries', (
           select coalesce(jsonb_agg(to_jsonb(d) - array['payload', 'order_key', 'lease', 'leased_until', 'subscriber_id', 'webhook_id']
                                     || jsonb_build_object('event_id', d.payload #> '{data,event_id}', 'employee_id', d.payload #> '{data,employee_id}')
                                     order by d.status, d.id desc), '[]')
             from ((select * from public.auth_sync_deliveries d
                     where d.subscriber_id = s.id and d.status = 'DEAD' order by d.id desc limit p_limit)
                   union all
                   (select * from public.auth_sync_deliveries d
                     where d.subscriber_id = s.id and d.status = 'PENDING' order by d.id desc limit p_limit)
                   limit p_limit) as d))
    from public.auth_sync_subscribers s where s.name = p_name
$$;

-- Returns the URL, the valid secrets and allow_private of a subscriber, for a test of its URL, or null if there is no such subscriber.
create or replace function public.auth_sync_subscriber_target_v1(p_name text) returns jsonb
language sql stable security definer set search_path = '' as $$
  select jsonb_build_object('url', s.url, 'secrets', public.auth_sync_subscriber_secrets_v1(s), 'allow_private', s.allow_private)
    from public.auth_sync_subscribers s where s.name = p_name
$$;

-- Returns the secrets that sign the deliveries of a subscriber, newest first: two in the 24 hours after a rotation.
create or replace function public.auth_sync_subscriber_secrets_v1(p_subscriber public.auth_sync_subscribers) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_array(p_subscriber.secret)
         || case when p_subscriber.former_secret_until > now() then jsonb_build_array(p_subscriber.former_secret) else '[]' end
$$;

-- Enables or disables a subscriber. Returns whether there is such a subscriber. A disabled subscriber gets no events that end meanwhile. Those
-- that ended before wait, and are sent when it is enabled again, also those that the feed has not read yet:
-- the periods are kept that ended less than a day before the newest row that the feed has read, because a transaction may write that long.
create or replace function public.auth_sync_enable_subscriber_v1(p_name text, p_is_enabled boolean) returns boolean
language plpgsql security definer set search_path = '' set lock_timeout = '1500ms' as $$
#variable_conflict use_variable
begin
  update public.auth_sync_subscribers s
     set former_periods = case when p_is_enabled and s.disabled_at is not null then
           (s.former_periods + tstzmultirange(tstzrange(s.active_since, s.disabled_at)))
           * tstzmultirange(tstzrange((select l.created_at - interval '1 day' from public.auth_sync_feed f
                                         join public.integration_sync_log l on l.id = f.position and l.event_id = f.event_id), null))
           else s.former_periods end,
         active_since = case when p_is_enabled and s.disabled_at is not null then now() else s.active_since end,
         disabled_at = case when not p_is_enabled then coalesce(s.disabled_at, now()) end,
         disabled_reason = case when not p_is_enabled then coalesce(s.disabled_reason, 'admin') end,
         failures = 0, paused_until = null
   where s.name = p_name;
  return found;
end $$;

-- Gives a subscriber a new secret. The former one also signs for 24 hours. If it is replaced again meanwhile, that former secret stays, because
-- it may be the one that the subscriber has. Returns whether there is such a subscriber.
create or replace function public.auth_sync_rotate_subscriber_v1(p_name text, p_secret text) returns boolean
language plpgsql security definer set search_path = '' set lock_timeout = '1500ms' as $$
#variable_conflict use_variable
begin
  update public.auth_sync_subscribers s
     set former_secret = case when s.former_secret_until > now() then s.former_secret else s.secret end,
         former_secret_until = case when s.former_secret_until > now() then s.former_secret_until else now() + interval '24 hours' end,
         secret = p_secret
   where s.name = p_name;
  return found;
end $$;

-- Deletes a subscriber and all its deliveries. Returns whether there was such a subscriber.
create or replace function public.auth_sync_delete_subscriber_v1(p_name text) returns boolean
language plpgsql security definer set search_path = '' set lock_timeout = '1500ms' set statement_timeout = '60s' as $$
#variable_conflict use_variable
begin
  delete from public.auth_sync_subscribers s where s.name = p_name;
  return found;
end $$;
