"""The command `scim-token`, as people use it."""

from collections.abc import Callable

import pytest
from click.testing import CliRunner, Result

from webhook_service.cli.main import main
from webhook_service.ports import Database
from webhook_service.scim.clients import client_of

Run = Callable[..., Result]


@pytest.fixture
def run(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("DATABASE_URL", database_url)
    return lambda *arguments: CliRunner().invoke(main, ["scim-token", *arguments])


def test_a_token_from_its_creation_to_its_end(run: Run, database: Database) -> None:
    """The new token is alone on standard output, the list shows its use, and a revoked one does not work."""
    created = run("create", "--name", "okta")
    token = created.stdout.strip()
    assert client_of(database, token) is not None
    assert "Token 1 of okta." in created.stderr
    listed = run("list").stdout
    assert "1 token." in listed
    assert "okta" in listed
    assert "valid" in listed
    assert token not in listed
    assert run("revoke", "--id", "1").stdout == "1 token is revoked.\n"
    assert client_of(database, token) is None
    assert "revoked" in run("list").stdout
    assert run("revoke", "--name", "okta").stdout == "0 tokens are revoked.\n"


@pytest.mark.parametrize(
    "arguments", [("create", "--name", "Okta!"), ("revoke",), ("revoke", "--id", "1", "--name", "o")]
)
def test_a_wrong_command(run: Run, arguments: tuple[str, ...]) -> None:
    """A bad name, or a revocation without one choice, is refused with an explanation."""
    refused = run(*arguments)
    assert refused.exit_code > 0
    assert "--name" in refused.stderr
