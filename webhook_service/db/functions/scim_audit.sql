-- The audit of the directories: their acts, and their requests that changed nothing.

-- Writes an entry of the audit about an act of a directory that has been done (p_result done, with the columns) or refused.
create or replace function public.auth_sync_scim_audit_v1(
  p_client_id bigint, p_action text, p_employee_id bigint, p_details jsonb, p_result text, p_reason text
) returns void
language sql security definer set search_path = '' as $$
  insert into public.auth_sync_audit (who, action, target, details, result, reason)
  select 'directory ' || c.name, p_action, 'employee:' || p_employee_id, p_details, p_result, p_reason
    from public.auth_sync_scim_clients c where c.client_id = p_client_id
$$;

-- Writes an entry of the audit about a request of a directory that changed nothing and is not an act. p_hash is that of its token, which may be
-- revoked; for an unknown token, nothing is written. p_reason is the HTTP status in words, or null if there is nothing to say. Successive
-- requests that are refused for a revoked token (401) or because of SCIM_RATE (429) are counted in one entry a minute, by p_action, without
-- an employee. An admitted request between them begins a new entry, so a directory makes at most about twice as many entries as its rate.
-- The commit does not wait for the disk, because nothing depends on it.
create or replace function public.auth_sync_scim_request_v1(
  p_hash text, p_action text, p_employee_id bigint, p_status integer, p_details jsonb, p_reason text
) returns void
language plpgsql security definer set search_path = '' set enable_seqscan = off set lock_timeout = '1500ms' as $$
#variable_conflict use_variable
declare
  directory text;
begin
  perform set_config('synchronous_commit', 'off', true);
  select 'directory ' || c.name into directory
    from public.auth_sync_scim_tokens t join public.auth_sync_scim_clients c on c.client_id = t.client_id where t.hash = p_hash;
  if directory is null then
    return;
  elsif p_status in (401, 429) then
    update public.auth_sync_audit a
       set details = jsonb_set(a.details, array['requests', p_action],
                               to_jsonb(coalesce((a.details #>> array['requests', p_action])::bigint, 0) + 1))
     where a.id = (select x.id from public.auth_sync_audit x where x.who = directory order by x.id desc limit 1)
       and a.is_request and a.details -> 'status' = to_jsonb(p_status) and a.at > now() - interval '1 minute';
    if found then
      return;
    end if;
    p_employee_id := null;
    p_details := jsonb_build_object('requests', jsonb_build_object(p_action, 1));
    p_action := case p_status when 401 then 'use a revoked token' else 'send too many requests' end;
  end if;
  insert into public.auth_sync_audit (who, action, target, details, result, reason, is_request)
  values (directory, p_action, 'employee:' || p_employee_id, jsonb_build_object('status', p_status) || p_details,
          case when p_status < 400 then 'done' when p_status < 500 then 'refused' else 'unknown' end, p_reason, true);
end $$;
