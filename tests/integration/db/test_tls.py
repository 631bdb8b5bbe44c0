"""TLS options of DATABASE_URL, with a PostgreSQL that accepts only TLS and has a certificate of a private authority."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from tests.debian_postgres import ACCOUNT, Cluster, cannot_run, cluster
from tests.employees_tables import prepare
from tests.integration.migrating import rows
from webhook_service.db import migrate
from webhook_service.db.direct import DirectDatabase
from webhook_service.db.wakeup import Wakeup
from webhook_service.errors import MigrationError, Unavailable

NEW = ("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc", "-days", "2")
ONLY_TLS = "local all all trust\nhostssl all all 127.0.0.1/32 trust\n"


def openssl(folder: Path, *arguments: str) -> None:
    if shutil.which("openssl") is None:
        cannot_run("needs openssl: apt-get install openssl")
    subprocess.run(["openssl", *arguments], cwd=folder, capture_output=True, check=True)


@pytest.fixture(scope="module")
def authorities(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two authorities, right.crt and wrong.crt, and a certificate for 127.0.0.1 by the first."""
    folder = tmp_path_factory.mktemp("authorities")
    for name in ("right", "wrong"):
        openssl(folder, *NEW, "-subj", "/CN=Authority", "-keyout", f"{name}.key", "-out", f"{name}.crt")
    signed = ("-CA", "right.crt", "-CAkey", "right.key", "-addext", "subjectAltName=IP:127.0.0.1")
    openssl(folder, *NEW, *signed, "-subj", "/CN=server", "-keyout", "server.key", "-out", "server.crt")
    return folder


@pytest.fixture(scope="module")
def server(authorities: Path) -> Iterator[Cluster]:
    with cluster() as started:
        prepare(started.socket_url())
        migrate.migrate(started.socket_url())
        (started.folder / "data" / "pg_hba.conf").write_text(ONLY_TLS, "ascii")
        with psycopg.connect(started.socket_url(), autocommit=True) as connection:
            for setting, name in {"ssl_cert_file": "server.crt", "ssl_key_file": "server.key"}.items():
                file = Path(shutil.copy(authorities / name, started.folder / name))
                file.chmod(0o600)
                if ACCOUNT is not None:
                    shutil.chown(file, ACCOUNT, ACCOUNT)
                connection.execute(sql.SQL("alter system set {} = {}").format(sql.Identifier(setting), str(file)))
            connection.execute("alter system set ssl = on")
            connection.execute("select pg_reload_conf()")
        yield started


def url_with(server: Cluster, authorities: Path, options: str, host: str = "127.0.0.1") -> str:
    """The URL with these options, in which FOLDER is the folder of the authorities."""
    return f"{server.url().replace('127.0.0.1', host)}?{options.replace('FOLDER', str(authorities))}"


def is_reached(url: str) -> bool:
    """Whether a call of the service succeeds. The server refuses connections without TLS."""
    database = DirectDatabase(url)
    migration = database.call("auth_sync_schema_v1")["migration"]
    database.close()
    return migration is not None


def test_verify_full_succeeds_with_the_right_authority(server: Cluster, authorities: Path) -> None:
    """`migrate`, the calls and the relay's listener verify the server with `sslrootcert`, and use TLS."""
    url = url_with(server, authorities, "sslmode=verify-full&sslrootcert=FOLDER/right.crt")
    assert migrate.migrate(url) == 0
    assert is_reached(url)
    listener = Wakeup(url)
    assert listener.wait(0)
    listener.close()
    assert rows(url, "select ssl from pg_stat_ssl where pid = pg_backend_pid()") == [(True,)]


@pytest.mark.parametrize(
    ("options", "host", "words"),
    [
        ("sslmode=verify-full&sslrootcert=FOLDER/wrong.crt", "127.0.0.1", "certificate verify failed"),
        ("sslmode=verify-ca&sslrootcert=FOLDER/wrong.crt", "127.0.0.1", "certificate verify failed"),
        ("sslmode=verify-full&sslrootcert=FOLDER/right.crt", "localhost", 'does not match host name "localhost"'),
        ("sslmode=verify-full&sslrootcert=FOLDER/none.crt", "127.0.0.1", 'none.crt" does not exist'),
        ("sslmode=disable", "127.0.0.1", "no encryption"),
    ],
    ids=["wrong authority", "verify-ca", "wrong host", "no file", "disable"],
)
def test_a_server_that_fails_the_verification_is_refused(
    server: Cluster, authorities: Path, options: str, host: str, words: str
) -> None:
    """`migrate` names the cause, and the service says that the TLS options of DATABASE_URL prevent the connection."""
    url = url_with(server, authorities, options, host)
    with pytest.raises(MigrationError, match=words):
        migrate.migrate(url)
    database = DirectDatabase(url)
    with pytest.raises(Unavailable, match="the TLS options of DATABASE_URL"):
        database.call("auth_sync_schema_v1")


def test_sslmode_is_passed_as_given(server: Cluster, authorities: Path) -> None:
    """`require` and `verify-ca` connect although the certificate has another host name, because libpq checks less."""
    for options in ("sslmode=require", "sslmode=verify-ca&sslrootcert=FOLDER/right.crt"):
        assert is_reached(url_with(server, authorities, options, "localhost"))
