"""What tests of several files start."""

from collections.abc import Iterator

import pytest

from tests.integration.misbehaving_servers import Serve, misbehaving_servers


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Starts a server on a port of its own, which does with each connection as it is told; returns the port."""
    with misbehaving_servers() as serve:
        yield serve
