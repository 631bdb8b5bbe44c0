"""The static files of the pages, and the copies of other projects' files among them."""

import hashlib
import re

import pytest
from flask import Flask

from webhook_service.web.pages import assets

VENDOR = assets.FOLDER / "vendor"
ROW = re.compile(r"^\| `([^`]+)` \|.*\| \w[\w -]*\(`([^`]+)`\) \| `([0-9a-f]{64})` \|$", re.MULTILINE)


@pytest.fixture
def app() -> Flask:
    app = Flask(__name__)
    app.register_blueprint(assets.blueprint())
    return app


def test_copies_of_other_projects_are_unchanged() -> None:
    """Each copied file has the hash that its row of the README notes, and the licence of its project is beside it."""
    noted = {
        name: (licence, digest) for name, licence, digest in ROW.findall((VENDOR / "README.md").read_text("utf-8"))
    }
    copies = {path.name for path in VENDOR.iterdir() if path.suffix in (".css", ".js")}
    assert noted.keys() == copies
    for name, (licence, digest) in noted.items():
        assert hashlib.sha256((VENDOR / name).read_bytes()).hexdigest() == digest, name
        assert (VENDOR / licence).is_file(), name


@pytest.mark.parametrize(
    ("query", "lifetime"),
    [("?v={hash}", "public, max-age=31536000, immutable"), ("", "no-cache"), ("?v=old", "no-cache")],
)
def test_only_an_address_with_the_hash_is_kept(app: Flask, query: str, lifetime: str) -> None:
    """A browser keeps a static file for a year if its address has the hash of the content. Otherwise it asks again."""
    path = f"/admin/static/style.css{query.format(hash=assets.content_hashes()['style.css'])}"
    with app.test_client().get(path) as found:
        assert found.status_code == 200
        assert set(found.headers["Cache-Control"].split(", ")) == set(lifetime.split(", "))


def test_an_address_of_the_templates_has_the_hash(app: Flask) -> None:
    """The templates' addresses of static files contain the hash of the content. An unknown file has no address."""
    with app.test_request_context():
        assert assets.asset("style.css") == f"/admin/static/style.css?v={assets.content_hashes()['style.css']}"
        with pytest.raises(KeyError):
            assets.asset("nothing.css")


@pytest.mark.parametrize("name", ["nothing.css", "../site.py", "vendor"])
def test_another_file_is_not_found(app: Flask, name: str) -> None:
    """A file that does not exist, or is elsewhere, is answered with 404."""
    assert app.test_client().get(f"/admin/static/{name}?v=x").status_code == 404
