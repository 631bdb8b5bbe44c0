"""/admin/employees: everyone and their login; who has a problem, and what to do about it; a new employee."""

from typing import Any

from flask import Blueprint, abort, flash, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from webhook_service import employees, people, replay, wording
from webhook_service.errors import EmailTaken, EmployeeRejected, InvalidQuery, ServiceError
from webhook_service.events import Json
from webhook_service.ledger import MAX_BIGINT
from webhook_service.refusals import not_found
from webhook_service.web import Wiring
from webhook_service.web.admin_api import loaded
from webhook_service.web.employees import NewEmployee, hire
from webhook_service.web.pages.common import PAGE, cursor, record

COLUMNS = ("email", "first_name", "last_name", "employee_number", "user_type_id")


def blueprint(wiring: Wiring) -> Blueprint:
    views = Blueprint("people", __name__, url_prefix="/admin/employees")
    database = wiring.database

    @views.get("")
    def page() -> str:
        filter = {
            name: text.strip() for name in ("sync_status", "person") if (text := request.args.get(name, "")).strip()
        }
        if filter.get("sync_status") not in (None, *wording.SYNC_STATUSES):
            del filter["sync_status"]
        found = people.people(database, filter, after=cursor("after"), limit=PAGE)
        return render_template("employees.html", found=found, filter=filter, problems=people.problems(database))

    @views.get("/<int:employee_id>")
    def person(employee_id: int) -> str:
        return render_template("employee.html", **found(employee_id), audit=audit_of(employee_id))

    @views.post("/<int:employee_id>/active")
    def switch(employee_id: int) -> Response:
        found(employee_id)
        is_active = request.form.get("is_active") == "true"
        record(wiring, "activated" if is_active else "deactivated", f"employee:{employee_id}")
        told = employees.set_active(database, wiring.accounts, employee_id, is_active, via="admin")
        flash(f"{'Activated' if is_active else 'Deactivated'}. {LOGINS[told.login]}", "success")
        return redirect(url_for("people.person", employee_id=employee_id), 303)

    @views.post("/<int:employee_id>/login")
    def give_login(employee_id: int) -> Response:
        """An auth user that is there becomes the login; what had failed for want of the choice is replayed."""
        chosen = next(
            (
                user
                for user in found(employee_id)["candidates"]
                if user["auth_user_id"] == request.form.get("auth_user_id")
            ),
            None,
        )
        if chosen is None:
            abort(409, "This login cannot be given to this employee any more. Go back and look again.")
        who = record(wiring, "linked", f"employee:{employee_id}", auth_user_id=chosen["auth_user_id"])
        try:
            employees.adopt(
                database,
                {"employee_id": employee_id},
                chosen["email"],
                chosen["auth_user_id"],
                via="admin",
                requested_by=who,
            )
            replay_failed(chosen["auth_user_id"], who)
        except ServiceError as error:
            flash(f"Not linked: {error.detail}", "warning")
        else:
            flash("Linked. The login is this employee's now.", "success")
        return redirect(url_for("people.person", employee_id=employee_id), 303)

    @views.get("/new")
    def new() -> str:
        return render_template("employee_new.html", given={}, wrong={}, can_create=wiring.accounts is not None)

    @views.post("/new")
    def create() -> Response | tuple[str, int]:
        given = {name: text for name in (*COLUMNS, "login") if (text := request.form.get(name, "").strip())}
        try:
            asked = loaded(NewEmployee(), as_asked(given))
            who = record(wiring, "created an employee", None, email=asked["employee"]["email"])
            hired = hire(
                wiring.accounts,
                asked["employee"],
                asked["employee"]["email"],
                via="admin",
                requested_by=who,
                invite=asked["invite"],
            )
        except (InvalidQuery, EmailTaken, EmployeeRejected) as error:
            wrong = wrong_fields(error)
            return render_template("employee_new.html", given=given, wrong=wrong, can_create=True), 422
        # Shown in this answer and kept nowhere; so there is no page to come back to.
        return make_response(render_template("employee_created.html", hired=hired, email=asked["employee"]["email"]))

    def found(employee_id: int) -> Json:
        if employee_id > MAX_BIGINT:
            raise not_found()
        return people.person(database, employee_id)

    def audit_of(employee_id: int) -> Json:
        target = f"employee:{employee_id}"
        return database.call("auth_sync_audit_page_v1", p_target=target, p_below=None, p_limit=20)["entries"]

    def replay_failed(auth_user_id: str, who: str) -> None:
        filter: dict[str, Json] = {"auth_user_id": auth_user_id, "status": "FAILED", "outcome": "ambiguous"}
        replay.replay_events(database, wiring.settings.policy, filter, requested_by=who, dry_run=False, limit=100)

    return views


LOGINS = {
    "none": "There is no login to change.",
    "done": "The login is changed too.",
    "queued": "The login follows as soon as Auth answers.",
    "failed": "The login could not be changed: see the events below.",
}


def as_asked(given: dict[str, str]) -> dict[str, Any]:
    """A form's texts as the API takes them."""
    asked: dict[str, Any] = {name: text for name, text in given.items() if name != "login"}
    if asked.get("user_type_id", "").lstrip("-").isdecimal():
        asked["user_type_id"] = int(asked["user_type_id"])
    return asked | {"invite": given.get("login") == "invite"}


def wrong_fields(error: InvalidQuery | EmailTaken | EmployeeRejected) -> dict[str, list[str]]:
    """What is wrong, by field; under "" what is of none."""
    if isinstance(error, InvalidQuery):
        return {name: [str(text) for text in texts] for name, texts in error.fields.items()}
    if isinstance(error, EmailTaken):
        return {"email": [error.detail]}
    return {str(error.facts.get("column") or ""): [error.detail]}
