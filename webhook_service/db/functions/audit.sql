-- The results of the audit's entries. auth_sync_audit_v1 (admins.sql) writes an entry before the act.

-- Deletes up to p_limit entries from before this time, the oldest first, and returns their number. With p_dry_run, only counts them.
create or replace function public.auth_sync_prune_audit_v1(p_before timestamptz, p_limit integer, p_dry_run boolean) returns bigint
language plpgsql security definer set search_path = '' set lock_timeout = '1500ms' set statement_timeout = '3s' as $$
#variable_conflict use_variable
declare
  pruned bigint;
begin
  if p_dry_run then
    return (select count(*) from public.auth_sync_audit where at < p_before);
  end if;
  with gone as (
    delete from public.auth_sync_audit
     where id = any (array(select id from public.auth_sync_audit where at < p_before order by id limit p_limit for update skip locked))
    returning 1
  )
  select count(*) into pruned from gone;
  return pruned;
end $$;

-- Writes the result of an act into its entry of the audit, once: done, refused or unknown. p_reason says why it was refused, or is its
-- outcome. Returns whether the entry had no result yet.
create or replace function public.auth_sync_audit_result_v1(p_id bigint, p_result text, p_reason text) returns boolean
language plpgsql security definer set search_path = '' set lock_timeout = '1500ms' as $$
#variable_conflict use_variable
begin
  update public.auth_sync_audit set result = p_result, reason = p_reason where id = p_id and result = 'pending';
  return found;
end $$;

-- Returns a page of the audit, newest first: {"entries", "next": the p_below of the next page, or null}. Keys of p_filter: who, target, since,
-- until, and requests, which is true to include the requests of directories that changed nothing. The ids follow the times, up to the length
-- of a transaction, so the times bound the ids that are read.
create or replace function public.auth_sync_audit_search_v1(p_filter jsonb, p_below bigint, p_limit integer) returns jsonb
language plpgsql stable security definer
set search_path = '' set plan_cache_mode = force_custom_plan set enable_seqscan = off set enable_bitmapscan = off set statement_timeout = '3s'
set jit = off as $$
#variable_conflict use_variable
declare
  since timestamptz := p_filter ->> 'since';
  until timestamptz := p_filter ->> 'until';
  first_id bigint;
  last_id bigint;
  found jsonb;
begin
  if since is not null then
    select a.id into first_id from public.auth_sync_audit a where a.at < since - interval '1 minute' order by a.at desc limit 1;
  end if;
  if until is not null then
    select a.id into last_id from public.auth_sync_audit a where a.at > until + interval '1 minute' order by a.at limit 1;
  end if;
  execute 'select coalesce(jsonb_agg(to_jsonb(e) order by e.id desc), ''[]'') from (select a.* from public.auth_sync_audit a where '
    || concat_ws(' and ', case when p_filter ->> 'requests' = 'true' then 'true' else 'not a.is_request' end,
                 'a.who = ' || quote_literal(p_filter ->> 'who'), 'a.target = ' || quote_literal(p_filter ->> 'target'),
                 'a.at >= ' || quote_literal(since), 'a.at < ' || quote_literal(until),
                 'a.id > ' || first_id, 'a.id < ' || last_id, 'a.id < ' || p_below)
    || ' order by a.id desc limit $1) as e' into found using p_limit + 1;
  return jsonb_build_object('entries', case when jsonb_array_length(found) > p_limit then found - p_limit else found end,
                            'next', case when jsonb_array_length(found) > p_limit then found -> (p_limit - 1) -> 'id' end);
end $$;
