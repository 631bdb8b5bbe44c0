"""The pages /admin/employees, which list employees (`people_list`), show one, and fix problems."""

from uuid import UUID

from flask import Blueprint, flash, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from webhook_service.addresses import normal_address
from webhook_service.errors import (
    EmployeeNotFound,
    InvalidQuery,
    NotPossible,
    ServiceError,
)
from webhook_service.events import Json
from webhook_service.ledger import comparison, employees, replay, timeline
from webhook_service.ledger.queries import MAX_BIGINT
from webhook_service.ledger.standing import standing_of
from webhook_service.outbound import employee_changes, logins
from webhook_service.outbound.employee_changes import Switched
from webhook_service.outbound.refusals import NO_AUTH_ADMIN
from webhook_service.web import Wiring
from webhook_service.web.api.employees import hire
from webhook_service.web.pages.common import attempt, wrong_fields
from webhook_service.web.pages.people_list import add_list
from webhook_service.web.pages.visitor import after_form
from webhook_service.wording import employees as words

TIMELINE = 20
"""The number of entries on a page of the timeline."""

TAKEN_AWAY = "Login taken away."
TAKEN_AWAY_AND_RESTORED = "Login taken away. The employee has the former values again: {values}."
NO_LOGIN = "No login has this e-mail. Correct the e-mail, or create a new login below."
SEVERAL_LOGINS = "Several logins have this e-mail. Enter the id of one of them instead."


def blueprint(wiring: Wiring) -> Blueprint:
    views = Blueprint("people", __name__, url_prefix="/admin/employees")
    database = wiring.database

    add_list(views, wiring)

    @views.get("/<int:employee_id>")
    def person(employee_id: int) -> str:
        shown = found(employee_id)
        is_compared = not comparison.is_missing(comparison.current(database))
        now = standing_of(shown, is_compared=is_compared)
        before = request.args.get("before", "")
        history = timeline.page(database, employee_id, before, limit=TIMELINE, now=wiring.now())
        return render_template("employee.html", **shown, history=history, standing=now, is_compared=is_compared)

    @views.post("/<int:employee_id>/active")
    def switch(employee_id: int) -> Response:
        found(employee_id)
        is_active = request.form.get("is_active") == "true"
        with attempt(wiring, "activate" if is_active else "deactivate", f"employee:{employee_id}") as act:
            reported = employee_changes.set_active(database, wiring.accounts, employee_id, is_active, via="admin")
            act.outcome = words.LOGIN_RESULTS[reported.login]
        flash(*switched_message(reported))
        return after_form(url_for("people.person", employee_id=employee_id))

    @views.post("/<int:employee_id>/login")
    def give_login(employee_id: int) -> Response:
        """Link an existing auth user to the employee, and replay the events that failed as ambiguous."""
        found(employee_id)
        try:
            login = login_of(request.form.get("auth_user_id", "").strip())
            with attempt(wiring, "link a login", f"employee:{employee_id}", auth_user_id=str(login)) as act:
                logins.choose(database, employee_id, login, requested_by=act.who)
        except ServiceError as error:
            flash(f"Login not given: {error.detail}", "warning")
            return after_form(url_for("people.person", employee_id=employee_id))
        try:
            replay.replay_of(database, wiring.settings.policy, login, requested_by=act.who)
        except ServiceError as error:
            flash(
                f"Login given, but its changes are not copied yet: {error.detail} Try again below.",
                "warning",
            )
        else:
            flash("Login given. It belongs to this employee now.", "success")
        return after_form(url_for("people.person", employee_id=employee_id))

    @views.post("/<int:employee_id>/unlink")
    def unlink(employee_id: int) -> Response:
        """Take the login away from an employee, and decide anew who its owner is."""
        found(employee_id)
        try:
            login = login_of(request.form.get("auth_user_id", "").strip())
            target = f"employee:{employee_id}"
            with attempt(wiring, "take a login away", target, auth_user_id=str(login)) as act:
                restored = logins.unlink(database, employee_id, login)
            replay.replay_newest(database, wiring.settings.policy, login, requested_by=act.who)
        except ServiceError as error:
            flash(f"Login not taken away: {error.detail}", "warning")
        else:
            values = ", ".join(str(value) for value in restored.values() if value)
            flash(TAKEN_AWAY_AND_RESTORED.format(values=values) if values else TAKEN_AWAY, "success")
        return after_form(url_for("people.person", employee_id=employee_id))

    @views.get("/<int:employee_id>/login")
    def confirm_login(employee_id: int) -> Response | str:
        """Ask whether the login that an admin has typed belongs to the employee, with both names."""
        shown = found(employee_id)
        try:
            login = login_of(request.args.get("auth_user_id", "").strip())
        except ServiceError as error:
            flash(f"Login not given: {error.detail}", "warning")
            return redirect(url_for("people.person", employee_id=employee_id))
        known = employees.login_candidates(database, login)
        user = known["auth_user"] if known is not None else {"auth_user_id": str(login), "email": None}
        return render_template("employee_login.html", employee=shown["employee"], user=user)

    @views.post("/<int:employee_id>/moved-login")
    def move_login(employee_id: int) -> Response:
        """Move the login of an inactive employee, who is the same person, to this one."""
        found(employee_id)
        try:
            login = login_of(request.form.get("auth_user_id", "").strip())
            with attempt(wiring, "move a login", f"employee:{employee_id}", auth_user_id=str(login)) as act:
                logins.move(database, employee_id, login, requested_by=act.who)
        except ServiceError as error:
            flash(f"Login not moved: {error.detail}", "warning")
        else:
            flash("Login moved. It belongs to this employee now.", "success")
        return after_form(url_for("people.person", employee_id=employee_id))

    @views.post("/<int:employee_id>/new-login")
    def create_login(employee_id: int) -> Response:
        """Create a login with the employee's e-mail for an employee who has none, such as an orphan."""
        email = found(employee_id)["employee"]["email"]
        invite = request.form.get("login") == "invite"
        try:
            with attempt(wiring, "create a login", f"employee:{employee_id}") as act:
                hired = hire(
                    wiring.accounts,
                    {"employee_id": employee_id},
                    normal_address(email or ""),
                    via="admin",
                    requested_by=act.who,
                    invite=invite,
                )
        except InvalidQuery as error:
            says = " ".join(text for texts in wrong_fields(error).values() for text in texts)
            flash(f"Login not created: {says}", "warning")
        except ServiceError as error:
            flash(f"Login not created: {error.detail}", "warning")
        else:
            return make_response(render_template("employee_created.html", hired=hired, email=email))
        return after_form(url_for("people.person", employee_id=employee_id))

    def found(employee_id: int) -> Json:
        if employee_id > MAX_BIGINT:
            raise EmployeeNotFound
        return employees.person(database, employee_id)

    def login_of(typed: str) -> UUID:
        """Return the login with this id, or the only login with this e-mail. Raises NotPossible."""
        try:
            return UUID(typed)
        except ValueError:
            matching = employees.logins_by_email(database, typed) if typed and "\0" not in typed else []
        if len(matching) != 1:
            detail = SEVERAL_LOGINS if matching else NO_LOGIN
            raise NotPossible("login_not_found", detail)
        return UUID(matching[0]["auth_user_id"])

    return views


def switched_message(switched: Switched) -> tuple[str, str]:
    """Return the message about an employee who was activated or deactivated, and its category.

    It never says that all is well if a dismissed employee can still sign in. The text between ** is emphasized.
    """
    if (complete := words.SWITCHED.get((switched.is_active, switched.login))) is not None:
        return complete, "success"
    key, failure = switched.login, words.AUTH_FAILURES.get(switched.reason or "", words.NO_ANSWER)
    if key == "queued" and switched.reason is not None:
        key = NO_AUTH_ADMIN if switched.reason == NO_AUTH_ADMIN else "auth"
    why = words.NOT_FOLLOWED[key].format(failure=failure)
    return words.SWITCHED_BUT[switched.is_active].format(why=why), "warning"
