-- Functions that several of the other files call.
--
-- How these files keep their plans fast: PL/pgSQL keeps the plan of a statement for the session. A plan that was made while the tables were
-- empty, as before a first reconciliation, reads whole tables when they are full. There are two remedies. A row is searched by its key in a
-- lateral subquery with "offset 0", which the planner never joins in another way. A function that is called once for a batch or an action,
-- and calls no function for each row, is planned at each call (plan_cache_mode = force_custom_plan). tests/integration/db/test_plans.py
-- counts the rows that are read.
--
-- Every UPDATE and DELETE has a WHERE, also one of a table with one row (where only_row). Supabase loads safeupdate for the Data API, which
-- refuses statements without WHERE, also in SECURITY DEFINER functions. tests/unit/db/test_safeupdate.py checks all functions.

-- Returns a table by its full name, or null if it does not exist. (to_regclass raises an error if this role may not use the schema.)
create or replace function public.auth_sync_relation_v1(p_name text) returns regclass
language sql stable set search_path = '' as $$
  select c.oid::regclass
    from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
   where n.nspname = split_part(p_name, '.', 1) and c.relname = split_part(p_name, '.', 2)
$$;

-- Returns the search_path that triggers of the owner of employees expect: the setting of this database or this role, or a default if
-- neither has the setting. It is never the caller's search_path, because a caller could add objects to it. The function is written in
-- PL/pgSQL, which keeps plans; SQL functions keep plans only since PostgreSQL 18.
create or replace function public.auth_sync_owner_path_v1() returns text
language plpgsql stable security definer set search_path = '' as $$
#variable_conflict use_variable
begin
  if not exists (select from pg_catalog.pg_db_role_setting s where array_to_string(s.setconfig, ' ') like E'%search\\_path=%') then
    return 'public, extensions, pg_temp';
  end if;
  return coalesce((
    select substr(c.setting, length('search_path=') + 1)
      from pg_catalog.pg_db_role_setting s
      left join pg_catalog.pg_database d on d.oid = s.setdatabase
      cross join unnest(s.setconfig) as c (setting)
     where c.setting like E'search\\_path=%'
       and (s.setdatabase = 0 or d.datname = current_database())
       and (s.setrole = 0 or s.setrole = (select oid from pg_catalog.pg_roles where rolname = current_user))
     order by s.setdatabase = 0, s.setrole = 0
     limit 1), 'public, extensions') || ', pg_temp';
end $$;

-- Returns the number of rows of a table. It is exact for fewer than 1.5 million rows, and otherwise the planner's estimate, because
-- counting would take long.
create or replace function public.auth_sync_size_v1(p_table text) returns bigint
language plpgsql stable security definer set search_path = '' as $$
#variable_conflict use_variable
declare
  size bigint := (select reltuples from pg_catalog.pg_class where oid = public.auth_sync_relation_v1(p_table));
begin
  if size < 1500000 then
    execute format('select count(*) from %s', public.auth_sync_relation_v1(p_table)) into size;
  end if;
  return size;
end $$;

-- Returns the invisible characters that spreadsheets and copied web pages leave around an e-mail: spaces of all widths, control characters,
-- marks of zero width and of direction, and the byte order mark. PostgreSQL computes this constant once in each plan.
create or replace function public.auth_sync_invisible_v1() returns text
language sql immutable parallel safe set search_path = '' as $$
  select E' \t\n\u000b\f\r\u001c\u001d\u001e\u001f\u007f\u0085\u00a0\u00ad\u034f\u061c\u1680\u180e'
         '\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u200b\u200c\u200d\u200e\u200f'
         '\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u202f\u205f\u2060\u2061\u2062\u2063\u2064'
         '\u2066\u2067\u2068\u2069\u2800\u3000\u3164\ufe0f\ufeff\ufffc'
$$;

-- Returns the pattern of an e-mail that can be the address of a login, or is missing: one @, and on both sides of it no invisible
-- characters, and no characters that separate or enclose addresses. Cells of a spreadsheet contain "mailto:" links, names in <>, two
-- addresses, or "n/a". PostgreSQL also computes this constant once in each plan.
create or replace function public.auth_sync_usable_v1() returns text
language sql immutable parallel safe set search_path = '' as $$
  select '^(' || part || '@' || part || ')?$'
    from (select E'[^ @<>(),;:"' || substr(public.auth_sync_invisible_v1(), 2) || ']+' as part) as p
$$;

-- Returns an e-mail in the form in which e-mails are compared: without the invisible characters around it, and with ASCII letters in lower
-- case. The case of other letters is kept, because lower() folds them by the locale of the database, and Auth by the rules of Go.
--
-- A condition on employees writes this expression out, because its indexes are on the same expression. They call no function, because
-- every role that writes employees would need the right to execute it. The columns are written email::varchar::text there, because
-- PostgreSQL drops a plain ::text of a text column from the index, and then the owner could not give the column another type.
create or replace function public.auth_sync_normal_v1(p_email text) returns text
language sql immutable set search_path = '' as $$
  select lower(btrim(p_email, public.auth_sync_invisible_v1()) collate "C") collate "default"
$$;

-- Returns a time as a version: microseconds since 1970, times four. The factor leaves room between two versions.
create or replace function public.auth_sync_version_at_v1(p_moment timestamptz) returns bigint
language sql immutable set search_path = '' as $$
  select case when isfinite(p_moment) then least(greatest(extract(epoch from p_moment) * 4000000, 0), 2e18)::bigint else 0 end
$$;

-- Returns the greatest version that is not far in the future. No capture gives a greater one, and the webhook refuses it
-- (FUTURE_TOLERANCE in inbound/payload.py has the reason for one day). Reconciliation replaces a greater version of a state.
create or replace function public.auth_sync_latest_version_v1() returns bigint
language sql stable set search_path = '' as $$
  select public.auth_sync_version_at_v1(clock_timestamp() + interval '1 day')
$$;

-- Returns the interval before the next attempt. It is 5 s after the first attempt and doubles up to 6 h. It varies by a quarter, so that
-- rows that failed together are not all retried together. Returns null after the 29th attempt, 76 h or more after the first one. Then the
-- row needs attention.
create or replace function public.auth_sync_backoff_v1(p_attempts integer) returns interval
language sql volatile set search_path = '' as $$
  select case when p_attempts < 29 then
    least(interval '6 hours', interval '5 seconds' * power(2, p_attempts - 1)) * (0.75 + random() / 2) end
$$;
