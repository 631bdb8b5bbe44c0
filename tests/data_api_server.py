"""A double of a Supabase project: its gateway, the Data API (data_api) and Auth's admin API (auth_server) on one port.

with supabase_project(database_url) as project:
    database = SupabaseDatabase(project.url, project.key)
    admin = SupabaseAuthAdmin(project.url, project.key)
"""

import base64
import hmac
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from tests.auth_faults import AuthServer
from tests.auth_server import Handler, auth_server, parsed
from tests.data_api import ROLES, DataApi, Refused
from webhook_service.events import Json

PREFIX = "/rest/v1/rpc/"
JWT_SECRET = b"the-jwt-secret-of-the-double-0123456789"


def jwt(role: str, *, secret: bytes = JWT_SECRET, expires_at: float | None = None) -> str:
    """Sign a key of the older kind for a role. It expires in ten years by default."""
    claims = {"iss": "supabase", "role": role, "exp": int(expires_at or time.time() + 10 * 365 * 86400)}
    signed = ".".join(encoded(json.dumps(part).encode()) for part in ({"alg": "HS256", "typ": "JWT"}, claims))
    return f"{signed}.{encoded(hmac.digest(secret, signed.encode(), 'sha256'))}"


def encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def claims_of(authorization: str) -> dict[str, Json]:
    """Return the claims of a Bearer token; without one, the claims of the role anon. Raises Refused."""
    if not authorization:
        return {"role": "anon"}
    token = authorization.removeprefix("Bearer ")
    signed, _, signature = token.rpartition(".")
    if not hmac.compare_digest(encoded(hmac.digest(JWT_SECRET, signed.encode(), "sha256")), signature):
        raise Refused(401, "PGRST301", "JWSError JWSInvalidSignature")
    part = signed.partition(".")[2]
    claims: dict[str, Json] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    if claims["exp"] < time.time():
        raise Refused(401, "PGRST301", "JWT expired")
    return claims


class ProjectHandler(Handler):
    """One connection of a client. It has its own connection of `authenticator` to the database."""

    def setup(self) -> None:
        super().setup()
        self._authenticator: psycopg.Connection[Any] | None = None

    def finish(self) -> None:
        self._close()
        super().finish()

    def handle_request(self) -> None:
        if not self.path.startswith(PREFIX):
            return super().handle_request()
        content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if not self.headers.get("apikey"):
            return self.send(401, {"message": "No API key found in request"})
        try:
            self.answer(self.path.removeprefix(PREFIX), content)
        except Refused as refused:
            self.send(refused.status, refused.body)

    do_GET = do_POST = do_PUT = do_DELETE = handle_request

    def answer(self, function: str, content: bytes) -> None:
        """Answer a call. Raises Refused."""
        profile = self.headers.get("Content-Profile", "public")
        if profile != "public":
            raise Refused(406, "PGRST106", "The schema must be one of the following: public")
        claims = claims_of(self.headers.get("Authorization", ""))
        arguments, is_json = parsed(content)
        if not is_json:
            raise Refused(400, "PGRST102", "Empty or invalid json")
        try:
            if self._authenticator is None:
                url = make_conninfo(self.server.database_url, user="authenticator")
                self._authenticator = psycopg.connect(url, autocommit=True)
            response = DataApi(self._authenticator).rpc(function, arguments, claims)
        except psycopg.OperationalError:
            self._close()
            raise Refused(503, "PGRST001", "Database client error. Retrying the connection.") from None
        self.send_response(response.status)
        if response.body is not None:
            self.send_header("Content-Type", "application/json; charset=utf-8")
            self.send_header("Content-Length", str(len(response.body.encode())))
        self.end_headers()
        self.wfile.write((response.body or "").encode())

    def _close(self) -> None:
        if self._authenticator is not None:
            self._authenticator.close()
            self._authenticator = None


@contextmanager
def supabase_project(database_url: str, **options: Any) -> Iterator[AuthServer]:
    """Run a project over a database that has the stand-in for the schema auth. `options` are those of `auth_server`.

    Its `key` is a service_role key of the older kind.
    """
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(sql.SQL(ROLES))
    with auth_server(database_url, key=jwt("service_role"), handler=ProjectHandler, **options) as project:
        yield project
