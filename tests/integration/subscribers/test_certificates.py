"""A subscriber over https must have a valid certificate for the name of its URL, whatever address is connected to."""

import ssl
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from tests.integration.subscribers.feeding import SECRET
from tests.integration.subscribers.receiving import Receiver, serving
from webhook_service.inbound.signature import Secret
from webhook_service.subscribers.sending import Answer, Target, completed, send

HOST = "crm.internal"


def resolve(host: str, port: int) -> Sequence[str]:
    return ["127.0.0.1"]


class Authority:
    """A certificate authority of this test, whose certificate is the file `path`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test authority")])
        self.path = folder / "authority.pem"
        self.path.write_bytes(self._signed(self._name, self._key, x509.BasicConstraints(ca=True, path_length=None)))

    def context(self, host: str) -> ssl.SSLContext:
        """Return the context of a server with a certificate for this host."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
        path = self._folder / "server.pem"
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        path.write_bytes(private + self._signed(name, key, x509.SubjectAlternativeName([x509.DNSName(host)])))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        return context

    def _signed(self, name: x509.Name, key: ec.EllipticCurvePrivateKey, extension: x509.ExtensionType) -> bytes:
        now = datetime.now(UTC)
        builder = x509.CertificateBuilder(self._name, name, key.public_key(), x509.random_serial_number())
        builder = builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
        return builder.add_extension(extension, critical=False).sign(self._key, SHA256()).public_bytes(Encoding.PEM)


def sent(receiver: Receiver, context: ssl.SSLContext) -> Answer:
    """Send an event to a subscriber behind TLS, and return the answer."""
    receiver.socket = context.wrap_socket(receiver.socket, server_side=True)
    target = Target(f"https://{HOST}:{receiver.server_address[1]}/", (Secret.parse(SECRET),), allow_private=True)
    return completed(send(target, "evt_1", {}, now=datetime.now(UTC), resolve=resolve))


@pytest.mark.parametrize(
    ("is_trusted", "host", "error"),
    [(True, HOST, None), (False, HOST, "bad_certificate"), (True, "other.internal", "bad_certificate")],
    ids=["trusted", "unknown authority", "another name"],
)
def test_the_certificate_is_verified(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_trusted: bool, host: str, error: str | None
) -> None:
    """An event is sent only to a server whose certificate is of a trusted authority and for the name of the URL."""
    authority = Authority(tmp_path)
    if is_trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(authority.path))
    with serving() as receiver:
        assert sent(receiver, authority.context(host)).error == error
        assert len(receiver.requests) == (error is None)


def test_the_server_is_asked_for_the_name_of_the_url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The TLS handshake names the host of the URL (SNI), although the connection goes to an address."""
    authority = Authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.path))
    context, names = authority.context(HOST), list[str | None]()
    context.sni_callback = lambda _, name, __: names.append(name)
    with serving() as receiver:
        assert sent(receiver, context).error is None
    assert names == [HOST]
