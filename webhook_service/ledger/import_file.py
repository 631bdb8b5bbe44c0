"""Reads a CSV file with employees: its encoding, its delimiter, its header and its cells."""

import codecs
import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from webhook_service.addresses import INVISIBLE, normal_address
from webhook_service.errors import BadPayload
from webhook_service.events import Json

MARKS = (("utf-8", codecs.BOM_UTF8), ("utf-16-le", codecs.BOM_UTF16_LE), ("utf-16-be", codecs.BOM_UTF16_BE))
ENCODING_NAMES = {"utf-8": "UTF-8", "utf-16-le": "UTF-16", "utf-16-be": "UTF-16", "cp1252": "Windows-1252"}
DELIMITERS = ",;\t"
SEPARATOR_LINE = re.compile(r"sep=([,;\t])\r?\n?")
"""The first line with which some spreadsheets name the delimiter."""

KEYS = ("employee_id", "employee_number", "email")
"""The columns by which an employee is found. An import needs at least one of them."""

EXPORT_ONLY = ("auth_user_id", "sync_status")
"""The columns of the dashboard's export that an import ignores, because the service itself writes them."""

MAX_NAMED, LONGEST_NAMED = 10, 50
"""The number of wrong columns that an error names, and the number of characters of each."""
UNKNOWN_COLUMNS = "The table employees has no such column: {unknown}. It has: {writable}."
MANY_UNKNOWN_COLUMNS = "The table employees lacks {count:,} columns of the file: {unknown}, … It has: {writable}."

ALIASES = {"e_mail": "email"}
GUARDED = re.compile(r"'(?=[=+\-@\t\r\n])")
"""The apostrophe that an export writes before a cell that a spreadsheet would execute (web.pages.exports.cell)."""

ACTIVE = {
    **dict.fromkeys(("true", "yes", "1", "active"), "true"),
    **dict.fromkeys(("false", "no", "0", "inactive"), "false"),
}
"""The words in the column is_active."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the file. `data` is {column: text} of the cells that are not empty.

    `wrong` is None, or {"reason", ...} of the refusal.
    """

    number: int
    data: Mapping[str, str]
    wrong: Mapping[str, Json] | None = None


@dataclass(frozen=True, slots=True)
class ImportFile:
    """A file that can be read as a table. `ignored` are the columns that are not imported."""

    encoding: str
    columns: tuple[str, ...]
    ignored: tuple[str, ...]
    lines: tuple[Line, ...] = field(repr=False)


def read(content: bytes, known: Mapping[str, bool], *, most_lines: int | None = None) -> ImportFile:
    """Read a file. `known` is {column of employees: whether an import may write it}.

    A file with more than `most_lines` lines, empty ones included, is refused, because a thread that reads millions of
    lines slows down the others. Raises BadPayload (`bad_file`) if the file is not a table of employees. A wrong cell
    only refuses its line.
    """
    text, encoding = decoded(content)
    delimiter, text, skipped = delimiter_of(text)
    rows = numbered_rows(text, delimiter, skipped, most_lines)
    header = next(rows, None)
    if header is None:
        raise bad_file("The file is empty.")
    columns = columns_of(header[1], known)
    ignored = tuple(name for name in columns if name in EXPORT_ONLY) if "sync_status" in columns else ()
    lines = tuple(line_of(number, row, columns, ignored) for number, row in rows)
    if not lines:
        raise bad_file("The file has a header, but no employees.")
    return ImportFile(encoding, columns, ignored, lines)


def bad_file(detail: str) -> BadPayload:
    """Return the error for a file that is not a table of employees."""
    return BadPayload("bad_file", detail)


def decoded(content: bytes) -> tuple[str, str]:
    """Return the text of the file, and the name of its encoding."""
    for name, mark in MARKS:
        if content.startswith(mark):
            try:
                text, encoding = content[len(mark) :].decode(name), name
                break
            except UnicodeDecodeError as error:
                raise bad_file(f"The file begins as {ENCODING_NAMES[name]}, but is not. Save it as UTF-8.") from error
    else:
        text, encoding = decoded_without_mark(content)
    if "\0" in text:
        raise bad_file("The file has NUL characters, so it is not a CSV file in UTF-8. Save it as CSV in UTF-8.")
    return text, ENCODING_NAMES[encoding]


def decoded_without_mark(content: bytes) -> tuple[str, str]:
    try:
        return content.decode(), "utf-8"
    except UnicodeDecodeError:
        try:
            return content.decode("cp1252"), "cp1252"
        except UnicodeDecodeError as error:
            raise bad_file("The encoding of the file is not UTF-8 or Windows-1252. Save it as CSV in UTF-8.") from error


def delimiter_of(text: str) -> tuple[str, str, int]:
    """Return the delimiter, the text of the table, and the number of lines before it.

    The delimiter is the one of `sep=;` in the first line, or the most frequent one outside of quotes in the header.
    """
    if named := SEPARATOR_LINE.match(text):
        return named[1], text[named.end() :], 1
    header = re.sub('"[^"]*"', "", text.lstrip("\r\n").partition("\n")[0])
    return max(DELIMITERS, key=header.count), text, 0


def numbered_rows(text: str, delimiter: str, skipped: int, most_lines: int | None) -> Iterator[tuple[int, list[str]]]:
    """Yield each row that is not empty, with the number of its first line. A quoted cell may have several lines."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    while True:
        number = reader.line_num + skipped + 1
        try:
            row = next(reader, None)
        except csv.Error as error:
            raise bad_file(f"Line {number} cannot be read: {reason_of(error)}.") from error
        if row is None:
            return
        if most_lines is not None and number > most_lines:
            raise bad_file(
                f"The file has more than {most_lines:,} lines. Import it with the command webhook-service import, or in"
                " parts."
            )
        if any(cell.strip(INVISIBLE) for cell in row):
            yield number, row


def reason_of(error: csv.Error) -> str:
    """Return the reason of Python's CSV reader in words for the author of a file."""
    reported = str(error)
    if "unexpected end of data" in reported:
        return "a quotation mark is never closed"
    if "expected after" in reported:
        return "there is text after a closing quotation mark"
    return "a cell is too long" if "field limit" in reported else "its quotation marks or line ends are wrong"


def columns_of(header: list[str], known: Mapping[str, bool]) -> tuple[str, ...]:
    """Return the columns of employees that the header names. Raises BadPayload."""
    names = {name.lower(): name for name in known}
    columns = tuple(column_of(cell, names) for cell in header)
    is_export = "sync_status" in columns
    unknown = dict.fromkeys(name for name in columns if name not in known and not (is_export and name in EXPORT_ONLY))
    writable = ", ".join(sorted(name for name in known if known[name] or name == "employee_id"))
    if unknown:
        shown = ", ".join(map(named, list(unknown)[:MAX_NAMED]))
        says = UNKNOWN_COLUMNS if len(unknown) <= MAX_NAMED else MANY_UNKNOWN_COLUMNS
        raise bad_file(says.format(count=len(unknown), unknown=shown, writable=writable))
    if twice := sorted(name for name, times in Counter(columns).items() if times > 1):
        raise bad_file(f"The header has a column twice: {', '.join(twice)}.")
    fixed = [
        name
        for name in columns
        if not known.get(name) and name != "employee_id" and not (is_export and name in EXPORT_ONLY)
    ]
    if fixed:
        raise bad_file(f"An import cannot write these columns: {', '.join(fixed)}. It can write: {writable}.")
    if not set(KEYS) & set(columns):
        raise bad_file("The header has none of the columns employee_id, employee_number and email.")
    return columns


def named(column: str) -> str:
    """Return the name of a wrong column for an error."""
    if not column:
        return "a column without a name"
    return f"“{column[:LONGEST_NAMED]}{'…' if len(column) > LONGEST_NAMED else ''}”"


def column_of(cell: str, names: Mapping[str, str]) -> str:
    """Return the column that a cell of the header names: `First Name` is first_name, and `E-mail` is email."""
    name = re.sub(r"[\s\-]+", "_", cell.strip(INVISIBLE).lower())
    name = ALIASES.get(name, name) if name not in names else name
    return names.get(name, name)


def line_of(number: int, row: list[str], columns: tuple[str, ...], ignored: tuple[str, ...]) -> Line:
    extra = [cell for cell in row[len(columns) :] if cell.strip(INVISIBLE)]
    if len(row) < len(columns) or extra:
        return Line(number, {}, {"reason": "cells", "cells": len(row), "columns": len(columns)})
    data, wrong = {}, None
    for column, cell in zip(columns, row, strict=False):
        value = GUARDED.sub("", cell, count=1) if cell.startswith("'") else cell
        if column in ignored or not value.strip(INVISIBLE):
            continue
        if column == "email":
            value = normal_address(value)
        elif column in KEYS:
            value = value.strip(INVISIBLE)
        elif column == "is_active":
            word = value.strip(INVISIBLE).lower()
            if word not in ACTIVE:
                wrong = {"reason": "not_a_status", "column": column}
                continue
            value = ACTIVE[word]
        data[column] = value
    return Line(number, data, wrong)
