"""The pages /admin/events, which search the ledger, show one event with its data and its result, and replay it."""

from datetime import timedelta
from uuid import UUID

from flask import Blueprint, flash, g, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from webhook_service.errors import NotPossible, ServiceError
from webhook_service.events import Action, ActionOutcome, Json, Operation, Outcome, Status
from webhook_service.ledger import attention, employees, queries, replay, timeline
from webhook_service.ledger.rules import rejection
from webhook_service.notifications.decide import Kind
from webhook_service.notifications.links import read_link
from webhook_service.notifications.text import PATHS
from webhook_service.outbound import client_changes
from webhook_service.outbound.refusals import no_auth_admin
from webhook_service.web import Wiring
from webhook_service.web.pages.common import PAGE, attempt, audit_of, parse_filter
from webhook_service.web.pages.listing import pages_of, position
from webhook_service.web.pages.visitor import after_form
from webhook_service.wording import outcomes

NOTHING: Json = {"events": [], "people": [], "next": None, "previous": None}
"""The result of a search whose filter has errors."""

REPLAYED, NOT_REPLAYED = "Replayed: {outcome}. {result}", "Not replayed: {reason}"
TRIED_AGAIN, NOT_TRIED_AGAIN = "Tried again: {outcome}. {result}", "Not tried again: {reason}"
"""The messages about a replay. The inbox and the pages of employees name it in words of HR."""

CHOICES = {
    "status": [(str(status), outcomes.STATUSES[status]) for status in Status],
    "operation": [(str(name), outcomes.OPERATIONS[name]) for name in (*Operation, *Action)],
    "outcome": [
        (name, outcomes.label(name)) for name in sorted({*map(str, Outcome), *map(str, ActionOutcome)} - {"duplicate"})
    ],
}


def blueprint(wiring: Wiring) -> Blueprint:
    views = Blueprint("events", __name__, url_prefix="/admin")
    database = wiring.database

    @views.get("/events")
    def page() -> str:
        filter, wrong = parse_filter(request.args)
        where, counts = position(request.args, "below", "above"), None
        if where.wrong is not None:
            wrong = wrong | {"page": [f"The list has no page “{where.wrong[:50]}”."]}
        found = NOTHING
        if not wrong:
            below, above = (None, where.at) if where.is_back else (where.at, None)
            found = queries.search(database, filter, below=below, above=above, limit=PAGE)
            counts = queries.counts(database, filter, people=found["people"])
        pages = pages_of(
            where,
            len(found["events"]),
            first=None,
            has_previous=found["previous"] is not None,
            has_next=found["next"] is not None,
        )
        return render_template(
            "events.html", found=found, filter=filter, wrong=wrong, choices=CHOICES, counts=counts, pages=pages
        )

    @views.get("/events/<event_id>")
    def event(event_id: str) -> str:
        found = queries.event(database, event_id)
        user = found["auth_user_id"] if (found["status"], found["outcome"]) == ("FAILED", "ambiguous") else None
        candidates = employees.login_candidates(database, UUID(user)) if user is not None else None
        audit, others = audit_of(database, f"event:{event_id}"), attention.others(database, event_id)
        says = list(timeline.sentences(found)) if found["direction"] != "maintenance" else []
        return render_template(
            "event.html",
            event=found,
            candidates=candidates,
            audit=audit,
            others=others,
            says=says,
            rejection=rejection,
        )

    @views.post("/events/<event_id>/replay")
    def replay_event(event_id: str) -> Response:
        """Replay an event, or perform an action immediately."""
        found = queries.event(database, event_id)
        if found["direction"] == "outbound" and wiring.accounts is None:
            raise no_auth_admin()
        is_event = request.form.get("next") is None
        flash(*replayed(wiring, found, is_event=is_event))
        return after_form(url_for("events.event", event_id=event_id))

    @views.post("/events/<event_id>/drop")
    def drop_change(event_id: str) -> Response:
        """Undo the change of a client, for which an action waits for an admin."""
        try:
            client_changes.drop(database, event_id, g.admin.name)
        except NotPossible:
            flash("Nothing was dropped: the change does not wait for an admin any more.", "warning")
        else:
            flash("Dropped. The login stays as it is.", "success")
        return after_form(url_for("events.event", event_id=event_id))

    @views.post("/events/<event_id>/dismiss")
    def dismiss(event_id: str) -> Response:
        """Record that a failed event needs no attention, with the admin's reason."""
        queries.event(database, event_id)
        reason = " ".join(request.form.get("reason", "").replace("\0", "").split())[: attention.LONGEST_REASON]
        if not reason:
            flash("Not dismissed: enter a reason.", "warning")
        else:
            try:
                with attempt(wiring, "dismiss", f"event:{event_id}", reason=reason):
                    attention.dismiss(database, event_id)
            except ServiceError as error:
                flash(f"Not dismissed: {error.detail}", "warning")
            else:
                flash("Dismissed. It no longer needs attention. You can still replay it.", "success")
        return after_form(url_for("events.event", event_id=event_id))

    @views.get("/failing/<token>")
    def failing(token: str) -> Response:
        """Redirect the link of a notice to the page about its subject."""
        settings = wiring.settings
        link = read_link(token, settings.pages.signing_key(settings.admin_api_key), now=wiring.now())
        path = PATHS[link.kind]
        if link.kind is Kind.BACKLOG:  # only the rows that have waited for that long
            path += f"&until={wiring.now() - timedelta(minutes=settings.notices.backlog_minutes):%Y-%m-%dT%H:%M:%SZ}"
        return redirect(path)

    return views


def replayed(wiring: Wiring, event: Json, *, is_event: bool = True) -> tuple[str, str]:
    """Replay an event, or perform an action immediately. Returns the message about it, and its category.

    `event` is the row that `queries.event` returns. `is_event` says whether the message is for a page of events, not
    for the inbox. The audit records the replay.
    """
    try:
        with attempt(wiring, "replay", f"event:{event['event_id']}") as act:
            if event["direction"] != "outbound":
                result = replay.replay_event(
                    wiring.database, wiring.settings.policy, event["event_id"], requested_by=act.who
                )
                outcome = str(result.outcome)
            elif wiring.accounts is not None:
                outcome = str(wiring.accounts.perform_again(event, act.who).outcome)
            else:
                raise no_auth_admin()
            act.outcome = outcome
    except ServiceError as error:
        return (NOT_REPLAYED if is_event else NOT_TRIED_AGAIN).format(reason=error.detail), "warning"
    meaning = outcomes.meaning(event["direction"], outcome)
    message = (REPLAYED if is_event else TRIED_AGAIN).format(outcome=outcomes.label(outcome), result=meaning.says)
    return message, "warning" if meaning.kind == "failed" else "success"
