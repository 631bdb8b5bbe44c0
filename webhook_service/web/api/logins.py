"""The part of the admin API that gives an employee a login, moves a login, and sets passwords and sends invitations."""

import logging
from dataclasses import asdict
from http import HTTPStatus
from uuid import UUID

from flask import Blueprint, Response, jsonify
from marshmallow import fields

from webhook_service.addresses import normal_address
from webhook_service.errors import NotPossible, ServiceError
from webhook_service.events import Json
from webhook_service.ledger import audit, replay
from webhook_service.ledger.fields import Truth
from webhook_service.outbound import credentials, logins
from webhook_service.outbound.refusals import REFUSALS
from webhook_service.web import Wiring
from webhook_service.web.api import idempotency
from webhook_service.web.api.body import json_body
from webhook_service.web.api.employees import hire
from webhook_service.web.api.events import Replay, loaded, require_admin
from webhook_service.web.api.people import person_of

log = logging.getLogger(__name__)


class OfLogin(Replay):
    """The body of a request about an employee and an auth user."""

    auth_user_id = fields.UUID(required=True)


class NewLogin(Replay):
    """The body of POST /admin/api/employees/{employee_id}/new-login."""

    invite = Truth(load_default=False)


def blueprint(wiring: Wiring) -> Blueprint:
    views = Blueprint("logins_api", __name__, url_prefix="/admin/api/employees/<int:employee_id>")
    database = wiring.database
    require_admin(views, wiring)
    idempotency.repeat_answers(views, database)

    @views.post("/login")
    def link(employee_id: int) -> Response:
        """Link an existing auth user, and replay its events that failed as ambiguous."""
        options = loaded(OfLogin(), json_body())
        login, who = options["auth_user_id"], options["requested_by"]
        person_of(database, employee_id)
        with audit.attempt(database, who, "link a login", f"employee:{employee_id}", auth_user_id=str(login)):
            logins.choose(database, employee_id, login, requested_by=who)
        try:
            replay.replay_of(database, wiring.settings.policy, login, requested_by=who)
        except ServiceError as error:  # the link is done
            log.warning("events of a linked login not replayed", extra={"reason": error.reason})
            return jsonify(employee_id=employee_id, auth_user_id=login, is_replayed=False)
        return jsonify(employee_id=employee_id, auth_user_id=login, is_replayed=True)

    @views.post("/moved-login")
    def move(employee_id: int) -> Response:
        """Move the login of an inactive employee, who is the same person, to this one."""
        options = loaded(OfLogin(), json_body())
        login, who = options["auth_user_id"], options["requested_by"]
        person_of(database, employee_id)
        with audit.attempt(database, who, "move a login", f"employee:{employee_id}", auth_user_id=str(login)):
            logins.move(database, employee_id, login, requested_by=who)
        return jsonify(employee_id=employee_id, auth_user_id=login)

    @views.post("/new-login")
    def create(employee_id: int) -> tuple[Response, HTTPStatus]:
        """Create a login with the employee's e-mail."""
        options = loaded(NewLogin(), json_body())
        email = normal_address(person_of(database, employee_id)["employee"]["email"] or "")
        who = options["requested_by"]
        with audit.attempt(database, who, "create a login", f"employee:{employee_id}"):
            hired = hire(
                wiring.accounts,
                {"employee_id": employee_id},
                email,
                via="admin",
                requested_by=who,
                invite=options["invite"],
            )
        answer = asdict(hired)
        return with_password(answer | {"temporary_password": answer.pop("password")}), HTTPStatus.CREATED

    @views.post("/password")
    def set_password(employee_id: int) -> Response:
        """Set a new temporary password. Only this response has it."""
        options = loaded(OfLogin(), json_body())
        with audit.attempt(database, options["requested_by"], "set a temporary password", f"employee:{employee_id}"):
            check_login(employee_id, options["auth_user_id"])
            password = credentials.set_temporary_password(wiring.accounts, options["auth_user_id"])
        login = {"employee_id": employee_id, "auth_user_id": options["auth_user_id"]}
        return with_password(login | {"temporary_password": password})

    @views.post("/invitation")
    def invite(employee_id: int) -> Response:
        """Let Auth mail another invitation."""
        options = loaded(OfLogin(), json_body())
        with audit.attempt(database, options["requested_by"], "send an invitation", f"employee:{employee_id}"):
            check_login(employee_id, options["auth_user_id"])
            credentials.invite_again(wiring.accounts, options["auth_user_id"])
        return jsonify(employee_id=employee_id, auth_user_id=options["auth_user_id"])

    def check_login(employee_id: int, auth_user_id: UUID) -> None:
        """Raise EmployeeNotFound, or NotPossible if the employee is inactive or does not have this login."""
        employee = person_of(database, employee_id)["employee"]
        if employee["auth_user_id"] != str(auth_user_id):
            raise NotPossible("login_changed", REFUSALS["login_changed"])
        if not employee["is_active"]:
            raise NotPossible("inactive", REFUSALS["inactive"])

    return views


def with_password(answer: dict[str, Json]) -> Response:
    """Return a response that has a password, and that no cache may keep."""
    response = jsonify(answer | {"password_was_shown": False})
    response.headers["Cache-Control"] = "no-store"
    return response
