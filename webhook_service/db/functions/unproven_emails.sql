-- E-mails that Auth confirms without proof (mailer_autoconfirm).
-- Any person can then sign up with the e-mail of an employee, so an e-mail links no auth user, unless LINK_UNPROVEN_EMAILS allows it. An
-- employee number still links. Links that exist are kept.

-- Returns whether a confirmed e-mail links an auth user to an employee. An e-mail counts as proven until Auth's setting is known.
create or replace function public.auth_sync_links_by_email_v1() returns boolean
language sql stable security definer set search_path = '' as $$
  select coalesce((select not s.autoconfirm or s.link_unproven from public.auth_sync_settings s), true)
$$;

-- Records Auth's setting mailer_autoconfirm, and LINK_UNPROVEN_EMAILS of the service. If p_autoconfirm is null, because Auth's settings could
-- not be read, the last known value is kept. Always returns true.
create or replace function public.auth_sync_note_autoconfirm_v1(p_autoconfirm boolean, p_link_unproven boolean) returns boolean
language sql security definer set search_path = '' set lock_timeout = '1500ms' as $$
  update public.auth_sync_settings s
     set autoconfirm = coalesce(p_autoconfirm, s.autoconfirm), link_unproven = p_link_unproven
   where (s.autoconfirm, s.link_unproven) is distinct from (coalesce(p_autoconfirm, s.autoconfirm), p_link_unproven);
  select true
$$;
