"""The settings that decisions depend on, in both directions."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

NAME_COLUMNS = ("first_name", "last_name")
"""The columns of employees to which texts from raw_user_meta_data may be copied. A new column also needs a change of
the SQL: see "Add a column" in CONTRIBUTING.md.
"""


DEACTIVATION_LIMIT = "10%"
"""The share of the linked employees whose logins may be banned in an hour without an admin's confirmation."""


class EmailOwner(StrEnum):
    """The side whose e-mail overrules the e-mail of the other side."""

    AUTH = "auth"
    EMPLOYEES = "employees"


@dataclass(frozen=True, slots=True)
class Policy:
    """The settings that decisions depend on.

    `name_fields` is {employees column: key in raw_user_meta_data}. `columns` are the columns of employees that may be
    overwritten: the columns of `name_fields`, and `email` if Auth owns e-mails. `deactivation_limit` is the number of
    logins that may be banned in an hour before bans are held for an admin: a number, a share such as "10%" (at least 20
    logins), or "off". `link_unproven_emails` says whether an e-mail links auth users even if Auth confirms e-mails
    without proof.
    """

    email_owner: EmailOwner = EmailOwner.AUTH
    name_fields: Mapping[str, str] = field(default_factory=lambda: {name: name for name in NAME_COLUMNS})
    deactivation_limit: str = DEACTIVATION_LIMIT
    link_unproven_emails: bool = False
    columns: frozenset[str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        email = {"email"} if self.email_owner is EmailOwner.AUTH else set()
        object.__setattr__(self, "columns", frozenset(self.name_fields) | email)
