"""The admin API on employees: create one together with a login, switch both off and on."""

from dataclasses import asdict
from http import HTTPStatus
from typing import Any

from flask import Blueprint, Response, jsonify
from marshmallow import INCLUDE, RAISE, Schema, ValidationError, fields, post_load, validate

from webhook_service.errors import AuthRefused, EmployeeNotFound, InvalidQuery
from webhook_service.ledger import audit
from webhook_service.ledger.fields import Truth, Whole
from webhook_service.ledger.queries import MAX_BIGINT
from webhook_service.outbound import logins
from webhook_service.outbound.accounts import Accounts
from webhook_service.outbound.logins import Hired
from webhook_service.web import Wiring
from webhook_service.web.api.events import ASKED_BY, ASKED_BY_PATTERN, json_body, loaded, require_admin

LONGEST_NAME = 200
OURS = frozenset(("employee_id", "orphaned_at", "orphaned_auth_user_id"))
"""Columns that nobody else writes."""
REFUSED_ADDRESS = ("validation_failed", "email_address_invalid", "email_address_not_authorized")


class NewEmployee(Schema):
    """What is not named here is taken as a further column of employees."""

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
    requested_by = fields.String(load_default="", validate=ASKED_BY, metadata={"pattern": ASKED_BY_PATTERN})

    @post_load
    def apart(self, data: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
        """What is asked, and the employee's columns as {"employee": ...}."""
        if wrong := sorted(OURS & data.keys()):
            raise ValidationError({name: ["Not to be given."] for name in wrong})
        if data["invite"] and data.get("auth_user_id") is not None:
            raise ValidationError({"invite": ["An auth user that is there needs none."]})
        asked = {name: data.pop(name, None) for name in ("invite", "auth_user_id", "requested_by")}
        data["email"] = data["email"].strip().lower()
        return asked | {"employee": data}


def hire(accounts: Accounts | None, *arguments: Any, **options: Any) -> Hired:
    """As `logins.hire`; an address that Auth refuses is the caller's to change. Raises InvalidQuery besides."""
    try:
        return logins.hire(accounts, *arguments, **options)
    except AuthRefused as error:
        if error.code in REFUSED_ADDRESS:
            raise InvalidQuery({"email": ["Auth refuses this address."]}) from error
        raise


class Change(Schema):
    class Meta:
        unknown = RAISE

    is_active = Truth(required=True)


def blueprint(wiring: Wiring) -> Blueprint:
    views = Blueprint("employees", __name__, url_prefix="/admin/api/employees")
    require_admin(views, wiring)

    @views.post("")
    def create() -> tuple[Response, HTTPStatus]:
        """With `auth_user_id`, the auth user that is there already is taken instead of a new one."""
        asked = loaded(NewEmployee(), json_body())
        employee, requested_by = asked["employee"], f"api:{asked['requested_by']}".rstrip(":")
        audit.record(wiring.database, requested_by, "created an employee", None, email=employee["email"])
        if asked["auth_user_id"] is not None:
            hired = logins.adopt(
                wiring.database,
                employee,
                employee["email"],
                asked["auth_user_id"],
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
                invite=asked["invite"],
            )
        answer = asdict(hired)
        answer["temporary_password"] = answer.pop("password")
        response = jsonify(answer)
        response.headers["Cache-Control"] = "no-store"
        return response, HTTPStatus.CREATED

    @views.patch("/<int:employee_id>")
    def change(employee_id: int) -> Response:
        asked = loaded(Change(), json_body())
        if employee_id > MAX_BIGINT:
            raise EmployeeNotFound
        action = "activated" if asked["is_active"] else "deactivated"
        audit.record(wiring.database, "api", action, f"employee:{employee_id}")
        switched = logins.set_active(wiring.database, wiring.accounts, employee_id, asked["is_active"], via="admin")
        reported = asdict(switched)
        login = {name: reported[name] for name in ("outcome", "event_id", "reason")}
        return jsonify(
            employee_id=switched.employee_id,
            is_active=switched.is_active,
            login={"status": switched.login} | {name: value for name, value in login.items() if value is not None},
        )

    return views
