"""The words about bans that wait for an admin, by the reason for which they are held."""

from typing import NamedTuple

from webhook_service.wording.counts import counted

MAX_COUNT = 10_000
"""The largest number to which the database counts."""

WHO_DECIDES = "An admin with the role operator or admin decides."
STILL = "Until you decide, these people can still sign in."


class Held(NamedTuple):
    """The texts of one reason. `one` and `many` are headings. The questions are asked before the forms are sent."""

    one: str
    many: str
    says: str
    release: str
    release_one: str
    release_many: str
    discard: str
    discard_question: str


HELD = {
    "mass_deactivation": Held(
        "{count} ban waits for your decision",
        "{count} bans wait for your decision",
        "An unusual share of the employees was deactivated.",
        "They have left: ban the logins",
        "Ban {count} login? This person can then no longer sign in.",
        "Ban {count} logins? These people can then no longer sign in.",
        "A mistake: drop the bans",
        "Drop the bans? Correct the employees first, or the bans are requested again.",
    ),
    "shared_email": Held(
        "{count} ban waits for your decision: the owner of the login is not certain",
        "{count} bans wait for your decision: the owners of the logins are not certain",
        "These people were deactivated, and another employee who works here has the e-mail or the number of the login.",
        "They own the logins: ban the logins",
        "Ban {count} login? This person can then no longer sign in.",
        "Ban {count} logins? These people can then no longer sign in.",
        "They belong to others: drop the bans",
        "Drop the bans? The logins stay as they are.",
    ),
}


def heading(reason: str, count: int) -> str:
    """Return the heading of the bans that are held for a reason."""
    return counted(count, HELD[reason].one, HELD[reason].many, most=MAX_COUNT)


def question(reason: str, count: int) -> str:
    """Return the question before all bans of a reason are requested."""
    return counted(count, HELD[reason].release_one, HELD[reason].release_many, most=MAX_COUNT)
