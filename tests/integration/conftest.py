"""What tests of several files start."""

from collections.abc import Iterator

import pytest
from flask import Flask

from tests.integration.misbehaving_servers import Serve, misbehaving_servers
from tests.integration.signing_in import pages
from webhook_service.settings import Settings


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Starts a server on a port of its own, which does with each connection as it is told; returns the port."""
    with misbehaving_servers() as serve:
        yield serve


@pytest.fixture
def site(settings: Settings) -> Iterator[Flask]:
    """The pages without Auth. Not called `app`: pytest-flask would hold a request open, whose state all would share."""
    with pages(settings) as app:
        yield app
