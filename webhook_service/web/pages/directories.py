"""The page /admin/directories: the tokens with which directories push employees in by SCIM."""

from flask import Blueprint, abort, flash, g, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from webhook_service.ledger.queries import MAX_BIGINT
from webhook_service.scim import clients
from webhook_service.web import Wiring
from webhook_service.web.pages.interrupted import typed

WRONG_NAME = "Enter 1 to 63 letters without accents, digits and . _ -, such as okta."
REVOKED = "Token {token_id} is revoked. The next request with it is refused."
REVOKED_BEFORE = "Token {token_id} was revoked before."

NO_PUBLIC_URL = "https://YOUR-HOST"
"""The address of the service if PUBLIC_URL is not set."""


def blueprint(wiring: Wiring) -> Blueprint:
    views = Blueprint("directories", __name__, url_prefix="/admin/directories")
    database = wiring.database

    @views.get("")
    def page() -> str:
        return shown(given=typed().get("name", ""))

    # The database audits both acts in their own transactions.
    @views.post("")
    def create() -> str | tuple[str, int]:
        """Create a token. Only this response has it, so it cannot be a redirect."""
        name = request.form.get("name", "").strip().lower()
        if clients.NAME.fullmatch(name) is None:
            return shown(given=name, wrong=WRONG_NAME), 422
        created = clients.create_token(database, name, requested_by=g.admin.name)
        return render_template("directory_token.html", created=created, url=scim_url())

    @views.post("/tokens/<int:token_id>/revocation")
    def revoke(token_id: int) -> Response:
        if token_id > MAX_BIGINT:
            abort(404)
        count = clients.revoke(database, token_id=token_id, requested_by=g.admin.name)
        flash((REVOKED if count else REVOKED_BEFORE).format(token_id=token_id), "success" if count else "message")
        return redirect(url_for("directories.page"), 303)

    def shown(given: str = "", wrong: str = "") -> str:
        tokens = clients.tokens(database)
        valid = [token["name"] for token in tokens if token["revoked_at"] is None]
        last = {name for name in valid if valid.count(name) == 1}
        return render_template(
            "directories.html", tokens=tokens[::-1], last=last, given=given, wrong=wrong, url=scim_url()
        )

    def scim_url() -> str:
        """Return the address that an admin enters in the directory."""
        return f"{(wiring.settings.pages.public_url or NO_PUBLIC_URL).rstrip('/')}/scim/v2"

    return views
