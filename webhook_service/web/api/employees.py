"""The part of the admin API that creates, edits, activates and deactivates an employee together with a login."""

from collections.abc import Mapping
from dataclasses import asdict
from http import HTTPStatus
from typing import Any

from flask import Blueprint, Response, jsonify
from marshmallow import INCLUDE, RAISE, Schema, ValidationError, fields, post_load, validate, validates_schema

from webhook_service.addresses import normal_address
from webhook_service.errors import AuthRefused, EmployeeNotFound, InvalidQuery
from webhook_service.events import Json
from webhook_service.ledger import audit, replay
from webhook_service.ledger.fields import Truth, Whole
from webhook_service.ledger.queries import MAX_BIGINT
from webhook_service.outbound import employee_changes, logins
from webhook_service.outbound.accounts import Accounts
from webhook_service.outbound.employee_changes import Switched
from webhook_service.outbound.logins import Hired
from webhook_service.web import Wiring
from webhook_service.web.api import idempotency
from webhook_service.web.api.body import json_body
from webhook_service.web.api.events import REQUESTED_BY, REQUESTED_BY_PATTERN, Replay, loaded, require_admin
from webhook_service.wording.employees import LOGIN_RESULTS

LONGEST_NAME = 200
RESERVED_COLUMNS = frozenset(("employee_id", "orphaned_at", "orphaned_auth_user_id"))
"""The columns of employees that a request must not set."""
REFUSED_ADDRESS = ("validation_failed", "email_address_invalid", "email_address_not_authorized")
"""Auth's codes for an e-mail address that it does not accept."""


class NewEmployee(Schema):
    """The body of POST /admin/api/employees. Unknown fields are other columns of employees."""

    class Meta:
        unknown = INCLUDE

    email = fields.Email(required=True, validate=validate.Length(max=255))
    first_name = fields.String(validate=validate.Length(max=LONGEST_NAME))
    last_name = fields.String(validate=validate.Length(max=LONGEST_NAME))
    employee_number = fields.String(validate=validate.Length(min=1, max=LONGEST_NAME))
    user_type_id = Whole(validate=validate.Range(-MAX_BIGINT, MAX_BIGINT))
    is_active = Truth(validate=validate.Equal(True, error="A login is for active employees."))
    invite = Truth(load_default=False)
    auth_user_id = fields.UUID()
    requested_by = fields.String(load_default="", validate=REQUESTED_BY, metadata={"pattern": REQUESTED_BY_PATTERN})

    @post_load
    def apart(self, data: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
        """Separate the options of the request from the employee's columns, which become {"employee": ...}."""
        if wrong := sorted(RESERVED_COLUMNS & data.keys()):
            raise ValidationError({name: ["This column cannot be set."] for name in wrong})
        if data["invite"] and data.get("auth_user_id") is not None:
            raise ValidationError({"invite": ["An existing auth user is not invited."]})
        options = {name: data.pop(name, None) for name in ("invite", "auth_user_id", "requested_by")}
        data["email"] = normal_address(data["email"])
        return options | {"employee": data}


def hire(accounts: Accounts | None, *arguments: Any, **options: Any) -> Hired:
    """Do the same as `logins.hire`, but raise InvalidQuery if Auth refuses the e-mail address."""
    try:
        return logins.hire(accounts, *arguments, **options)
    except AuthRefused as error:
        if error.code in REFUSED_ADDRESS:
            raise InvalidQuery({"email": ["Auth refuses this address."]}) from error
        raise


class Edit(Schema):
    """Values of an employee. None removes a value."""

    class Meta:
        unknown = RAISE

    email = fields.Email(allow_none=True, validate=validate.Length(max=255))
    first_name = fields.String(allow_none=True, validate=validate.Length(1, LONGEST_NAME))
    last_name = fields.String(allow_none=True, validate=validate.Length(1, LONGEST_NAME))
    employee_number = fields.String(allow_none=True, validate=validate.Length(1, LONGEST_NAME))

    @post_load
    def normal(self, data: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
        """Write the e-mail in lower case."""
        return data | ({"email": normal_address(data["email"])} if data.get("email") is not None else {})


class Change(Edit):
    """The body of PATCH /admin/api/employees/{employee_id}. It has at least one field."""

    is_active = Truth()

    @validates_schema
    def not_empty(self, data: dict[str, Any], **kwargs: Any) -> None:
        if not data:
            raise ValidationError("At least one field is required.")


class Unlink(Replay):
    """The body of POST /admin/api/employees/{employee_id}/unlink."""

    auth_user_id = fields.UUID(required=True)


def blueprint(wiring: Wiring) -> Blueprint:
    views = Blueprint("employees", __name__, url_prefix="/admin/api/employees")
    require_admin(views, wiring)
    idempotency.repeat_answers(views, wiring.database)

    @views.post("")
    def create() -> tuple[Response, HTTPStatus]:
        """Create an employee with a new auth user, or with the existing auth user that `auth_user_id` names."""
        options = loaded(NewEmployee(), json_body())
        employee, requested_by = options["employee"], f"api:{options['requested_by']}".rstrip(":")
        with audit.attempt(wiring.database, requested_by, "create an employee", None, email=employee["email"]):
            if options["auth_user_id"] is not None:
                hired = logins.adopt(
                    wiring.database,
                    employee,
                    employee["email"],
                    options["auth_user_id"],
                    via="admin",
                    requested_by=requested_by,
                )
            else:
                hired = hire(
                    wiring.accounts,
                    employee,
                    employee["email"],
                    via="admin",
                    requested_by=requested_by,
                    invite=options["invite"],
                )
        answer = asdict(hired)
        answer["temporary_password"] = answer.pop("password")
        response = jsonify(answer | {"password_was_shown": False})
        response.headers["Cache-Control"] = "no-store"
        return response, HTTPStatus.CREATED

    @views.patch("/<int:employee_id>")
    def change(employee_id: int) -> Response:
        """Edit, activate or deactivate an employee. The login follows."""
        values = loaded(Change(), json_body())
        if employee_id > MAX_BIGINT:
            raise EmployeeNotFound
        is_active = values.pop("is_active", None)
        with audit.attempt(wiring.database, "api", act_of(values, is_active), f"employee:{employee_id}") as act:
            # A program may be a feed, so its bans count for MASS_DEACTIVATION_LIMIT: they are not an admin's.
            changed, switched = employee_changes.change(
                wiring.database, wiring.accounts, employee_id, values, is_active, via="employees"
            )
            login = LOGIN_RESULTS[switched.login] if is_active is not None else None
            edited = (", ".join(changed).replace("_", " ") or "no change") if values else None
            act.outcome = "; ".join(filter(None, (edited, login))) or None
        answer = {"employee_id": employee_id, "changed": changed, "is_active": switched.is_active}
        return jsonify(answer | ({"login": login_of(switched)} if is_active is not None else {}))

    @views.post("/<int:employee_id>/unlink")
    def unlink(employee_id: int) -> Response:
        """Take the login away from an employee."""
        options = loaded(Unlink(), json_body())
        if employee_id > MAX_BIGINT:
            raise EmployeeNotFound
        login, who = options["auth_user_id"], options["requested_by"]
        target = f"employee:{employee_id}"
        with audit.attempt(wiring.database, who, "take a login away", target, auth_user_id=str(login)):
            restored = logins.unlink(wiring.database, employee_id, login)
        replay.replay_newest(wiring.database, wiring.settings.policy, login, requested_by=who)
        return jsonify(employee_id=employee_id, auth_user_id=login, restored=restored)

    return views


def act_of(values: Mapping[str, Json], is_active: bool | None) -> str:
    """Return the audit's words for a change of an employee."""
    if is_active is None:
        return "edit an employee"
    if values:
        return "edit an employee and activate" if is_active else "edit an employee and deactivate"
    return "activate" if is_active else "deactivate"


def login_of(switched: Switched) -> dict[str, Json]:
    """Return the state of the login after a change of `is_active`, without unknown values."""
    known = {"outcome": switched.outcome, "event_id": switched.event_id, "reason": switched.reason}
    return {"status": switched.login} | {name: value for name, value in known.items() if value is not None}
