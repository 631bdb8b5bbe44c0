"""The layers: each module imports only from rows above its own, and only some may reach the outside."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "webhook_service"

ROWS = [
    {"events", "errors", "findings"},
    {
        "ports",
        "log",
        "refusals",
        "candidates",
        "signature",
        "strict_json",
        "strict_fields",
        "event_schema",
        "payload",
        "handlers",
        "db.sqlstate",
        "db.deadline",
        "db.schema",
    },
    {"settings", "environment", "processing", "actions", "destinations"},
    {"config"},
    {"db.direct", "db.supabase", "db.embedded", "db.migrate", "db.wakeup", "batching"},
    {"auth.stand_in", "auth.stand_in_users", "auth.local", "auth.answers", "auth.supabase", "auth.passwords"},
    {"audit", "ledger", "people", "server.process", "retention", "password_file", "metrics_files", "metrics_folder"},
    {"replay", "relay", "reconcile"},
    {"accounts", "monitor", "bulk_replay", "metrics"},
    {"notices"},
    {"wording"},
    {"notice_text", "links"},
    {"notify"},
    {"employees", "pace"},
    {"intents"},
    {"provision"},
    {"doctor", "doctor_auth"},
    {"web"},
    {"web.bodies", "web.errors", "web.webhooks", "web.health", "web.metrics", "web.admin_api", "web.visitor"},
    {"web.employees", "web.session"},
    {"web.schemas", "web.schemas_of_employees", "web.reasons"},
    {"web.operations"},
    {"web.openapi"},
    {"web.api_docs"},
    {"web.pages.common", "web.pages.chart"},
    {"web.pages.overview", "web.pages.events", "web.pages.people", "web.pages.replays", "web.pages.audit"},
    {"web.pages.site"},
    {"app", "server.asgi", "server.protocol"},
    {"server.worker", "server.gunicorn_conf"},
    {"demo_traffic"},
    {"demo_tables"},
    {"demo", "cli_data_dir"},
    {"cli_replay", "cli_relay", "cli_reconcile", "cli_provision", "cli_doctor", "cli_notify", "cli_sql"},
    {"cli"},
]
"""From the vocabulary down to where all meets. A module may also import from its own row, if that makes no cycle."""

ONLY_IN = {
    "os": {
        "environment",
        "cli",
        "relay",
        "password_file",
        "metrics_folder",
        "server.process",
        "server.gunicorn_conf",
        "server.protocol",
        "server.worker",
    },  # the environment has one reader; the others start, name and kill processes, open a file for its owner only,
    # say where processes count together, and give way to another process
    "flask": {
        "app",
        "web",
        "web.errors",
        "web.health",
        "web.webhooks",
        "web.metrics",
        "web.admin_api",
        "web.employees",
        "web.api_docs",
        "web.session",
        "web.visitor",
        "web.pages.site",
        "web.pages.common",
        "web.pages.overview",
        "web.pages.events",
        "web.pages.people",
        "web.pages.replays",
        "web.pages.audit",
        "server.asgi",
    },
    "uvicorn": {"server.protocol", "server.worker"},
    "prometheus_client": {"metrics", "metrics_files", "web.metrics"},
    "psycopg": {
        "db.direct",
        "db.wakeup",
        "db.embedded",
        "db.migrate",
        "demo",
        "demo_tables",
        "demo_traffic",
        "auth.stand_in",
        "auth.stand_in_users",
        "auth.local",
    },
    "supabase": {"db.supabase", "auth.supabase", "auth.answers", "auth.passwords"},
    "httpx": {"db.supabase", "auth.supabase", "auth.answers", "auth.passwords", "server.process", "doctor", "demo"},
    "subprocess": {"server.process", "demo"},
    "click": {
        "cli",
        "cli_data_dir",
        "cli_replay",
        "cli_relay",
        "cli_reconcile",
        "cli_provision",
        "cli_doctor",
        "cli_notify",
        "cli_sql",
    },
    "apprise": {"destinations"},
}
"""What reaches outside, and who may: everything else is translation or a function of values."""


def modules() -> dict[str, Path]:
    found = {}
    for file in PACKAGE.rglob("*.py"):
        name = ".".join(file.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__")
        if name not in ("__init__", "db", "auth", "server", "web.pages"):
            found[name] = file
    return found


def imports_of(file: Path) -> set[str]:
    """Dotted names, with what is imported from a package of ours as a module of its own."""
    names = set()
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


@pytest.mark.parametrize("name", sorted(modules()))
def test_a_module_imports_only_from_above(name: str) -> None:
    """The trip goes one way."""
    row = next((number for number, members in enumerate(ROWS) if name in members), None)
    assert row is not None, f"{name} has no row"
    allowed = set().union(*ROWS[: row + 1])
    ours = {found.removeprefix("webhook_service.") for found in imports_of(modules()[name])} & set(modules())
    assert ours <= allowed, f"{name} may not import {ours - allowed}"


@pytest.mark.parametrize("outside", sorted(ONLY_IN))
def test_only_some_may_reach_outside(outside: str) -> None:
    """Who may import what touches the world is written down, with its reason."""
    users = {name for name, file in modules().items() if outside in {found.split(".")[0] for found in imports_of(file)}}
    assert users <= ONLY_IN[outside]


@pytest.mark.parametrize(
    "name", ["events", "errors", "strict_json", "event_schema", "payload", "handlers", "signature"]
)
def test_the_pure_steps_ask_no_clock(name: str) -> None:
    """Time is a parameter."""
    calls = {
        ast.unparse(node.func)
        for node in ast.walk(ast.parse(modules()[name].read_text("utf-8")))
        if isinstance(node, ast.Call)
    }
    assert not calls & {"datetime.now", "datetime.utcnow", "time.time", "time.monotonic"}
