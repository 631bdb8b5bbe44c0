"""HR and Auth make changes at the same time, with random failures. Both sides agree in the end."""

import random

import pytest

from tests.integration.two_sides import Plan, put_witnesses
from tests.integration.two_sides_moves import live_beside_relays
from tests.integration.two_sides_rules import violations
from webhook_service.policy import EmailOwner

pytestmark = pytest.mark.campaign

SEEDS = [*range(1, 9), None, None]
"""Each seed gives one sequence of changes. None stands for a random seed in each run."""


@pytest.mark.parametrize("number", range(len(SEEDS)))
@pytest.mark.parametrize("owner", EmailOwner, ids=str)
def test_both_sides_agree_in_the_end(database_url: str, owner: EmailOwner, number: int) -> None:
    """Both sides agree by the rules in two_sides_rules.sql after random changes, failures, crashes and duplicates."""
    seed = SEEDS[number] or random.SystemRandom().randrange(1_000_000)
    put_witnesses(database_url)
    wrong = violations(database_url, Plan(seed, owner))
    assert wrong == [], f"seed {seed}\n" + "\n".join(wrong)


@pytest.mark.parametrize("number", range(3))
@pytest.mark.parametrize("owner", EmailOwner, ids=str)
def test_both_sides_agree_with_relays_that_run_all_the_time(database_url: str, owner: EmailOwner, number: int) -> None:
    """Both sides agree after two relays, webhooks and changes have run concurrently."""
    seed = random.SystemRandom().randrange(1_000_000)
    put_witnesses(database_url)
    wrong = violations(database_url, Plan(seed, owner), live_beside_relays)
    assert wrong == [], f"seed {seed}\n" + "\n".join(wrong)
