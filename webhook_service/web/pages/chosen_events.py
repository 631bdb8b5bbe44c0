"""The pages /admin/chosen-events: an admin replays up to 50 events, which were chosen in the list, after a preview.

Each event is replayed and audited alone. `replays` has the replays of all events that match a filter.
"""

import time
from contextlib import suppress

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from webhook_service.errors import EventNotFound
from webhook_service.events import Json
from webhook_service.ledger import queries
from webhook_service.web import Wiring
from webhook_service.web.pages.chosen_people import LATE, SECONDS, has_token, paced
from webhook_service.web.pages.common import PAGE
from webhook_service.web.pages.events import replayed
from webhook_service.web.pages.visitor import page_of_form, safe_target


def blueprint(wiring: Wiring) -> Blueprint:
    views = Blueprint("chosen_events", __name__, url_prefix="/admin/chosen-events")

    @views.get("", defaults={"act": None})
    @views.get("/<act>")
    def start(act: str | None) -> Response:
        return redirect(url_for("events.page"))

    @views.post("")
    def preview() -> Response | str:
        """Show the chosen events. Nothing is replayed."""
        events = chosen_events()
        if not events:
            flash("Choose events first.", "warning")
            return redirect(safe_target(page_of_form()), 303)
        return render_template("chosen_events.html", events=events, results=None)

    @views.post("/replay")
    def perform() -> str:
        """Replay the events, the oldest first, and show the results."""
        until = time.monotonic() + SECONDS
        pace = paced(wiring.accounts, until) if wiring.accounts is not None else None
        events = sorted(chosen_events(), key=lambda event: int(event["id"]))
        results = []
        for event in events:
            calls_auth = event["direction"] == "outbound" and pace is not None
            if time.monotonic() > until or (calls_auth and pace is not None and not has_token(pace)):
                results.append((event, LATE, "warning"))
            else:
                results.append((event, *replayed(wiring, event)))
        return render_template("chosen_events.html", events=events, results=results)

    def chosen_events() -> list[Json]:
        """Return the chosen events, the newest first. A page of the list has no more than PAGE."""
        ids = request.form.getlist("event_id")
        if len(ids) > PAGE:
            abort(422, f"Choose at most {PAGE} events of the list.")
        found = []
        for event_id in dict.fromkeys(ids):
            with suppress(EventNotFound):  # it was deleted meanwhile
                found.append(queries.event(wiring.database, event_id))
        return sorted(found, key=lambda event: int(event["id"]), reverse=True)

    return views
