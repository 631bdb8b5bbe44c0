"""The part of the admin API that lists employees, shows one employee, and counts problems."""

from typing import Any

from flask import Blueprint, Response, jsonify, request
from marshmallow import RAISE, Schema, fields, validate

from webhook_service.errors import EmployeeNotFound
from webhook_service.events import Json
from webhook_service.ledger import comparison, employees
from webhook_service.ledger.employees import SyncStatus
from webhook_service.ledger.fields import Cursor, Flag, Whole
from webhook_service.ledger.queries import MAX_BIGINT
from webhook_service.ledger.standing import Standing, standing_of
from webhook_service.ports import Database
from webhook_service.web import Wiring
from webhook_service.web.api.events import MAX_PAGE, cursor_of, loaded, require_admin
from webhook_service.wording.employees import SYNC_STATUSES

MAX_SHOWN = 100
"""The largest number of employees of each problem in a response."""


class People(Schema):
    """The query of GET /admin/api/employees."""

    class Meta:
        unknown = RAISE

    sync_status = fields.String(validate=validate.OneOf([str(each) for each in SyncStatus]))
    is_active = Flag()
    person = fields.String(validate=[validate.Length(max=200), validate.ContainsNoneOf("\0")])
    cursor = Cursor(load_default=None, allow_none=False, validate=validate.Range(-MAX_BIGINT, MAX_BIGINT))
    limit = Whole(load_default=50, validate=validate.Range(1, MAX_PAGE))


class OfProblems(Schema):
    """The query of GET /admin/api/problems."""

    class Meta:
        unknown = RAISE

    limit = Whole(load_default=20, validate=validate.Range(1, MAX_SHOWN))


def blueprint(wiring: Wiring) -> Blueprint:
    views = Blueprint("people_api", __name__, url_prefix="/admin/api")
    database = wiring.database
    require_admin(views, wiring)

    @views.get("/employees")
    def page() -> Response:
        query = loaded(People(), request.args)
        after, limit = query.pop("cursor"), query.pop("limit")
        found = employees.people(database, query, after=after, limit=limit)
        return jsonify(employees=found["employees"], next_cursor=cursor_of(found["next"]))

    @views.get("/employees/<int:employee_id>")
    def person(employee_id: int) -> Response:
        found = person_of(database, employee_id)
        is_compared = not comparison.is_missing(comparison.current(database))
        return jsonify(found | {"standing": as_json(standing_of(found, is_compared=is_compared))})

    @views.get("/problems")
    def problems() -> Response:
        """Return each problem with its count and its first employees."""
        limit = loaded(OfProblems(), request.args)["limit"]
        counts = employees.problems(database)
        listed = [problem(database, status, counts, limit) for status in SyncStatus if status is not SyncStatus.OK]
        return jsonify(problems=listed, is_capped=counts["is_capped"], checked_at=counts["checked_at"])

    return views


def person_of(database: Database, employee_id: int) -> Json:
    """Return `employees.person`. Raises EmployeeNotFound, Unavailable, DatabaseError."""
    if employee_id > MAX_BIGINT:
        raise EmployeeNotFound
    return employees.person(database, employee_id)


def as_json(now: Standing) -> dict[str, Any]:
    return {"title": now.title, "says": now.says.replace("**", ""), "can_ban": now.can_ban}


def problem(database: Database, status: SyncStatus, counts: Json, limit: int) -> dict[str, Json]:
    """Return a problem with its count and its first employees."""
    title, says = SYNC_STATUSES[status]
    rows = employees.people(database, {"sync_status": str(status)}, after=None, limit=limit)["employees"]
    return {"sync_status": status, "title": title, "says": says, "count": counts[status], "employees": rows}
