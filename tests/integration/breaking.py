"""Breakages and locks of the service's objects in a database in which Auth continues, and their repairs."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg

from tests.integration.migrating import execute
from webhook_service.db import migrate


@dataclass(frozen=True, slots=True)
class Breakage:
    """SQL that breaks the database, and the repair, which is SQL or a function of the database's URL."""

    sql: str
    fix: str | Callable[[str], object]

    def repair(self, url: str) -> None:
        if callable(self.fix):
            self.fix(url)
        else:
            execute(url, self.fix)


def renamed(table: str) -> Breakage:
    """Hide a table under another name, so that it seems to be missing. The repair restores it with its rows."""
    schema, name = table.split(".")
    return Breakage(f"alter table {table} rename to hidden", f"alter table {schema}.hidden rename to {name}")


def migrated_again(url: str) -> None:
    execute(url, "delete from public.auth_sync_migrations; delete from public.auth_sync_functions")
    migrate.migrate(url)


REFUSE = """
create function public.refuse() returns trigger language plpgsql as $$ begin {} end $$;
create trigger refuse before {} on public.integration_sync_log for each {} execute function public.refuse()
"""
FIX_REFUSE = "drop function public.refuse() cascade"
OWNER = """
do $$ begin create role nobody_much nologin; exception when duplicate_object or unique_violation then null; end $$;
alter function public.auth_sync_{0} owner to nobody_much
"""
POSTGRES = "alter function public.auth_sync_{0} owner to postgres"

IN_OUR_TABLES: dict[str, Breakage] = {
    "ledger missing": renamed("public.integration_sync_log"),
    "ledger dropped": Breakage("drop table public.integration_sync_log cascade", migrated_again),
    "ledger without a column": Breakage(
        "alter table public.integration_sync_log rename request_data to hidden",
        "alter table public.integration_sync_log rename hidden to request_data",
    ),
    "ledger with another type": Breakage(
        "alter table public.integration_sync_log alter version type text",
        "alter table public.integration_sync_log alter version type bigint using version::bigint",
    ),
    "ledger requires another column": Breakage(
        "alter table public.integration_sync_log add wanted integer not null default 0;"
        "alter table public.integration_sync_log alter wanted drop default",
        "alter table public.integration_sync_log drop wanted",
    ),
    "ledger without its unique index": Breakage(
        "alter table public.integration_sync_log drop constraint integration_sync_log_event_id_key",
        "alter table public.integration_sync_log add unique (event_id)",
    ),
    "a constraint that nothing meets": Breakage(
        "alter table public.integration_sync_log add constraint never check (false) not valid",
        "alter table public.integration_sync_log drop constraint never",
    ),
    "a trigger that raises": Breakage(
        REFUSE.format("raise exception 'no';", "insert", "row"),
        FIX_REFUSE,
    ),
    "a trigger that raises on update": Breakage(
        REFUSE.format("raise exception 'no';", "insert or update", "statement"), FIX_REFUSE
    ),
    "a trigger whose assertion fails": Breakage(
        REFUSE.format("assert false; return new;", "insert", "row"), FIX_REFUSE
    ),
    "a trigger that divides by zero": Breakage(
        REFUSE.format("perform 1 / 0; return new;", "insert", "row"), FIX_REFUSE
    ),
    "a trigger that recurses without end": Breakage(
        REFUSE.format("perform public.refuse_again(0); return new;", "insert", "row")
        + ";create function public.refuse_again(n int) returns int language plpgsql as"
        " $$ begin return public.refuse_again(n + 1); end $$",
        FIX_REFUSE + "; drop function public.refuse_again",
    ),
    "settings missing": renamed("public.auth_sync_settings"),
    "settings empty": Breakage(
        "delete from public.auth_sync_settings", "insert into public.auth_sync_settings default values"
    ),
    "settings without names": Breakage(
        "update public.auth_sync_settings set name_fields = '[1]'",
        "update public.auth_sync_settings set name_fields = '{}'",
    ),
    "state missing": renamed("public.auth_user_state"),
    "a function missing": Breakage(
        "alter function public.auth_sync_payload_v1 rename to auth_sync_hidden",
        "alter function public.auth_sync_hidden rename to auth_sync_payload_v1",
    ),
    "a function that raises": Breakage(
        "create or replace function public.auth_sync_version_at_v1(p_moment timestamptz) returns bigint"
        " language plpgsql as $$ begin raise exception 'no'; end $$",
        migrated_again,
    ),
    "the trigger's owner without privileges": Breakage(OWNER.format("capture_v1"), POSTGRES.format("capture_v1")),
    "a function's owner without privileges": Breakage(
        OWNER.format("newest_version_v1"), POSTGRES.format("newest_version_v1")
    ),
    "the functions without privileges": Breakage(
        "revoke all on function public.auth_sync_mapped_v1 from public, service_role, postgres",
        "grant all on function public.auth_sync_mapped_v1 to postgres",
    ),
}
"""Breakages that prevent or disturb the insert of the ledger's row."""

IN_THE_SENDER: dict[str, Breakage] = {
    "pg_net missing": Breakage("alter schema net rename to hidden", "alter schema hidden rename to net"),
    "http_post missing": Breakage(
        "alter function net.http_post rename to hidden", "alter function net.hidden rename to http_post"
    ),
    "http_post raises": Breakage(
        "create function net.refuse() returns trigger language plpgsql as $$ begin raise exception 'no'; end $$;"
        "create trigger refuse before insert on net.http_request_queue for each row execute function net.refuse()",
        "drop function net.refuse() cascade",
    ),
    "queue missing": renamed("net.http_request_queue"),
    "vault missing": Breakage("alter schema vault rename to hidden", "alter schema hidden rename to vault"),
    "secret missing": Breakage("delete from vault.secrets", "select 1"),
    "secret not base64": Breakage("update vault.secrets set secret = encode('whsec_???', 'base64')", "select 1"),
    "secret not decryptable": Breakage("update vault.secrets set secret = '???'", "select 1"),
    "secret empty": Breakage("update vault.secrets set secret = ''", "select 1"),
    "pgcrypto missing": Breakage("drop extension pgcrypto", "create extension pgcrypto schema extensions"),
    "posting without privileges": Breakage(OWNER.format("post_v1"), POSTGRES.format("post_v1")),
}
"""Breakages that prevent the post of the event."""

LOCKED = ("public.integration_sync_log", "public.auth_user_state", "public.auth_sync_settings")


@contextmanager
def locked(url: str, *tables: str) -> Iterator[None]:
    """Lock the tables on another connection, as `alter table` does, until the block ends."""
    with psycopg.connect(url) as connection:
        connection.execute(f"lock table {', '.join(tables)} in access exclusive mode".encode())
        yield
        connection.rollback()
