"""A double of Supabase Auth's admin API, as a real HTTP server on this machine over a real database.

    with auth_server(database_url) as server:
        admin = SupabaseAuthAdmin(server.url, server.key)
        server.fail_next(TIMED_OUT.after_commit(), method="PUT")

auth_api has the responses, and auth_faults has the faults and the record of calls. Any number of clients may call the
double concurrently. Each client connection has a separate database connection, like another instance of Auth.
"""

import json
import socket
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import psycopg

from tests.auth_api import AuthApi
from tests.auth_factors import Refusal
from tests.auth_faults import AuthServer, Call, Fault
from webhook_service.events import Json

PREFIX = "/auth/v1"
VERSION_HEADER = "X-Supabase-Api-Version"
NEW_ERRORS = "2024-01-01"
BY_USERS = ("/token", "/logout", "/settings", "/factors/")
"""The paths that need no key except the gateway's."""
STATEMENT_TIMEOUT = 10_000
"""The time in milliseconds after which Auth answers 504."""
SECRET_KEY = "sb_secret_k3yOfTheDouble_0123456789"
JWT_KEY = "eyJhbGciOiJIUzI1NiJ9.eyJyb2xlIjoic2VydmljZV9yb2xlIn0.k3yOfTheDouble"
"""Keys of the two kinds that Supabase has. Neither is a real key."""
CONFIDENTIAL = "This text is confidential to jane@example.com"
"""The text of requested errors of Auth, which the service must never quote."""


class Handler(BaseHTTPRequestHandler):
    """One connection of a client."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True
    server: "HttpServer"

    def setup(self) -> None:
        super().setup()
        self._connection: psycopg.Connection[Any] | None = None

    def finish(self) -> None:
        if self._connection is not None:
            self._connection.close()
        with suppress(OSError):  # the client has disconnected
            super().finish()

    def handle_request(self) -> None:
        double = self.server.double
        length = int(self.headers.get("Content-Length") or 0)
        content = self.rfile.read(length)
        if len(content) < length:
            raise ConnectionAbortedError  # the client has disconnected during the request
        path, _, query = self.path.partition("?")
        if not path.startswith(f"{PREFIX}/"):
            return self.send(404, {"message": "no Route matched with those values"})
        if self.headers.get("apikey") != double.key:
            return self.send(401, {"message": "Invalid API key", "hint": "Double check your Supabase API key."})
        body, is_json = parsed(content)
        call = double.arrived(self.command, path.removeprefix(PREFIX), body)
        double.over.wait(double.latency)
        fault = call.fault
        if fault is not None and not fault.committed:
            return self.misbehave(fault)
        try:
            if not call.path.startswith(BY_USERS) and self.headers.get("Authorization") != f"Bearer {double.key}":
                raise Refusal(403, "bad_jwt", "invalid JWT: unable to parse or verify signature")
            if not is_json:
                raise Refusal(400, "bad_json", "Could not parse request body as JSON")
            answer = self.carried_out(call, query, body)
        except Refusal as refusal:
            return self.refuse(refusal) if fault is None else self.misbehave(fault)
        if fault is not None:
            return self.misbehave(fault)
        return self.send(204, "") if answer is None else self.send(200, answer)

    do_GET = do_POST = do_PUT = do_DELETE = handle_request

    def carried_out(self, call: Call, query: str, body: dict[str, Json]) -> Json:
        double = self.server.double
        if double.before is not None:
            double.before(call)
        try:
            if self._connection is None:
                self._connection = psycopg.connect(self.server.database_url, autocommit=True)
                self._connection.execute(f"set statement_timeout = {STATEMENT_TIMEOUT:d}")
            api = AuthApi(
                self._connection,
                honours_id=double.honours_id,
                factors=double.factors,
                challenges=double.challenges,
                autoconfirm=double.autoconfirm,
                hashes_passwords=double.hashes_passwords,
                during_sign_in=double.during_sign_in,
            )
            if (call.method, call.path) == ("POST", "/logout"):
                api.sign_out(self.headers.get("Authorization", "").removeprefix("Bearer "))
                answer = None
            elif call.path.startswith("/factors/"):
                token = self.headers.get("Authorization", "").removeprefix("Bearer ")
                answer = api.answer_user(token, call.path, body)
            else:
                answer = api.answer(call.method, call.path, query, body)
        except psycopg.errors.QueryCanceled:
            raise Refusal(504, "request_timeout", "Processing this request timed out") from None
        except psycopg.Error:
            if self._connection is not None and self._connection.broken:
                self._connection.close()
                self._connection = None
            raise Refusal(500, "unexpected_failure", "Database error") from None
        if double.after is not None:
            double.after(call)
        return answer

    def misbehave(self, fault: Fault) -> None:
        if fault.silent:
            self.server.double.over.wait()
        if fault.status == 0:
            self.close_connection = True
            with suppress(OSError):  # the client has already disconnected
                self.connection.shutdown(socket.SHUT_RDWR)
        elif fault.code:
            self.refuse(Refusal(fault.status, fault.code, CONFIDENTIAL), fault.headers)
        else:
            self.send(fault.status, fault.body, fault.headers)

    def refuse(self, refusal: Refusal, headers: tuple[tuple[str, str], ...] = ()) -> None:
        """Answer with an error, in the form of the request's API version."""
        if not refusal.code:
            self.send(refusal.status, refusal.message, headers)
        elif self.headers.get(VERSION_HEADER, "") >= NEW_ERRORS and not self.server.double.old_errors:
            new = {"code": refusal.code, "message": refusal.message}
            self.send(refusal.status, new, (*headers, (VERSION_HEADER, NEW_ERRORS)))
        else:
            old = {"code": refusal.status, "error_code": refusal.code, "msg": refusal.message}
            self.send(refusal.status, old, headers)

    def send(self, status: int, body: Json, headers: tuple[tuple[str, str], ...] = ()) -> None:
        """Answer with a page if the body is a text, else with JSON."""
        is_page = isinstance(body, str)
        content = (body if is_page else json.dumps(body)).encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/html" if is_page else "application/json")
        self.send_header("Content-Length", str(len(content)))
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *arguments: Any) -> None:
        """Log nothing."""


def parsed(content: bytes) -> tuple[dict[str, Json], bool]:
    """The body, and whether it is a JSON object or empty."""
    try:
        body = json.loads(content or b"{}")
    except ValueError:
        return {}, False
    return (body, True) if isinstance(body, dict) else ({}, False)


class HttpServer(ThreadingHTTPServer):
    """A server whose threads end with it, even if clients keep their connections open."""

    daemon_threads = False
    request_queue_size = 128

    def __init__(self, database_url: str, handler: type[Handler]) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self.database_url = database_url
        self.double: AuthServer
        self.errors: list[BaseException] = []
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Keep an error in the double, which is raised at the end. A lost client is not an error."""
        error = sys.exception()
        if error is not None and not isinstance(error, ConnectionError):
            self.errors.append(error)

    def stop(self) -> None:
        self.shutdown()
        with self._lock:
            for connection in self._open:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        self.server_close()


@contextmanager
def auth_server(
    database_url: str,
    *,
    key: str = SECRET_KEY,
    latency: float = 0.0,
    chances: Mapping[Fault, float] | None = None,
    seed: int = 0,
    keep_passwords: bool = False,
    hashes_passwords: bool = False,
    honours_id: bool = True,
    old_errors: bool = False,
    handler: type[Handler] = Handler,
) -> Iterator[AuthServer]:
    """Run a double, over a database that has the stand-in for the schema auth."""
    http = HttpServer(database_url, handler)
    double = http.double = AuthServer(
        f"http://127.0.0.1:{http.server_port}",
        key,
        latency=latency,
        chances=chances,
        seed=seed,
        keep_passwords=keep_passwords,
        hashes_passwords=hashes_passwords,
        honours_id=honours_id,
        old_errors=old_errors,
    )
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield double
    finally:
        double.over.set()
        http.stop()
        thread.join()
    if http.errors:
        raise http.errors[0]
