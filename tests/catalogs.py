"""A database's catalogs as lines: two schemas are equal if these are."""

from pathlib import Path

import psycopg

FACTS = Path(__file__).with_name("catalogs.sql").read_bytes()


def catalogs(url: str) -> list[str]:
    """All facts about our objects, sorted, with owners and rights."""
    with psycopg.connect(url) as connection:
        connection.execute("set search_path = pg_catalog")
        return sorted(str(line) for (line,) in connection.execute(FACTS))
