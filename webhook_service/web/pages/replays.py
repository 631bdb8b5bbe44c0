"""The pages /admin/replays, on which an admin previews, confirms, watches and cancels bulk replays."""

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from webhook_service.events import Json
from webhook_service.ledger import bulk_replay
from webhook_service.web import Wiring
from webhook_service.web.pages.common import attempt, cursor, parse_filter
from webhook_service.web.pages.events import CHOICES
from webhook_service.wording import replays as words

SHOWN = 50


def blueprint(wiring: Wiring) -> Blueprint:
    views = Blueprint("replays", __name__, url_prefix="/admin/replays")
    database, policy = wiring.database, wiring.settings.policy

    @views.get("")
    def page() -> str:
        found = bulk_replay.page(database, below=cursor("below"), limit=SHOWN)
        return render_template("replays.html", jobs=found["jobs"], next=found["next"])

    @views.get("/new")
    def new() -> str:
        """Show the form, and a preview if there is a filter without errors."""
        filter, wrong = parse_filter(request.args)
        preview = bulk_replay.preview(database, policy, filter) if filter and not wrong else None
        return render_template("replay_new.html", filter=filter, wrong=wrong, preview=preview, choices=CHOICES)

    @views.post("")
    def begin() -> Response:
        filter, wrong = parse_filter(request.form)
        if wrong or not filter:
            abort(422, "Choose which events to replay.")
        with attempt(wiring, "begin a bulk replay", None, filter=filter) as act:
            begun = bulk_replay.begin(database, filter, requested_by=act.who)
        flash(words.begun(begun["matched"]), "success")
        return redirect(url_for("replays.job", id=begun["id"]), 303)

    @views.get("/<int:id>")
    def job(id: int) -> str:
        return render_template("replay.html", job=found(id))

    @views.post("/<int:id>/cancel")
    def cancel(id: int) -> Response:
        found(id)
        with attempt(wiring, "cancel a bulk replay", f"replay:{id}") as act:
            bulk_replay.cancel(database, id, requested_by=act.who)
        flash("Cancelled. Events that were already replayed stay replayed.")
        return redirect(url_for("replays.job", id=id), 303)

    def found(id: int) -> Json:
        job = bulk_replay.job(database, id) if id < 2**63 else None
        return job if job is not None else abort(404, "There is no such bulk replay.")

    return views
