"""Fixtures that several test files share."""

from collections.abc import Iterator

import pytest
from flask import Flask

from tests.integration.misbehaving_servers import Serve, misbehaving_servers
from tests.integration.signing_in import pages
from webhook_service.settings import Settings


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start a misbehaving server on a free port; return the port."""
    with misbehaving_servers() as serve:
        yield serve


@pytest.fixture
def site(settings: Settings) -> Iterator[Flask]:
    """The pages without Auth.

    The name is not `app`, because pytest-flask would then hold a request open whose state all requests share.
    """
    with pages(settings) as app:
        yield app
