"""HR and Auth change at the same time while everything fails at times; in the end both sides agree."""

import random

import pytest

from tests.integration.two_sides import Plan, put_witnesses
from tests.integration.two_sides_moves import live_beside_relays
from tests.integration.two_sides_rules import violations
from webhook_service.policy import EmailOwner

pytestmark = pytest.mark.every_employees_table

SEEDS = [*range(1, 9), None, None]
"""Each seed is one sequence of changes; None is a new one in each run."""


@pytest.mark.parametrize("number", range(len(SEEDS)))
@pytest.mark.parametrize("owner", EmailOwner, ids=str)
def test_both_sides_come_to_rest_and_agree(database_url: str, owner: EmailOwner, number: int) -> None:
    """Both sides agree after random changes, failures, crashes and duplicates; two_sides_rules.sql has the rules."""
    seed = SEEDS[number] or random.SystemRandom().randrange(1_000_000)
    put_witnesses(database_url)
    wrong = violations(database_url, Plan(seed, owner))
    assert wrong == [], f"seed {seed}\n" + "\n".join(wrong)


@pytest.mark.parametrize("number", range(3))
@pytest.mark.parametrize("owner", EmailOwner, ids=str)
def test_with_relays_that_work_all_the_time(database_url: str, owner: EmailOwner, number: int) -> None:
    """Both sides agree after two relays, webhooks and changes have run at the same time."""
    seed = random.SystemRandom().randrange(1_000_000)
    put_witnesses(database_url)
    wrong = violations(database_url, Plan(seed, owner), live_beside_relays)
    assert wrong == [], f"seed {seed}\n" + "\n".join(wrong)
