"""The admin API for the import of employees. It needs `Authorization: Bearer <ADMIN_API_KEY>`."""

from contextlib import nullcontext
from hashlib import sha256

from flask import Blueprint, Response, jsonify, request
from marshmallow import RAISE, Schema, fields

from webhook_service.errors import BadPayload
from webhook_service.events import Json
from webhook_service.ledger import audit, employee_import
from webhook_service.ledger.employee_import import KINDS, MAX_SHOWN, Options
from webhook_service.ledger.fields import Flag
from webhook_service.web import Wiring, long_requests
from webhook_service.web.api import idempotency
from webhook_service.web.api.described import described, number, one_of, text
from webhook_service.web.api.events import REQUESTED_BY, REQUESTED_BY_PATTERN, loaded, require_admin
from webhook_service.web.api.schemas import Answer
from webhook_service.web.bodies import read_body
from webhook_service.wording.imports import counted, why

MAX_BYTES = 5_000_000
MAX_LINES = 100_000
"""The maximum size and number of lines of a file. `webhook-service import` has no limit."""

BODY = "webhook_service.csv_body"
"""The key of the body in the WSGI environment, because the stream can be read only once."""


class ImportQuery(Schema):
    """The query of POST /admin/api/imports."""

    class Meta:
        unknown = RAISE

    dry_run = Flag(load_default=True)
    deactivate_missing = Flag(load_default=False)
    skip_refused = Flag(load_default=False)
    allow_mass_deactivation = Flag(load_default=False)
    requested_by = fields.String(load_default="api", validate=REQUESTED_BY, metadata={"pattern": REQUESTED_BY_PATTERN})


class ImportCounts(Answer):
    new = number("Lines that become new employees.", 1, required=True)
    changed = number("Lines that change an employee.", 1, required=True)
    leaves = number("Employees who are missing in the file, and are deactivated.", 0, required=True)
    unchanged = number("Lines whose employee has all values already.", 0, required=True)
    refused = number("Lines that cannot be imported.", 1, required=True)


class ImportedLine(Answer):
    kind = one_of(("new", "changed", "leaves"), "What happens to the employee.", "changed", required=True)
    line = number("The line of the file; null with `leaves`.", 2, required=True, allow_none=True)
    employee_id = number("The employee; null with `new`.", 7, required=True, allow_none=True)
    email = text("The e-mail.", "jane.doe@example.com", required=True, allow_none=True)
    changes = fields.Dict(
        keys=fields.String(),
        values=fields.Dict(keys=fields.String(), values=fields.Raw(allow_none=True)),
        required=True,
        metadata=described(
            "The changed columns, each with its value `from` before and `to` after; empty with `new`.",
            {"last_name": {"from": "Doe", "to": "Roe"}},
        ),
    )


class RefusedLine(Answer):
    line = number("The line of the file; null for an employee who is missing in it.", 3, required=True, allow_none=True)
    employee_id = number("The employee, if the line names one.", 7, required=True, allow_none=True)
    column = text("The column, if one is the reason.", "email", required=True, allow_none=True)
    reason = text("The reason as a stable slug.", "email_twice", required=True)
    detail = text("The reason in words.", "email: Line 4 has the same e-mail.", required=True)


class Imported(Answer):
    dry_run = fields.Boolean(required=True, metadata=described("Whether nothing was changed.", True))
    counts = fields.Nested(ImportCounts, required=True, metadata=described("The number of lines of each kind."))
    logins = number("How many of the deactivated employees have a login.", 0, required=True)
    is_mass_deactivation = fields.Boolean(
        required=True,
        metadata=described(
            "Whether these are more than MASS_DEACTIVATION_LIMIT, so that a confirmation is needed.", False
        ),
    )
    changes = fields.List(
        fields.Nested(ImportedLine),
        required=True,
        metadata=described(f"The first {MAX_SHOWN} of each kind."),
    )
    refused = fields.List(
        fields.Nested(RefusedLine), required=True, metadata=described(f"The first {MAX_SHOWN} refused lines.")
    )


def blueprint(wiring: Wiring) -> Blueprint:
    views = Blueprint("imports_api", __name__, url_prefix="/admin/api/imports")
    database = wiring.database
    require_admin(views, wiring)
    long_requests.limit(views)
    idempotency.repeat_answers(views, database, fingerprint)

    @views.post("")
    def import_employees() -> Response:
        """Plan the import of a CSV file, and apply it unless it is a dry run."""
        query = loaded(ImportQuery(), request.args)
        if request.mimetype != "text/csv":
            raise BadPayload("bad_file", "The Content-Type must be text/csv.")
        who, is_dry = query["requested_by"] or "api", query["dry_run"]
        options = Options(query["skip_refused"], query["allow_mass_deactivation"])
        file = employee_import.read_file(database, csv_body(), most_lines=MAX_LINES)
        with nullcontext() if is_dry else audit.attempt(database, who, employee_import.ACTION) as act:
            id = employee_import.store(database, file, who=who, deactivate_missing=query["deactivate_missing"])
            if act is None:
                result = employee_import.plan(database, id)
                employee_import.discard(database, id)
            else:
                result = employee_import.apply(database, id, None, options)
                if result["state"] != "applied":
                    employee_import.discard(database, id)
                    raise employee_import.refusal(result, options)
                act.outcome = counted(result)
        return jsonify(answer_of(result, is_dry=is_dry))

    return views


def csv_body() -> bytes:
    """Return the body of the request. Raises BadPayload or PayloadTooLarge."""
    if BODY not in request.environ:
        request.environ[BODY] = read_body(request.environ, MAX_BYTES)
    body: bytes = request.environ[BODY]
    return body


def fingerprint() -> str:
    """Return the SHA-256 of the request's method, path, query and body."""
    return sha256(f"{request.method} {request.full_path}\n".encode() + csv_body()).hexdigest()


def answer_of(result: Json, *, is_dry: bool) -> Json:
    """Return the response about a plan of `auth_sync_import_v1`."""
    return {
        "dry_run": is_dry,
        "counts": {kind: result["counts"][kind] for kind in KINDS},
        "logins": result["logins"],
        "is_mass_deactivation": result["is_mass"],
        "changes": [
            {"kind": kind}
            | {name: item[name] for name in ("line", "employee_id", "email")}
            | {"changes": item["changes"] or {}}
            for kind in ("new", "changed", "leaves")
            for item in result["items"][kind]
        ],
        "refused": [
            {
                "line": item["line"],
                "employee_id": item["employee_id"],
                "column": item["refused"].get("column"),
                "reason": item["refused"]["reason"],
                "detail": why(item["refused"]),
            }
            for item in result["items"]["refused"]
        ],
    }
