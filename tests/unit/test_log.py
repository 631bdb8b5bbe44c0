"""A line of the log: JSON, and without personal data."""

import json
import logging
import sys
from typing import Any
from uuid import UUID

import pytest

from webhook_service.log import JsonFormatter, masked


def line_of(message: str = "delivery", *args: object, exc_info: Any = None, **extra: object) -> str:
    record = logging.getLogger("test").makeRecord(
        "test", logging.WARNING, "file.py", 7, message, args, exc_info, extra=extra
    )
    return JsonFormatter().format(record)


def caught(error: BaseException, cause: BaseException | None = None) -> Any:
    """exc_info of an error that was raised, from a cause that was raised."""
    try:
        if cause is None:
            raise error
        try:
            raise cause
        except BaseException as first:  # noqa: BLE001 (it is to become a cause)
            raise error from first
    except BaseException:  # noqa: BLE001 (it is to be logged)
        return sys.exc_info()


def test_a_record_is_an_object_with_time_level_and_message() -> None:
    """Each line tells when, how grave and what."""
    line = json.loads(line_of("%d of %s", 2, "three"))
    assert (line["level"], line["message"]) == ("warning", "2 of three")
    assert line["time"].endswith("+00:00")


def test_nothing_but_what_was_said_is_in_a_line() -> None:
    """The fields that logging adds to every record stay out."""
    assert set(json.loads(line_of())) == {"time", "level", "message"}


@pytest.mark.parametrize(
    ("value", "shown"),
    [(3.5, 3.5), (None, None), (["a"], ["a"]), ({"a": 1}, {"a": 1}), (UUID(int=7), str(UUID(int=7))), ("Zoë", "Zoë")],
    ids=["number", "null", "list", "object", "UUID", "text"],
)
def test_extra_fields_are_kept(value: object, shown: object) -> None:
    """What is passed as `extra` is a field of the line, as JSON or else as text."""
    assert json.loads(line_of(outcome=value))["outcome"] == shown


@pytest.mark.parametrize("text", ["a\nb", "a\r\nb", 'say "no"', "back\\slash", "\x00\x1b"], ids=repr)
def test_a_record_is_one_line(text: str) -> None:
    """Line ends in what is logged do not end the line, so nobody can forge another one."""
    line = line_of(text, field=text)
    assert "\n" not in line
    assert "\r" not in line
    assert json.loads(line)["field"] == text


ADDRESSES = {
    "plain": "jane.doe@example.com",
    "in a sentence": "mail to jane.doe@example.com, please",
    "in angle brackets": "<jane.doe@example.com>",
    "in quotes": '"jane.doe@example.com"',
    "in a key of PostgreSQL": "Key (email)=(jane.doe@example.com) already exists.",
    "with a tag": "jane.doe+news@example.com",
    "in a URL": "https://example.com/?email=jane.doe@example.com",
    "after a line end": "x:\njane.doe@example.com",
    "after a tab": "\tjane.doe@example.com",
    "after a backslash": "\\jane.doe@example.com",
    "after a control character": "\x01jane.doe@example.com",
    "before a line end": "jane.doe@example.com\nx",
    "two": "jane.doe@example.com jane.doe@example.com",
    "with a quoted name": '"jane.doe"@example.com',
}


@pytest.mark.parametrize("text", ADDRESSES.values(), ids=ADDRESSES.keys())
@pytest.mark.parametrize("place", ["message", "argument", "field", "nested", "key"])
def test_an_address_is_masked_wherever_it_is(place: str, text: str) -> None:
    """Of `jane.doe@` no more than the first letter is in the line."""
    line = {
        "message": lambda: line_of(text),
        "argument": lambda: line_of("%s", text),
        "field": lambda: line_of(field=text),
        "nested": lambda: line_of(field={"list": [text]}),
        "key": lambda: line_of(field={text: 1}),
    }[place]()
    assert "doe" not in line


@pytest.mark.parametrize("text", ADDRESSES.values(), ids=ADDRESSES.keys())
def test_a_masked_line_is_still_json(text: str) -> None:
    """Masking does not break the line, whatever stands around the address."""
    assert isinstance(json.loads(line_of(text, field=text)), dict)


def test_a_mask_keeps_the_first_letter_and_the_domain() -> None:
    """Enough to recognise an address that one knows, too little to learn it."""
    assert masked("jane.doe@example.com, joe@example.org") == "j***@example.com, j***@example.org"


def test_an_exception_is_told_by_type_and_place() -> None:
    """Where it was raised is in the line."""
    (error,) = json.loads(line_of(exc_info=caught(ValueError("canary"))))["error"]
    assert error.startswith("ValueError at ")
    assert "test_log.py" in error


def test_a_cause_is_told_by_type_and_place() -> None:
    """Each exception of the chain has its own entry, the outermost first."""
    errors = json.loads(line_of(exc_info=caught(RuntimeError("canary"), KeyError("canary"))))["error"]
    assert [error.split()[0] for error in errors] == ["RuntimeError", "KeyError"]


def test_the_texts_of_exceptions_stay_out() -> None:
    """The database's own words may hold a row: neither an exception's text nor its cause's is in the line."""
    assert "canary" not in line_of(exc_info=caught(RuntimeError("canary 1"), KeyError("canary 2")))


def test_no_exception_is_no_error() -> None:
    """`exc_info=True` outside of a handler is not an error of the formatter."""
    assert "error" not in json.loads(line_of(exc_info=(None, None, None)))
