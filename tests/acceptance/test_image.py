"""The image of the Dockerfile, built by buildah on a Debian from debootstrap, and run read-only without root.

The base has the packages of `debian:trixie-slim`. No container engine is needed: a mount and a PID namespace have the
same limits, and the first process in it is the one that the engine would start.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psycopg
import pytest

from tests.acceptance.command import settings_for
from tests.acceptance.conftest import children_of, wait_for
from tests.debian_postgres import cannot_run, cluster
from tests.ports import free_port
from webhook_service.db import embedded
from webhook_service.server import process as server_process

pytestmark = pytest.mark.release

ROOT = Path(__file__).parents[2]
SUITE = "trixie"
NEEDED = ("buildah", "debootstrap")
LIMIT_BYTES = 200_000_000
SLIM = ("usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/info", "var/cache", "var/lib/apt/lists")
"""The folders that Debian's slim image leaves empty."""
CONTAINED = """
set -e
mount --bind "$0" "$0"
mount --rbind /dev "$0/dev"
mount -t proc proc "$0/proc"
mount -o remount,bind,ro "$0"
mount -t tmpfs tmpfs "$0/tmp"
exec chroot "$0" setpriv --reuid "${1%:*}" --regid "${1#*:}" --clear-groups --no-new-privs --bounding-set=-all \\
  env -i "${@:2}"
"""


@dataclass(frozen=True, slots=True)
class Image:
    """A built image: its mounted root file system, and its configuration."""

    root: Path
    config: dict[str, Any]

    def command(self, *arguments: str, **settings: str) -> list[str]:
        """A command that runs `arguments` in the image, read-only and as its user, as the first of its processes."""
        environment = [*self.config["Env"], *(f"{name}={value}" for name, value in settings.items())]
        isolated = ("unshare", "--mount", "--pid", "--fork", "--kill-child", "bash", "-c", CONTAINED)
        return [*isolated, str(self.root), self.config["User"], *environment, *arguments]

    def run(self, *arguments: str, **settings: str) -> tuple[int, str]:
        """The exit code and the output of the entry point with these arguments."""
        return self.execute(*self.config["Entrypoint"], *arguments, **settings)

    def execute(self, *arguments: str, **settings: str) -> tuple[int, str]:
        command = self.command(*arguments, **settings)
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=100)
        return done.returncode, done.stdout


def base(folder: Path) -> None:
    """Install Debian into the folder, from the mirror of this machine's apt, as the slim image of Debian has it."""
    targets = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE)", "Created-By: Packages"],
        capture_output=True, text=True, check=True,
    ).stdout.splitlines()  # fmt: skip
    mirrors = [line.split()[0] for line in targets if re.search("/debian/? [a-z]+$", line)]
    done = subprocess.run(
        ["debootstrap", "--variant=minbase", SUITE, folder, *mirrors[:1]], capture_output=True, text=True, timeout=600
    )
    if done.returncode != 0:
        cannot_run(f"debootstrap failed: {done.stdout[-500:]}{done.stderr[-500:]}")
    for name in SLIM:
        shutil.rmtree(folder / name)
        (folder / name).mkdir()
    (folder / "etc/dpkg/dpkg.cfg.d/slim").write_text(
        "".join(f"path-exclude /{name}/*\n" for name in SLIM if "share" in name), "utf-8"
    )


def pip_of_this_machine(folder: Path) -> list[str]:
    """Options of buildah with which pip in the build uses the certificates and the index of this machine."""
    settings = {"cert": os.environ.get("PIP_CERT"), "index-url": os.environ.get("PIP_INDEX_URL")}
    options = []
    if certificates := settings["cert"]:
        settings["cert"] = "/run/certificates.crt"
        options += ["--volume", f"{certificates}:{settings['cert']}:ro"]
    lines = [f"{name} = {value}\n" for name, value in settings.items() if value]
    (folder / "pip.conf").write_text("".join(["[global]\n", *lines]), "utf-8")
    return [*options, "--volume", f"{folder / 'pip.conf'}:/etc/pip.conf:ro"]


@pytest.fixture(scope="module")
def image() -> Iterator[Image]:
    """The image of the Dockerfile in a store of its own, mounted."""
    if os.geteuid() != 0 or (missing := [program for program in NEEDED if shutil.which(program) is None]):
        cannot_run(f"needs root and: apt-get install {' '.join(NEEDED)}")
    del missing
    with TemporaryDirectory(prefix="ws-image-") as name, ExitStack() as stack:
        folder = Path(name)
        (folder / "base").mkdir()
        base(folder / "base")
        (folder / "Dockerfile.base").write_text("FROM scratch\nCOPY . /\n", "utf-8")
        store = ("--root", f"{folder}/store", "--runroot", f"{folder}/run", "--storage-driver", "overlay")

        def buildah(*arguments: str | Path) -> str:
            done = subprocess.run(["buildah", *store, *arguments], capture_output=True, text=True, timeout=900)
            assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
            return done.stdout.strip()

        build = ("bud", "--quiet", "--isolation", "chroot", "--network", "host", "--format", "docker")
        buildah(*build, "--tag", "localhost/base", "--file", folder / "Dockerfile.base", folder / "base")
        ours = ("--build-arg", "BASE=localhost/base", "--tag", "localhost/webhook-service")
        buildah(*build, *pip_of_this_machine(folder), *ours, ROOT)
        container = buildah("from", "localhost/webhook-service")
        stack.callback(buildah, "rm", container)
        mounted = Path(buildah("mount", container))
        stack.callback(buildah, "umount", container)
        document = json.loads(buildah("inspect", "--type", "image", "localhost/webhook-service"))
        yield Image(mounted, document["Docker"]["config"])


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    """The URL of an empty database over TCP, with Supabase's roles and the stand-in of Auth."""
    with cluster() as started:
        with psycopg.connect(started.url(), autocommit=True) as connection:
            connection.execute(embedded.supabase_roles())
            embedded.create_auth_schema(connection)
        yield started.url()


@contextmanager
def running(image: Image, *arguments: str, **settings: str) -> Iterator[int]:
    """Start the entry point with these arguments. Yields the id of its process, which is the first of the container."""
    command = image.command(*image.config["Entrypoint"], *arguments, **settings)
    process = subprocess.Popen(command, stdout=sys.stderr, start_new_session=True)
    try:
        [first] = wait_for("the first process", lambda: children_of(process.pid))
        if "PORT" in settings:
            server_process.wait_until_ready(f"http://127.0.0.1:{settings['PORT']}", process)
        yield first
        assert process.wait(60) == 0
    finally:
        if process.poll() is None:
            process.kill()  # and with it the container
            process.wait()


def test_the_image_is_small(image: Image) -> None:
    """The files of the image have less than 200 MB."""
    files = {
        (state.st_ino, state.st_size) for path in image.root.rglob("*") if not (state := path.lstat()).st_mode & 0o40000
    }
    assert sum(size for _, size in files) < LIMIT_BYTES


def test_the_image_has_the_package_and_no_tools(image: Image) -> None:
    """The image has all files of the package, and neither a compiler, pip nor another folder of the repository."""
    [packages] = image.root.glob("opt/webhook-service/lib/python3*/site-packages")
    ours = {
        path.relative_to(ROOT)
        for path in (ROOT / "webhook_service").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert [path for path in ours if not (packages / path).is_file()] == []
    unwanted = ("cc", "gcc", "clang", "ld", "strip", "pip", "pip3", "curl", "wget")
    folders = ("usr/bin", "usr/local/bin", "opt/webhook-service/bin")
    assert [
        f"{folder}/{name}" for folder in folders for name in unwanted if (image.root / folder / name).exists()
    ] == []
    assert [path for path in (packages / "tests", packages / "pip", image.root / "build") if path.exists()] == []


def test_the_image_cannot_write_to_itself(image: Image) -> None:
    """The process has an account without rights, and cannot write to the file system of the image except /tmp."""
    assert image.config["User"] == "10001:10001"
    write = (
        "import os, pathlib; print(os.getuid(), flush=True); [pathlib.Path(p).touch() for p in ('/tmp/x', '/opt/x')]"
    )
    code, output = image.execute("python3", "-c", write)
    assert (code, output.startswith("10001\n"), "Read-only file system" in output) == (1, True, True), output


def test_the_image_serves_and_ends(image: Image, database: str) -> None:
    """The image migrates, serves, is healthy while it serves, and ends at SIGTERM. The relay runs in it too."""
    settings = settings_for(database) | {"PORT": str(free_port()), "WEB_CONCURRENCY": "1", "AUTH_ADMIN": "off"}
    settings = {name: value for name, value in settings.items() if name not in ("PATH", "HOME")}
    assert image.run("migrate", **settings)[0] == 0
    healthy = image.config["Healthcheck"]["Test"]
    assert healthy[0] == "CMD"
    assert image.execute(*healthy[1:], **settings)[0] != 0  # nothing serves yet
    with running(image, *image.config["Cmd"], **settings) as first:
        assert image.execute(*healthy[1:], **settings) == (0, "")
        assert b"gunicorn" in Path(f"/proc/{first}/cmdline").read_bytes()
        os.kill(first, signal.SIGTERM)
    code, output = image.run("relay", "--once", **settings)
    assert (code, "0 events were due" in output) == (0, True), output
    code, output = image.run("reconcile", "--yes", **settings)  # records the name of its user
    assert code == 0, output
