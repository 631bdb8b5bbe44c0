"""The static files of the pages. Their addresses contain a hash of their content, so that a browser keeps them."""

import hashlib
from functools import cache
from pathlib import Path

from flask import Blueprint, request, url_for
from werkzeug.wrappers import Response

FOLDER = Path(__file__).parents[1] / "static"
A_YEAR_SECONDS = 31_536_000


def blueprint() -> Blueprint:
    assets = Blueprint("assets", __name__, static_folder=FOLDER, static_url_path="/admin/static")

    @assets.after_request
    def keep(response: Response) -> Response:
        """Let caches keep a file for a year if its address has the hash of its present content."""
        name = (request.view_args or {}).get("filename", "")
        if response.status_code < 400 and request.args.get("v", "") == content_hashes().get(name):
            response.cache_control.public, response.cache_control.no_cache = True, None
            response.cache_control.max_age, response.cache_control.immutable = A_YEAR_SECONDS, True
        return response

    return assets


def asset(name: str) -> str:
    """Return the address of a static file, for the templates."""
    return url_for("assets.static", filename=name, v=content_hashes()[name])


@cache
def content_hashes() -> dict[str, str]:
    """Return {path in the folder: hash of the content} of all static files."""
    files = (path for path in FOLDER.rglob("*") if path.is_file())
    return {path.relative_to(FOLDER).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()[:12] for path in files}
