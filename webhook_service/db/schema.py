"""The files of the schema that this version needs: numbered migrations, and the current functions and views.

`migrations/NNNN_name.sql` create tables, columns, indexes, constraints and data. A released migration is never edited.
`functions/*.sql` and `views/*.sql` hold each function and view once. All are re-created if the text of one changes.
Every script may safely run again, because other migrators may run the files that `webhook-service sql` prints.
"""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable

FOLDER = "webhook_service.db"

RESTORE_RIGHTS = """
do $$
begin
  if to_regproc('public.auth_sync_secure_v1') is not null then
    perform public.auth_sync_secure_v1();
  end if;
end $$;
"""
"""The end of each migration's script. Supabase grants privileges on new tables by default, and this function revokes
them. The function does not exist in the first migrations.
"""


@dataclass(frozen=True, slots=True)
class Migration:
    """A numbered migration. `sql` is the text of its file."""

    number: int
    name: str
    sql: str

    @property
    def title(self) -> str:
        return f"{self.number:04} {self.name}"

    @property
    def file_name(self) -> str:
        return f"{self.number:04}_{self.name}.sql"

    @property
    def checksum(self) -> str:
        return hashlib.sha256(self.sql.encode()).hexdigest()

    @property
    def script(self) -> str:
        """The migration's SQL, and the statement that records that the migration was applied."""
        return (
            f"{self.sql.rstrip()}\n{RESTORE_RIGHTS}"
            "insert into public.auth_sync_migrations (number, name, checksum)\n"
            f"values ({self.number}, '{self.name}', '{self.checksum}') on conflict (number) do nothing;\n"
        )


@dataclass(frozen=True, slots=True)
class Functions:
    """All functions and views, which are re-created together. `sql` is the text of their files."""

    sql: str

    @property
    def title(self) -> str:
        return f"functions {self.digest}"

    @property
    def file_name(self) -> str:
        return f"functions_{self.digest}.sql"

    @property
    def digest(self) -> str:
        """The first twelve hexadecimal digits of the SHA-256 of the text."""
        return hashlib.sha256(self.sql.encode()).hexdigest()[:12]

    @property
    def script(self) -> str:
        """SQL that creates the functions, views, privileges and triggers, and records the digest.

        It raises a warning if another role could take over logins with its privileges on employees.
        The check of function bodies is off, because the functions call each other.
        """
        return (
            f"set check_function_bodies = off;\n\n{self.sql.rstrip()}\n\nreset check_function_bodies;\n\n"
            f"insert into public.auth_sync_functions (digest) values ('{self.digest}')\n"
            "on conflict (digest) do update set applied_at = clock_timestamp();\n"
            f"select public.auth_sync_secure_v1();\nselect public.auth_sync_install_v1();\n{WARN_OF_OPEN_EMPLOYEES}"
        )


Script = Migration | Functions

OPEN_EMPLOYEES = "other roles can take over logins with their privileges on employees"
"""The beginning of the warning of privileges that open the logins."""

WARN_OF_OPEN_EMPLOYEES = """
do $$
declare
  found text := (select string_agg(o.value ->> 'says', '; ' order by o.place)
                   from jsonb_array_elements(public.auth_sync_open_employees_v1()) with ordinality as o (value, place));
begin
  if found is not null then
    raise warning 'webhook-service: SENTENCE: %. To close it: select public.auth_sync_protect_employees();',
                  found;
  end if;
end $$;
""".replace("SENTENCE", OPEN_EMPLOYEES)
"""The end of the script with the functions. Other migrators show the warning. `migrate` calls the function itself."""

CREATE_EMPLOYEES = "set auth_sync.create_employees = on;\n"
"""Allows the migrations to create public.employees even if another table may be the employees table."""


def scripts() -> list[Script]:
    """Return all scripts that a new database needs, in order."""
    return [*migrations(), functions()]


def migrations() -> tuple[Migration, ...]:
    """Return all migrations, in order."""
    found = []
    for file in sql_files("migrations"):
        number, _, name = file.name.removesuffix(".sql").partition("_")
        found.append(Migration(int(number), name, file.read_text("utf-8")))
    return tuple(found)


def functions() -> Functions:
    """Return the functions, followed by the views, which call some of the functions."""
    parts = [*sql_files("functions"), *sql_files("views")]
    return Functions("\n".join(file.read_text("utf-8") for file in parts))


def preflight() -> str:
    """Return SQL that refuses a database in which the scripts would fail or do harm. It warns of lesser faults."""
    facts = sql_text("functions/employees_table.sql").partition(";\n\n")[0]
    facts = facts.replace("public.auth_sync_employees_table_v1", "pg_temp.auth_sync_employees_table_v1")
    return sql_text("preflight.sql").replace("FACTS$facts$", f"{facts}$facts$")


def sql_text(file: str) -> str:
    """Return the text of a file of this package."""
    return files(FOLDER).joinpath(file).read_text("utf-8")


def sql_files(folder: str) -> list[Traversable]:
    """Return the .sql files of a folder of this package, sorted by name."""
    found = files(FOLDER).joinpath(folder).iterdir()
    return sorted((file for file in found if file.name.endswith(".sql")), key=lambda file: file.name)


def indexes(of: Iterable[Migration]) -> dict[str, str]:
    """Return the indexes that exist after all migrations, {name: statement that creates the index if it is missing}."""
    found: dict[str, str] = {}
    for migration in of:
        for dropped in re.findall(r"(?m)^drop index if exists ([^;]+);", migration.sql):
            for name in re.findall(r"public\.(\w+)", dropped):
                found.pop(name, None)
        for statement, name in re.findall(r"(?m)^(create (?:unique )?index if not exists (\w+)[^;]+;)", migration.sql):
            found[name] = statement
    return found


def uninstall_script() -> str:
    """Return SQL that removes all that the migrations added, except the columns of employees and their data."""
    return sql_text("uninstall.sql")
