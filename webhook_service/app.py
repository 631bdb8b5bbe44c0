"""The composition root, which chooses the adapters by the settings, and builds the Flask application and the relay.

The adapters of Supabase's APIs are imported when the settings choose them. The import of supabase-py is a third of the
work of a start.
"""

import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, time
from functools import partial
from pathlib import Path

from flask import Flask

from webhook_service import config
from webhook_service.auth.local import LocalAuthAdmin
from webhook_service.auth.passwords import LocalPasswords, Passwords
from webhook_service.config import read_environment
from webhook_service.db.direct import DirectDatabase
from webhook_service.db.wakeup import Wakeup
from webhook_service.ledger import attention, bulk_replay, failing_loops, nightly, relay
from webhook_service.ledger.employees import refresh_differences
from webhook_service.loops import Loop, PassResult, Relay, ignore_report
from webhook_service.metrics.counters import Metrics
from webhook_service.metrics.files import FOLDER
from webhook_service.notifications import notify
from webhook_service.notifications.notify import Notifier
from webhook_service.outbound import unproven_emails
from webhook_service.outbound.accounts import Accounts
from webhook_service.policy import Policy
from webhook_service.ports import AuthAdmin, AuthSettings, Database
from webhook_service.scim import routes as scim
from webhook_service.settings import DirectConnection, Settings, SupabaseConnection
from webhook_service.subscribers import delivering
from webhook_service.web import Wiring, errors, health, metrics, webhooks
from webhook_service.web.api import (
    audit,
    bulk_replays,
    directories,
    docs,
    employees,
    events,
    held,
    imports,
    logins,
    people,
    provision,
    reconcile,
    subscribers,
)
from webhook_service.web.pages import site

log = logging.getLogger(__name__)


def utc_now() -> datetime:
    """Return the current time in UTC."""
    return datetime.now(UTC)


def database_for(connection: DirectConnection | SupabaseConnection) -> Database:
    """Return the database's adapter for this connection (psycopg or Supabase's Data API), without connecting."""
    if isinstance(connection, DirectConnection):
        return DirectDatabase(connection.url)
    from webhook_service.db.supabase import SupabaseDatabase

    return SupabaseDatabase(connection.url, connection.service_role_key)


def admin_for(connection: DirectConnection | SupabaseConnection) -> AuthAdmin:
    """Return the Auth Admin API of a Supabase project, or its stand-in in a PostgreSQL database."""
    if isinstance(connection, DirectConnection):
        return LocalAuthAdmin(connection.url)
    from webhook_service.auth.supabase import SupabaseAuthAdmin

    return SupabaseAuthAdmin(connection.url, connection.service_role_key)


def accounts_for(
    auth: DirectConnection | SupabaseConnection | None,
    database: Database,
    policy: Policy,
    rate: int,
    now: Callable[[], datetime] = utc_now,
) -> Accounts | None:
    """Return the performer of at most `rate` actions a second, or None if no Auth Admin API is configured."""
    return Accounts(database, admin_for(auth), policy.email_owner, rate, now) if auth is not None else None


def metrics_for(environ: Mapping[str, str]) -> Metrics:
    """Return the metrics of this process, or of all workers together if gunicorn has created their folder."""
    return Metrics(Path(environ[FOLDER]) if FOLDER in environ else None)


def passwords_for(auth: DirectConnection | SupabaseConnection | None) -> Passwords | None:
    """Return Auth's check of an admin's password and second factor, or None if no Auth Admin API is configured."""
    if isinstance(auth, SupabaseConnection):
        from webhook_service.auth.supabase_passwords import SupabasePasswords

        return SupabasePasswords(auth.url, auth.service_role_key)
    return LocalPasswords(LocalAuthAdmin(auth.url)) if auth is not None else None


def relay_for(
    connection: DirectConnection | SupabaseConnection,
    database: Database,
    policy: Policy,
    accounts: Accounts | None,
    notifier: Notifier | None = None,
    report: Callable[[str, PassResult | None], None] = ignore_report,
    reconcile_at: time | None = None,
    private_addresses: bool = False,
) -> Relay:
    """Return a relay that is not started.

    A relay has loops for events, the monitor, bulk replays, healed events, subscribers and the settings of Auth.
    It also has a loop for actions if `accounts` is given, one for notices if `notifier` is given, and one for the
    daily run of reconcile if `reconcile_at` is given. Each loop has a separate thread, so a slow Auth does not
    delay events. Over a direct connection, the database wakes the loop for events immediately. Over the Data API,
    this loop polls. `report` is called after each pass. The database records a loop that fails. `private_addresses`
    says whether subscribers may be at private addresses.
    """
    wait = Wakeup(connection.url).wait if isinstance(connection, DirectConnection) else None
    deliver = partial(delivering.run_once, database, private_addresses=private_addresses, now=utc_now)
    loops = [
        Loop("events", lambda name: relay.run_once(database, policy, name=name), wait),
        Loop("monitor", lambda name: refresh_differences(database)),
        Loop("replays", lambda name: bulk_replay.run_once(database, policy, name=name)),
        Loop("attention", lambda name: attention.close_healed(database), every=attention.POLL_SECONDS),
        Loop(delivering.LOOP, lambda name: deliver(name=name)),
    ]
    auth = accounts.admin if accounts is not None and isinstance(accounts.admin, AuthSettings) else None
    once = partial(unproven_emails.run_once, database, auth, policy)
    loops.append(Loop("settings", lambda name: once(), every=unproven_emails.POLL_SECONDS))
    if accounts is not None:
        loops.append(Loop("actions", accounts.run_once))
    if notifier is not None:
        loops.append(Loop("notices", notifier.run_once, every=notify.POLL_SECONDS))
    if reconcile_at is not None:
        daily = partial(nightly.run_once, database, policy, reconcile_at)
        loops.append(Loop("reconcile", lambda name: daily(), every=nightly.POLL_SECONDS))
    return Relay(*loops, report=report, record=partial(failing_loops.record, database))


def create_app(
    settings: Settings | None = None, database: Database | None = None, now: Callable[[], datetime] = utc_now
) -> Flask:
    """Create the Flask application, with the settings of the environment by default. Raises BadSetting.

    `app.extensions` holds `wiring`, `metrics` and `accounts`. With RELAY=on it also holds `relay`, which is not
    started.
    """
    if settings is None:
        settings = config.load(read_environment())
        for warning in config.ignored(read_environment()):
            log.warning(warning)
    database = database if database is not None else database_for(settings.connection)
    accounts = accounts_for(settings.auth, database, settings.policy, settings.auth_rate, now)
    wiring = Wiring(
        settings,
        database,
        accounts,
        now,
        metrics_for(read_environment()),
        passwords_for(settings.auth),
    )

    app = Flask("webhook_service", static_folder=None, static_url_path="/static", template_folder="web/templates")
    app.url_map.merge_slashes = False  # merging redirects, and pg_net turns a redirected POST into a GET
    app.config["MAX_CONTENT_LENGTH"] = settings.max_body_bytes
    app.json.sort_keys = False  # type: ignore[attr-defined]  # an attribute of Flask's default provider
    people_api = (employees, people, logins, directories, imports, held, provision, reconcile)
    for part in (webhooks, health, metrics, events, bulk_replays, audit, *people_api, subscribers, docs, scim):
        app.register_blueprint(part.blueprint(wiring))
    site.register(app, wiring)
    errors.register(app)
    app.extensions |= {"wiring": wiring, "metrics": wiring.metrics, "accounts": accounts}
    if settings.relay:  # the server starts the relay after the fork (gunicorn_conf)
        notifier = notify.notifier(
            database, settings.notices, settings.pages, settings.admin_api_key, with_actions=accounts is not None
        )
        reported = wiring.metrics.pass_ended
        app.extensions["relay"] = relay_for(
            settings.connection,
            database,
            settings.policy,
            accounts,
            notifier,
            reported,
            settings.reconcile_at,
            settings.event_private_addresses,
        )
    return app
