-- The failed attempts. The ledger's row holds only its last outcome. A success needs no record here: the ledger's row is the record.

-- Trigger: records each failed attempt of an event or action. It runs when a write counts an attempt of a failed row; a lease or a new
-- due time counts none.
create or replace function public.auth_sync_attempt_failed_v1() returns trigger
language plpgsql security definer set search_path = '' as $$
#variable_conflict use_variable
begin
  if new.direction <> 'maintenance' then
    insert into public.auth_sync_attempts (log_id, attempt, via, outcome, error_message)
    values (new.id, new.attempts, new.via, new.outcome, new.error_message);
  end if;
  return null;
end $$;
