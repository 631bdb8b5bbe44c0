"""The options and the rules of benchmarks/scale_out and benchmarks/ledger_size, without a network."""

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from benchmarks.ledger_size.__main__ import main as ledger_size
from benchmarks.scale_out.__main__ import main as scale_out
from benchmarks.scale_out.kill import Takeover
from benchmarks.scale_out.load import Result
from benchmarks.scale_out.network import Host
from benchmarks.scale_out.outage import CHUNK, chunks
from webhook_service.loops import LEASE_SECONDS

ROOT = Path(__file__).parents[2]
FINE = Result(
    captured=10,
    lost=0,
    twice=0,
    wrong_employees=0,
    via={"relay": 4, "webhook": 6},
    answers={"200": 6, "ConnectError": 2},
)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["outage", "--users", "10", "--changes", "11"], "must not exceed --users"),
        (["rates", "--events", "0"], "'--events'"),
        (["kill", "--rate", "0"], "'--rate'"),
        (["kill", "--seconds", "-1"], "'--seconds'"),
        (["upgrade", "--former", "no-such-folder"], "'no-such-folder' does not exist"),
        (["nothing"], "'nothing' is not one of 'rates', 'kill', 'upgrade', 'outage', 'all'"),
    ],
)
def test_impossible_options_are_refused(arguments: list[str], reason: str) -> None:
    """The command refuses options that measure nothing, and names the option."""
    done = CliRunner().invoke(scale_out, arguments)

    assert done.exit_code == 2
    assert reason in done.output


@pytest.mark.parametrize("arguments", [["--events", "0"], ["--months", "1"]])
def test_the_ledger_has_events_and_a_month_to_keep(arguments: list[str]) -> None:
    """The command refuses an empty ledger, and a ledger that has only the month that it prunes."""
    done = CliRunner().invoke(ledger_size, arguments)

    assert done.exit_code == 2
    assert arguments[0] in done.output


def test_without_ip_the_message_names_the_package(tmp_path: Path) -> None:
    """Without the program `ip`, the command ends with one line that names the package."""
    command = [sys.executable, "-m", "benchmarks.scale_out", "kill"]
    done = subprocess.run(command, env={"PATH": str(tmp_path)}, cwd=ROOT, capture_output=True, text=True, timeout=60)

    assert (done.returncode, done.stderr) == (1, "Error: ip is missing: apt-get install iproute2\n")


@pytest.mark.parametrize("count", [1, CHUNK, CHUNK + 1, 2 * CHUNK])
def test_the_parts_have_each_number_once(count: int) -> None:
    """The parts of a fill have each number from 1 to the last, once."""
    found = [number for first, last in chunks(count) for number in range(first, last + 1)]

    assert found == list(range(1, count + 1))


def test_a_lost_event_and_a_second_application_are_wrong() -> None:
    """A result is wrong if an event was lost or applied twice. A webhook without a response is not an error."""
    assert FINE.wrong == []
    wrong = Result(captured=10, lost=1, twice=2, wrong_employees=0, via={}, answers={})
    assert [line.split()[0] for line in wrong.wrong] == ["1", "2"]


@pytest.mark.parametrize(("seconds", "is_late"), [(LEASE_SECONDS - 0.3, False), (LEASE_SECONDS * 2.0, True)])
def test_a_takeover_is_late_after_the_lease(seconds: float, is_late: bool) -> None:
    """A takeover is late if the rows were applied after the lease and one poll."""
    assert Takeover("relay-1", 7, seconds).is_late is is_late


def test_a_command_runs_on_its_host() -> None:
    """A command with the prefix of a host runs in the namespace of the host."""
    host = Host("relay-1", "198.18.0.2", "wso1l1")

    assert host.prefix == ("ip", "netns", "exec", host.namespace)
    assert host.namespace.endswith("-relay-1")
