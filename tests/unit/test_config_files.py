"""Settings in files, as Docker and Kubernetes mount secrets."""

from pathlib import Path

import pytest

from tests.unit.environments import DIRECT, PASSWORD, SUPABASE, error_of, without
from webhook_service import config

EVERYTHING = DIRECT | SUPABASE | {
    "WEBHOOK_STATIC_TOKEN": "on",
    "EMAIL_OWNER": "employees",
    "NAME_FIELDS": "first_name=given",
    "MAX_BODY_BYTES": "5000",
}  # fmt: skip


@pytest.mark.parametrize("name", EVERYTHING)
def test_each_variable_may_be_a_file(tmp_path: Path, name: str) -> None:
    """NAME_FILE names a file that holds the value of NAME. A newline at the file's end does not count."""
    environ = without(EVERYTHING, "DATABASE_URL") if name.startswith("SUPABASE") else EVERYTHING
    file = tmp_path / "value"
    file.write_text(f"{environ[name]}\n", "utf-8")
    assert config.load(without(environ, name) | {f"{name}_FILE": str(file)}) == config.load(environ)


@pytest.mark.parametrize("name", EVERYTHING)
def test_a_value_together_with_a_file_is_refused(tmp_path: Path, name: str) -> None:
    """Setting both NAME and NAME_FILE is an error, because it is not clear which value counts."""
    environ = without(EVERYTHING, "DATABASE_URL") if name.startswith("SUPABASE") else EVERYTHING
    file = tmp_path / "value"
    file.write_text(environ[name], "utf-8")
    assert f"{name}_FILE are both set" in error_of(environ | {f"{name}_FILE": str(file)}).detail


@pytest.mark.parametrize("name", SUPABASE)
@pytest.mark.parametrize("content", ["missing", "a folder", "not UTF-8", "NUL in its name"])
def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path, name: str, content: str) -> None:
    """A file that cannot be read causes an error that names the variable."""
    file = tmp_path / "value"
    if content == "a folder":
        file.mkdir()
    elif content == "not UTF-8":
        file.write_bytes(b"\xff\xfe")
    path = f"{file}\x00" if content == "NUL in its name" else str(file)
    assert error_of(without(SUPABASE, name) | {f"{name}_FILE": path}).detail.startswith(f"{name}_FILE ")


@pytest.mark.parametrize("name", SUPABASE)
def test_an_empty_file_is_a_missing_value(tmp_path: Path, name: str) -> None:
    """An empty file counts as a missing value, because its secret is not mounted yet."""
    file = tmp_path / "value"
    file.write_text(" \n", "utf-8")
    assert name in error_of(without(SUPABASE, name) | {f"{name}_FILE": str(file)}).detail


def test_an_error_does_not_quote_a_file(tmp_path: Path) -> None:
    """The error of a file that cannot be decoded does not quote its content."""
    file = tmp_path / "value"
    file.write_bytes(PASSWORD.encode() + b"\xff")
    assert "canary" not in str(error_of(without(DIRECT, "ADMIN_API_KEY") | {"ADMIN_API_KEY_FILE": str(file)}))
