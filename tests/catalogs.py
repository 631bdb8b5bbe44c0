"""A database's catalogs as lines. Two schemas are equal if their lines are equal."""

from pathlib import Path

import psycopg

FACTS = Path(__file__).with_name("catalogs.sql").read_bytes()


def catalogs(url: str) -> list[str]:
    """All facts about this service's objects, with owners and privileges, sorted."""
    with psycopg.connect(url) as connection:
        connection.execute("set search_path = pg_catalog")
        return sorted(str(line) for (line,) in connection.execute(FACTS))
