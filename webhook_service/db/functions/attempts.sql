-- The failed attempts. The ledger's row holds only the last outcome. A success needs no record here, because the ledger's row records it.

-- Trigger: records each failed attempt of an event or action. It runs when a write increases the number of attempts of a failed row. A
-- lease or a new due time does not count as an attempt.
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
