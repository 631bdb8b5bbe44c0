"""The Database port over supabase-py's `rpc`, that is, Supabase's Data API. The production default."""

import re

import httpx
from postgrest.exceptions import APIError
from supabase import Client, ClientOptions, create_client

from webhook_service.db.sqlstate import UNDEFINED_FUNCTION, error_for
from webhook_service.errors import DatabaseError, Unavailable
from webhook_service.events import Json

TIMEOUT = httpx.Timeout(3.0, connect=2.0, pool=1.0)
CONNECTIONS = 8

UNAVAILABLE_CODES = ("PGRST000", "PGRST001", "PGRST002", "PGRST003")
"""PostgREST: no connection to the database, or none free in its pool."""
NOT_MIGRATED_CODES = ("PGRST202",)
"""PostgREST: no such function in the schema cache."""


class SupabaseDatabase:
    """Calls SQL functions over the Data API, as service_role. One client, shared by all threads."""

    def __init__(self, url: str, service_role_key: str, *, timeout: httpx.Timeout = TIMEOUT) -> None:
        # http2 off: one broken connection would break every call on it. Redirects off: an API does not redirect.
        self._http = httpx.Client(
            timeout=timeout, http2=False, follow_redirects=False, limits=httpx.Limits(max_connections=CONNECTIONS)
        )
        self._client: Client = create_client(url, service_role_key, ClientOptions(httpx_client=self._http))

    def call(self, function: str, **params: Json) -> Json:
        try:
            return self._client.rpc(function, params).execute().data
        except httpx.HTTPError as error:
            raise Unavailable("database_unreachable", f"Supabase did not answer ({type(error).__name__}).") from error
        except APIError as error:
            raise translated(error) from error
        except ValueError as error:  # an answer that is no JSON: a proxy's error page
            raise Unavailable("database_unavailable", "Supabase did not answer as an API.") from error

    def close(self) -> None:
        self._http.close()


def translated(error: APIError) -> Unavailable | DatabaseError:
    """`code` is the SQLSTATE, PostgREST's own code, or the HTTP status where the answer was no JSON."""
    code = str(error.code)
    if code in NOT_MIGRATED_CODES:
        return error_for(UNDEFINED_FUNCTION)
    if code in UNAVAILABLE_CODES or is_http_trouble(code):
        return Unavailable("database_unavailable", f"Supabase cannot do it now ({code}).")
    return error_for(code)


def is_http_trouble(code: str) -> bool:
    """An HTTP status instead of an error of the API: anything but a 4xx, and of those "slow down" and "timed out"."""
    return re.fullmatch("[0-9]{3}", code) is not None and (code in ("408", "429") or not code.startswith("4"))
