-- The witnesses of a run over both sides, which the service does not know. They record each change of auth users and employees in order,
-- and the connection that made it by its application_name (hr; auth, or auth meanwhile; api; service).

create schema witness;

create table witness.seen (
  id bigint generated always as identity primary key,
  who text not null default current_setting('application_name'),
  what text not null,
  auth_user_id uuid,
  employee_id bigint,
  email text,
  banned_until timestamptz,
  no_ban_requested boolean,
  outcome text,
  at timestamptz not null default clock_timestamp()
);
comment on column witness.seen.no_ban_requested is 'for a ban: whether no action to ban the user was open at that time';

-- new: a user was added, with an e-mail. ban: a ban was set, changed or lifted. email: the e-mail changed.
create function witness.write_auth() returns trigger language plpgsql security definer set search_path = '' as $$
begin
  insert into witness.seen (what, auth_user_id, email, banned_until, no_ban_requested)
  select w.what, new.id, new.email, new.banned_until, not exists (
           select from public.integration_sync_log a
            where a.auth_user_id = new.id and a.operation = 'disable_auth_user' and a.status <> 'SUCCESS'
              and (a.changes ? 'sessions_end_again_at') is not true)  -- a performed ban, whose sessions end once more
    from (values ('new', tg_op = 'INSERT'),
                 ('ban', tg_op = 'UPDATE' and new.banned_until is distinct from old.banned_until),
                 ('email', tg_op = 'UPDATE' and new.email is distinct from old.email)) as w (what, is_new)
   where w.is_new;
  return null;
end $$;
create trigger witness_auth after insert or update on auth.users for each row execute function witness.write_auth();

-- hired: an employee was added, with an e-mail. dismissed: the employee of an auth user became inactive or was deleted (left). linked: an
-- employee was linked to another auth user. inactive: an employee with or without a login became inactive or was deleted. employee email: the
-- e-mail changed.
create function witness.write_employee() returns trigger language plpgsql security definer set search_path = '' as $$
begin
  if tg_op = 'DELETE' then
    insert into witness.seen (what, auth_user_id, employee_id)
    select w.what, old.auth_user_id, old.employee_id
      from (values ('dismissed'), ('left')) as w (what) where old.auth_user_id is not null;
    insert into witness.seen (what, employee_id, email) values ('inactive', old.employee_id, lower(btrim(old.email)));
    return null;
  end if;
  insert into witness.seen (what, auth_user_id, employee_id, email)
  select w.what, new.auth_user_id, new.employee_id, lower(btrim(new.email))
    from (values ('hired', tg_op = 'INSERT'),
                 ('linked', new.auth_user_id is not null and (tg_op = 'INSERT' or new.auth_user_id is distinct from old.auth_user_id)),
                 ('dismissed', new.auth_user_id is not null and not new.is_active and (
                               tg_op = 'INSERT' or old.is_active or new.auth_user_id is distinct from old.auth_user_id)),
                 ('inactive', not new.is_active and (tg_op = 'INSERT' or old.is_active)),
                 ('employee email', tg_op = 'UPDATE' and lower(btrim(new.email)) is distinct from lower(btrim(old.email)))) as w (what, is_new)
   where w.is_new;
  return null;
end $$;
create trigger witness_employee after insert or update or delete on public.employees
  for each row execute function witness.write_employee();

-- action: the outcome of an attempt; the e-mail is the one that the action sets.
create function witness.write_action() returns trigger language plpgsql security definer set search_path = '' as $$
begin
  insert into witness.seen (what, auth_user_id, employee_id, email, outcome)
  values ('action', new.auth_user_id, new.employee_id, new.request_data ->> 'email', new.operation || ' ' || coalesce(new.outcome, new.changes ->> 'outcome'));
  return null;
end $$;
create trigger witness_action after update on public.integration_sync_log for each row
  when (new.direction = 'outbound' and new.attempts > old.attempts) execute function witness.write_action();

grant usage on schema witness to public;
