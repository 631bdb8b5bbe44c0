"""The reader of CSV files with employees: encodings, delimiters, headers and cells."""

import pytest

from webhook_service.errors import BadPayload
from webhook_service.ledger.import_file import ImportFile, Line, read

KNOWN = {
    "employee_id": False,
    "email": True,
    "first_name": True,
    "employee_number": True,
    "is_active": True,
    "auth_user_id": False,
    "orphaned_at": False,
    "UserType": True,
}
UMLAUT = "email;first_name\nj@example.com;Jürgen\n"


def lines(content: str | bytes) -> list[tuple[int, dict[str, str]]]:
    """The lines that are read, as (number, data)."""
    file = read(content.encode() if isinstance(content, str) else content, KNOWN)
    return [(line.number, dict(line.data)) for line in file.lines]


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        (UMLAUT.encode(), "UTF-8"),
        (b"\xef\xbb\xbf" + UMLAUT.encode(), "UTF-8"),
        (UMLAUT.encode("utf-16"), "UTF-16"),
        (b"\xfe\xff" + UMLAUT.encode("utf-16-be"), "UTF-16"),
        (UMLAUT.encode("cp1252"), "Windows-1252"),
    ],
)
def test_the_encoding_is_detected(content: bytes, encoding: str) -> None:
    """UTF-8, UTF-16 and Windows-1252 give the same text, and the encoding is named."""
    file = read(content, KNOWN)
    assert (file.encoding, file.lines[0].data["first_name"]) == (encoding, "Jürgen")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "The file is empty."),
        (b" \n\n", "The file is empty."),
        (b"email\n\n", "no employees"),
        (b"email\na\x00b\n", "NUL"),
        (UMLAUT.encode("utf-16-le"), "NUL"),
        (b"email\n\x81@example.com\n", "Save it as CSV in UTF-8."),
        (b"\xef\xbb\xbfemail\n\xff\n", "begins as UTF-8"),
        (b'email\n"a@example.com\n', "Line 2 cannot be read: a quotation mark is never closed."),
        (b'email\n"a"b@example.com\n', "Line 2 cannot be read: there is text after a closing quotation mark."),
        (b"email\n" + b"x" * 200_000 + b"\n", "Line 2 cannot be read: a cell is too long."),
        (
            b"email,Salary,\na@example.com,1,\n",
            "no such column: “salary”, a column without a name. It has: UserType, email,",
        ),
        (b"email,E-Mail\na@example.com,b\n", "twice: email"),
        (b"email,auth_user_id\na@example.com,x\n", "cannot write these columns: auth_user_id"),
        (b"email,orphaned_at\na@example.com,x\n", "cannot write these columns: orphaned_at"),
        (b"first_name\nJane\n", "none of the columns"),
    ],
)
def test_a_file_that_is_not_a_table_is_refused(content: bytes, words: str) -> None:
    """A file that cannot be read is refused with a sentence that says why."""
    with pytest.raises(BadPayload) as error:
        read(content, KNOWN)
    assert (error.value.reason, words in error.value.detail) == ("bad_file", True), error.value.detail


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_the_delimiter_is_detected(delimiter: str) -> None:
    """Commas, semicolons and tabs delimit cells. A quoted cell may contain all of them."""
    text = f'"E-mail"{delimiter}"First Name"\na@example.com{delimiter}"A,;\tB"\n'
    assert lines(text) == [(2, {"email": "a@example.com", "first_name": "A,;\tB"})]


def test_a_spreadsheet_names_its_delimiter() -> None:
    """A first line sep=; names the delimiter, and counts as a line."""
    assert lines("sep=;\nemail;first_name\na@example.com;A\n") == [(3, {"email": "a@example.com", "first_name": "A"})]


def test_names_of_columns_are_read_leniently() -> None:
    """Case, spaces and hyphens in the header do not matter."""
    text = " E-MAIL ,First  Name,Employee-Number,usertype\na@example.com,A,1,2\n"
    expected = {"email": "a@example.com", "first_name": "A", "employee_number": "1", "UserType": "2"}
    assert lines(text) == [(2, expected)]


def test_lines_have_the_number_of_their_first_line() -> None:
    """Empty lines are skipped, and a quoted cell may have several lines."""
    text = 'email,first_name\r\na@example.com,"A\r\nB"\r\n\r\n,\r\nb@example.com,C\r\n'
    assert lines(text) == [
        (2, {"email": "a@example.com", "first_name": "A\r\nB"}),
        (6, {"email": "b@example.com", "first_name": "C"}),
    ]


def test_cells_are_normalized() -> None:
    """E-mails are in lower case, keys have no spaces around them, and words for the status have one form."""
    text = "email,employee_number,is_active,first_name\n A@Example.com\u00a0, 7 ,YES, Jo \nb@example.com,,Inactive,\n"
    assert lines(text) == [
        (2, {"email": "a@example.com", "employee_number": "7", "is_active": "true", "first_name": " Jo "}),
        (3, {"email": "b@example.com", "is_active": "false"}),
    ]


def test_the_apostrophe_of_an_export_is_removed() -> None:
    """A cell that an export has guarded is read as it was. Other apostrophes stay."""
    text = "email,first_name\n'=a@example.com,'-x\nb@example.com,'t Hooft\n"
    assert lines(text) == [
        (2, {"email": "=a@example.com", "first_name": "-x"}),
        (3, {"email": "b@example.com", "first_name": "'t Hooft"}),
    ]


def test_an_export_has_columns_that_are_not_imported() -> None:
    """The columns auth_user_id and sync_status of an export are named, and not imported."""
    assert read(b"email,auth_user_id,sync_status\na@example.com,x,OK\n", KNOWN) == ImportFile(
        "UTF-8",
        ("email", "auth_user_id", "sync_status"),
        ("auth_user_id", "sync_status"),
        (Line(2, {"email": "a@example.com"}),),
    )


@pytest.mark.parametrize(
    "header", ["email," * 800_000 + "email", "x," * 800_000 + "x", "x" * 100_000], ids=["twice", "unknown", "long"]
)
def test_a_wrong_header_of_any_size_has_a_short_error(header: str) -> None:
    """An error names a few wrong columns once each, and cuts long names, so that it is as short as a sentence."""
    with pytest.raises(BadPayload) as error:
        read(f"{header}\na@example.com\n".encode(), KNOWN)
    assert len(error.value.detail) < 500


def test_an_error_says_how_many_columns_it_does_not_name() -> None:
    """An error names the first ten wrong columns, and counts the others."""
    with pytest.raises(BadPayload, match="lacks 13 columns of the file: .*“a9”, … It has"):
        read((",".join(f"a{n}" for n in range(13)) + "\n1\n").encode(), KNOWN)


@pytest.mark.parametrize("lines", ["a@example.com\n" * 4, "\n" * 4 + "a@example.com\n"], ids=["employees", "empty"])
def test_the_number_of_lines_can_be_limited(lines: str) -> None:
    """A file with more lines than the limit is refused, also if they are empty."""
    content = f"email\n{lines}".encode()
    assert len(read(content, KNOWN, most_lines=6).lines) > 0
    with pytest.raises(BadPayload, match="more than 4 lines"):
        read(content, KNOWN, most_lines=4)
