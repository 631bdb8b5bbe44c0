-- Every attempt that failed: the ledger's row says only what the last one came to. A success needs no note, the row is it.

-- Whoever counts an attempt of a row that has failed notes it here: a lease, or a later due time, counts none.
create or replace function public.auth_sync_attempt_failed_v1() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  if new.direction <> 'maintenance' then
    insert into public.auth_sync_attempts (log_id, attempt, via, outcome, error_message)
    values (new.id, new.attempts, new.via, new.outcome, new.error_message);
  end if;
  return null;
end $$;
