"""Fixtures that several test files share."""

from collections.abc import Iterator
from functools import cache

import pytest
from flask import Flask

from tests.integration.misbehaving_servers import Serve, misbehaving_servers
from tests.integration.signing_in import pages
from webhook_service.settings import PageSettings, Settings
from webhook_service.web.api import docs, openapi

document, signing_key = cache(openapi.document), cache(PageSettings.signing_key)


@pytest.fixture(scope="package", autouse=True)
def computed_once() -> Iterator[None]:
    """Compute the document of the API and the key of the cookies once for all tests.

    Each test makes an application. Most of the time for this would go into these two values, which are the same in all
    applications. The scope is wide because pytest-flask makes the application early.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(docs, "document", document)
        patch.setattr(PageSettings, "signing_key", signing_key)
        yield


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Return a function that starts a misbehaving server on a free port and returns the port."""
    with misbehaving_servers() as serve:
        yield serve


@pytest.fixture
def site(settings: Settings) -> Iterator[Flask]:
    """Provide the pages without Auth.

    The name is not `app`. With that name, pytest-flask would hold a request open, whose state all requests share.
    """
    with pages(settings) as app:
        yield app
