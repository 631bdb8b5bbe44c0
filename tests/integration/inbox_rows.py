"""The rows of the inbox, read from its page as an admin sees them."""

from dataclasses import dataclass, field
from html.parser import HTMLParser

from werkzeug.test import TestResponse

from tests.integration.signing_in import Browser


@dataclass
class Row:
    """A row: its whole text, its buttons {label: (path, fields)} and its links {label: path}."""

    text: str = ""
    buttons: dict[str, tuple[str, dict[str, str]]] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)

    def press(self, browser: Browser, label: str, **typed: str) -> TestResponse:
        path, fields = self.buttons[label]
        return browser.sends(path, **fields, **typed)


class Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.rows: list[Row] = []
        self._is_in = self._is_hidden = False
        self._form: tuple[str, dict[str, str]] = ("", {})
        self._link = ""
        self._label: list[str] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "li" and "card" in given.get("class", ""):
            self._is_in = True
            self.rows.append(Row())
        if tag == "span" and given.get("class") == "visually-hidden":
            self._is_hidden = True
        elif tag == "form":
            self._form = (given["action"], {}) if "action" in given else ("", {})
        elif tag == "input" and given.get("type") == "hidden" and given["name"] != "csrf_token":
            self._form[1][given["name"]] = given["value"]
        elif tag in ("a", "button"):
            self._label, self._link = [], given.get("href", "")

    def handle_data(self, data: str) -> None:
        if self._is_in:
            self.rows[-1].text = " ".join([*self.rows[-1].text.split(), *data.split()])
        if self._label is not None and not self._is_hidden:
            self._label.append(data)

    def handle_endtag(self, tag: str) -> None:
        if tag == "span":
            self._is_hidden = False
        elif tag == "li":
            self._is_in = False
        elif tag in ("a", "button") and self._label is not None:
            label = "".join(self._label).strip()
            if self._is_in and tag == "a":
                self.rows[-1].links[label] = self._link
            elif self._is_in:
                self.rows[-1].buttons[label] = self._form
            self._label = None


def rows(browser: Browser, path: str = "/admin/inbox") -> list[Row]:
    answer = browser.get(path)
    assert answer.status_code == 200, answer.text
    reader = Reader()
    reader.feed(answer.text)
    return reader.rows


def only_row(browser: Browser) -> Row:
    [row] = rows(browser)
    return row
