"""Attacks with large forms, which are refused before they are parsed and before the CSRF check."""

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from tests.integration.signing_in import Browser
from webhook_service.web.pages.site import FORM_BYTES, FORM_FIELDS

URLENCODED = "application/x-www-form-urlencoded"
PATHS = ["/admin/login", "/admin/logout", "/admin/replays", "/admin/employees/new"]


def post(site: Flask, body: bytes, content_type: str = URLENCODED, path: str = "/admin/login") -> TestResponse:
    return site.test_client().post(path, data=body, content_type=content_type)


def multipart(fields: int, size: int = 1) -> bytes:
    part = b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n' + b"a" * size + b"\r\n"
    return part * fields + b"--x--\r\n"


LARGE = {
    "one field": (b"key=" + b"a" * FORM_BYTES, URLENCODED),
    "a megabyte of fields": (b"a&" * 450_000, URLENCODED),
    "a megabyte of escapes": (b"key=" + b"%41" * 300_000, URLENCODED),
    "a megabyte in parts": (multipart(10_000), "multipart/form-data; boundary=x"),
    "one large part": (multipart(1, FORM_BYTES), "multipart/form-data; boundary=x"),
    "many fields": (b"a=1&" * FORM_FIELDS, URLENCODED),
    "many empty fields": (b"&" * 60_000, URLENCODED),
    "many fields, another case": (b"a=1&" * FORM_FIELDS, "Application/X-WWW-Form-Urlencoded; charset=utf-8"),
    "many parts": (multipart(FORM_FIELDS + 1), "multipart/form-data; boundary=x"),
}


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(("body", "content_type"), LARGE.values(), ids=LARGE)
def test_a_large_form_is_refused_before_it_is_parsed(site: Flask, body: bytes, content_type: str, path: str) -> None:
    """A form over 64 KB or of over a hundred fields gets 413 on every page.

    A visitor without a session may be redirected to the sign-in page instead, because then the form is not parsed.
    """
    admin = Browser(site)
    assert admin.signs_in().status_code == 303
    response = admin.client.post(path, data=body, content_type=content_type)
    assert (response.status_code, "text/html" in response.content_type) == (413, True)
    assert post(site, body, content_type, path).status_code in ((413,) if path == "/admin/login" else (413, 303))


@pytest.mark.parametrize("path", ["/webhook/auth", "/admin/api/replays", "/healthz", "/nothing"])
def test_other_routes_parse_no_form(site: Flask, path: str) -> None:
    """Routes besides the pages refuse a form without reading it."""
    assert post(site, b"a&" * 30_000, path=path).status_code in (401, 404, 405)


def test_a_form_of_usual_size_is_accepted(site: Flask) -> None:
    """The limits leave room for every form of the pages."""
    assert Browser(site).signs_in(key="wrong", name="a" * 50_000).status_code == 401
    assert Browser(site).signs_in(**{f"field-{n}": "x" for n in range(FORM_FIELDS - 2)}).status_code == 401
