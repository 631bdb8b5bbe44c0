"""A database that an earlier version made, once it is migrated, equals a new one."""

import gzip
import subprocess
from pathlib import Path

import pytest

from tests.catalogs import catalogs
from tests.integration.migrating import execute, tool

RELEASED = Path(__file__).parents[1] / "released"
NO_DEFAULT_RIGHTS = "".join(
    f"alter default privileges in schema public revoke all on {kind} from anon, authenticated, service_role;"
    for kind in ("tables", "functions", "sequences")
)
"""The rights in a dump are those beyond the default ones: it is restored without any, and then grants them itself."""


@pytest.fixture
def restored_url(empty_database_url: str) -> str:
    """A database that the 32 migrations from before the first release made."""
    execute(empty_database_url, NO_DEFAULT_RIGHTS)
    dump = gzip.decompress((RELEASED / "first_weeks.sql.gz").read_bytes())
    command = [tool(empty_database_url, "psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1", empty_database_url]
    subprocess.run(command, input=dump, capture_output=True, check=True)
    return empty_database_url


def test_the_dump_is_the_whole_schema(restored_url: str, database_url: str) -> None:
    """A database restored from the dump has the same catalogs as one that the migrations made."""
    assert catalogs(restored_url) == catalogs(database_url)
