-- The results of the audit's entries. auth_sync_audit_v1 (admins.sql) writes an entry before the act.

-- Writes the result of an act into its entry of the audit, once: done, refused or unknown. p_reason says why it was refused, or is its
-- outcome. Returns whether the entry had no result yet.
create or replace function public.auth_sync_audit_result_v1(p_id bigint, p_result text, p_reason text) returns boolean
language plpgsql security definer set search_path = '' set lock_timeout = '1500ms' as $$
#variable_conflict use_variable
begin
  update public.auth_sync_audit set result = p_result, reason = p_reason where id = p_id and result = 'pending';
  return found;
end $$;
