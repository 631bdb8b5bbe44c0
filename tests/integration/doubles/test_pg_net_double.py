"""The double of pg_net behaves as pg_net does, and has the faults that a test requests."""

import socket
import threading
from collections import Counter
from collections.abc import Iterator

import psycopg
import pytest
from psycopg.types.json import Jsonb

from tests.acceptance.conftest import wait_for
from tests.debian_postgres import Cluster
from tests.integration.misbehaving_servers import Serve, answers
from tests.integration.net import Net, Receiver
from tests.pg_net_double import Mischief, working
from tests.ports import free_port

QUICK = 0.02


@pytest.fixture
def receiver() -> Receiver:
    return Receiver()


@pytest.fixture
def port(serve: Serve, receiver: Receiver) -> int:
    return serve(receiver)


@pytest.fixture
def net(supabase_database_url: str) -> Iterator[Net]:
    with psycopg.connect(supabase_database_url, autocommit=True) as connection:
        yield Net(connection)


@pytest.fixture
def worker(supabase_database_url: str) -> Iterator[None]:
    """Run a worker without faults."""
    with working(supabase_database_url, Mischief(interval=QUICK)):
        yield


@pytest.mark.usefixtures("worker")
def test_the_body_has_the_bytes_of_the_jsonb_as_text(net: Net, receiver: Receiver, port: int) -> None:
    """The body has the bytes of `body::text`, so that a trigger can sign that text and the receiver can verify it."""
    body = {"b": 1.50, "a": ["é 漢 🦀", "\u2028", '"\\'], "longer": {"x": None}, "n": 12345678901234567890}
    status, timed_out, error, content = net.answer(net.post(port, body))
    assert (status, timed_out, error, content) == (200, False, None, "{}")
    assert receiver.bodies() == [net.value("select convert_to((%s::jsonb)::text, 'UTF8')", Jsonb(body))]


@pytest.mark.usefixtures("worker")
def test_headers_without_a_value_are_dropped(net: Net, receiver: Receiver, port: int) -> None:
    """Headers whose value is null or empty are dropped. The content type and pg_net's user agent are added."""
    net.answer(net.post(port, {}, headers={"webhook-id": "evt-1", "X-Empty": "", "X-Null": None, "X-Blank": " "}))
    ((head, _),) = receiver.requests
    lines = head.splitlines()
    assert lines[0] == "POST / HTTP/1.1"
    assert {"webhook-id: evt-1", "Content-Type: application/json", "User-Agent: pg_net/0.20.4"} <= set(lines)
    assert "x-empty" not in head.lower()
    assert "x-null" not in head.lower()
    assert "x-blank" not in head.lower()


@pytest.mark.usefixtures("worker")
def test_a_request_is_never_retried(net: Net, receiver: Receiver, port: int, serve: Serve) -> None:
    """A request to a dead, slow or failing receiver gets its own response row, and is not repeated."""
    received: list[int] = []

    def fails(connection: socket.socket, over: threading.Event) -> None:
        received.append(1)
        answers(503, "{}")(connection, over)

    def too_slow(connection: socket.socket, over: threading.Event) -> None:
        received.append(2)
        over.wait()

    failed = net.post(serve(fails), {})
    slow = net.post(serve(too_slow), {}, timeout=500)
    dead = net.post(free_port(), {})
    assert net.answer(failed)[:3] == (503, False, None)
    assert net.answer(slow)[:2] == (None, True)
    status, timed_out, error, _ = net.answer(dead)
    assert (status, timed_out) == (None, False)
    assert error
    net.answer(net.post(port, {}))
    assert sorted(received) == [1, 2]
    assert (net.queued(), net.answers()) == (0, 4)


@pytest.mark.usefixtures("worker")
def test_a_redirect_loses_the_body(net: Net, receiver: Receiver, port: int, serve: Serve) -> None:
    """A request that gets a 302 is repeated as a GET without the body, and recorded as a success."""
    redirecting = serve(answers(302, "", Location=f"http://127.0.0.1:{port}/elsewhere"))
    assert net.answer(net.post(redirecting, {"lost": True}))[0] == 200
    ((head, body),) = receiver.requests
    assert head.startswith("GET /elsewhere ")
    assert body == b""


@pytest.mark.usefixtures("worker")
def test_a_batch_has_at_most_200_and_waits_for_the_slowest(net: Net, receiver: Receiver, serve: Serve) -> None:
    """A batch is sent at once. No response is recorded and no further request is sent before its last response."""
    slow = Receiver()
    slow.gate.clear()
    quick_port, slow_port = serve(receiver), serve(slow)
    with net.connection.transaction():
        net.post(slow_port, {})
        for number in range(209):
            net.post(quick_port, number)
    wait_for("all but the slow one of the batch", lambda: len(receiver.requests) == 199)
    wait_for("the slow one", lambda: slow.requests)
    assert (net.queued(), net.answers()) == (10, 0)
    slow.gate.set()
    wait_for("all answers", lambda: net.answers() == 210)
    numbers = [int(body) for body in receiver.bodies()]
    assert sorted(numbers) == list(range(209))
    assert numbers != sorted(numbers)


def test_a_kill_of_postgresql_loses_the_queue(supabase_cluster: Cluster, supabase_database_url: str) -> None:
    """A kill of PostgreSQL loses the UNLOGGED queue and responses, but not rows that were committed in other tables."""
    with psycopg.connect(supabase_database_url, autocommit=True) as connection:
        connection.execute("create table kept as select 1 as number")
        connection.execute("insert into net._http_response (id) values (0)")
        net = Net(connection)
        net.post(free_port(), {})
        assert (net.queued(), net.answers()) == (1, 1)
        supabase_cluster.kill()
        with pytest.raises(psycopg.OperationalError):
            connection.execute("select 1")
    supabase_cluster.start()
    with psycopg.connect(supabase_database_url, autocommit=True) as connection:
        net = Net(connection)
        assert (net.queued(), net.answers(), net.value("select number from kept")) == (0, 0, 1)


@pytest.mark.usefixtures("worker")
def test_the_worker_reconnects_to_postgresql(
    supabase_cluster: Cluster, supabase_database_url: str, net: Net, receiver: Receiver, port: int
) -> None:
    """After a kill or a restart of PostgreSQL the worker reconnects, and does not send earlier requests again."""
    net.answer(net.post(port, 0))
    for number, end in enumerate([supabase_cluster.kill, supabase_cluster.stop], start=1):
        end()
        supabase_cluster.start()
        with psycopg.connect(supabase_database_url, autocommit=True) as connection:
            again = Net(connection)
            again.answer(again.post(port, number))
    assert receiver.bodies() == [b"0", b"1", b"2"]


def test_the_requests_of_a_killed_worker_are_lost(
    supabase_database_url: str, net: Net, receiver: Receiver, port: int
) -> None:
    """Requests that a killed worker has sent get no response row. The next worker continues with the queue."""
    receiver.gate.clear()
    with working(supabase_database_url, Mischief(interval=QUICK)) as worker:
        lost = net.post(port, "lost")
        wait_for("the request", lambda: receiver.requests)
        worker.kill()
        receiver.gate.set()
        later = net.post(port, "later")
        worker.start()
        net.answer(later)
    assert receiver.bodies() == [b'"lost"', b'"later"']
    assert net.value("select count(*) from net._http_response where id = %s", lost) == 0


def test_duplicates_equal_the_first_request(
    supabase_database_url: str, net: Net, receiver: Receiver, port: int
) -> None:
    """A duplicate has the same headers and body as the first request, and both have one response row."""
    with working(supabase_database_url, Mischief(interval=QUICK, duplicate=1)):
        for number in range(5):
            net.post(port, number, headers={"webhook-id": f"evt-{number}"})
        wait_for("all answers", lambda: net.answers() == 5)
    assert Counter(receiver.bodies()) == {str(number).encode(): 7 for number in range(5)}
    assert len(set(receiver.requests)) == 5


def test_the_seed_decides_which_requests_are_dropped(
    supabase_database_url: str, net: Net, receiver: Receiver, port: int
) -> None:
    """A request that is dropped leaves the queue, but is not sent and gets no response row."""
    mischief = Mischief(interval=QUICK, drop=0.5, seed=3)
    sent = [request_id for request_id in range(1, 41) if mischief.dice(request_id).random() >= mischief.drop]
    assert 0 < len(sent) < 40
    for number in range(1, 41):
        assert net.post(port, number) == number
    with working(supabase_database_url, mischief):
        wait_for("the answers to those sent", lambda: net.answers() == len(sent))
    assert net.queued() == 0
    assert sorted(int(body) for body in receiver.bodies()) == sent


def test_a_worker_that_dies_loses_a_part_of_the_batch(
    supabase_database_url: str, net: Net, receiver: Receiver, port: int
) -> None:
    """If the worker dies during a batch, a part of the batch is sent, and no response is recorded."""
    with working(supabase_database_url, Mischief(interval=QUICK, die=1)):
        for _ in range(10):
            with net.connection.transaction():
                for number in range(10):
                    net.post(port, number)
            wait_for("an empty queue, so that the batches before it are over", lambda: net.queued() == 0)
    assert net.answers() == 0
    assert 0 < len(receiver.requests) < 100
