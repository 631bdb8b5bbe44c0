"""The pages /admin/employees/chosen: an admin changes up to 50 employees, who were chosen in the list, after a preview.

Each employee is changed and audited alone, so an error does not stop the others.
"""

import re
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from webhook_service.addresses import normal_address
from webhook_service.errors import AuthThrottled, InvalidQuery, ServiceError
from webhook_service.events import Json
from webhook_service.ledger import employees
from webhook_service.ledger.queries import MAX_BIGINT
from webhook_service.outbound import employee_changes
from webhook_service.outbound.accounts import Accounts
from webhook_service.outbound.pace import Pace, Stopped
from webhook_service.web import Wiring
from webhook_service.web.api.employees import hire
from webhook_service.web.pages.common import PAGE, attempt, wrong_fields
from webhook_service.web.pages.people import switched_message
from webhook_service.web.pages.visitor import page_of_form, safe_target
from webhook_service.wording.chosen import MISFITS, NOT_CHANGED
from webhook_service.wording.employees import LOGIN_RESULTS

ID = re.compile("-?[0-9]{1,19}")
ACTS = ("create", "deactivate", "activate")
SECONDS = 20
"""The time in which new employees of a choice are begun. A server may end a request that takes much longer."""
LATE = "Not tried, because Supabase accepts no more changes now. Choose the rest again in a minute."
AUTH_WAITS = "Not tried, because Supabase requests a pause. Choose the rest again in a minute."


@dataclass(frozen=True, slots=True)
class Result:
    """The result for one employee. `password` is the temporary password of a new login."""

    person: Json
    is_done: bool
    says: str
    password: str | None = None


def blueprint(wiring: Wiring) -> Blueprint:
    views = Blueprint("chosen_people", __name__, url_prefix="/admin/employees/chosen")
    database = wiring.database

    @views.get("", defaults={"act": None})
    @views.get("/<act>")
    def start(act: str | None) -> Response:
        return redirect(url_for("people.page"))

    @views.post("")
    def preview() -> Response | str:
        """Show who would be changed, and how. Nobody is changed."""
        act, ids = known_act(request.form.get("act", "")), chosen_ids()
        if not ids:
            flash("Choose employees first.", "warning")
            return redirect(safe_target(page_of_form()), 303)
        found = employees.chosen(database, ids)
        unfit = {each["employee_id"]: why for each in found["people"] if (why := misfit(each, act, found["people"]))}
        return render_template(
            "chosen_people.html",
            act=act,
            people=[each for each in found["people"] if each["employee_id"] not in unfit],
            unfit=Counter(unfit.values()),
            logins=sum(each["auth_user_id"] is not None for each in found["people"]),
            is_held=found["is_held"],
            limit=wiring.settings.policy.deactivation_limit,
            can_create=wiring.accounts is not None,
        )

    @views.post("/<act>")
    def perform(act: str) -> str:
        """Change each employee, and show the results, which may have passwords. So the response is not a redirect."""
        known_act(act)
        until = time.monotonic() + SECONDS
        pace = paced(wiring.accounts, until) if wiring.accounts is not None else None
        people = employees.chosen(database, chosen_ids())["people"]
        results = []
        for person in people:
            if why := misfit(person, act, people):
                results.append(Result(person, False, NOT_CHANGED.format(why=why)))
            elif act == "create":
                results.append(create(person, pace))
            else:
                results.append(switch(person, act == "activate", pace))
        return render_template("chosen_people_done.html", act=act, results=results)

    def switch(person: Json, is_active: bool, pace: Pace | None) -> Result:
        """Activate or deactivate an employee. If calls to Auth are at their limit, the relay changes the login."""
        accounts = wiring.accounts if pace is not None and has_token(pace) else None
        # An admin who chose many people may have chosen too many, so their bans count for MASS_DEACTIVATION_LIMIT.
        via = "admin" if is_active else "employees"
        try:
            with attempt(
                wiring, "activate" if is_active else "deactivate", f"employee:{person['employee_id']}"
            ) as audited:
                reported = employee_changes.set_active(database, accounts, person["employee_id"], is_active, via=via)
                audited.outcome = LOGIN_RESULTS[reported.login]
        except ServiceError as error:
            return Result(person, False, f"Not changed: {error.detail}")
        if accounts is None and wiring.accounts is not None:
            reported = replace(reported, reason=None)
        message, category = switched_message(reported)
        return Result(person, category == "success", message)

    def create(person: Json, pace: Pace | None) -> Result:
        invite = request.form.get("login") == "invite"
        if pace is not None and not has_token(pace):
            return Result(person, False, LATE)
        try:
            with attempt(wiring, "create a login", f"employee:{person['employee_id']}") as audited:
                hired = hire(
                    wiring.accounts,
                    {"employee_id": person["employee_id"]},
                    normal_address(person["email"]),
                    via="admin",
                    requested_by=audited.who,
                    invite=invite,
                )
        except AuthThrottled as error:
            if pace is not None:
                pace.pause(error)
            return Result(person, False, AUTH_WAITS)
        except InvalidQuery as error:
            says = " ".join(text for texts in wrong_fields(error).values() for text in texts)
            return Result(person, False, f"Not created: {says}")
        except ServiceError as error:
            return Result(person, False, f"Not created: {error.detail}")
        says = "Created. Supabase was asked to send an invitation." if invite else "Created."
        return Result(person, True, says, hired.password)

    return views


def known_act(text: str) -> str:
    return text if text in ACTS else abort(422, "There is no such change.")


def chosen_ids() -> list[int]:
    """Return the chosen employee_ids. A page of the list has no more than PAGE."""
    texts = request.form.getlist("employee_id")
    if len(texts) > PAGE or not all(map(ID.fullmatch, texts)):
        abort(422, f"Choose at most {PAGE} employees of the list.")
    return [number for number in map(int, texts) if abs(number) <= MAX_BIGINT]


def misfit(person: Json, act: str, people: Sequence[Json]) -> str | None:
    """Return the reason why an employee is not changed, or None."""
    if act == "activate":
        return MISFITS["active"] if person["is_active"] else None
    if not person["is_active"]:
        return MISFITS["not_active" if act == "create" else "inactive"]
    if act == "deactivate":
        return None
    if person["auth_user_id"] is not None:
        return MISFITS["has_login"]
    email = normal_address(person["email"] or "")
    if "@" not in email:
        return MISFITS["no_email"]
    sharing = [each for each in people if each["auth_user_id"] is None and normal_address(each["email"] or "") == email]
    return MISFITS["same_email"] if len(sharing) > 1 else None


def paced(accounts: Accounts, until: float) -> Pace:
    """Return the pace that this request shares with the relays. A wait beyond `until` (monotonic) raises Stopped."""

    def wait(seconds: float) -> bool:
        if time.monotonic() + seconds > until:
            return True
        time.sleep(seconds)
        return False

    return Pace(accounts, wait, lambda message: None)


def has_token(pace: Pace) -> bool:
    """Wait for a call to Auth that the rate allows, and return whether there is one in time."""
    try:
        pace.take_token()
    except Stopped:
        return False
    return True
