"""The layers of the packages. A package imports only from the rows above it, and only some modules do I/O."""

import ast
from functools import cache
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "webhook_service"

ROWS = [
    {"addresses", "errors", "events"},
    {"ports", "policy", "log", "guardian", "wording"},
    {"loops"},
    {"inbound", "outbound", "db"},
    {"auth", "ledger", "metrics", "settings"},
    {"doctor", "notifications", "subscribers"},
    {"config"},
    {"web"},
    {"scim"},
    {"web.api"},
    {"web.api.operations"},
    {"web.pages"},
    {"app"},
    {"server"},
    {"demo"},
    {"cli"},
    {"__main__"},
]
"""From the data types down to the entry points. Packages of one row do not import each other. For example, `inbound`
and `outbound` are the two directions, and neither depends on the other.
"""

ONLY_IN = {
    "os": {
        "config",
        "cli.main",
        "guardian",
        "db.embedded",
        "loops",
        "outbound.password_file",
        "metrics.folder",
        "server.process",
        "server.gunicorn_conf",
        "server.protocol",
        "server.worker",
    },  # `config` is the only reader of the environment. The other modules start, name and kill processes, open a
    # file for its owner only, set the folder in which processes count, and yield to another process.
    "flask": {
        "app",
        "web",
        "web.errors",
        "web.attempts",
        "web.health",
        "web.webhooks",
        "web.long_requests",
        "web.metrics",
        "web.api.events",
        "web.api.held",
        "web.api.directories",
        "web.api.imports",
        "web.api.employees",
        *("web.api.docs", "web.api.people", "web.api.logins", "web.api.bulk_replays"),
        *("web.api.audit", "web.api.reconcile", "web.api.subscribers", "web.api.provision"),
        "web.api.body",
        "web.api.idempotency",
        "web.pages.session",
        "web.pages.sign_in",
        "web.pages.second_factor",
        "web.pages.roles",
        "web.pages.interrupted",
        "web.pages.visitor",
        "web.pages.site",
        "web.pages.assets",
        "web.pages.common",
        "web.pages.overview",
        "web.pages.events",
        "web.pages.exports",
        "web.pages.people",
        "web.pages.people_list",
        "web.pages.listing",
        "web.pages.chosen_people",
        "web.pages.chosen_events",
        "web.pages.new_employee",
        "web.pages.held",
        "web.pages.inbox",
        "web.pages.replays",
        "web.pages.audit",
        "web.pages.comparison",
        "web.pages.setup",
        "web.pages.subscribers",
        "web.pages.suggestions",
        "web.pages.edit",
        "web.pages.directories",
        "web.pages.employee_import",
        "web.pages.credentials",
        *("scim.routes", "scim.views", "scim.answers"),
        "server.asgi",
        "server.others",
    },
    "uvicorn": {"server.protocol", "server.worker"},
    "prometheus_client": {"metrics.counters", "metrics.files", "web.metrics"},
    "psycopg": {
        "db.direct",
        "db.wakeup",
        "db.embedded",
        "db.migrate",
        "db.repair",
        "db.url",
        "demo.play",
        "demo.tables",
        "demo.traffic",
        "auth.stand_in",
        "auth.stand_in_users",
        "auth.local",
    },
    "supabase": {"db.supabase", "auth.supabase", "auth.answers", "auth.supabase_passwords"},
    "httpx": {
        "db.supabase",
        "auth.supabase",
        "auth.answers",
        "auth.supabase_passwords",
        "auth.second_factors",
        "server.process",
        "doctor.checks",
        "demo.directory",
        "demo.play",
        "subscribers.sending",
    },
    "subprocess": {"guardian", "server.process", "demo.play"},
    "click": {
        "cli.main",
        "cli.data_dir",
        "cli.replay",
        "cli.relay",
        "cli.reconcile",
        "cli.plan",
        "cli.moments",
        "cli.held",
        "cli.scim_token",
        "cli.import_employees",
        "cli.provision",
        "cli.doctor",
        "cli.notify",
        "cli.sql",
        "cli.subscribers",
        "cli.output",
    },
    "apprise": {"notifications.destinations"},
}
"""The libraries that do I/O, and the modules that may import them. All other modules only compute with values."""


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
    """The dotted names that a file imports. The name of an imported object begins with its module."""
    names = set()
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def package_of(module: str) -> str:
    """The package of a module. A module outside of a package is its own package."""
    is_package = module in modules() and modules()[module].name == "__init__.py"
    return module if is_package else module.rpartition(".")[0] or module


@pytest.mark.parametrize("package", sorted({package_of(name) for name in modules()}))
def test_a_package_imports_only_from_above(package: str) -> None:
    """A package imports only from itself and from the rows above it."""
    row = next((number for number, packages in enumerate(ROWS) if package in packages), None)
    assert row is not None, f"{package} has no row"
    allowed = {package}.union(*ROWS[:row])
    for name, file in modules().items():
        if package_of(name) == package:
            ours = {found.removeprefix("webhook_service.") for found in imports_of(file)} & set(modules())
            assert {package_of(module) for module in ours} <= allowed, name


@pytest.mark.parametrize("package", sorted({package_of(name) for name in modules()}))
def test_the_modules_of_a_package_import_each_other_in_one_direction(package: str) -> None:
    """The modules of a package do not import each other in a circle."""
    members = {name: file for name, file in modules().items() if package_of(name) == package}
    imports = {
        name: {found.removeprefix("webhook_service.") for found in imports_of(file)} & set(members) - {name}
        for name, file in members.items()
    }
    while free := {name for name, needed in imports.items() if not needed & set(imports)}:
        imports = {name: needed for name, needed in imports.items() if name not in free}
    assert imports == {}


@pytest.mark.parametrize("outside", sorted(ONLY_IN))
def test_only_some_modules_do_io(outside: str) -> None:
    """Only the listed modules import a library that does I/O."""
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
def test_the_pure_modules_do_not_read_the_clock(name: str) -> None:
    """Pure modules do not read the clock, and get the time as a parameter."""
    calls = {
        ast.unparse(node.func)
        for node in ast.walk(ast.parse(modules()[name].read_text("utf-8")))
        if isinstance(node, ast.Call)
    }
    assert not calls & {"datetime.now", "datetime.utcnow", "time.time", "time.monotonic"}
