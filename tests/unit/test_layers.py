"""The layers: each package imports only from rows above its own, and only some modules may reach the outside."""

import ast
from functools import cache
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "webhook_service"

ROWS = [
    {"errors", "events"},
    {"ports", "policy", "log"},
    {"loops"},
    {"inbound", "outbound", "db"},
    {"auth", "ledger", "metrics", "settings"},
    {"doctor", "notifications"},
    {"config"},
    {"web"},
    {"web.api"},
    {"web.pages"},
    {"app"},
    {"server"},
    {"demo"},
    {"cli"},
]
"""From the vocabulary down to where all meets. Packages of one row do not import each other: `inbound` and `outbound`
are the two directions, and neither knows the other.
"""

ONLY_IN = {
    "os": {
        "config",
        "cli.main",
        "loops",
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


@cache
def modules() -> dict[str, Path]:
    found = {}
    for file in PACKAGE.rglob("*.py"):
        name = ".".join(file.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__")
        if name == "web" or file.name != "__init__.py":
            found[name] = file
    return found


@cache
def imports_of(file: Path) -> set[str]:
    """Dotted names, with what is imported from a package of ours as a module of its own."""
    names = set()
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def package_of(module: str) -> str:
    """The package that a module stands in; a module beside the packages stands for itself."""
    is_package = module in modules() and modules()[module].name == "__init__.py"
    return module if is_package else module.rpartition(".")[0] or module


@pytest.mark.parametrize("package", sorted({package_of(name) for name in modules()}))
def test_a_package_imports_only_from_above(package: str) -> None:
    """The trip goes one way."""
    row = next((number for number, packages in enumerate(ROWS) if package in packages), None)
    assert row is not None, f"{package} has no row"
    allowed = {package}.union(*ROWS[:row])
    for name, file in modules().items():
        if package_of(name) == package:
            ours = {found.removeprefix("webhook_service.") for found in imports_of(file)} & set(modules())
            assert {package_of(module) for module in ours} <= allowed, name


@pytest.mark.parametrize("package", sorted({package_of(name) for name in modules()}))
def test_the_modules_of_a_package_import_each_other_in_one_direction(package: str) -> None:
    """No module imports itself by way of others."""
    members = {name: file for name, file in modules().items() if package_of(name) == package}
    imports = {
        name: {found.removeprefix("webhook_service.") for found in imports_of(file)} & set(members) - {name}
        for name, file in members.items()
    }
    while free := {name for name, needed in imports.items() if not needed & set(imports)}:
        imports = {name: needed for name, needed in imports.items() if name not in free}
    assert imports == {}


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
