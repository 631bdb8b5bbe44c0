"""The pages /admin/subscribers, on which an admin manages and tests subscribers, and replays dead deliveries."""

from urllib.parse import urlsplit

from flask import Blueprint, flash, g, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from webhook_service.errors import NotPossible
from webhook_service.events import Json
from webhook_service.subscribers import registry
from webhook_service.subscribers.event_types import MEANINGS, EventType
from webhook_service.web import Wiring
from webhook_service.web.pages.visitor import after_form
from webhook_service.wording.counts import counted

FIELD_OF = {"bad_name": "name", "name_taken": "name", "bad_url": "url", "private_addresses_off": "url"}
"""The field of the form that a refusal is about, by its reason."""

LONGEST_ID = 18


def blueprint(wiring: Wiring) -> Blueprint:
    views = Blueprint("subscribers", __name__, url_prefix="/admin/subscribers")
    database, private = wiring.database, wiring.settings.event_private_addresses

    @views.get("")
    def page() -> str:
        return shown({}, {})

    @views.post("")
    def create() -> str | tuple[str, int]:
        given = {name: request.form.get(name, "").strip() for name in ("name", "url", "allow_private")}
        types = [each for each in EventType if each in request.form.getlist("types")]
        try:
            secret = registry.create(
                database,
                given["name"],
                given["url"],
                types,
                who=g.admin.name,
                allow_private=given["allow_private"] == "true",
                private_addresses=private,
            )
        except NotPossible as error:
            return shown(given | {"types": types}, {FIELD_OF[error.reason]: [error.detail]}), 422
        return with_secret(given["name"], secret, is_new=True)

    @views.get("/<name>")
    def subscriber(name: str) -> str:
        return render_template("subscriber.html", subscriber=with_host(registry.shown(database, name)))

    @views.post("/<name>/enabled")
    def switch(name: str) -> Response:
        is_enabled = request.form.get("is_enabled") == "true"
        registry.enable(database, name, who=g.admin.name, is_enabled=is_enabled)
        flash(f"{name} is {'enabled' if is_enabled else 'disabled'}.", "success")
        return after_form(url_for("subscribers.subscriber", name=name))

    @views.post("/<name>/rotate")
    def rotate(name: str) -> str:
        return with_secret(name, registry.rotate(database, name, who=g.admin.name), is_new=False)

    @views.post("/<name>/remove")
    def remove(name: str) -> Response:
        registry.remove(database, name, who=g.admin.name)
        flash(f"{name} is removed.", "success")
        return redirect(url_for("subscribers.page"), 303)

    @views.post("/<name>/test")
    def test(name: str) -> Response:
        """Send a test event. The response comes after the answer of the subscriber, in ten seconds at most."""
        answer = registry.try_out(database, name, who=g.admin.name, private_addresses=private, now=wiring.now())
        if answer.error is None:
            flash(f"{name} accepted the test event.", "success")
        else:
            flash(f"{name} did not accept the test event: {answer.error}.", "warning")
        return after_form(url_for("subscribers.subscriber", name=name))

    @views.post("/<name>/replay")
    def replay(name: str) -> Response:
        """Replay the chosen dead delivery, or all dead deliveries."""
        text = request.form.get("delivery", "")
        delivery = int(text) if text.isascii() and text.isdigit() and len(text) <= LONGEST_ID else None
        count = registry.replay(database, name, delivery, who=g.admin.name)
        flash(counted(count, "{count} event is sent again.", "{count} events are sent again."), "success")
        return after_form(url_for("subscribers.subscriber", name=name))

    def shown(given: Json, wrong: dict[str, list[str]]) -> str:
        found = [with_host(each) for each in registry.listed(database)]
        return render_template(
            "subscribers.html", subscribers=found, given=given, wrong=wrong, meanings=MEANINGS, can_be_private=private
        )

    return views


def with_secret(name: str, secret: str, *, is_new: bool) -> str:
    """Return the page with a new secret. Only this response has the secret, so it cannot be a redirect."""
    return render_template("subscriber_secret.html", name=name, secret=secret, is_new=is_new)


def with_host(subscriber: Json) -> Json:
    """Return a subscriber with its `host` instead of its URL, which may hold a token."""
    return {name: value for name, value in subscriber.items() if name != "url"} | {
        "host": urlsplit(subscriber["url"]).hostname
    }
