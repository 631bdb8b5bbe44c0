"""Attacks on the parser: malformed lengths, chunks and heads, each followed by a second request.

If a proxy and the server disagree on where a request ends, a second request passes the proxy unseen (request
smuggling). An answer to the second request would prove that the server accepted the malformed one.
"""

from uuid import uuid4

import pytest

from tests.acceptance.conftest import Server
from tests.acceptance.malformed_requests import (
    CHUNKED,
    CHUNKS,
    CODINGS,
    HEADS,
    HOSTS,
    LENGTHS,
    for_hosts,
    in_coding,
    of_length,
)
from tests.acceptance.raw_http import (
    NEXT,
    answer_from,
    connected,
    exchange,
    half_close,
    head_of,
    is_refusal,
    send_apart,
    signed_lines,
    statuses,
    unharmed,
    until_closed,
)
from tests.auth_traffic import insert
from webhook_service.demo.traffic import body_of

TARGETS = ["POST /webhook/auth", "POST /admin/login", "GET /healthz"]


def assert_refused(server: Server, attack: bytes) -> None:
    """One answer with a 4xx, then the connection is closed; the request after the attack is not answered."""
    with unharmed(server):
        received = exchange(server.url, attack + NEXT)
    assert is_refusal(received), received


# Content-Length


@pytest.mark.parametrize("length", LENGTHS.values(), ids=LENGTHS)
def test_a_malformed_content_length_is_refused(shared_server: Server, length: str) -> None:
    """A Content-Length is ASCII digits below 2^64; anything else is refused and never read as another length."""
    assert_refused(shared_server, of_length(length))


@pytest.mark.parametrize("lengths", [("1", "2"), ("2", "1"), ("0", "1"), ("1", "0")], ids=" and ".join)
def test_two_different_content_lengths_are_refused(shared_server: Server, lengths: tuple[str, str]) -> None:
    """If two Content-Lengths differ, the server picks neither of them."""
    assert_refused(shared_server, head_of(*(f"Content-Length: {length}" for length in lengths)) + b"x")


@pytest.mark.parametrize("is_first", [True, False], ids=["before", "after"])
def test_a_content_length_with_a_transfer_encoding_is_refused(shared_server: Server, is_first: bool) -> None:
    """A request has one length: a Content-Length and chunks together are the classic form of smuggling."""
    lines = ["Content-Length: 5", "Transfer-Encoding: chunked"]
    assert_refused(shared_server, head_of(*(lines if is_first else reversed(lines))) + b"0\r\n\r\n")


# Chunks


@pytest.mark.parametrize("chunks", CHUNKS.values(), ids=CHUNKS)
def test_a_malformed_chunk_is_refused(shared_server: Server, chunks: bytes) -> None:
    """A chunk is a hexadecimal size below 2^64, CR LF, so many bytes and CR LF; anything else is refused."""
    assert_refused(shared_server, CHUNKED + chunks)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("codings", CODINGS.values(), ids=CODINGS)
def test_a_transfer_encoding_other_than_chunked_is_refused(
    shared_server: Server, codings: list[str], target: str
) -> None:
    """Only `chunked`, once, gives a body a length that the server knows."""
    assert_refused(shared_server, in_coding(codings, target))


# Heads


@pytest.mark.parametrize("head", HEADS.values(), ids=HEADS)
def test_a_malformed_head_is_refused(shared_server: Server, head: bytes) -> None:
    """Lines end with CR LF, a colon follows its name at once, no line is folded; servers disagree on anything else."""
    assert_refused(shared_server, head)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("hosts", HOSTS.values(), ids=HOSTS)
def test_a_request_without_exactly_one_host_is_refused(shared_server: Server, hosts: list[str], target: str) -> None:
    """A request of HTTP/1.1 names one Host; with none or two, a proxy and the server may choose different ones."""
    assert_refused(shared_server, for_hosts(hosts, target))


# Where the next request begins


@pytest.mark.parametrize("body", ["Content-Length", "chunks"])
def test_a_body_after_an_offer_to_upgrade_is_not_a_request(shared_server: Server, body: str) -> None:
    """`Upgrade` does not end a request at its head: what follows is its body, even if it has the form of a request."""
    upgrade = ["Connection: Upgrade", "Upgrade: websocket"]
    length = f"Content-Length: {len(NEXT)}" if body == "Content-Length" else "Transfer-Encoding: chunked"
    rest = NEXT if body == "Content-Length" else b"%x\r\n%s\r\n0\r\n\r\n" % (len(NEXT), NEXT)
    with unharmed(shared_server), connected(shared_server.url) as client:
        send_apart(shared_server.url, client, head_of(*upgrade, length), rest)
        half_close(client)
        received = statuses(until_closed(client))
    assert len(received) <= 1
    assert 200 not in received


EARLY = {
    "a probe": head_of(f"Content-Length: {10 * len(NEXT)}", target="GET /healthz HTTP/1.1"),
    "a webhook over the limit": head_of("Content-Length: 5000000"),
    "a form over the limit": head_of("Content-Length: 5000000", target="POST /admin/login HTTP/1.1"),
    "no Host": f"POST /webhook/auth HTTP/1.1\r\nContent-Length: {10 * len(NEXT)}\r\n\r\n".encode(),
}


@pytest.mark.parametrize("head", EARLY.values(), ids=EARLY)
def test_a_body_after_its_answer_is_not_a_request(shared_server: Server, head: bytes) -> None:
    """A request that is answered before its body has arrived still ends after its body."""
    with unharmed(shared_server), connected(shared_server.url) as client:
        client.sendall(head)
        assert len(statuses(answer_from(client))) == 1
        send_apart(shared_server.url, client, NEXT, NEXT * 9)
        half_close(client)
        assert statuses(until_closed(client)) == []


@pytest.mark.parametrize(
    "last",
    [of_length("1"), head_of("Connection: close", "Content-Length: 0"), b"GET /healthz HTTP/1.0\r\n\r\n"],
    ids=["control", "Connection: close", "HTTP/1.0"],
)
def test_a_request_after_the_last_one_is_not_answered(shared_server: Server, last: bytes) -> None:
    """After `Connection: close`, or in HTTP/1.0, there is no second request; without it, there is."""
    end = head_of("Connection: close", target="GET /healthz HTTP/1.1")
    with unharmed(shared_server):
        received = statuses(exchange(shared_server.url, last + end))
    assert len(received) == (2 if last == of_length("1") else 1)


# Valid requests


def test_a_probe_of_http_1_0_needs_no_host(shared_server: Server) -> None:
    """HTTP/1.0 has no Host header, and health probes of old load balancers use it: they are answered."""
    with unharmed(shared_server):
        assert statuses(exchange(shared_server.url, b"GET /healthz HTTP/1.0\r\n\r\n")) == [200]


@pytest.mark.parametrize("coding", ["chunked", "Chunked"])
def test_well_formed_chunks_are_read(shared_server: Server, coding: str) -> None:
    """Valid HTTP is accepted: `chunked` in any case, leading zeros, chunk extensions, a trailer."""
    body = body_of(insert(uuid4()))
    chunks = b"%08X;a=b\r\n%s\r\n0\r\nX-Trailer: x\r\n\r\n" % (len(body), body)
    head = head_of(*signed_lines(body), f"Transfer-Encoding: {coding}", "Connection: close")
    with unharmed(shared_server):
        assert statuses(exchange(shared_server.url, head + chunks)) == [200]


def test_the_same_requests_without_an_attack_are_both_answered(shared_server: Server) -> None:
    """The control of this module's experiments: after a well-formed request, the second one is answered."""
    last = head_of("Connection: close", target="GET /healthz HTTP/1.1")
    with unharmed(shared_server):
        assert statuses(exchange(shared_server.url, of_length("1") + last)) == [401, 200]
        assert statuses(exchange(shared_server.url, CHUNKED + b"1\r\nx\r\n0\r\n\r\n" + last)) == [401, 200]


def test_a_signature_in_the_trailers_is_not_accepted(shared_server: Server) -> None:
    """Trailers are not headers: a proxy that removes a header from a request does not search for it after the body."""
    body = body_of(insert(uuid4()))
    signed = "".join(f"{line}\r\n" for line in signed_lines(body) if line.startswith("webhook-")).encode()
    head = head_of("Transfer-Encoding: chunked", "Content-Type: application/json", "Connection: close")
    chunks = b"%x\r\n%s\r\n0\r\n%s\r\n" % (len(body), body, signed)
    with unharmed(shared_server):
        assert statuses(exchange(shared_server.url, head + chunks)) == [401]


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp"])
@pytest.mark.parametrize("is_first", [True, False], ids=["before", "after"])
def test_a_duplicate_header_of_the_signature_is_refused(shared_server: Server, name: str, is_first: bool) -> None:
    """If the signed id or time comes twice, the server picks neither of the two."""
    body = body_of(insert(uuid4()))
    signed, other = signed_lines(body), f"{name}: 1"
    lines = [other, *signed] if is_first else [*signed, other]
    with unharmed(shared_server):
        received = exchange(
            shared_server.url, head_of(*lines, f"Content-Length: {len(body)}", "Connection: close") + body
        )
    assert statuses(received) in ([400], [401])
