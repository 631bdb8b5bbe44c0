"""The changes that Supabase Auth's actions make in auth.users, and a recorder of them."""

from collections.abc import Callable
from datetime import timedelta
from itertools import groupby
from uuid import UUID

from tests.auth_stand_in import Auth
from tests.auth_traffic import EPOCH
from tests.integration.migrating import rows

# One trigger for each column records which columns an UPDATE names, even if their values do not change.
RECORDING = """
create table public.seen (
  number bigint generated always as identity, xact xid8, moment timestamptz, op text, named text, was jsonb, is_ jsonb
);
create function public.record() returns trigger language plpgsql security definer set search_path = '' as $$
begin
  insert into public.seen (xact, moment, op, named, was, is_)
  values (pg_catalog.pg_current_xact_id(), new.updated_at, tg_op, tg_argv[0],
          pg_catalog.to_jsonb(old), pg_catalog.to_jsonb(new));
  return null;
end $$;
create trigger whole after insert or delete on auth.users for each row execute function public.record();
do $$
declare
  name text;
begin
  for name in
    select attname from pg_attribute
     where attrelid = 'auth.users'::regclass and attnum > 0 and attgenerated = '' and attname <> 'updated_at'
  loop
    execute format('create trigger %I after update of %I on auth.users for each row execute function public.record(%L)',
                   'named_' || name, name, name);
  end loop;
end $$;
"""

CONFIRM = ["confirmation_token email_confirmed_at", "raw_user_meta_data"]
CHANGE = "email_change_confirm_status email_change_token_current email_change_token_new"
SOFT_DELETE = (
    "email phone encrypted_password email_change phone_change confirmation_token recovery_token"
    " email_change_token_current email_change_token_new phone_change_token deleted_at"
)
BAN_END = EPOCH + timedelta(days=36500)

Action = Callable[[Auth, UUID], object]
ACTIONS: dict[str, tuple[Action, list[list[str]]]] = {
    "sign_up": (
        lambda auth, user: auth.sign_up("new@example.com"),
        [["INSERT", "role", "raw_user_meta_data", "raw_app_meta_data", "confirmation_token confirmation_sent_at"]],
    ),
    "sign_up, auto-confirm": (
        lambda auth, user: auth.sign_up("new@example.com", auto_confirm=True),
        [["INSERT", "role", "raw_user_meta_data", "raw_app_meta_data", *CONFIRM], ["last_sign_in_at"]],
    ),
    "confirm": (lambda auth, user: auth.confirm(user), [[*CONFIRM, "raw_app_meta_data", "last_sign_in_at"]]),
    "admin_create": (lambda auth, user: auth.admin_create("new@example.com"), [["INSERT", "role", *CONFIRM]]),
    "admin_create, app_metadata": (
        lambda auth, user: auth.admin_create("new@example.com", app_metadata={"plan": "x"}),
        [["INSERT", "role", "raw_app_meta_data", *CONFIRM]],
    ),
    "admin_create, unconfirmed": (
        lambda auth, user: auth.admin_create("new@example.com", confirmed=False),
        [["INSERT", "role"]],
    ),
    "anonymous": (lambda auth, user: auth.anonymous(), [["INSERT", "role", "last_sign_in_at"]]),
    "sign_in": (lambda auth, user: auth.sign_in(user), [["last_sign_in_at"]]),
    "refresh": (lambda auth, user: auth.refresh(user), [["last_sign_in_at"]]),
    "sso_sign_up": (
        lambda auth, user: auth.sso_sign_up("old@example.com"),
        [
            ["INSERT", "role", "encrypted_password", "raw_user_meta_data", "raw_app_meta_data"]
            + [*CONFIRM, "last_sign_in_at"]
        ],
    ),
    "sso_sign_in": (
        lambda auth, user: auth.sso_sign_in(user),
        [["raw_user_meta_data", "raw_app_meta_data", "last_sign_in_at"]],
    ),
    "change_email": (
        lambda auth, user: auth.change_email(user, "new@example.com"),
        [
            [f"{CHANGE} email_change email_change_sent_at"],
            [CHANGE],
            [f"{CHANGE} email_change email", "raw_app_meta_data", "last_sign_in_at"],
        ],
    ),
    "invite": (
        lambda auth, user: auth.invite("new@example.com"),
        [["INSERT", "role", "confirmation_token confirmation_sent_at invited_at"]],
    ),
    "update_metadata": (lambda auth, user: auth.update_metadata(user, {"a": 1}), [["raw_user_meta_data"]]),
    "set_app_metadata": (lambda auth, user: auth.set_app_metadata(user, {"a": 1}), [["raw_app_meta_data"]]),
    "admin_change_email": (lambda auth, user: auth.admin_change_email(user, "new@example.com"), [["email"]]),
    "admin_change_email, confirmed": (
        lambda auth, user: auth.admin_change_email(user, "new@example.com", confirmed=True),
        [[*CONFIRM, "email"]],
    ),
    "ban": (lambda auth, user: auth.ban(user, BAN_END), [["banned_until"]]),
    "unban": (lambda auth, user: auth.unban(user), [["banned_until"]]),
    "soft_delete": (
        lambda auth, user: auth.soft_delete(user),
        [[SOFT_DELETE, "raw_user_meta_data", "raw_app_meta_data"]],
    ),
    "hard_delete": (lambda auth, user: auth.hard_delete(user), [["DELETE"]]),
}
"""{name: (action, its transactions of statements as `statements` returns them)}. Each action gets an existing user.
Counted with the real Auth (supabase/auth v2.196)."""


def statements(url: str) -> list[list[set[str]]]:
    """Return the recorded statements by transaction. An UPDATE is the set of the named columns, except updated_at."""
    seen = rows(
        url,
        "select xact::text, case op when 'UPDATE' then string_agg(named, ' ') else op end"
        " from public.seen group by xact, moment, op order by min(number)",
    )
    return [[set(what.split()) for _, what in transaction] for _, transaction in groupby(seen, key=lambda row: row[0])]
