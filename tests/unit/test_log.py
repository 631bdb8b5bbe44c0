"""Log lines are JSON, or text for people, without personal data."""

import json
import logging
import re
import sys
from typing import Any
from uuid import UUID

import pytest

from webhook_service.log import JsonFormatter, TextFormatter, dict_config, masked


def line_of(message: str = "delivery", *args: object, exc_info: Any = None, **extra: object) -> str:
    record = logging.getLogger("test").makeRecord(
        "test", logging.WARNING, "file.py", 7, message, args, exc_info, extra=extra
    )
    return JsonFormatter().format(record)


def text_of(message: str, **extra: object) -> str:
    record = logging.getLogger("test").makeRecord("test", logging.WARNING, "file.py", 7, message, (), None, extra=extra)
    return TextFormatter().format(record)


def caught(error: BaseException, cause: BaseException | None = None) -> Any:
    """The exc_info of a raised error, with a raised cause."""
    try:
        if cause is None:
            raise error
        try:
            raise cause
        except BaseException as first:  # noqa: BLE001 (it becomes the cause)
            raise error from first
    except BaseException:  # noqa: BLE001 (the test logs it)
        return sys.exc_info()


def test_a_record_is_an_object_with_time_level_and_message() -> None:
    """Each line has a time in UTC, a level and a message."""
    line = json.loads(line_of("%d of %s", 2, "three"))
    assert (line["level"], line["message"]) == ("warning", "2 of three")
    assert line["time"].endswith("+00:00")


def test_a_line_has_no_other_fields() -> None:
    """The fields that logging adds to every record are left out."""
    assert set(json.loads(line_of())) == {"time", "level", "message"}


@pytest.mark.parametrize(
    ("value", "shown"),
    [(3.5, 3.5), (None, None), (["a"], ["a"]), ({"a": 1}, {"a": 1}), (UUID(int=7), str(UUID(int=7))), ("Zoë", "Zoë")],
    ids=["number", "null", "list", "object", "UUID", "text"],
)
def test_extra_fields_are_kept(value: object, shown: object) -> None:
    """A value in `extra` becomes a field of the line, as JSON if possible and otherwise as text."""
    assert json.loads(line_of(outcome=value))["outcome"] == shown


@pytest.mark.parametrize("text", ["a\nb", "a\r\nb", 'say "no"', "back\\slash", "\x00\x1b"], ids=repr)
def test_a_record_is_one_line(text: str) -> None:
    """A newline in a logged value does not end the line. A client cannot forge a line."""
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
def test_an_address_is_masked_in_any_text(place: str, text: str) -> None:
    """A line contains at most the first letter of the name in an e-mail address."""
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
    """Masking does not break the JSON of a line, with any text around the address."""
    assert isinstance(json.loads(line_of(text, field=text)), dict)


def test_a_mask_keeps_the_first_letter_and_the_domain() -> None:
    """A reader who knows an address can recognise the masked address, and other readers cannot."""
    assert masked("jane.doe@example.com, joe@example.org") == "j***@example.com, j***@example.org"


def test_an_exception_is_logged_by_type_and_place() -> None:
    """A line has an exception's type, and the file and line that raised it."""
    (error,) = json.loads(line_of(exc_info=caught(ValueError("canary"))))["error"]
    assert error.startswith("ValueError at ")
    assert "test_log.py" in error


def test_a_cause_is_logged_by_type_and_place() -> None:
    """Each exception in a chain has an entry with type and place, outermost first."""
    errors = json.loads(line_of(exc_info=caught(RuntimeError("canary"), KeyError("canary"))))["error"]
    assert [error.split()[0] for error in errors] == ["RuntimeError", "KeyError"]


def test_the_texts_of_exceptions_are_left_out() -> None:
    """A line has neither the text of an exception nor of its cause, because a database error may quote a row."""
    assert "canary" not in line_of(exc_info=caught(RuntimeError("canary 1"), KeyError("canary 2")))


def test_exc_info_without_an_exception_adds_no_error() -> None:
    """`exc_info=True` outside of an exception handler is accepted, and adds no `error` field."""
    assert "error" not in json.loads(line_of(exc_info=(None, None, None)))


def test_a_line_for_people_has_time_level_message_and_fields() -> None:
    """The text form has each field as name=value after the message."""
    line = text_of("delivery", outcome="linked", employee_id=7, changes={"email": 1})
    assert re.fullmatch(r'\d\d:\d\d:\d\d WARNING delivery outcome=linked employee_id=7 changes=\{"email": 1\}', line)


def test_a_line_for_people_masks_addresses_and_controls_no_terminal() -> None:
    """A logged value cannot move the cursor, forge a line or show an address."""
    line = text_of("a\x1b[2Jb", field="x\ny", who={"of": "jane@example.com"})
    assert line.isprintable()
    assert "jane@" not in line


@pytest.mark.parametrize(("is_terminal", "format"), [(True, "text"), (False, "json")])
def test_the_format_follows_the_terminal(monkeypatch: pytest.MonkeyPatch, is_terminal: bool, format: str) -> None:
    """With LOG_FORMAT=auto, lines are for people only if standard error is a terminal."""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: is_terminal)
    assert dict_config(format="auto")["handlers"]["stderr"]["formatter"] == format
