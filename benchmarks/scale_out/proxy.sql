-- A proxy without health checks: each webhook that is passed to pg_net goes to one of these receivers, drawn at random. It needs
-- tests/chaos/world.sql.

create table chaos.receivers (url text primary key);

create function chaos.balance() returns trigger language plpgsql security definer set search_path = '' as $$
begin
  new.url := coalesce((select r.url || '/webhook/auth' from chaos.receivers r order by random() limit 1), new.url);
  return new;
end $$;
create trigger chaos_balance before insert on net.http_request_queue for each row execute function chaos.balance();
