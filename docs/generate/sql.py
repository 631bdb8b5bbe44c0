"""The SQL functions and views, from the comments in their files."""

import re
from pathlib import Path

from docs.generate.markdown import code, table
from webhook_service import db

FOLDER = Path(db.__file__).parent
COMMENT = r"((?:^--.*\n)*)"
FUNCTION = re.compile(rf"(?m){COMMENT}^create or replace function public\.(\w+)\s*\(")
VIEW = re.compile(rf"(?m){COMMENT}^create or replace view public\.(\w+)")
FOR_PEOPLE = (
    "auth_sync_send_to",
    "auth_sync_protect_employees",
    "get_auth_sync_summary",
    "find_employees_without_auth",
)
"""The functions that people call. All others belong to the service, and their names end with a version."""


def sentence(comment: str) -> str:
    """Return the first sentence of a comment."""
    text = " ".join(line.removeprefix("--").strip() for line in comment.splitlines())
    return re.split(r"(?<=[^.]\.) ", text.strip())[0]


def described(pattern: re.Pattern[str], file: Path) -> list[tuple[str, str]]:
    """(name, sentence) of each object of a file."""
    return [(name, sentence(comment)) for comment, name in pattern.findall(file.read_text("utf-8"))]


def functions() -> dict[Path, list[tuple[str, str]]]:
    """{file: [(name, sentence)]}"""
    return {file: described(FUNCTION, file) for file in sorted((FOLDER / "functions").glob("*.sql"))}


def views() -> list[tuple[str, str]]:
    return [each for file in sorted((FOLDER / "views").glob("*.sql")) for each in described(VIEW, file)]


def head(file: Path) -> str:
    """Return the first line of a file, which describes it."""
    return file.read_text("utf-8").split("\n", 1)[0].removeprefix("--").strip()


def rows(named: list[tuple[str, str]]) -> list[tuple[str, str]]:
    return [(code(name), says) for name, says in named]


def sections() -> str:
    found = functions()
    called = [each for named in found.values() for each in named if each[0] in FOR_PEOPLE]
    own = "\n\n".join(
        f"### {file.stem}\n\n{head(file)}\n\n{table(('function', 'meaning'), rows(named))}"
        for file, named in found.items()
        if named
    )
    return "\n\n".join(
        (
            f"## Functions that you call\n\n{table(('function', 'meaning'), rows(called))}",
            f"## Views\n\n{table(('view', 'meaning'), rows(views()))}",
            f"## Functions of the service\n\n{own}",
        )
    )
