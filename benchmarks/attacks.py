"""Attack the server with its defaults and one worker, and measure how long webhooks wait meanwhile."""

import multiprocessing
import select
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import click
import httpx

from tests.acceptance.conftest import Server, servers
from tests.acceptance.malformed_requests import EVERYTHING
from tests.acceptance.raw_http import (
    NEXT,
    answer_from,
    connect_many,
    connected,
    descriptors,
    exchange,
    half_close,
    head_of,
    is_refusal,
    send,
    send_apart,
    signed_request,
    statuses,
    until_closed,
)
from tests.integration.signing_in import TOKEN
from webhook_service.db import embedded, migrate
from webhook_service.settings import DEFAULT_MAX_BODY_BYTES
from webhook_service.web.attempts import ATTEMPTS

CHUNKED = head_of("Transfer-Encoding: chunked", "Connection: close")
CHUNK = b"1\r\nx\r\n"
HELD_SECONDS = 3.0
"""The time that an attack keeps its connections open."""
SLOW_SECONDS = 12.0
"""The maximum time of a slow attack. The server must end the attack sooner, because the server's limits are 10 s."""
GOAL_MS = 250.0
PATIENCE_SECONDS = 30.0
FILES = 4096


@dataclass(frozen=True, slots=True)
class Score:
    tries: int
    held: int


Attack = Callable[[str], Score]
"""Attack the server at a URL, in a separate process."""


def chunks_under_the_limit(url: str) -> Score:
    with connected(url, patience=PATIENCE_SECONDS) as attacker:
        send(attacker, CHUNKED + CHUNK * (DEFAULT_MAX_BODY_BYTES - 1) + b"0\r\n\r\n")
        return Score(1, statuses(until_closed(attacker)) == [401])


def chunks_over_the_limit(url: str, count: int = 1) -> Score:
    with ExitStack() as stack:
        attackers = [stack.enter_context(connected(url, patience=PATIENCE_SECONDS)) for _ in range(count)]
        for attacker in attackers:
            send(attacker, CHUNKED)
        left = list(attackers)
        for _ in range(500):  # each connection sends 10,000 chunks at a time
            left = [attacker for attacker in left if send(attacker, CHUNK * 10_000)]
        return Score(count, sum(statuses(until_closed(attacker)) in ([413], []) for attacker in attackers))


def four_times_over_the_limit(url: str) -> Score:
    return chunks_over_the_limit(url, 4)


def malformed(url: str) -> Score:
    return Score(len(EVERYTHING), sum(is_refusal(exchange(url, attack + NEXT)) for attack in EVERYTHING.values()))


def smuggled(url: str) -> Score:
    """A request in the body of a request that offers to change the protocol."""
    head, held = head_of("Connection: Upgrade", "Upgrade: x", f"Content-Length: {len(NEXT)}"), 0
    for _ in range(100):
        with connected(url) as attacker:
            send_apart(url, attacker, head, NEXT)
            half_close(attacker)
            held += 200 not in statuses(until_closed(attacker))
    return Score(100, held)


def idle(url: str) -> Score:
    """Connections that are idle for some seconds. The server must serve them afterwards."""
    with ExitStack() as stack:
        connections = connect_many(url, b"", 1000, stack)
        select.select(connections[:1], [], [], HELD_SECONDS)
        served = sum(send(each, NEXT) and statuses(answer_from(each)) == [200] for each in connections)
        return Score(1000, served)


def closed_in_time(url: str, message: bytes, count: int, more: bytes = b"") -> Score:
    """Connections that send `message`, and then `more` twice a second. The server must close them."""
    with ExitStack() as stack:
        left = set(connect_many(url, message, count, stack))
        until = time.monotonic() + SLOW_SECONDS
        while left and time.monotonic() < until:
            left.difference_update(closed(select.select(left, [], [], 0.5)[0]))
            for connection in left:
                send(connection, more)
        return Score(count, count - len(left))


def closed(readable: list[socket.socket]) -> list[socket.socket]:
    """Return the connections that the server has closed. Skip the responses before that."""
    ended = []
    for connection in readable:
        try:
            if not connection.recv(65536):
                ended.append(connection)
        except ConnectionResetError:
            ended.append(connection)
    return ended


def half_heads(url: str) -> Score:
    return closed_in_time(url, signed_request()[:100], 500)


def half_bodies(url: str) -> Score:
    """Slow requests, each of which the server must answer at the time limit."""
    with ExitStack() as stack:
        connections = connect_many(url, signed_request()[:-10], 500, stack)
        answered = sum(statuses(answer_from(connection)) in ([400], [408]) for connection in connections)
        return Score(500, answered)


def slowloris(url: str) -> Score:
    return closed_in_time(url, head_of()[:-2] + b"X-A: ", 200, b"a")


def empty_lines(url: str) -> Score:
    return closed_in_time(url, NEXT, 200, b"\r\n")


def endless_heads(url: str) -> Score:
    held = 0
    for start, more in ((head_of()[:-2] + b"X-A: ", b"a"), (CHUNKED + b"0\r\nX-A: ", b"a"), (CHUNKED + b"1;", b"a")):
        with connected(url, patience=PATIENCE_SECONDS) as attacker:
            held += not send(attacker, start + more * 64_000_000)
    return Score(3, held)


def unread_answers(url: str) -> Score:
    with connected(url, patience=HELD_SECONDS) as attacker:
        attacker.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        try:
            return Score(1, not send(attacker, NEXT * 2_500_000))
        except TimeoutError:  # the server has stopped reading
            return Score(1, 1)


def half_closes(url: str) -> Score:
    """Clients that close their direction after a webhook. The server must answer them."""
    held = 0
    for _ in range(200):
        with connected(url) as client:
            send(client, signed_request())
            half_close(client)
            held += statuses(until_closed(client)) == [200]
    return Score(200, held)


def readiness_probes(url: str) -> Score:
    with ExitStack() as stack:
        probes = connect_many(url, head_of(target="GET /readyz HTTP/1.1"), 300, stack)
        return Score(300, sum(statuses(answer_from(probe)) in ([200], [503]) for probe in probes))


def guessed_keys(url: str) -> Score:
    """Wrong admin keys over the API, of which only the first ones may be judged."""
    with httpx.Client(base_url=url, timeout=PATIENCE_SECONDS) as client:
        guesses = [{"Authorization": f"Bearer guess-{number}"} for number in range(500)]
        found = [client.get("/admin/api/summary", headers=guess).status_code for guess in guesses]
    return Score(500, found.count(429) + min(found.count(401), ATTEMPTS))


def throttled_sign_ins(url: str) -> Score:
    """Sign-ins with many e-mails from an address that must wait."""
    with httpx.Client(base_url=url, timeout=PATIENCE_SECONDS) as client:
        token = TOKEN.search(client.get("/admin/login").text)
        form = {"csrf_token": token[1] if token is not None else "", "password": "x"}
        found = [client.post("/admin/login", data=form | {"email": f"{n}@example.com"}).status_code for n in range(500)]
    return Score(500, found.count(429) + min(found.count(401), ATTEMPTS))


def large_forms(url: str) -> Score:
    bodies = [b"a&" * 450_000, b"key=" + b"%41" * 300_000, b"key=" + b"a" * 900_000, b"a=1&" * 15_000]
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    with httpx.Client(base_url=url, headers=headers, timeout=PATIENCE_SECONDS) as client:
        found = [client.post("/admin/login", content=bodies[n % 4]).status_code for n in range(100)]
    return Score(100, found.count(413))


def forged_hosts(url: str) -> Score:
    """Responses, among them redirects, to a Host header that none of them may repeat."""
    targets = ["/admin", "/admin/", "/admin/auth-sync", "/admin/login", "/admin/api/docs", "/webhook/auth/", "/x"] * 10
    with httpx.Client(base_url=url, headers={"Host": "evil.example"}, timeout=PATIENCE_SECONDS) as client:
        answers = [client.get(target) for target in targets]
    return Score(len(targets), sum("evil.example" not in f"{answer.headers}{answer.text}" for answer in answers))


ATTACKS: dict[str, Attack] = {
    "a body of 1 MB in 1-byte chunks": chunks_under_the_limit,
    "a body of 5 MB in 1-byte chunks": chunks_over_the_limit,
    "four bodies of 5 MB in 1-byte chunks": four_times_over_the_limit,
    "malformed requests, each with another after it": malformed,
    "requests smuggled behind an Upgrade": smuggled,
    "1,000 idle connections": idle,
    "500 half heads": half_heads,
    "500 half bodies": half_bodies,
    "200 times slowloris": slowloris,
    "200 connections that send empty lines after a request": empty_lines,
    "64 MB of a header, of trailers, of a chunk's extension": endless_heads,
    "100 MB of pipelined requests whose answers are not read": unread_answers,
    "200 webhooks of clients that half-close": half_closes,
    "300 readiness probes at once": readiness_probes,
    "500 guesses of the admin key over the API": guessed_keys,
    "500 sign-ins with many e-mails": throttled_sign_ins,
    "100 forms of 60 kB to 900 kB": large_forms,
    "70 forged Host headers": forged_hosts,
}


def webhook_ms(url: str) -> float:
    """Return the milliseconds that one webhook waits for its response. Raise RuntimeError unless the status is 200."""
    message = signed_request("Connection: close")
    started = time.perf_counter()
    with connected(url, patience=PATIENCE_SECONDS) as connection:
        connection.sendall(message)
        received = until_closed(connection)
    if statuses(received) != [200]:
        raise RuntimeError(f"a webhook was answered with {received[:100]!r}")
    return (time.perf_counter() - started) * 1000


def slowest_webhook(url: str, attack: "Future[Score]") -> float:
    """Send webhooks one after another until the attack ends. Return the milliseconds of the slowest."""
    slowest = webhook_ms(url)
    while not attack.done():
        slowest = max(slowest, webhook_ms(url))
    return slowest


@contextmanager
def attacked_server(**settings: str) -> Iterator[Server]:
    """Run a server with one worker on an embedded PostgreSQL, with further settings."""
    with tempfile.TemporaryDirectory(prefix="ws-") as name, embedded.running(Path(name)) as environment:
        url = environment["DATABASE_URL"]
        migrate.migrate(url)
        with servers(url, Path(name)) as start:
            yield start(WEB_CONCURRENCY="1", **settings)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--times", default=1, show_default=True, help="How many times to make each attack.")
@click.option("--only", default="", help="Make only the attacks whose name contains this.")
def main(times: int, only: str) -> None:
    """Attack a server on an embedded PostgreSQL, and send it webhooks meanwhile.

    The table has a line for each attack with the number of tries, the number that the server resisted, and the
    milliseconds that the slowest webhook waited meanwhile. The exit code is 1 if the server did not resist a try, or
    if a webhook waited 250 ms or more.
    """
    width = max(map(len, ATTACKS))
    is_right = True
    click.echo(f"{'attack':<{width}} {'tries':>6} {'held':>6} {'slowest webhook, ms':>20}")
    # The attacks run in a separate process, which shares no lock with the process that measures.
    context = multiprocessing.get_context("spawn")
    with descriptors(FILES), attacked_server() as server, ProcessPoolExecutor(1, mp_context=context) as attackers:
        attackers.submit(webhook_ms, server.url).result()  # imports all modules in the process
        for name, attack in ATTACKS.items():
            if only not in name:
                continue
            tries = held = 0
            slowest = 0.0
            for _ in range(times):
                under_way = attackers.submit(attack, server.url)
                slowest = max(slowest, slowest_webhook(server.url, under_way))
                tries, held = tries + under_way.result().tries, held + under_way.result().held
            is_right = is_right and held == tries and slowest < GOAL_MS
            click.echo(f"{name:<{width}} {tries:>6,} {held:>6,} {slowest:>20,.0f}")
        is_right = is_right and "Traceback" not in server.log()
    sys.exit(0 if is_right else 1)


if __name__ == "__main__":
    main()
