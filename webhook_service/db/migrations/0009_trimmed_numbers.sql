-- Employee numbers are compared without the invisible characters around them, as e-mails are (0003_indexes.sql has the same list).

set local lock_timeout = '5s';

create index if not exists auth_sync_employees_trimmed_number_idx on public.employees ((
  btrim(employee_number::varchar::text,
    E' \t\n\u000b\f\r\u001c\u001d\u001e\u001f\u007f\u0085\u00a0\u00ad\u034f\u061c\u1680\u180e\u2000\u2001\u2002\u2003\u2004\u2005\u2006'
     '\u2007\u2008\u2009\u200a\u200b\u200c\u200d\u200e\u200f\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u202f\u205f\u2060\u2061\u2062'
     '\u2063\u2064\u2066\u2067\u2068\u2069\u2800\u3000\u3164\ufe0f\ufeff\ufffc')));
drop index if exists public.auth_sync_employees_number_idx;

-- The numbers of the logins that were stored before, so that new employees find them.
update public.auth_user_state s set employee_number = nullif(trimmed.number, '')
  from (select auth_user_id, btrim(employee_number,
    E' \t\n\u000b\f\r\u001c\u001d\u001e\u001f\u007f\u0085\u00a0\u00ad\u034f\u061c\u1680\u180e\u2000\u2001\u2002\u2003\u2004\u2005\u2006'
     '\u2007\u2008\u2009\u200a\u200b\u200c\u200d\u200e\u200f\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u202f\u205f\u2060\u2061\u2062'
     '\u2063\u2064\u2066\u2067\u2068\u2069\u2800\u3000\u3164\ufe0f\ufeff\ufffc') as number
          from public.auth_user_state) as trimmed
 where trimmed.auth_user_id = s.auth_user_id and s.employee_number <> trimmed.number;
