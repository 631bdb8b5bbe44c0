"""Malformed requests by their fault. Lenient servers accept them, and disagree on where such a request ends."""

from tests.acceptance.raw_http import head_of

HEAD_START = b"POST /webhook/auth HTTP/1.1\r\n"
CHUNKED = head_of("Transfer-Encoding: chunked")

LENGTHS: dict[str, str] = {
    "2^64": "18446744073709551616",
    "2^64 + 1": "18446744073709551617",
    "2^65 + 1": "36893488147419103233",
    "negative": "-1",
    "with a plus sign": "+1",
    "hexadecimal": "0x1",
    "with an underscore": "1_0",
    "a fraction": "1.0",
    "empty": "",
    "of Arabic digits": "\u0661".encode().decode("latin-1"),
    "two in one line": "1, 2",
    "the same twice in one line": "1, 1",
    "two numbers": "1 1",
}
"""Values of a Content-Length; one byte of a body follows."""

CHUNKS = {
    "a size of 2^64": b"10000000000000000\r\n\r\n0\r\n\r\n",
    "a size of 2^64 + 1": b"10000000000000001\r\nx\r\n0\r\n\r\n",
    "a size beyond 2^64 that ends in 1": b"ffffffffffffffff1\r\nx\r\n0\r\n\r\n",
    "a negative size": b"-1\r\nx\r\n0\r\n\r\n",
    "a size with a plus sign": b"+1\r\nx\r\n0\r\n\r\n",
    "a size with 0x": b"0x1\r\nx\r\n0\r\n\r\n",
    "a size with an underscore": b"0_1\r\nx\r\n0\r\n\r\n",
    "a size after a space": b" 1\r\nx\r\n0\r\n\r\n",
    "no size": b"\r\nx\r\n0\r\n\r\n",
    "a bare LF in an extension": b"1;\nx\r\n0\r\n\r\n",
    "a bare LF within an extension": b"1;a\nb=c\r\nx\r\n0\r\n\r\n",
    "a bare CR in an extension": b"1;a\rb\r\nx\r\n0\r\n\r\n",
    "a bare LF after the size": b"1\nx\r\n0\r\n\r\n",
    "a bare LF after the data": b"1\r\nx\n0\r\n\r\n",
    "data longer than its size": b"1\r\nxy\r\n0\r\n\r\n",
    "a trailer without a colon": b"0\r\nnonsense\r\n\r\n",
    "a trailer with a NUL": b"0\r\nX-A: \x00\r\n\r\n",
    "a folded trailer": b"0\r\nX-A: a\r\n b\r\n\r\n",
}
"""Bodies in chunks."""

CODINGS = {
    "gzip, chunked": ["gzip, chunked"],
    "gzip": ["gzip"],
    "identity": ["identity"],
    "chunked twice": ["chunked, chunked"],
    "chunked in two lines": ["chunked", "chunked"],
    "chunked and identity in two lines": ["chunked", "identity"],
    "chunked, identity": ["chunked, identity"],
    "xchunked": ["xchunked"],
    "chunked with a parameter": ["chunked;a=b"],
    "chunked in quotes": ['"chunked"'],
    "chunked after a vertical tab": ["\x0bchunked"],
    "nothing": [""],
}
"""Values of one or more Transfer-Encoding lines."""

HEADS = {
    "bare LF line ends": b"POST /webhook/auth HTTP/1.1\nHost: localhost\nContent-Length: 1\n\nx",
    "a bare LF after the first line": b"POST /webhook/auth HTTP/1.1\nHost: localhost\r\nContent-Length: 1\r\n\r\nx",
    "a bare LF between two headers": HEAD_START + b"Host: localhost\nContent-Length: 1\r\n\r\nx",
    "a bare LF at the head's end": HEAD_START + b"Host: localhost\r\nContent-Length: 1\r\n\nx",
    "a bare CR in a value": HEAD_START + b"Host: localhost\r\nX-A: a\rContent-Length: 1\r\n\r\n",
    "a folded header": HEAD_START + b"Host: localhost\r\nX-A: a\r\n b\r\n\r\n",
    "a folded Content-Length": HEAD_START + b"Host: localhost\r\nContent-Length: 1\r\n 0\r\n\r\nx",
    "a folded Transfer-Encoding": HEAD_START + b"Host: localhost\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
    "a space before the first header": HEAD_START + b" Host: localhost\r\n\r\n",
    "a space before the colon": HEAD_START + b"Host: localhost\r\nContent-Length : 1\r\n\r\nx",
    "a tab before the colon": HEAD_START + b"Host: localhost\r\nTransfer-Encoding\t: chunked\r\n\r\n0\r\n\r\n",
    "a NUL in a value": HEAD_START + b"Host: localhost\r\nX-A: a\x00b\r\n\r\n",
    "a NUL in a name": HEAD_START + b"Host: localhost\r\nX\x00A: b\r\n\r\n",
    "a NUL after Content-Length": HEAD_START + b"Host: localhost\r\nContent-Length\x00: 1\r\n\r\nx",
    "a control character in a value": HEAD_START + b"Host: localhost\r\nX-A: a\x08b\r\n\r\n",
    "a header without a colon": HEAD_START + b"Host: localhost\r\nContent-Length 1\r\n\r\n",
    "a header without a name": HEAD_START + b"Host: localhost\r\n: x\r\n\r\n",
    "a name in brackets": HEAD_START + b"Host: localhost\r\n(Content-Length): 1\r\n\r\n",
    "a NUL in the path": b"POST /webhook\x00/auth HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a version that is none": b"POST /webhook/auth HTTP/1.1.1\r\nHost: localhost\r\n\r\n",
    "a version of two digits": b"POST /webhook/auth HTTP/1.10\r\nHost: localhost\r\n\r\n",
    "HTTP/2 without a connection": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
}
"""Heads, some with a body."""

HOSTS: dict[str, list[str]] = {
    "none": [],
    "the same twice": ["localhost", "localhost"],
    "two": ["localhost", "example.com"],
}
"""Values of Host lines."""


def of_length(length: str) -> bytes:
    return head_of(f"Content-Length: {length}") + b"x"


def in_coding(codings: list[str], target: str = "POST /webhook/auth") -> bytes:
    lines = [f"Transfer-Encoding: {coding}" for coding in codings]
    return head_of(*lines, target=f"{target} HTTP/1.1") + b"0\r\n\r\n"


def for_hosts(hosts: list[str], target: str = "POST /webhook/auth") -> bytes:
    lines = [f"{target} HTTP/1.1", *(f"Host: {host}" for host in hosts), "Content-Length: 0", "", ""]
    return "\r\n".join(lines).encode()


EVERYTHING: dict[str, bytes] = {
    **{f"a Content-Length: {name}": of_length(length) for name, length in LENGTHS.items()},
    **{f"chunks: {name}": CHUNKED + chunks for name, chunks in CHUNKS.items()},
    **{f"a Transfer-Encoding: {name}": in_coding(codings) for name, codings in CODINGS.items()},
    **{f"a head: {name}": head for name, head in HEADS.items()},
    **{f"hosts: {name}": for_hosts(hosts) for name, hosts in HOSTS.items()},
}
