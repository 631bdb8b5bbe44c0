-- The indexes on employees. They are a separate migration, because the build of an index does not block readers, and the addition of a
-- column (0001) does.

set local lock_timeout = '5s';

create unique index if not exists auth_sync_employees_auth_user_id_key on public.employees (auth_user_id);

-- The e-mail and the number, on the expressions of functions/common.sql (auth_sync_normal_v1), which are explained there. The list of
-- invisible characters is that of auth_sync_invisible_v1. The indexes for searches by the beginning cut the text, because a long text does
-- not fit into a btree index and must not make an import fail.
create index if not exists auth_sync_employees_email_idx on public.employees ((
  lower(btrim(email::varchar::text,
    E' \t\n\u000b\f\r\u001c\u001d\u001e\u001f\u007f\u0085\u00a0\u00ad\u034f\u061c\u1680\u180e\u2000\u2001\u2002\u2003\u2004\u2005\u2006'
     '\u2007\u2008\u2009\u200a\u200b\u200c\u200d\u200e\u200f\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u202f\u205f\u2060\u2061\u2062'
     '\u2063\u2064\u2066\u2067\u2068\u2069\u2800\u3000\u3164\ufe0f\ufeff\ufffc')
    collate "C") collate "default"));
create index if not exists auth_sync_employees_email_prefix_idx on public.employees (left(
  lower(btrim(email::varchar::text,
    E' \t\n\u000b\f\r\u001c\u001d\u001e\u001f\u007f\u0085\u00a0\u00ad\u034f\u061c\u1680\u180e\u2000\u2001\u2002\u2003\u2004\u2005\u2006'
     '\u2007\u2008\u2009\u200a\u200b\u200c\u200d\u200e\u200f\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u202f\u205f\u2060\u2061\u2062'
     '\u2063\u2064\u2066\u2067\u2068\u2069\u2800\u3000\u3164\ufe0f\ufeff\ufffc')
    collate "C") collate "default",
  100) text_pattern_ops);
create index if not exists auth_sync_employees_number_idx on public.employees ((employee_number::varchar::text));
create index if not exists auth_sync_employees_number_prefix_idx
  on public.employees (left(lower(employee_number::varchar::text), 100) text_pattern_ops);

-- Active employees who have no login, and whose e-mail cannot be the address of a login (auth_sync_usable_v1). These are few.
create index if not exists auth_sync_employees_unusable_idx on public.employees (employee_id)
  where auth_user_id is null and orphaned_at is null and is_active is not false and btrim(email::varchar::text,
    E' \t\n\u000b\f\r\u001c\u001d\u001e\u001f\u007f\u0085\u00a0\u00ad\u034f\u061c\u1680\u180e\u2000\u2001\u2002\u2003\u2004\u2005\u2006'
     '\u2007\u2008\u2009\u200a\u200b\u200c\u200d\u200e\u200f\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u202f\u205f\u2060\u2061\u2062'
     '\u2063\u2064\u2066\u2067\u2068\u2069\u2800\u3000\u3164\ufe0f\ufeff\ufffc') collate "C" !~
    E'^([^ @<>(),\x3b:"\t\n\u000b\f\r\u001c\u001d\u001e\u001f\u007f\u0085\u00a0\u00ad\u034f\u061c\u1680\u180e\u2000\u2001\u2002\u2003\u2004'
     '\u2005\u2006\u2007\u2008\u2009\u200a\u200b\u200c\u200d\u200e\u200f\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u202f\u205f\u2060'
     '\u2061\u2062\u2063\u2064\u2066\u2067\u2068\u2069\u2800\u3000\u3164\ufe0f\ufeff\ufffc]+@[^ @<>(),\x3b:"\t\n\u000b\f\r\u001c\u001d'
     '\u001e\u001f\u007f\u0085\u00a0\u00ad\u034f\u061c\u1680\u180e\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a'
     '\u200b\u200c\u200d\u200e\u200f\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u202f\u205f\u2060\u2061\u2062\u2063\u2064\u2066\u2067'
     '\u2068\u2069\u2800\u3000\u3164\ufe0f\ufeff\ufffc]+)?$';

-- Active employees whose login was deleted. The inbox reads them in order of employee_id.
create index if not exists auth_sync_employees_orphans_idx on public.employees (employee_id)
  where auth_user_id is null and orphaned_at is not null and is_active is not false;

-- The standing of each employee, in order of employee_id, derived from the row of the employee. The lists read this index, and the estimate
-- of the summary uses it.
create index if not exists auth_sync_employees_standing_idx on public.employees ((
  case when auth_user_id is not null and is_active is false then 'linked_inactive' when auth_user_id is not null then 'linked'
       when orphaned_at is not null then 'orphaned' when is_active is false then 'none' else 'missing' end), employee_id);
