"""Where adapters meet use cases."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from flask import Flask

from webhook_service import config
from webhook_service.auth.local import LocalAuthAdmin
from webhook_service.auth.passwords import CheckPassword, check_locally, check_with_supabase
from webhook_service.auth.supabase import SupabaseAuthAdmin
from webhook_service.config import read_environment
from webhook_service.db.direct import DirectDatabase
from webhook_service.db.supabase import SupabaseDatabase
from webhook_service.db.wakeup import Wakeup
from webhook_service.ledger import bulk_replay, relay
from webhook_service.ledger.employees import refresh_differences
from webhook_service.loops import Loop, Ran, Relay, ignore_report
from webhook_service.metrics.counters import Metrics
from webhook_service.metrics.files import FOLDER
from webhook_service.notifications import notify
from webhook_service.notifications.notify import Notifier
from webhook_service.outbound.accounts import Accounts
from webhook_service.policy import Policy
from webhook_service.ports import AuthAdmin, Database
from webhook_service.settings import DirectConnection, Settings, SupabaseConnection
from webhook_service.web import Wiring, errors, health, metrics, webhooks
from webhook_service.web.api import docs, employees, events
from webhook_service.web.pages import site


def utc_now() -> datetime:
    return datetime.now(UTC)


def database_for(connection: DirectConnection | SupabaseConnection) -> Database:
    if isinstance(connection, DirectConnection):
        return DirectDatabase(connection.url)
    return SupabaseDatabase(connection.url, connection.service_role_key)


def admin_for(connection: DirectConnection | SupabaseConnection) -> AuthAdmin:
    if isinstance(connection, DirectConnection):
        return LocalAuthAdmin(connection.url)
    return SupabaseAuthAdmin(connection.url, connection.service_role_key)


def accounts_for(
    auth: DirectConnection | SupabaseConnection | None,
    database: Database,
    policy: Policy,
    rate: int,
    now: Callable[[], datetime] = utc_now,
) -> Accounts | None:
    """None where there is no Auth Admin API."""
    return Accounts(database, admin_for(auth), policy.email_owner, rate, now) if auth is not None else None


def metrics_for(environ: Mapping[str, str]) -> Metrics:
    """Counting with the other processes of this gunicorn, which has made a folder for that; else alone."""
    return Metrics(Path(environ[FOLDER]) if FOLDER in environ else None)


def password_check_for(auth: DirectConnection | SupabaseConnection | None) -> CheckPassword | None:
    if isinstance(auth, SupabaseConnection):
        return partial(check_with_supabase, auth.url, auth.service_role_key)
    return partial(check_locally, LocalAuthAdmin(auth.url)) if auth is not None else None


def relay_for(
    connection: DirectConnection | SupabaseConnection,
    database: Database,
    policy: Policy,
    accounts: Accounts | None,
    notifier: Notifier | None = None,
    report: Callable[[str, Ran | None], None] = ignore_report,
) -> Relay:
    """A relay of events, bulk replays, and actions where Auth can be reached: what Auth takes long for holds up no
    event. It wakes at once over a direct connection, and polls over the Data API. Not started yet.
    """
    wait = Wakeup(connection.url).wait if isinstance(connection, DirectConnection) else None
    loops = [
        Loop("events", lambda name: relay.run_once(database, policy, name=name), wait),
        Loop("monitor", lambda name: refresh_differences(database)),
        Loop("replays", lambda name: bulk_replay.run_once(database, policy, name=name)),
    ]
    if accounts is not None:
        loops.append(Loop("actions", accounts.run_once))
    if notifier is not None:
        loops.append(Loop("notices", notifier.run_once, every=notify.POLL_SECONDS))
    return Relay(*loops, report=report)


def create_app(
    settings: Settings | None = None, database: Database | None = None, now: Callable[[], datetime] = utc_now
) -> Flask:
    """The Flask application. Without arguments: from the environment. Raises BadSetting."""
    settings = settings if settings is not None else config.load(read_environment())
    database = database if database is not None else database_for(settings.connection)
    accounts = accounts_for(settings.auth, database, settings.policy, settings.auth_rate, now)
    wiring = Wiring(
        settings,
        database,
        accounts,
        now,
        metrics_for(read_environment()),
        password_check_for(settings.auth),
    )

    app = Flask("webhook_service", static_folder=None, static_url_path="/static", template_folder="web/templates")
    app.url_map.merge_slashes = False  # it would redirect, and pg_net turns a redirected POST into a GET
    app.config["MAX_CONTENT_LENGTH"] = settings.max_body_bytes
    app.json.sort_keys = False  # type: ignore[attr-defined]  # of Flask's default provider
    for part in (webhooks, health, metrics, events, employees, docs):
        app.register_blueprint(part.blueprint(wiring))
    site.register(app, wiring)
    errors.register(app)
    app.extensions |= {"wiring": wiring, "metrics": wiring.metrics, "accounts": accounts}
    if settings.relay:  # whoever serves the application starts it, after the fork (gunicorn_conf)
        notifier = notify.notifier(
            database, settings.notices, settings.pages, settings.admin_api_key, with_actions=accounts is not None
        )
        reported = wiring.metrics.ran
        app.extensions["relay"] = relay_for(
            settings.connection, database, settings.policy, accounts, notifier, reported
        )
    return app
