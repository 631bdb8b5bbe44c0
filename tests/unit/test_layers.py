"""The layers: each module imports only from rows above its own, and only some may reach the outside."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "webhook_service"

ROWS = [
    {"events", "errors", "doctor.findings"},
    {
        "ports",
        "log",
        "outbound.refusals",
        "outbound.candidates",
        "inbound.signature",
        "inbound.strict_json",
        "ledger.fields",
        "inbound.schema",
        "inbound.payload",
        "inbound.handlers",
        "db.sqlstate",
        "db.deadline",
        "db.schema",
    },
    {"settings", "environment", "inbound.processing", "outbound.actions", "notifications.destinations"},
    {"config"},
    {"db.direct", "db.supabase", "db.embedded", "db.migrate", "db.wakeup", "inbound.batching"},
    {"auth.stand_in", "auth.stand_in_users", "auth.local", "auth.answers", "auth.supabase", "auth.passwords"},
    {
        "ledger.audit",
        "ledger.queries",
        "ledger.employees",
        "server.process",
        "ledger.retention",
        "outbound.password_file",
        "metrics.files",
        "metrics.folder",
    },
    {"ledger.replay", "ledger.relay", "ledger.reconcile"},
    {"outbound.accounts", "ledger.monitor", "ledger.bulk_replay", "metrics.counters"},
    {"notifications.decide"},
    {"ledger.wording"},
    {"notifications.text", "notifications.links"},
    {"notifications.notify"},
    {"outbound.logins", "outbound.pace"},
    {"outbound.intents"},
    {"outbound.provision"},
    {"doctor.checks", "doctor.auth_checks"},
    {"web"},
    {"web.bodies", "web.errors", "web.webhooks", "web.health", "web.metrics", "web.api.events", "web.pages.visitor"},
    {"web.api.employees", "web.pages.session"},
    {"web.api.schemas", "web.api.schemas_of_employees", "web.api.reasons"},
    {"web.api.operations"},
    {"web.api.openapi"},
    {"web.api.docs"},
    {"web.pages.common", "web.pages.chart"},
    {"web.pages.overview", "web.pages.events", "web.pages.people", "web.pages.replays", "web.pages.audit"},
    {"web.pages.site"},
    {"app", "server.asgi", "server.protocol"},
    {"server.worker", "server.gunicorn_conf"},
    {"demo.traffic"},
    {"demo.tables"},
    {"demo.play", "cli.data_dir"},
    {"cli.replay", "cli.relay", "cli.reconcile", "cli.provision", "cli.doctor", "cli.notify", "cli.sql"},
    {"cli.main"},
]
"""From the vocabulary down to where all meets. A module may also import from its own row, if that makes no cycle."""

ONLY_IN = {
    "os": {
        "environment",
        "cli.main",
        "ledger.relay",
        "outbound.password_file",
        "metrics.folder",
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
        "web.api.events",
        "web.api.employees",
        "web.api.docs",
        "web.pages.session",
        "web.pages.visitor",
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
    "prometheus_client": {"metrics.counters", "metrics.files", "web.metrics"},
    "psycopg": {
        "db.direct",
        "db.wakeup",
        "db.embedded",
        "db.migrate",
        "demo.play",
        "demo.tables",
        "demo.traffic",
        "auth.stand_in",
        "auth.stand_in_users",
        "auth.local",
    },
    "supabase": {"db.supabase", "auth.supabase", "auth.answers", "auth.passwords"},
    "httpx": {
        "db.supabase",
        "auth.supabase",
        "auth.answers",
        "auth.passwords",
        "server.process",
        "doctor.checks",
        "demo.play",
    },
    "subprocess": {"server.process", "demo.play"},
    "click": {
        "cli.main",
        "cli.data_dir",
        "cli.replay",
        "cli.relay",
        "cli.reconcile",
        "cli.provision",
        "cli.doctor",
        "cli.notify",
        "cli.sql",
    },
    "apprise": {"notifications.destinations"},
}
"""What reaches outside, and who may: everything else is translation or a function of values."""


def modules() -> dict[str, Path]:
    found = {}
    for file in PACKAGE.rglob("*.py"):
        name = ".".join(file.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__")
        if name == "web" or file.name != "__init__.py":
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
    "name",
    [
        "events",
        "errors",
        "inbound.strict_json",
        "inbound.schema",
        "inbound.payload",
        "inbound.handlers",
        "inbound.signature",
    ],
)
def test_the_pure_steps_ask_no_clock(name: str) -> None:
    """Time is a parameter."""
    calls = {
        ast.unparse(node.func)
        for node in ast.walk(ast.parse(modules()[name].read_text("utf-8")))
        if isinstance(node, ast.Call)
    }
    assert not calls & {"datetime.now", "datetime.utcnow", "time.time", "time.monotonic"}
