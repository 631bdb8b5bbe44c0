"""The functions in a database equal those in the files, word for word, and the other way round."""

import re

from tests.integration.migrating import rows
from webhook_service.db import schema

FUNCTION = re.compile(r"(?s)\ncreate or replace function public\.(\w+)\(.*?\bas \$\$(.*?)\$\$")
IN_THE_DATABASE = """
select proname::text, prosrc from pg_proc where pronamespace = 'public'::regnamespace
"""


def test_files_equal_the_database_both_ways(database_url: str) -> None:
    """Each function in schema public of a new database is in a file with the same body.

    Each function in a file exists.
    """
    files = [schema.functions().sql, *(migration.sql for migration in schema.migrations())]
    in_files = sorted(found for text in files for found in FUNCTION.findall(text))
    assert in_files == sorted(rows(database_url, IN_THE_DATABASE))


def test_views_are_those_in_the_files(database_url: str) -> None:
    """Each view in schema public of a new database is in a file, and each view in a file exists."""
    in_files = re.findall(r"(?m)^create or replace view public\.(\w+)", schema.functions().sql)
    in_database = rows(database_url, "select viewname::text from pg_views where schemaname = 'public'")
    assert sorted(in_files) == sorted(name for (name,) in in_database)
