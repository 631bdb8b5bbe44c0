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
