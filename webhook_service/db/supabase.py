"""The Database port over supabase-py's `rpc`, that is, Supabase's Data API. The production default."""

import time

import httpx
from postgrest.exceptions import APIError
from supabase import Client, ClientOptions, create_client

from webhook_service.db.deadline import Deadline, Shortest
from webhook_service.db.sqlstate import UNDEFINED_FUNCTION, error_for
from webhook_service.errors import DatabaseError, Unavailable
from webhook_service.events import Json

TIMEOUT = httpx.Timeout(3.0, connect=2.0, pool=1.0)
CONNECTIONS = 8
"""For the calls of threads: the relay, the pages and the probes. Those of the event loop have their own, so that
neither waits for the other.
"""
CONNECTIONS_IN_LOOP = 3
CALL_TIMEOUT = 3.5
"""Seconds for a whole call; httpx's own limits are for each read."""

UNAVAILABLE_CODES = ("PGRST000", "PGRST001", "PGRST002", "PGRST003")
"""PostgREST: no connection to the database, or none free in its pool."""
NOT_MIGRATED_CODES = ("PGRST202",)
"""PostgREST: no such function in the schema cache."""


class SupabaseDatabase:
    """Calls SQL functions over the Data API, as service_role. One client, shared by all threads."""

    def __init__(
        self,
        url: str,
        service_role_key: str,
        *,
        timeout: httpx.Timeout = TIMEOUT,
        call_timeout: float = CALL_TIMEOUT,
    ) -> None:
        # http2 off: one broken connection would break every call on it. Redirects off: an API does not redirect.
        self._http = httpx.Client(
            timeout=timeout,
            http2=False,
            follow_redirects=False,
            limits=httpx.Limits(max_connections=CONNECTIONS + CONNECTIONS_IN_LOOP),
            event_hooks={"response": [require_an_api]},
        )
        self._client: Client = create_client(url, service_role_key, ClientOptions(httpx_client=self._http))
        self._deadline = Deadline(CONNECTIONS, call_timeout)
        self._deadline_in_loop = Deadline(CONNECTIONS_IN_LOOP, call_timeout)
        self._round_trips = Shortest()

    def call(self, function: str, **params: Json) -> Json:
        return self._deadline.run(self._call, function, params)

    async def call_soon(self, function: str, **params: Json) -> Json:
        started = time.monotonic()
        answer = await self._deadline_in_loop.run_soon(self._call, function, params)
        self._round_trips.add(time.monotonic() - started)
        return answer

    @property
    def round_trip(self) -> float:
        """Of the whole call: how long the database worked on it is not known here."""
        return self._round_trips.seconds

    def _call(self, function: str, params: dict[str, Json]) -> Json:
        try:
            return self._client.rpc(function, params).execute().data
        except httpx.HTTPStatusError as error:
            raise error_for_status(error.response.status_code) from error
        except httpx.HTTPError as error:
            raise Unavailable("database_unreachable", f"Supabase did not answer ({type(error).__name__}).") from error
        except APIError as error:
            raise translated(str(error.code)) from error

    def close(self) -> None:
        self._http.close()
        self._deadline.close()
        self._deadline_in_loop.close()


def require_an_api(response: httpx.Response) -> None:
    """Raises HTTPStatusError for what PostgREST cannot have said: a success without JSON, or an error without a code.

    That is a proxy's or a gateway's word; postgrest-py would hand it on as data, or without its HTTP status.
    """
    response.read()
    try:
        body = response.json()
    except ValueError:
        is_its_word = False
    else:
        is_its_word = response.is_success or (isinstance(body, dict) and isinstance(body.get("code"), str))
    if not is_its_word:
        raise httpx.HTTPStatusError("not an answer of PostgREST", request=response.request, response=response)


def error_for_status(status: int) -> Unavailable | DatabaseError:
    """For an HTTP status alone: a 4xx refuses (but "slow down" and "timed out"); all else is trouble on the way."""
    if 400 <= status < 500 and status not in (408, 429):
        return DatabaseError("database_error", f"Supabase refused the call ({status}); are its URL and key right?")
    return Unavailable("database_unavailable", f"Supabase cannot do it now ({status}).")


def translated(code: str) -> Unavailable | DatabaseError:
    """`code` is the SQLSTATE, or PostgREST's own."""
    if code in NOT_MIGRATED_CODES:
        return error_for(UNDEFINED_FUNCTION)
    if code in UNAVAILABLE_CODES:
        return Unavailable("database_unavailable", f"Supabase cannot do it now ({code}).")
    return error_for(code)
