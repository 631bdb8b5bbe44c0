"""Options of other clients in DATABASE_URL, such as Prisma, node-postgres, SQLAlchemy, asyncpg, pgx or JDBC.

libpq refuses an option that it does not know. An option that has no effect on this service is ignored. An option that
would select other tables or change the security of the connection is an error that names the option.
"""

import re
from urllib.parse import unquote

from psycopg import pq

HARMLESS = frozenset(
    """
    pgbouncer supa connection_limit pool_timeout pool_mode pool_size max_overflow pool_recycle pool_max_conns
    pool_min_conns pool_max_conn_lifetime pool_max_conn_idle_time pool_health_check_period max_connections
    min_connections max_client_conn connectionlimit maxpoolsize minpoolsize max min socket_timeout
    statement_cache_size statement_cache_capacity prepared_statement_cache_size prepared_statements preparethreshold
    prepare_threshold prepare prefer_query_mode preferquerymode default_query_exec_mode description_cache_capacity
    rewritebatchedinserts uselibpqcompat workaround logintimeout sockettimeout tcpkeepalive idle_timeout
    max_lifetime command_timeout statement_timeout lock_timeout idle_in_transaction_session_timeout query_timeout
    timeout pool applicationname fallback_application_name encoding charset server_version serverversion reconnect
    driver adapter binary_parameters
    """.split()  # noqa: SIM905 (a list would take sixty lines)
)
"""Options of other clients for their pools, statements and names, in lower case."""

SCHEMAS = {"schema", "currentschema", "search_path", "schema_search_path"}
TLS = {"sslaccept", "sslidentity", "ssl_mode", "sslfactory", "ssl_ca", "tls", "trustservercertificate", "sslinline"}
LIBPQ = {option.keyword.decode() for option in pq.Conninfo.get_defaults()} | {"ssl"}
"""The options that libpq knows. `ssl=true` is JDBC's, which libpq accepts as sslmode=require."""

SSL_MODES = {"disable", "allow", "prefer", "require", "verify-ca", "verify-full"}
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,40}")


def without_foreign_options(url: str) -> tuple[str, tuple[str, ...]]:
    """Return the URL without the ignored options, and the names of these options.

    Raises ValueError for an option that cannot be ignored. The message contains no value of the URL.
    """
    address, mark, query = url.partition("?")
    if not mark or "@" in query:  # an @ in the query is an unescaped part of a password; another check refuses the URL
        return url, ()
    kept, ignored = [], []
    for option in filter(None, query.split("&")):
        name, value = (unquote(part) for part in option.split("=", 1)) if "=" in option else (unquote(option), "")
        if name in LIBPQ:
            require_known_ssl_mode(name, value)
            kept.append(option)
        elif is_harmless(name.lower(), value):
            ignored.append(name)
        else:
            raise ValueError(refusal(name))
    return "?".join([address, *(["&".join(kept)] if kept else [])]) if ignored else url, tuple(ignored)


def is_harmless(name: str, value: str) -> bool:
    """Return whether the option may be ignored. An option for a schema other than public may not."""
    return name in HARMLESS or (name in SCHEMAS and value.split(",")[0].strip('" ') == "public")


def require_known_ssl_mode(name: str, value: str) -> None:
    """Raise ValueError for an sslmode of another client, such as node-postgres's no-verify."""
    if name == "sslmode" and value not in SSL_MODES:
        raise ValueError(f"has an sslmode that PostgreSQL does not know: use one of {', '.join(sorted(SSL_MODES))}")


def refusal(name: str) -> str:
    """Return the message for an option that cannot be ignored."""
    if name.lower() in SCHEMAS:
        return (
            f"has the option {name}, but the service uses the schema public only: remove it "
            "(see docs/how-to/existing-table.md)"
        )
    if name.lower() in TLS:
        return f"has the option {name} of another client: use sslmode=verify-full and sslrootcert=FILE instead"
    shown = name if NAME.fullmatch(name) else "(unreadable)"
    return f"has an option that PostgreSQL does not know: {shown}"
