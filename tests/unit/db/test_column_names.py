"""Our SQL reads the right value even if a column of the employees table has the name of a variable or an alias."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from pglast import parse_sql
from pglast.ast import (
    A_Star,
    ColumnRef,
    CreateFunctionStmt,
    DeleteStmt,
    InsertStmt,
    Node,
    RangeVar,
    SelectStmt,
    UpdateStmt,
    ViewStmt,
)

from tests.employees_tables import FUNCTION, parsed, variables
from webhook_service.db import schema

OWNERS_TABLES = {"employees", "after_rows", "before_rows", "changed_rows"}
"""The owner's table, and the transition tables of its triggers, which have the same columns."""

QUERIES = (SelectStmt, UpdateStmt, DeleteStmt, InsertStmt)


def functions() -> list[tuple[str, str, str]]:
    """Each function: its name, its language and its whole statement."""
    found = []
    for match in FUNCTION.finditer("\n" + schema.functions().sql):
        language = re.search(r"language (\w+)", match.group(0))
        assert language is not None
        found.append((match.group(1), language.group(1), match.group(0) + ";"))
    return found


def nodes(node: object) -> Iterator[Node]:
    """This node and all nodes below it."""
    if isinstance(node, Node):
        yield node
        for name in node:
            yield from nodes(getattr(node, name))
    elif isinstance(node, (tuple, list)):
        for item in node:
            yield from nodes(item)


def reads_employees(query: Node) -> bool:
    """Whether the columns of employees are visible in this query. Its subqueries do not count."""
    places: list[object] = [*(getattr(query, "fromClause", None) or ()), *(getattr(query, "usingClause", None) or ())]
    if isinstance(query, (UpdateStmt, DeleteStmt)):
        places.append(query.relation)
    while places:
        place = places.pop()
        if isinstance(place, RangeVar) and place.relname in OWNERS_TABLES:
            return True
        places += [getattr(place, side) for side in ("larg", "rarg") if hasattr(place, side)]
    return False


def alone(query: Node) -> set[str]:
    """The names without a qualifier in a query: columns, parameters, variables and whole rows."""
    columns = (node.fields or () for node in nodes(query) if isinstance(node, ColumnRef))
    return {fields[0].sval for fields in columns if len(fields) == 1 and not isinstance(fields[0], A_Star)}


def bare_names(tree: object) -> set[str]:
    """The names without a qualifier in the queries in which the columns of employees are visible."""
    return {
        name for query in nodes(tree) if isinstance(query, QUERIES) and reads_employees(query) for name in alone(query)
    }


def statements(tree: Any) -> Iterator[str]:
    """The SQL statements and expressions in a parsed PL/pgSQL function."""
    if isinstance(tree, dict):
        expression = tree.get("PLpgSQL_expr")
        if expression is not None:
            text = expression["query"]
            yield text if expression["parseMode"] == 0 else f"select {text.partition(':=')[2] or text}"
        for value in tree.values():
            yield from statements(value)
    elif isinstance(tree, list):
        for value in tree:
            yield from statements(value)


@pytest.mark.parametrize(("name", "language", "statement"), functions(), ids=[name for name, _, _ in functions()])
def test_names_are_qualified_in_queries_of_employees(name: str, language: str, statement: str) -> None:
    """If a function reads employees, each column, parameter and whole row in the query has a qualifier.

    In PL/pgSQL, variables and parameters need no qualifier, because `#variable_conflict` prefers them to columns.
    """
    if language == "sql":
        (created,) = parse_sql(statement)
        assert isinstance(created.stmt, CreateFunctionStmt)
        body = statement.split("$$")[1]
        assert bare_names(parse_sql(body)) == set()
    else:
        tree = parsed(statement)
        assert statement.split("$$")[1].startswith("\n#variable_conflict use_variable\n")
        bare = {bare for text in statements(tree) for bare in bare_names(parse_sql(text))}
        assert bare - variables(statement) == set()


def test_names_are_qualified_in_views() -> None:
    """Each column of employees, and its whole row, has a qualifier in our views."""
    views = [raw.stmt for raw in parse_sql(schema.functions().sql) if isinstance(raw.stmt, ViewStmt)]
    assert len(views) >= 3
    for view in views:
        assert bare_names(view.query) == set(), view.query
