"""An SMTP server that keeps the mails that it receives, and a server that never answers."""

import asyncio
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session

from tests.ports import free_port

PASSWORD = "canary-password"


@dataclass
class Mailbox:
    port: int
    mails: list[EmailMessage] = field(default_factory=list)
    takes: float = 0
    """The seconds that each mail takes."""

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        await asyncio.sleep(self.takes)
        self.mails.append(message_from_bytes(envelope.original_content or b"", policy=policy.default))
        return "250 taken"

    @property
    def url(self) -> str:
        return url_of(self.port)

    @property
    def titles(self) -> list[str]:
        return [str(mail["Subject"]).removeprefix("[Auth sync] ") for mail in self.mails]

    @property
    def texts(self) -> list[str]:
        return [text_of(mail) for mail in self.mails]


def url_of(port: int) -> str:
    return f"mailto://service:{PASSWORD}@127.0.0.1:{port}?from=service@example.com&to=oncall@example.com&mode=insecure"


def text_of(mail: EmailMessage) -> str:
    part = mail.get_body(("plain",))
    assert part is not None
    return str(part.get_content())


def links_in(text: str) -> list[str]:
    return re.findall(r"https?://\S+", text)


@contextmanager
def mail_server(port: int | None = None) -> Iterator[Mailbox]:
    """Run an SMTP server that accepts only the right password."""
    mailbox = Mailbox(port or free_port())

    def authenticate(server: Any, session: Any, envelope: Any, mechanism: str, login: Any) -> AuthResult:
        return AuthResult(success=login.password == PASSWORD.encode())

    controller = Controller(
        mailbox,
        "127.0.0.1",
        mailbox.port,
        server_hostname="localhost",  # without it, the server resolves the name of this machine, which takes a second
        authenticator=authenticate,
        auth_require_tls=False,
    )
    controller.start()
    try:
        yield mailbox
    finally:
        controller.stop()


@contextmanager
def silent_server() -> Iterator[socket.socket]:
    """A server that accepts connections, and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener
