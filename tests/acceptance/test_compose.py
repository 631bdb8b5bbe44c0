"""compose.yaml, carried out by processes in place of containers: the same SQL, commands and environment."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
import yaml  # type: ignore[import-untyped]

from tests.acceptance.command import run_program, started_command
from tests.auth_traffic import SECRET
from tests.conftest import ADMIN_KEY
from tests.debian_postgres import cluster
from tests.ports import free_port
from webhook_service.server import process as server_process

pytestmark = pytest.mark.release

ROOT = Path(__file__).parents[2]
SERVICES: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))["services"]


@pytest.fixture
def database() -> Iterator[str]:
    """The URL of a new server on which the files of the service `database` were run in order, as its image does."""
    mounted = [volume.split(":") for volume in SERVICES["database"]["volumes"] if volume.startswith("./")]
    scripts = sorted((target, source) for source, target, _ in mounted)
    assert {Path(target).parent.as_posix() for target, _ in scripts} == {"/docker-entrypoint-initdb.d"}
    with cluster() as started:
        with psycopg.connect(started.url(), autocommit=True) as connection:
            for _, source in scripts:
                connection.execute((ROOT / source).read_bytes())
        yield started.url()


def test_the_services_start_in_their_order(database: str, tmp_path: Path) -> None:
    """The database gets its roles, `migrate` ends with 0, and `web` becomes ready, with the environment of the file."""
    values = {"WEBHOOK_SECRETS": SECRET, "ADMIN_API_KEY": ADMIN_KEY}
    url = SERVICES["web"]["environment"]["DATABASE_URL"]
    assert url == "postgresql://postgres@database:5432/postgres"

    def environment(service: str) -> dict[str, str]:
        found = SERVICES[service]["environment"]
        named = {
            name: re.sub(r"^\$\{(\w+):\?\}$", lambda match: values[match[1]], text) for name, text in found.items()
        }
        return named | {"DATABASE_URL": database, "TMPDIR": str(tmp_path), "PATH": "/usr/bin:/bin"}

    assert SERVICES["migrate"]["depends_on"] == {"database": {"condition": "service_healthy"}}
    code, output, errors = run_program(
        *SERVICES["migrate"]["command"], environment=environment("migrate"), folder=tmp_path
    )
    assert code == 0, output + errors
    assert SERVICES["web"]["depends_on"] == {"migrate": {"condition": "service_completed_successfully"}}
    port = str(free_port())
    web = environment("web") | {"PORT": port, "HOST": "127.0.0.1"}
    with started_command(*SERVICES["web"]["command"], environment=web, folder=tmp_path, output=tmp_path / "out") as run:
        server_process.wait_until_ready(f"http://127.0.0.1:{port}", run)
        assert httpx.get(f"http://127.0.0.1:{port}/admin/login").status_code == 200
