"""How pytest-xdist distributes the tests over its workers."""

import os

from xdist.scheduler import LoadScopeScheduling

TOGETHER = (
    {"tests/acceptance/test_demo.py"},
    {"tests/acceptance/test_other_servers.py"},
    {"tests/acceptance/test_readme_installation.py"},
    {"tests/browser/test_accessibility.py"},
    {"tests/browser/test_dashboard.py"},
    {"tests/chaos/test_chaos.py", "tests/chaos/test_receiver_down.py", "tests/chaos/test_scale_out.py"},
    {"tests/integration/db/test_database_contract.py", "tests/integration/ledger/test_data_api_maintenance.py"},
    {"tests/integration/ledger/test_maintenance_rights.py"},
)
"""Modules that run on one worker, and first, because their tests share a process or a database, or take minutes."""

GROUPS = {module: f"group {number}" for number, modules in enumerate(TOGETHER) for module in modules}


class Scheduling(LoadScopeScheduling):  # type: ignore[misc]
    """Distributes the tests of some modules together and first, and all other tests one by one.

    The marker `xdist_group` of pytest-xdist 3.8 has no effect in pytest 9.2.
    """

    def _split_scope(self, nodeid: str) -> str:
        module = nodeid.partition("::")[0]
        return GROUPS.get(module, nodeid)


def workers() -> int:
    """Three workers for two cores, because half of the tests wait for processes."""
    return len(os.sched_getaffinity(0)) * 3 // 2
