"""The objects that the SQL files of this version define, and their comparison with the objects of a database."""

import hashlib
import re
from dataclasses import dataclass
from functools import cache

from webhook_service.db import schema
from webhook_service.events import Json

FUNCTION = re.compile(r"(?s)\ncreate or replace function public\.(\w+)\(.*?\bas \$\$(.*?)\$\$")
VIEW = re.compile(r"(?ms)^create or replace view public\.(\w+) as(.*?);$")
TABLE = re.compile(r"(?ms)^ *create (?:unlogged )?table(?: if not exists)? public\.(\w+) \(\n(.*?)^ *\)")
COLUMN = re.compile(r"(?m)^ +(?!constraint |primary |unique |check |direction, )(\w+) (.+?),?$")
ALTERED = re.compile(r"(?ms)^ *alter table public\.(\w+)(\s+add column if not exists .*?);$")
ADDED = re.compile(r"(?s)\sadd column if not exists (\w+) (.+?)(?=,\n|\Z)")

EMPLOYEES = "employees"
NOT_NEEDED = "user_type_id"
"""The column of employees that only a new table has."""


@dataclass(frozen=True, slots=True)
class Expected:
    """The objects of a version.

    `tables` is {name: {column: definition}}, `views` {name: whether it reads employees}, `indexes` {name: table} and
    `functions` {name: md5 of the body}.
    """

    tables: dict[str, dict[str, str]]
    views: dict[str, bool]
    indexes: dict[str, str]
    functions: dict[str, str]


@cache
def expected() -> Expected:
    """Return the objects of this version."""
    migrations, functions = schema.migrations(), schema.functions().sql
    tables = {
        name: dict(COLUMN.findall(columns))
        for migration in migrations
        for name, columns in TABLE.findall(migration.sql)
    }
    for name, changes in (found for migration in migrations for found in ALTERED.findall(migration.sql)):
        tables[name] = dict(ADDED.findall(changes)) | tables[name]
    tables[EMPLOYEES].pop(NOT_NEEDED)
    bodies = [found for text in (functions, *(each.sql for each in migrations)) for found in FUNCTION.findall(text)]
    return Expected(
        tables,
        {name: "public.employees" in body for name, body in VIEW.findall(functions)},
        {name: on_table(statement) for name, statement in schema.indexes(migrations).items()},
        {name: hashlib.md5(body.encode(), usedforsecurity=False).hexdigest() for name, body in bodies},
    )


def on_table(statement: str) -> str:
    """Return the table of a `create index` statement."""
    found = re.search(r"\bon public\.(\w+)", statement)
    assert found is not None  # noqa: S101 (the files are ours, and a test reads them all)
    return found[1]


def lacking(found: Json) -> list[str]:
    """Describe each object that a database lacks or has in another form, for example `index auth_sync_x_idx`.

    `found` is the result of `auth_sync_installed_v1`.
    """
    wanted = expected()
    tables, views = found["tables"], found["views"]
    return [
        *(f"table {name}" for name in sorted(wanted.tables) if name not in tables),
        *(
            f"column {name}.{column}"
            for name in sorted(wanted.tables)
            for column in sorted(set(wanted.tables[name]) - set(tables.get(name, wanted.tables[name])))
        ),
        *(f"index {name}" for name in sorted(wanted.indexes) if found["indexes"].get(name) != wanted.indexes[name]),
        *(f"view {name}" for name in sorted(wanted.views) if views.get(name) is not wanted.views[name]),
        *(
            f"function {name}"
            for name in sorted(wanted.functions)
            if found["functions"].get(name) != wanted.functions[name]
        ),
        *(f"trigger {name} on a table that is not its own" for name in found["stray_triggers"]),
    ]
