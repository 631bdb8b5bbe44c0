"""The fixture of Debian's PostgreSQL reports a server that is missing, broken, or upgraded while it runs."""

from pathlib import Path

import pytest

from tests import debian_postgres
from tests.debian_postgres import Cluster, cluster


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of an installed server's programs, which is still empty."""
    folder = tmp_path / "99" / "bin"
    folder.mkdir(parents=True)
    (tmp_path / "99" / "lib").mkdir()
    monkeypatch.setattr(debian_postgres, "VERSIONS", tmp_path)
    monkeypatch.setattr(debian_postgres, "ACCOUNT", None)
    return folder


@pytest.fixture(params=["", "true"], ids=["locally", "in CI"])
def ends(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> type[BaseException]:
    """Return the exception of a test that cannot run. The test is skipped locally, and fails in CI."""
    monkeypatch.setenv("CI", request.param)
    return pytest.fail.Exception if request.param else pytest.skip.Exception


@pytest.mark.usefixtures("programs")
def test_a_missing_server_is_named(ends: type[BaseException]) -> None:
    """Without Debian's package, a test names the command that installs it."""
    with pytest.raises(ends, match="apt-get install postgresql"), cluster():
        pass


@pytest.mark.parametrize("script", ["#!/bin/sh\necho 'no libpq.so' >&2\nexit 127\n", "not a program"])
def test_a_broken_server_is_named(programs: Path, ends: type[BaseException], script: str) -> None:
    """If a program or a library of the server is missing, the server is reported as broken, with its own error."""
    (programs / "initdb").write_text(script, "ascii")
    (programs / "initdb").chmod(0o755)
    with pytest.raises(ends, match=r"(?s)is broken.*(no libpq\.so|Exec format error)"), cluster():
        pass


@pytest.mark.parametrize("upgrade", ["a library", "the programs"])
def test_an_upgrade_while_the_server_runs_is_named(
    programs: Path, tmp_path: Path, ends: type[BaseException], upgrade: str
) -> None:
    """A library or program that is replaced or missing while the server runs is reported as an upgrade."""
    library = programs.with_name("lib") / "plpgsql.so"
    library.touch()
    server = Cluster(programs, tmp_path)
    server.check_installation()
    if upgrade == "a library":
        library.rename(library.with_suffix(".old"))
        library.touch()
    else:
        programs.rename(programs.with_name("bin.dpkg-new"))
    with pytest.raises(ends, match="was upgraded while its server ran"):
        server.check_installation()
