"""A form that an admin sends after the session has ended. It changes nothing, and the sign-in leads back to its page.

The typed values wait in the signed cookie until the page shows them, if the form has the token of the ended session.
Otherwise another site could fill in a form. No form behind the sign-in has a secret.
"""

import json

from flask import flash, request, session
from flask_wtf.csrf import CSRFError, CSRFProtect

from webhook_service.web.pages.visitor import is_page, page_of_form

ENDED = "Your session has ended, so the change was not made. Sign in to return to the page."
NOT_MADE = "You were signed out, so the change was not made. Check it, and send it again."
KEY = "interrupted"
"""The key of the cookie: {"typed": the values, or {} if they are too long, "path": the path of the form's page}."""

WAITING = "second_factor"
"""The key of the cookie for a sign-in that waits for a code. It survives, because no session has begun yet."""

MOST_CHARACTERS = 1500
"""The largest JSON of the typed values, because browsers refuse cookies of more than 4 KB."""


def keep(csrf: CSRFProtect) -> str | None:
    """Clear the ended session, and return the page to which the sign-in leads. If the request is a form, keep it.

    Without a cookie, as in a form of another site, nothing is kept, and the browser's cookie stays as it is.
    """
    is_form = request.method == "POST"
    if session:
        typed = typed_now() if is_form and has_token(csrf) else {}
        waiting = session.get(WAITING)
        session.clear()
        if waiting is not None:
            session[WAITING] = waiting
        if is_form:
            session[KEY] = {"typed": typed, "path": request.path}
            flash(ENDED, "warning")
    return page_of_form() if is_form else request.full_path.rstrip("?")


def has_token(csrf: CSRFProtect) -> bool:
    """Return whether the form has the token of the cookie."""
    try:
        csrf.protect()
    except CSRFError:
        return False
    return True


def typed_now() -> dict[str, str]:
    """Return the values of the form, if it is on a page of its own and they are short."""
    values = {name: value for name, value in request.form.items() if name != "csrf_token"}
    return values if is_page(request.path) and len(json.dumps(values)) <= MOST_CHARACTERS else {}


def resume(kept: object) -> None:
    """Put what `keep` has kept into the new session, with a message."""
    if kept is not None:
        session[KEY] = kept
        flash(NOT_MADE, "warning")


def typed() -> dict[str, str]:
    """Return the values that were typed on this page before the session ended. They are returned once."""
    match session.pop(KEY, None):
        case {"typed": dict(values), "path": request.path}:
            return {str(name): str(value) for name, value in values.items()}
    return {}
