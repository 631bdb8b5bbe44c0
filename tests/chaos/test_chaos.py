"""Random changes, during which every process is killed repeatedly."""

import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.chaos.cycle import run
from tests.debian_postgres import Cluster

pytestmark = pytest.mark.campaign

CYCLES = 50


def test_employees_equal_the_auth_users_after_any_kill(
    supabase_cluster: Cluster, new_supabase_database: Callable[..., str], tmp_path: Path
) -> None:
    """Employees equal the auth users after processes are killed at any point.

    During the run, 30 % of the deliveries are lost.
    """
    seed = int(os.environ.get("CHAOS_SEED") or random.SystemRandom().randrange(1_000_000))
    url = supabase_cluster.url(new_supabase_database())

    tally = run(supabase_cluster, url, tmp_path, cycles=CYCLES, seed=seed)

    assert tally.wrong == [], f"repeat with CHAOS_SEED={seed}\n{tally}"
    assert tally.cycles == CYCLES
