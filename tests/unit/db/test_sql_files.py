"""The rules of the SQL files. Numbered migrations hold tables, and each function and view is defined once."""

import re
from collections import Counter

from webhook_service.db import schema

DEFINED = re.compile(r"(?im)^\s*create\s+(?:or\s+replace\s+)?(?:function|procedure|view)\s+(?:public\.)?(\w+)")
IN_A_CHECK = "auth_sync_is_known_state_v1"
"""The function that a CHECK constraint of the ledger calls. The table cannot be created without it."""


def test_each_function_and_view_is_defined_once() -> None:
    """Each function and view has one definition in functions/ and views/."""
    counts = Counter(DEFINED.findall(schema.functions().sql))
    assert [name for name, count in counts.items() if count > 1] == []
    assert len(counts) > 100


def test_no_function_is_in_a_migration() -> None:
    """The only function in a migration is the function that a CHECK needs, and no other file defines it."""
    in_migrations = [name for migration in schema.migrations() for name in DEFINED.findall(migration.sql)]
    assert in_migrations == [IN_A_CHECK]
    assert IN_A_CHECK not in DEFINED.findall(schema.functions().sql)


def test_migrations_are_numbered_without_a_gap() -> None:
    """Migrations are numbered from 1 without a gap, so a database's newest number shows which migrations it has."""
    numbers = [migration.number for migration in schema.migrations()]
    assert numbers == list(range(1, len(numbers) + 1))


def test_an_index_that_a_later_migration_drops_is_not_restored() -> None:
    """`migrate` restores only indexes that no later migration drops, each with its last definition."""
    first = schema.Migration(
        1, "a", "create index if not exists a_idx on public.t (a);\ncreate index if not exists b_idx on public.t (b);"
    )
    second = schema.Migration(
        2, "b", "drop index if exists public.a_idx;\ncreate unique index if not exists c_idx\n  on public.t (c);"
    )
    assert schema.indexes([first, second]) == {
        "b_idx": "create index if not exists b_idx on public.t (b);",
        "c_idx": "create unique index if not exists c_idx\n  on public.t (c);",
    }
