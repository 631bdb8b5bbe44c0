"""Statements that safeupdate refuses: each UPDATE and DELETE without WHERE in the body of a function.

Supabase loads safeupdate for `authenticator`, and so for every call over the Data API. It refuses these statements with
SQLSTATE 21000, also inside SECURITY DEFINER functions. PostgreSQL's own parser (`pglast`) reads the functions here.
"""

import re
from collections.abc import Iterator
from typing import Any

from pglast import ast, parse_plpgsql, parse_sql
from pglast.parser import ParseError
from pglast.visitors import Visitor

FULL_STATEMENT = 0
"""The parse mode of an expression that is a whole SQL statement (RAW_PARSE_DEFAULT)."""
ARRAY_OF_ROWS = re.compile(r"\bpublic\.\w+\[\]")
"""The type of a variable that `pglast` does not accept, because it knows no tables."""
WRITES = re.compile(r"(?i)\s*(update|delete|with)\b")


def unsafe_statements(script: str) -> dict[str, list[str]]:
    """Return {function: its UPDATEs and DELETEs without WHERE}, for each function that the script creates."""
    found: dict[str, list[str]] = {}
    for statement in parse_sql(script):
        if isinstance(function := statement.stmt, ast.CreateFunctionStmt):
            start = statement.stmt_location or 0  # counted in characters; a length of 0 means until the end
            text = script[start : start + statement.stmt_len] if statement.stmt_len else script[start:]
            parts: Any = function  # each part of the syntax tree is optional in the types of `pglast`
            found.setdefault(parts.funcname[-1].sval, []).extend(_unsafe_in(parts, text))
    return found


def _unsafe_in(function: Any, text: str) -> list[str]:
    options = {option.defname: option.arg for option in function.options}
    if options["language"].sval == "plpgsql":
        text = ARRAY_OF_ROWS.sub("text[]", text)
        return [unsafe for query in _queries(parse_plpgsql(text)) for unsafe in unsafe_queries(query)]
    return unsafe_queries(options["as"][0].sval)


def _queries(tree: Any) -> Iterator[str]:
    """Yield every SQL statement of a PL/pgSQL syntax tree, also those that are the text of an EXECUTE."""
    if isinstance(tree, list):
        for part in tree:
            yield from _queries(part)
    elif isinstance(tree, dict):
        expression = tree.get("PLpgSQL_expr")
        if expression is not None and expression["parseMode"] == FULL_STATEMENT:
            yield expression["query"]
        dynamic = tree.get("PLpgSQL_stmt_dynexecute") or tree.get("PLpgSQL_stmt_dynfors") or {}
        if dynamic:
            yield from _texts(dynamic["query"]["PLpgSQL_expr"]["query"])
        for part in tree.values():
            yield from _queries(part)


def _texts(expression: str) -> Iterator[str]:
    """Yield the texts in an expression that may be statements that write. A name replaces each %I of `format`."""
    for constant in Found.of(f"select {expression}", ast.A_Const):
        text = constant.val.sval if isinstance(constant.val, ast.String) else None
        if text is not None and WRITES.match(text):
            yield re.sub(r"%(\d\$)?[IsL]", "x", text)


def unsafe_queries(queries: str) -> list[str]:
    """Return the UPDATEs and DELETEs without WHERE in these statements, also those in a WITH."""
    try:
        found = Found.of(queries, ast.UpdateStmt, ast.DeleteStmt)
    except ParseError as error:
        return [f"cannot be read ({error}): {queries}"]
    return [
        f"{type(node).__name__.removesuffix('Stmt')} of {node.relation.relname}"
        for node in found
        if node.whereClause is None
    ]


class Found(Visitor):
    """Collects the nodes of some kinds."""

    def __init__(self, kinds: tuple[type[ast.Node], ...]) -> None:
        self.kinds = kinds
        self.nodes: list[Any] = []

    def visit(self, ancestors: Any, node: ast.Node) -> None:
        """Called by `pglast` for each node."""
        if isinstance(node, self.kinds):
            self.nodes.append(node)

    @classmethod
    def of(cls, queries: str, *kinds: type[ast.Node]) -> list[Any]:
        """Return the nodes of these kinds in the statements. Raises ParseError."""
        found = cls(kinds)
        found(parse_sql(queries))
        return found.nodes
