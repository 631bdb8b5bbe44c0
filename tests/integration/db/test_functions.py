"""The functions and views of a new database are the same as in the files."""

import re

from tests.integration.migrating import rows
from webhook_service.db import schema

FUNCTION = re.compile(r"(?s)\ncreate or replace function public\.(\w+)\(.*?\bas \$\$(.*?)\$\$")
IN_THE_DATABASE = """
select proname::text, prosrc from pg_proc where pronamespace = 'public'::regnamespace
"""


def test_files_equal_the_database_both_ways(database_url: str) -> None:
    """Schema public of a new database has exactly the functions of the files, with the same bodies."""
    files = [schema.functions().sql, *(migration.sql for migration in schema.migrations())]
    in_files = sorted(found for text in files for found in FUNCTION.findall(text))
    assert in_files == sorted(rows(database_url, IN_THE_DATABASE))


def test_the_views_of_the_files_equal_the_database(database_url: str) -> None:
    """Schema public of a new database has exactly the views of the files."""
    in_files = re.findall(r"(?m)^create or replace view public\.(\w+)", schema.functions().sql)
    in_database = rows(database_url, "select viewname::text from pg_views where schemaname = 'public'")
    assert sorted(in_files) == sorted(name for (name,) in in_database)
