"""Receivers and relays on hosts of their own, some of which are killed or cut off from the network."""

from pathlib import Path

import pytest

from benchmarks.scale_out.hosts import site
from benchmarks.scale_out.kill import run
from benchmarks.scale_out.load import PEOPLE
from benchmarks.scale_out.network import MissingProgram, NoNetwork, require_rights
from tests.debian_postgres import cannot_run, installed

pytestmark = pytest.mark.campaign


@pytest.fixture
def _hosts() -> None:
    """Skip the test if this machine permits no network namespaces, in CI too."""
    if installed() is None:
        cannot_run("needs Debian's postgresql: apt-get install postgresql")
    try:
        require_rights()
    except MissingProgram as error:
        cannot_run(str(error))
    except NoNetwork as error:
        pytest.skip(str(error))


@pytest.mark.usefixtures("_hosts")
def test_others_take_over_from_killed_and_cut_off_hosts(tmp_path: Path) -> None:
    """If two of three receivers and relays are killed or cut off, each event is applied exactly once by the others.

    The two relays are lost while they hold leases. The processes that were cut off come back after the takeover.
    """
    with site(tmp_path, is_durable=False) as there:
        found, takeovers = run(there, rate=200, seconds=1)

    assert found.wrong == [], str(found)
    assert found.captured > PEOPLE
    assert [takeover.rows > 0 for takeover in takeovers] == [True, True]
