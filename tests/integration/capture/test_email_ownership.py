"""An e-mail changes in employees, in Auth or in both. Both end with the same e-mail. EMAIL_OWNER decides whose."""

from collections.abc import Callable, Iterator

import pytest

from tests.auth_faults import Call
from tests.employees import employee
from tests.integration.performing import HR, JANE, Company, company
from tests.integration.requested_actions import EMAIL, POLICIES, actions, outcomes, relay_events, requested_operations
from webhook_service.ledger.relay import run_once
from webhook_service.policy import EmailOwner

OWN = "own@example.com"
"""Jane's new e-mail, which she sets in Auth."""

both_owners = pytest.mark.parametrize("owner", EmailOwner)


@pytest.fixture
def hr(database_url: str, owner: EmailOwner) -> Iterator[Company]:
    with company(database_url, owner=owner) as hr:
        yield hr


def events(hr: Company) -> None:
    relay_events(hr.database, hr.accounts.owner)


def perform(hr: Company) -> None:
    hr.accounts.run_once("relay")


def change_in_hr(hr: Company) -> None:
    hr.write(f"email = '{HR}'")


def change_in_auth(hr: Company) -> None:
    hr.auth.change_email(hr.user, OWN)


@both_owners
def test_a_change_of_hr_goes_to_auth(hr: Company, owner: EmailOwner) -> None:
    """With either owner, one call confirms Jane's new e-mail in Auth. The event of this change requests no action."""
    change_in_hr(hr)
    hr.rest()
    assert hr.emails == (HR, HR)
    assert [dict(call.body) for call in hr.server.calls if call.method == "PUT"] == [
        {"email": HR, "email_confirm": True}
    ]
    assert outcomes(hr.connection) == [(EMAIL, "SUCCESS", "email_updated")]


@pytest.mark.parametrize(
    ("owner", "email", "puts"),
    [(EmailOwner.AUTH, OWN, 0), (EmailOwner.EMPLOYEES, JANE, 1)],
    ids=["Auth owns it", "employees own it"],
)
def test_a_change_of_auth_is_copied_or_reverted(hr: Company, email: str, puts: int) -> None:
    """If Auth owns e-mails, the employee gets the new e-mail. If employees own them, Auth's e-mail is changed back."""
    change_in_auth(hr)
    hr.rest()
    assert hr.emails == (email, email)
    assert hr.server.count("PUT") == puts


@pytest.mark.parametrize(
    ("owner", "email"),
    [(EmailOwner.AUTH, OWN), (EmailOwner.EMPLOYEES, HR)],
    ids=["Auth owns it", "employees own it"],
)
@pytest.mark.parametrize("first", [change_in_hr, change_in_auth], ids=["HR first", "Auth first"])
@pytest.mark.parametrize("then", [events, perform], ids=["event first", "action first"])
def test_the_owner_s_change_wins(
    hr: Company, email: str, first: Callable[[Company], None], then: Callable[[Company], None]
) -> None:
    """The owner's change wins, in whatever order the changes are made and processed."""
    first(hr)
    (change_in_auth if first is change_in_hr else change_in_hr)(hr)
    then(hr)
    hr.rest()
    assert hr.emails == (email, email)
    assert {action["status"] for action in actions(hr.connection)} == {"SUCCESS"}
    assert hr.server.count("PUT") <= 1


@both_owners
@pytest.mark.parametrize("captured", ["before", "after"])
@pytest.mark.parametrize("performed", ["not yet", "meanwhile"])
def test_an_event_about_another_column_does_not_undo_a_change_of_hr(
    hr: Company, owner: EmailOwner, captured: str, performed: str
) -> None:
    """A user's event that still has the old e-mail, because HR changed it meanwhile, does not restore that e-mail."""
    if captured == "before":
        hr.auth.update_metadata(hr.user, {"first_name": "Janet"})
        change_in_hr(hr)
    else:
        change_in_hr(hr)
        hr.auth.update_metadata(hr.user, {"first_name": "Janet"})
    if performed == "meanwhile":
        perform(hr)
    assert run_once(hr.database, POLICIES[owner], name="relay", limit=1).claimed == 1
    assert employee(hr.connection, hr.jane)["email"] == HR
    hr.rest()
    assert hr.emails == (HR, HR)
    assert employee(hr.connection, hr.jane)["first_name"] == "Janet"


def during(hr: Company, method: str, does: Callable[[], None], *, after: bool = False) -> None:
    """Run the function `does` once, just before or after Auth performs the next request with this HTTP method."""
    done = False

    def hook(call: Call) -> None:
        nonlocal done
        if call.method == method and not done:
            done = True
            does()

    if after:
        hr.server.after = hook
    else:
        hr.server.before = hook


@both_owners
@pytest.mark.parametrize(
    "moment", ["before the claim", "before the call", "after the call", "before the event", "after the event"]
)
def test_hr_takes_a_change_back(hr: Company, owner: EmailOwner, moment: str) -> None:
    """If HR takes the change back at any moment, both sides end with the first e-mail, after at most two calls."""

    def revert() -> None:
        hr.write(f"email = '{JANE}'")

    change_in_hr(hr)
    if moment == "before the claim":
        revert()
    elif moment in ("before the call", "after the call"):
        during(hr, "PUT", revert, after=moment == "after the call")
    perform(hr)
    if moment == "after the event":
        events(hr)
    if moment in ("before the event", "after the event"):
        revert()
    hr.rest()
    assert hr.emails == (JANE, JANE)
    assert hr.server.count("PUT") <= 2


@both_owners
@pytest.mark.parametrize("moment", ["before the call", "before the event"])
def test_hr_changes_the_e_mail_again(hr: Company, owner: EmailOwner, moment: str) -> None:
    """If HR writes a third e-mail while the service sends the second to Auth, the third e-mail wins."""

    def change_again() -> None:
        hr.write("email = 'third@example.com'")

    change_in_hr(hr)
    if moment == "before the call":
        during(hr, "PUT", change_again)
    perform(hr)
    if moment == "before the event":
        change_again()
    events(hr)
    assert employee(hr.connection, hr.jane)["email"] == "third@example.com"
    hr.rest()
    assert hr.emails == ("third@example.com", "third@example.com")


@pytest.mark.parametrize("owner", [EmailOwner.AUTH])
def test_a_change_in_auth_during_a_call_ends_in_sync(hr: Company) -> None:
    """If Jane confirms her new e-mail just before the service's call arrives, both sides end with the same e-mail."""
    change_in_hr(hr)
    during(hr, "PUT", lambda: change_in_auth(hr))
    hr.rest()
    assert hr.emails in ((HR, HR), (OWN, OWN))


@pytest.mark.parametrize("owner", [EmailOwner.EMPLOYEES])
def test_an_e_mail_that_auth_refuses_is_not_requested_again_and_again(hr: Company) -> None:
    """After Auth refuses an e-mail, further events do not request it again. Another new e-mail is requested."""
    hr.auth.admin_create(HR)
    change_in_hr(hr)
    hr.rest()
    for name in ("Janet", "Jan", "Joan"):
        hr.auth.update_metadata(hr.user, {"first_name": name})
        hr.rest()
    assert (requested_operations(hr.connection), hr.server.count("PUT"), hr.emails) == ([EMAIL], 1, (HR, JANE))
    hr.write("email = 'third@example.com'")
    hr.rest()
    assert hr.emails == ("third@example.com", "third@example.com")


@both_owners
def test_swapped_e_mails_need_attention(hr: Company, owner: EmailOwner) -> None:
    """If one statement swaps two employees' e-mails, the logins keep their e-mails and both actions need attention."""
    joe = hr.auth.admin_create("joe@example.com")
    hr.connection.execute("insert into employees (email) values ('joe@example.com')")
    hr.rest()
    hr.connection.execute(
        "update employees set email = case email when 'joe@example.com' then 'jane@example.com'"
        " else 'joe@example.com' end"
    )
    hr.rest()
    assert {action["outcome"] for action in actions(hr.connection)} == {"email_taken"}
    assert (hr.row["email"], hr.auth.users.row(joe)["email"]) == (JANE, "joe@example.com")
