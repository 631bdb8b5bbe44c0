"""Whatever HR and Auth do at the same time, and whatever fails meanwhile: both sides come to rest, and agree."""

import random

import pytest

from tests.integration.two_sides import Plan, put_witnesses
from tests.integration.two_sides_moves import live_beside_relays
from tests.integration.two_sides_rules import what_is_wrong_with
from webhook_service.policy import EmailOwner

pytestmark = pytest.mark.campaign

SEEDS = [*range(1, 9), None, None]
"""Each is a story of its own; None is another one each time."""


@pytest.mark.parametrize("number", range(len(SEEDS)))
@pytest.mark.parametrize("owner", EmailOwner, ids=str)
def test_both_sides_come_to_rest_and_agree(database_url: str, owner: EmailOwner, number: int) -> None:
    """Random changes on both sides, failures, crashes and duplicates; see the rules for what must hold then."""
    seed = SEEDS[number] or random.SystemRandom().randrange(1_000_000)
    put_witnesses(database_url)
    wrong = what_is_wrong_with(database_url, Plan(seed, owner))
    assert wrong == [], f"seed {seed}\n" + "\n".join(wrong)


@pytest.mark.parametrize("number", range(3))
@pytest.mark.parametrize("owner", EmailOwner, ids=str)
def test_with_relays_that_work_all_the_time(database_url: str, owner: EmailOwner, number: int) -> None:
    """The same, with everything at once: two relays, webhooks and changes, each in its own time."""
    seed = random.SystemRandom().randrange(1_000_000)
    put_witnesses(database_url)
    wrong = what_is_wrong_with(database_url, Plan(seed, owner), live_beside_relays)
    assert wrong == [], f"seed {seed}\n" + "\n".join(wrong)
