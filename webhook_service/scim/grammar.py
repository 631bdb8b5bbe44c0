"""Parses the filters and the paths of SCIM (RFC 7644, 3.4.2.2 and 3.5.2) into nodes. The nodes are data, never SQL."""

import json
import re
from dataclasses import dataclass

from webhook_service.events import Json
from webhook_service.scim.attributes import Name, name_of
from webhook_service.scim.refusals import InvalidFilter, InvalidPath
from webhook_service.scim.values import OPERATORS

LONGEST_TEXT = 4000
MOST_TESTS = 40
DEEPEST = 20
"""The limits of a filter: its characters, its tests, and its nested parentheses."""

TOKEN = re.compile(r'\s+|[()\[\]]|"(?:[^"\\]|\\.)*"|[^\s()\[\]"]+', re.DOTALL)
BRACKETS = frozenset("()[]")
NAME = re.compile(r"\$?[A-Za-z][\w$:.-]*", re.ASCII)
SUB_NAME = re.compile(r"\.[A-Za-z$][\w$-]*", re.ASCII)
NUMBER = re.compile(r"-?\d{1,30}(?:\.\d{1,30})?(?:[eE][+-]?\d{1,3})?", re.ASCII)
UNSTORABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
"""Control characters, which no value contains, and halves of surrogate pairs, which PostgreSQL cannot store."""


@dataclass(frozen=True, slots=True)
class Test:
    """A comparison of an attribute with a value. The operator is lower-case. `pr` has the value None."""

    name: Name
    operator: str
    value: Json = None


@dataclass(frozen=True, slots=True)
class Both:
    """`left and right`."""

    left: "Node"
    right: "Node"


@dataclass(frozen=True, slots=True)
class Either:
    """`left or right`."""

    left: "Node"
    right: "Node"


@dataclass(frozen=True, slots=True)
class Negation:
    """`not (node)`."""

    node: "Node"


@dataclass(frozen=True, slots=True)
class Within:
    """`name[node]`: a value of a multi-valued attribute for which the node is true. Its names are sub-attributes."""

    name: Name
    node: "Node"


Node = Test | Both | Either | Negation | Within


@dataclass(frozen=True, slots=True)
class Path:
    """The target of a PATCH operation: an attribute, or those of its values that a filter selects."""

    name: Name
    node: Node | None = None


def parse_filter(text: str) -> Node:
    """Parse a filter. Raises InvalidFilter."""
    parser = Parser(text, InvalidFilter)
    node = parser.alternatives(0)
    parser.expect_end()
    return node


def parse_path(text: str, schema: str | None = None) -> Path:
    """Parse a path. `schema` applies to a name without a URN. Raises InvalidPath."""
    parser = Parser(text, InvalidPath)
    name, node = parser.name(schema), None
    if parser.take("["):
        node = parser.alternatives(1)
        parser.expect("]")
        if sub := parser.sub_name():
            name = Name(name.schema, name.attribute, sub)
    parser.expect_end()
    return Path(name, node)


class Parser:
    """A recursive-descent parser. `refusal` is the error of a malformed text."""

    def __init__(self, text: str, refusal: type[InvalidFilter] | type[InvalidPath]) -> None:
        self.refusal = refusal
        if len(text) > LONGEST_TEXT:
            raise refusal(f"The filter or path is longer than {LONGEST_TEXT} characters.")
        tokens = TOKEN.findall(text)
        if sum(map(len, tokens)) != len(text):
            raise refusal("A quotation mark is not closed.")
        self.tokens = [token for token in tokens if not token.isspace()]
        self.at = 0
        self.tests = 0

    def alternatives(self, depth: int) -> Node:
        """Parse `a or b or c`, of which each part binds `and` first."""
        node = self.conjunction(depth)
        while self.take("or"):
            node = Either(node, self.conjunction(depth))
        return node

    def conjunction(self, depth: int) -> Node:
        """Parse `a and b and c`."""
        node = self.term(depth)
        while self.take("and"):
            node = Both(node, self.term(depth))
        return node

    def term(self, depth: int) -> Node:
        """Parse a test, a group in parentheses, a negated group, or `name[filter]`."""
        if depth > DEEPEST:
            raise self.refusal("The filter is nested too deeply.")
        if self.peek().lower() == "not" and self.peek(1) == "(":
            self.at += 1
            return Negation(self.term(depth))
        if self.take("("):
            node = self.alternatives(depth + 1)
            self.expect(")")
            return node
        name = self.name()
        if not self.take("["):
            return self.test(name)
        node = Within(name, self.alternatives(depth + 1))
        self.expect("]")
        if not (sub := self.sub_name()):
            return node
        # Entra: emails[type eq "work"].value eq "..."
        return Within(name, Both(node.node, self.test(Name(None, sub))))

    def test(self, name: Name) -> Test:
        """Parse the operator and the value after a name."""
        self.tests += 1
        if self.tests > MOST_TESTS:
            raise self.refusal(f"The filter has more than {MOST_TESTS} comparisons.")
        operator = self.next("An operator is missing.").lower()
        if operator not in OPERATORS:
            raise self.refusal("An operator is unknown. The operators are " + ", ".join(OPERATORS) + ".")
        return Test(name, operator, None if operator == "pr" else self.value())

    def value(self) -> Json:
        """Parse a JSON string, number, boolean or null."""
        token = self.next("A value is missing.")
        if token.startswith('"'):
            try:
                text = json.loads(token)
            except ValueError:
                raise self.refusal("A string is not a JSON string.") from None
            if UNSTORABLE.search(text):
                raise self.refusal("A string has a control character.")
            return text
        lower = token.lower()
        if lower in ("true", "false", "null"):
            return {"true": True, "false": False, "null": None}[lower]
        if NUMBER.fullmatch(token):
            return float(token) if set(lower) & {".", "e"} else int(token)
        raise self.refusal("A value is not a JSON string, number, boolean or null.")

    def name(self, schema: str | None = None) -> Name:
        """Parse the name of an attribute."""
        token = self.next("The name of an attribute is missing.")
        if not NAME.fullmatch(token) or token.endswith((".", ":")):
            raise self.refusal("The name of an attribute is malformed.")
        return name_of(token, schema)

    def sub_name(self) -> str | None:
        """Parse the sub-attribute after `]`, if there is one."""
        if not self.peek().startswith("."):
            return None
        token = self.next("")
        if not SUB_NAME.fullmatch(token):
            raise self.refusal("The name of a sub-attribute is malformed.")
        return token[1:].lower()

    def peek(self, ahead: int = 0) -> str:
        """Return a token that follows, or an empty string at the end."""
        return self.tokens[self.at + ahead] if self.at + ahead < len(self.tokens) else ""

    def take(self, token: str) -> bool:
        """Skip this token if it follows."""
        found = self.peek().lower() == token
        self.at += found
        return found

    def next(self, missing: str) -> str:
        """Return the next token, which must not be a bracket. Raises the refusal `missing` at the end."""
        token = self.peek()
        if not token or token[0] in BRACKETS:
            raise self.refusal(missing)
        self.at += 1
        return token

    def expect(self, token: str) -> None:
        """Skip this token. Raises the refusal if another follows."""
        if not self.take(token):
            raise self.refusal(f"A {token} is missing.")

    def expect_end(self) -> None:
        """Raise the refusal if a token follows."""
        if self.peek():
            raise self.refusal("The filter or path has text after its end.")
