"""Random requests over the whole HTTP surface of a server, from good ones to garbage. A seed repeats a run."""

import json
import random
import re
import select
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import quote, urlencode
from uuid import UUID, uuid4

import httpx
from flask import Flask

from tests.acceptance.odd_values import CONTENT_TYPES, HEADERS, METHODS, NAMES, TEXTS, VALUES, VERSIONS
from tests.acceptance.raw_http import connected, half_close, send, statuses, until_closed
from tests.auth_traffic import CONFIRMED, headers_for, insert, update
from tests.conftest import ADMIN_KEY
from tests.integration.signing_in import TOKEN
from webhook_service.events import Json

HANG_SECONDS = 1.0
"""A longer exchange is a hang. It begins when the whole request is sent and the client has closed its direction."""
PATIENCE_SECONDS = 30.0
SIGN_IN_EVERY = 100
"""The number of requests for which a session is used, which a random request may end."""

Route = tuple[str, str]
"""A method and a rule of Flask's `url_map`."""


@dataclass(slots=True)
class Found:
    """The results of a run: requests, statuses, the slowest exchange in seconds, and problems with their requests."""

    requests: int = 0
    answers: Counter[int] = field(default_factory=Counter)
    slowest: float = 0.0
    hangs: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def add(self, other: "Found") -> None:
        self.requests += other.requests
        self.answers += other.answers
        self.slowest = max(self.slowest, other.slowest)
        self.hangs += other.hangs
        self.errors += other.errors


def routes_of(app: Flask) -> list[Route]:
    """All routes of the application."""
    return sorted({(method, rule.rule) for rule in app.url_map.iter_rules() for method in rule.methods or ()})


def hire(url: str) -> None:
    """Create employees with logins, which random events and requests then concern."""
    headers = {"Authorization": f"Bearer {ADMIN_KEY}"}
    with httpx.Client(base_url=url, headers=headers, timeout=PATIENCE_SECONDS) as client:
        for number in range(10):
            client.post("/admin/api/employees", json={"email": f"u{number}@example.com"}).raise_for_status()


class Fuzzer:
    """Makes and sends random requests. The same seed and number of requests make the same requests, but for times."""

    def __init__(self, url: str, routes: Sequence[Route], seed: int) -> None:
        self._url = url
        self._routes = routes
        self._random = random.Random(seed)
        self._cookie, self._csrf = "", ""

    def run(self, seconds: float) -> Found:
        """Send requests one after another for `seconds`."""
        found, until = Found(), time.monotonic() + seconds
        while time.monotonic() < until:
            if found.requests % SIGN_IN_EVERY == 0:
                self._sign_in()
            self._exchange(self.request(), found)
        return found

    def _sign_in(self) -> None:
        with httpx.Client(
            base_url=self._url, headers={"X-Forwarded-For": f"10.0.0.{self._random.randrange(256)}"}
        ) as client:
            token = TOKEN.search(client.get("/admin/login").text)
            assert token is not None
            client.post("/admin/login", data={"key": ADMIN_KEY, "csrf_token": token[1]})
            self._cookie = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
            if (token := TOKEN.search(client.get("/admin/employees/new").text)) is not None:
                self._csrf = token[1]

    def _exchange(self, request: bytes, found: Found) -> None:
        found.requests += 1
        with connected(self._url, patience=PATIENCE_SECONDS) as client:
            for part in self._parts(request):
                if not send(client, part):
                    break
                select.select([client], [], [], 0)
            half_close(client)
            started = time.monotonic()
            received = until_closed(client)
            took = time.monotonic() - started
        found.slowest = max(found.slowest, took)
        found.answers.update(statuses(received) or [0])  # a damaged request may be several
        if took > HANG_SECONDS:
            found.hangs.append(f"{took:.1f} s: {request[:400]!r}")
        if any(status >= 500 and status != 503 for status in statuses(received)):
            found.errors.append(f"{received[:300]!r} to {request[:400]!r}")

    def _parts(self, request: bytes) -> list[bytes]:
        cuts = sorted(self._random.randrange(len(request) + 1) for _ in range(self._random.choice([0, 0, 0, 1, 2, 5])))
        return [request[start:end] for start, end in zip([0, *cuts], [*cuts, len(request)], strict=True)]

    # Requests

    def request(self) -> bytes:
        """Return a random request as bytes."""
        if self._is(0.15):
            return self._webhook()
        method, rule = self._random.choice(self._routes)
        if self._is(0.1):
            method = self._random.choice(METHODS)
        body, content_type = self._body()
        headers = [("Host", "localhost"), ("X-Forwarded-For", self._address())]
        if method in ("POST", "PUT", "PATCH") or self._is(0.05):
            headers.append(("Content-Type", content_type if self._is(0.95) else self._random.choice(VALUES)))
        else:
            body = b""
        headers += self._credentials()
        return self._written(method, self._target(rule), headers, body)

    def _webhook(self) -> bytes:
        user = UUID(int=self._random.randrange(50))
        made = self._random.choice([insert, update])
        event: Json = made(
            user, email=f"u{user.int}@example.com", email_confirmed_at=CONFIRMED, at=self._random.randrange(100)
        )
        if self._is(0.5):
            self._damage(event)
        body = json.dumps(event, ensure_ascii=self._is(0.3)).encode("utf-8", "surrogatepass")
        if self._is(0.1):
            body = self._bytes_damaged(body)
        headers = list(headers_for(body, f"fuzz-{uuid4()}").items()) + [("Host", "localhost")]
        if self._is(0.1):
            body = self._bytes_damaged(body)
        return self._written("POST", "/webhook/auth", headers, body)

    def _damage(self, event: Json) -> None:
        """Replace or remove a random value at a random depth."""
        while True:
            name = self._random.choice(list(event))
            if isinstance(event[name], dict) and event[name] and self._is(0.8):
                event = event[name]
                continue
            if self._is(0.2):
                del event[name]
            else:
                event[name] = self._value()
            return

    def _credentials(self) -> list[tuple[str, str]]:
        kind = self._random.random()
        if kind < 0.4:
            return [("Authorization", f"Bearer {ADMIN_KEY}"), ("X-Forwarded-For", "10.1.1.1")]
        if kind < 0.8:
            return [("Cookie", self._cookie)]
        return [("Authorization", f"Bearer {self._random.choice(TEXTS)}")] if kind < 0.85 else []

    def _address(self) -> str:
        return f"198.51.{self._random.randrange(256)}.{self._random.randrange(256)}"

    def _target(self, rule: str) -> str:
        path = re.sub(
            "<[^>]+>",
            lambda _: quote(self._text().encode("utf-8", "surrogatepass"), safe=self._random.choice(["", "/:"])),
            rule,
        )
        if self._is(0.4):
            fields = [(self._random.choice(NAMES), self._text()) for _ in range(self._random.randrange(1, 5))]
            path += "?" + urlencode([(name, value.encode("utf-8", "replace")) for name, value in fields])
        if self._is(0.05):
            place = self._random.randrange(len(path) + 1)
            path = (
                path[:place]
                + self._random.choice(["/", "//", "%2f", "%", "#", "?", "..", " ", "\xff", "\x7f", "%ff"])
                + path[place:]
            )
        return path

    def _body(self) -> tuple[bytes, str]:
        content_type = self._random.choice(CONTENT_TYPES)
        fields = {self._random.choice(NAMES): self._value() for _ in range(self._random.randrange(6))}
        if content_type == "application/json":
            body = json.dumps(self._value() if self._is(0.2) else fields).encode()
        elif "multipart" in content_type:
            texts = {"csrf_token": self._csrf} | {name: self._text() for name in fields}
            lines = [f'--x\r\nContent-Disposition: form-data; name="{n}"\r\n\r\n{t}\r\n' for n, t in texts.items()]
            body = ("".join(lines) + "--x--\r\n").encode("utf-8", "replace")
        else:
            texts = {"csrf_token": self._csrf} | {name: self._text() for name in fields}
            body = urlencode({name: text.encode("utf-8", "replace") for name, text in texts.items()}).encode()
        return (self._bytes_damaged(body) if self._is(0.1) else body), content_type

    def _written(self, method: str, target: str, headers: list[tuple[str, str]], body: bytes) -> bytes:
        """Write the request, usually well-formed."""
        headers = [(name, value) for name, value in headers if self._is(0.98)]
        if self._is(0.2):
            headers += [
                (self._random.choice(HEADERS), self._random.choice(VALUES)) for _ in range(self._random.randrange(4))
            ]
        kind = self._random.random()
        if kind < 0.15:
            headers.append(("Transfer-Encoding", "chunked"))
            body = self._chunked(body)
        elif kind < 0.97 and body:
            headers.append(("Content-Length", str(len(body) if self._is(0.95) else self._random.choice(VALUES))))
        version = self._random.choice(VERSIONS) if self._is(0.2) else "HTTP/1.1"
        end = "\r\n" if self._is(0.98) else self._random.choice(["\n", "\r", "\r\n "])
        lines = [f"{method} {target} {version}", *(f"{name}: {value}" for name, value in headers), "", ""]
        request = end.join(lines).encode("latin-1", "replace") + body
        return self._bytes_damaged(request) if self._is(0.05) else request

    def _chunked(self, body: bytes) -> bytes:
        size = self._random.choice([1, 7, 100, 10_000])
        pieces = [body[start : start + size] for start in range(0, len(body), size)]
        written = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
        return self._bytes_damaged(written) if self._is(0.1) else written

    def _bytes_damaged(self, data: bytes) -> bytes:
        start = self._random.randrange(len(data) + 1)
        end = start + self._random.choice([0, 0, 1, 1, 20, len(data)])
        return data[:start] + self._random.randbytes(self._random.choice([0, 1, 1, 3, 40])) + data[end:]

    # Values

    def _is(self, share: float) -> bool:
        return self._random.random() < share

    def _text(self) -> str:
        return (
            self._random.choice(TEXTS)
            if self._is(0.9)
            else chr(self._random.randrange(0xD7FF)) * self._random.randrange(9)
        )

    def _value(self, depth: int = 0) -> Json:
        kind = self._random.randrange(9 if depth < 3 else 6)
        if kind < 3:
            return self._text()
        if kind < 6:
            return self._random.choice([None, True, False, 0, -1, 7, 2**63, 2**64, 10**400, 1.5, -0.0, 1e308])
        if kind == 6:
            return [self._value(depth + 1) for _ in range(self._random.randrange(4))]
        if kind == 7:
            return json.loads("[" * 60 + "]" * 60)
        return {self._random.choice(NAMES): self._value(depth + 1) for _ in range(self._random.randrange(4))}
