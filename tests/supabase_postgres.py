"""Fixtures for databases with the objects of a Supabase project, in a PostgreSQL that can be killed."""

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from tests.databases import dropped_afterwards
from tests.debian_postgres import Cluster, cluster
from webhook_service.db import embedded

DOUBLES = Path(__file__).with_name("supabase_doubles.sql")
TEMPLATE = "supabase"


@pytest.fixture(scope="session")
def supabase_cluster() -> Iterator[Cluster]:
    """A running server with the database TEMPLATE. A test may kill it and start it again."""
    with cluster() as started:
        execute(started.url(), sql.SQL("create database {}").format(sql.Identifier(TEMPLATE)))
        execute(started.url(TEMPLATE), sql.SQL(embedded.supabase_roles()))
        execute(started.url(TEMPLATE), sql.SQL(DOUBLES.read_text("utf-8")))
        yield started


@pytest.fixture(scope="session")
def new_supabase_database(supabase_cluster: Cluster) -> Callable[..., str]:
    """Make a database as a copy of `template`, and return its name."""
    numbers = count(1)

    def create(template: str = TEMPLATE) -> str:
        name = f"test_{next(numbers)}"
        supabase_cluster.check_installation()
        if not supabase_cluster.running:  # the test that killed it has failed
            supabase_cluster.start()
        execute(
            supabase_cluster.url(),
            sql.SQL("create database {} template {} strategy file_copy").format(
                sql.Identifier(name), sql.Identifier(template)
            ),
        )
        return name

    return create


@pytest.fixture
def supabase_database_url(supabase_cluster: Cluster, new_supabase_database: Callable[..., str]) -> Iterator[str]:
    """A database for one test, with Supabase's roles, pgcrypto, and the doubles of Vault and pg_net, but no tables."""
    with dropped_afterwards(supabase_cluster.url(new_supabase_database())) as url:
        yield url


def execute(url: str, statements: sql.SQL | sql.Composed) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statements)
