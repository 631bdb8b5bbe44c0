"""The adapter of the Database port that production uses: supabase-py's `rpc`, which calls Supabase's Data API."""

import time
from contextlib import closing

import httpx
from postgrest.exceptions import APIError
from supabase import Client, ClientOptions, create_client

from webhook_service.db.deadline import Deadline, ShortestDuration
from webhook_service.db.sqlstate import UNDEFINED_FUNCTION, error_for
from webhook_service.errors import DatabaseError, Unavailable
from webhook_service.events import Json
from webhook_service.ports import LONG_CALLS

TIMEOUT = httpx.Timeout(3.0, connect=2.0, pool=1.0)
CONNECTIONS = 8
"""The number of connections for calls of threads: the relay, the pages and the probes. Calls of the event loop use
other connections, so that calls of threads and of the event loop do not wait for each other.
"""
CONNECTIONS_IN_LOOP = 3
CALL_TIMEOUT_SECONDS = 3.5
"""The time limit of a whole call. httpx's limits apply to each read."""

UNAVAILABLE_CODES = ("PGRST000", "PGRST001", "PGRST002", "PGRST003")
"""PostgREST's codes for a missing connection to the database, or for a pool without a free connection."""

KEY_WORDS = {
    "PGRST106": "The project's Data API does not expose the schema public: add it under Project Settings > Data API",
    "PGRST300": "The project's Data API has no JWT secret",
    "PGRST301": "SUPABASE_SERVICE_ROLE_KEY is invalid or has expired, or belongs to another project",
    "PGRST302": "The request reached the Data API without a key: check SUPABASE_SERVICE_ROLE_KEY",
    "PGRST303": "SUPABASE_SERVICE_ROLE_KEY has expired or has unusable claims",
    "42501": "SUPABASE_SERVICE_ROLE_KEY lacks the privileges of service_role (is it the publishable or anon key?),"
    " or the privileges in the database were removed: run `webhook-service migrate`",
}
"""Explanations of common codes of the Data API. Each is a sentence without its full stop.

The codes are from https://docs.postgrest.org/en/stable/references/errors.html.
"""
STATUS_WORDS = {
    401: "Supabase does not accept SUPABASE_SERVICE_ROLE_KEY: it is wrong or revoked, or belongs to another project",
    403: "Supabase forbids the call",
    404: "SUPABASE_URL is not the address of a Supabase project",
}
NOT_MIGRATED_CODES = ("PGRST202",)
"""PostgREST's code for a function that is not in its schema cache."""


class SupabaseDatabase:
    """Calls SQL functions over the Data API, as service_role. All threads share one client."""

    def __init__(
        self,
        url: str,
        service_role_key: str,
        *,
        timeout: httpx.Timeout = TIMEOUT,
        call_timeout: float = CALL_TIMEOUT_SECONDS,
    ) -> None:
        self._address = url, service_role_key
        # HTTP/2 is off, because a broken connection would break all its calls. Redirects are off, as APIs need none.
        self._http = httpx.Client(
            timeout=timeout,
            http2=False,
            follow_redirects=False,
            limits=httpx.Limits(max_connections=CONNECTIONS + CONNECTIONS_IN_LOOP),
            event_hooks={"response": [require_postgrest_response]},
        )
        self._client: Client = create_client(url, service_role_key, ClientOptions(httpx_client=self._http))
        self._deadline = Deadline(CONNECTIONS, call_timeout)
        self._deadline_in_loop = Deadline(CONNECTIONS_IN_LOOP, call_timeout)
        self._round_trips = ShortestDuration()

    def call(self, function: str, **params: Json) -> Json:
        if (seconds := LONG_CALLS.get(function)) is not None:
            patient = httpx.Timeout(seconds, connect=TIMEOUT.connect)
            with closing(SupabaseDatabase(*self._address, timeout=patient, call_timeout=seconds)) as database:
                return database._deadline.run(database._call, function, params)
        return self._deadline.run(self._call, function, params)

    async def call_soon(self, function: str, **params: Json) -> Json:
        started = time.monotonic()
        result = await self._deadline_in_loop.run_soon(self._call, function, params)
        self._round_trips.add(time.monotonic() - started)
        return result

    @property
    def round_trip(self) -> float:
        """The duration of the whole call, because the Data API does not report the time that the database needed."""
        return self._round_trips.seconds

    def _call(self, function: str, params: dict[str, Json]) -> Json:
        try:
            return self._client.rpc(function, params).execute().data
        except httpx.HTTPStatusError as error:
            raise error_for_status(error.response.status_code) from error
        except httpx.HTTPError as error:
            detail = f"Supabase did not answer ({type(error).__name__}). Check SUPABASE_URL, and Supabase's status."
            raise Unavailable("database_unreachable", detail) from error
        except APIError as error:
            raise translated(str(error.code)) from error

    def close(self) -> None:
        self._http.close()
        self._deadline.close()
        self._deadline_in_loop.close()


def require_postgrest_response(response: httpx.Response) -> None:
    """Raise HTTPStatusError for a response of a proxy or a gateway instead of PostgREST.

    Such a response is a success without JSON, or an error without a code. postgrest-py would return its body as data,
    or drop its HTTP status. PostgREST answers 204 to a function that returns void.
    """
    response.read()
    if response.status_code == httpx.codes.NO_CONTENT:
        return
    try:
        body = response.json()
    except ValueError:
        is_postgrest = False
    else:
        is_postgrest = response.is_success or (isinstance(body, dict) and isinstance(body.get("code"), str))
    if not is_postgrest:
        raise httpx.HTTPStatusError("not a response of PostgREST", request=response.request, response=response)


def error_for_status(status: int) -> Unavailable | DatabaseError:
    """Return the error for a response that has only its HTTP status.

    After a 4xx, a retry does not help, except after 408 (timeout) and 429 (too many requests). Every other status means
    an outage.
    """
    if 400 <= status < 500 and status not in (408, 429):
        words = STATUS_WORDS.get(status, "Supabase refused the call")
        detail = f"{words} ({status}). Check SUPABASE_URL and SUPABASE_SERVICE_ROLE_KEY."
        return DatabaseError("database_error", detail)
    return Unavailable("database_unavailable", f"Supabase cannot execute the call now ({status}).")


def translated(code: str) -> Unavailable | DatabaseError:
    """Return the error for `code`, which is an SQLSTATE or a code of PostgREST."""
    if code in NOT_MIGRATED_CODES:
        return error_for(UNDEFINED_FUNCTION)
    if code in KEY_WORDS:
        return DatabaseError("database_error", f"{KEY_WORDS[code]} ({code}).")
    if code in UNAVAILABLE_CODES:
        return Unavailable("database_unavailable", f"Supabase cannot execute the call now ({code}).")
    return error_for(code)
