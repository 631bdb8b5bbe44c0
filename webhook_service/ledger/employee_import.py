"""Imports employees from a CSV file: the plan first, and then all of it in one transaction."""

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID, uuid4

from webhook_service.errors import Conflict, NotPossible
from webhook_service.events import Json
from webhook_service.ledger.import_file import ImportFile, read
from webhook_service.ports import Database

MAX_SHOWN = 200
"""The number of lines of each kind that a plan lists."""

LINES_IN_CALL = 2000
KINDS = ("new", "changed", "leaves", "unchanged", "refused")
"""The kinds of lines in a plan. `leaves` are active employees who are missing in the file."""

ACTION = "import employees"
"""The words of the audit."""

BLOCKED = {
    "refused_lines": "Some lines are refused, so nothing was imported. Correct them, or skip them.",
    "refused_and_missing": "Some lines are refused. Until they are correct, nobody who is missing in the file can be"
    " deactivated, because a refused line may be one of them. Nothing was imported.",
    "mass_deactivation": "The import would deactivate an unusual share of the employees with a login, so nothing was"
    " imported. See MASS_DEACTIVATION_LIMIT.",
    "plan_changed": "The employees have changed since the plan was made, so nothing was imported. See the new plan.",
}
"""The reasons why an import is not applied."""


@dataclass(frozen=True, slots=True)
class Options:
    """The approvals of an admin: to leave refused lines out, and to deactivate an unusual share of the employees."""

    skip_refused: bool = False
    allow_mass_deactivation: bool = False


def columns(database: Database) -> dict[str, bool]:
    """Return {column of employees: whether an import may write it}. Raises Unavailable, DatabaseError."""
    known: dict[str, bool] = database.call("auth_sync_import_columns_v1")
    return known


def read_file(database: Database, content: bytes, *, most_lines: int | None = None) -> ImportFile:
    """Read a file. See `import_file.read`. Raises BadPayload (`bad_file`), Unavailable, DatabaseError."""
    return read(content, columns(database), most_lines=most_lines)


def store(
    database: Database,
    file: ImportFile,
    *,
    who: str,
    deactivate_missing: bool,
    progress: Callable[[int], object] = lambda lines: None,
) -> UUID:
    """Store the lines of a file for half an hour, and return the id of the import.

    `progress` is called with the number of further lines that are stored. Raises Unavailable, DatabaseError.
    """
    id = uuid4()
    database.call("auth_sync_begin_import_v1", p_import=str(id), p_who=who, p_deactivate_missing=deactivate_missing)
    for start in range(0, len(file.lines), LINES_IN_CALL):
        part = file.lines[start : start + LINES_IN_CALL]
        lines = [
            {"line": line.number, "data": dict(line.data), "wrong": dict(line.wrong) if line.wrong else None}
            for line in part
        ]
        database.call("auth_sync_add_import_lines_v1", p_import=str(id), p_lines=lines)
        progress(len(part))
    return id


def plan(database: Database, id: UUID) -> Json:
    """Return what an import would do: see `auth_sync_import_v1`. Changes no employee.

    Raises NotPossible (`import_expired`), Conflict (`import_under_way`), Unavailable, DatabaseError.
    """
    return _run(database, id, is_dry=True)


def planned(database: Database, id: UUID) -> Json:
    """Return the plan of an import that was made last. Raises NotPossible (`import_expired`)."""
    return _found(database.call("auth_sync_import_plan_v1", p_import=str(id)))


def apply(database: Database, id: UUID, digest: str | None, options: Options) -> Json:
    """Apply an import completely, or not at all, and return its plan. Its "state" is "applied" or one of BLOCKED.

    `digest` names the plan that a person has approved. With None, the plan of this moment is applied. Raises
    NotPossible (`import_expired`), Conflict (`import_under_way`), Unavailable, DatabaseError.
    """
    return _run(database, id, is_dry=False, digest=digest, options=options)


def discard(database: Database, id: UUID) -> None:
    """Delete the stored lines. Raises Unavailable, DatabaseError."""
    database.call("auth_sync_discard_import_v1", p_import=str(id))


def why_blocked(plan: Json, options: Options) -> str | None:
    """Return the key of BLOCKED because of which a plan cannot be applied with these options, or None."""
    if plan["counts"]["refused"] and plan["deactivate_missing"]:
        return "refused_and_missing"
    if plan["counts"]["refused"] and not options.skip_refused:
        return "refused_lines"
    return "mass_deactivation" if plan["is_mass"] and not options.allow_mass_deactivation else None


def refusal(plan: Json, options: Options) -> NotPossible:
    """Return the error for an import whose state is not "applied"."""
    reason = plan["state"]
    if reason == "refused_lines" and plan["deactivate_missing"]:
        return NotPossible(reason, BLOCKED["refused_and_missing"])
    return NotPossible(reason, BLOCKED[reason])


def changes_nothing(plan: Json) -> bool:
    return not any(plan["counts"][kind] for kind in ("new", "changed", "leaves"))


def _run(
    database: Database, id: UUID, *, is_dry: bool, digest: str | None = None, options: Options = Options()
) -> Json:
    return _found(
        database.call(
            "auth_sync_import_v1",
            p_import=str(id),
            p_is_dry=is_dry,
            p_digest=digest,
            p_skip_refused=options.skip_refused,
            p_allow_mass=options.allow_mass_deactivation,
            p_limit=MAX_SHOWN,
        )
    )


def _found(plan: Json) -> Json:
    if plan is None:
        raise NotPossible(
            "import_expired", "The file was uploaded too long ago, or is imported already. Upload it again."
        )
    if plan["state"] == "under_way":
        raise Conflict("import_under_way", "Another import is under way. Try again when it has ended.")
    return plan
