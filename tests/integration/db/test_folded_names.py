"""The regular expression that decides about most names before they are folded."""

import pytest

from tests.employees import Connection

NAMES = ["Zoë Ångström", "Weiß", "WEISSE", "Æsa Þór", "Strauß-Söhne", "Đặng Thị", "İlker", "Œuvre", "Ĳsbrand", "ǅemal"]
NAMES += [
    "Ёлкин Йосиф",
    "Ἀλέξανδρος",
    "ﬁona",
    "Ｊane",
    "王小明",
    "김철수",
    "O\u0308zlem",
    "O'Brien",
    "A.B [x]",
    "  Anna",
    "Ŀluís",
    "ŉel",
]


@pytest.mark.parametrize("name", NAMES)
def test_each_beginning_of_a_folded_name_is_allowed(connection: Connection, name: str) -> None:
    """The expression allows each name whose folded form begins with the text."""
    query = (
        "select n, %(name)s ~ auth_sync_name_regex_v1(left(auth_sync_folded_v1(btrim(%(name)s)), n)) as is_allowed"
        " from generate_series(1, length(auth_sync_folded_v1(btrim(%(name)s)))) as n"
    )
    rows = connection.execute(query, {"name": name}).fetchall()
    assert rows
    assert [row["n"] for row in rows if not row["is_allowed"]] == []


def test_each_letter_is_found_by_its_folded_form(connection: Connection) -> None:
    """A Latin letter with an accent is allowed at the beginning, in the middle and at the end of a name."""
    query = (
        "with letters as materialized (select chr(n) as letter, auth_sync_folded_v1(chr(n)) as folded from ("
        " select generate_series(192, 1279) as n union all select generate_series(7680, 8191)) as n"
        "), regexes as materialized ("
        " select folded, auth_sync_name_regex_v1(folded || 'x') as first,"
        "        auth_sync_name_regex_v1('x' || folded || 'y') as middle,"
        "        auth_sync_name_regex_v1('x' || left(folded, 1)) as last"
        "   from letters where folded ~ '^[a-z]+$' group by folded)"
        " select letter from letters join regexes using (folded)"
        " where not (letter || 'x' ~ first and 'x' || letter || 'y' ~ middle and 'x' || letter ~ last)"
    )
    assert connection.execute(query.encode()).fetchall() == []


@pytest.mark.parametrize(
    ("typed", "name"), [("bjorn", "Bjarne Ö"), ("muller", "Möller"), ("weis", "Weimar"), ("a.b", "Axb")]
)
def test_most_other_names_are_decided_without_folding(connection: Connection, typed: str, name: str) -> None:
    """The expression refuses names with other letters."""
    row = connection.execute("select %s ~ auth_sync_name_regex_v1(%s) as is_allowed", [name, typed]).fetchone()
    assert row == {"is_allowed": False}
