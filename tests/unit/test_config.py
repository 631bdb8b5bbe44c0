"""The settings, with the forms of each variable and the error for a bad value."""

import re
from datetime import time
from pathlib import Path

import pytest

from tests.unit.environments import (
    ADMIN_KEY,
    DIRECT,
    KEY,
    PASSWORD,
    ROLE_KEY,
    SECRET_WORDS,
    SUPABASE,
    WEBHOOK_SECRET,
    error_of,
    without,
)
from webhook_service import config
from webhook_service.errors import BadSetting
from webhook_service.inbound.signature import Secret
from webhook_service.policy import EmailOwner
from webhook_service.settings import DirectConnection, PageSettings, Role, ServerSettings, Settings, SupabaseConnection

SETTINGS_PAGE = Path(__file__).parents[2] / "docs/reference/settings.md"


def test_three_variables_are_enough() -> None:
    """The service needs a database, a webhook secret and an admin key. All other settings have defaults."""
    assert config.load(DIRECT) == Settings(DirectConnection(DIRECT["DATABASE_URL"]), (Secret(KEY),), ADMIN_KEY)


def test_supabase_may_be_the_database() -> None:
    """Supabase's URL and service role key replace DATABASE_URL."""
    assert config.load(SUPABASE).connection == SupabaseConnection("https://project.example.com", ROLE_KEY)


def test_a_direct_connection_takes_precedence() -> None:
    """If both are set, DATABASE_URL is the database, and Supabase is used for Auth only."""
    settings = config.load(SUPABASE | DIRECT)
    assert settings.connection == config.load(DIRECT).connection
    assert settings.auth == SupabaseConnection("https://project.example.com", ROLE_KEY)


@pytest.mark.parametrize(
    ("environ", "configured"),
    [({}, False), ({"DATABASE_URL": " "}, False), (DIRECT, True), ({"SUPABASE_URL": "x"}, True),
     ({"WEBHOOK_SECRETS": "x"}, False)],
    ids=["nothing", "blank", "direct", "Supabase", "only a secret"],
)  # fmt: skip
def test_a_configured_database_is_detected(environ: dict[str, str], configured: bool) -> None:
    """Any variable of a connection counts as a configured database. Without any, `serve` starts its own database."""
    assert config.has_connection(environ) is configured


@pytest.mark.parametrize(
    ("environ", "name"),
    [(DIRECT, name) for name in DIRECT] + [(SUPABASE, name) for name in SUPABASE],
    ids=[f"direct {name}" for name in DIRECT] + [f"Supabase {name}" for name in SUPABASE],
)
@pytest.mark.parametrize("blank", [None, "", "  "], ids=["missing", "empty", "blank"])
def test_a_missing_variable_is_named(environ: dict[str, str], name: str, blank: str | None) -> None:
    """The error names each required variable that is missing or empty."""
    environ = without(environ, name) | ({} if blank is None else {name: blank})
    assert name in error_of(environ).detail


BAD = {
    "DATABASE_URL": ["mysql://x", "db.example.com", "http://example.com", f"user:{PASSWORD}@db.example.com"],
    "WEBHOOK_SECRETS": ["secret", "whsec_", "whsec_S0tLSw==", "whsec_!", f"{WEBHOOK_SECRET} {PASSWORD}", "v1"],
    "ADMIN_API_KEY": ["short", "x" * 15, "in several lines\nof text", "ключ-администратора"],
    "WEBHOOK_STATIC_TOKEN": ["yes", "maybe", "2", "on off", "null"],
    "EMAIL_OWNER": ["both", "AUTH", "auth employees"],
    "NAME_FIELDS": ["first_name", "first_name=", "=given", "email=mail", "first_name=a first_name=b", "first_name=a b",
                    "first_name=a=b", "first_name=a/b", "!first_name=a", "first_name=a;last_name=b", "none none", ","],
    "SECRET_KEY": ["short", "x" * 31],
    "RECONCILE_AT": ["2:30", "24:00", "02:60", "02:30:00", "on", "night", "02:30Z"],
    "ADMIN_ROLES": ["team=boss", "=hr", "a=b=hr", "hr=", "viewer hr_team=HR"],
    "ADMIN_KEY_SIGN_IN": ["no", "off"],
    "ADMIN_REQUIRE_SECOND_FACTOR": ["yes"],
    "ADMIN_IDLE_MINUTES": ["0", "-5", "half an hour", "1.5"],
    "DOCS_URL": ["docs", "javascript:alert(1)", "https://"],
    "INSTANCE_NAME": ["two\nlines", "x" * 61],
    "PUBLIC_URL": ["sync.example.com", "ftp://x.example", "https://", "https://x.example/?a=b", "https://x y.example"],
    "MAX_BODY_BYTES": ["0", "-1", "1.5", "1e6", "1 MB", "１０", "1" * 10, "many"],
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "value"),
    [pytest.param(name, value, id=f"{name}-{at}") for name, values in BAD.items() for at, value in enumerate(values)],
)
def test_a_bad_value_is_refused_at_start(name: str, value: str) -> None:
    """A bad value stops the start, and the error names the variable."""
    assert error_of(DIRECT | {name: value}).detail.startswith(name)


@pytest.mark.parametrize("url", ["project.example.com", "postgresql://example.com", "https://", "ftp://example.com"])
def test_a_bad_supabase_url_is_refused(url: str) -> None:
    """SUPABASE_URL must be an HTTP URL."""
    assert error_of(SUPABASE | {"SUPABASE_URL": url}).detail.startswith("SUPABASE_URL ")


@pytest.mark.parametrize(
    "url", ["http://db.example.com", "http://127.0.0.1.example.com", "http://10.0.0.1", "http://localhost.example.com"]
)
def test_plain_http_needs_a_permission(url: str) -> None:
    """The service role key is not sent without encryption to another machine, unless a setting allows it."""
    assert "SUPABASE_ALLOW_HTTP=on" in error_of(SUPABASE | {"SUPABASE_URL": url}).detail
    config.supabase(SUPABASE | {"SUPABASE_URL": url, "SUPABASE_ALLOW_HTTP": "on"})


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:54321", "http://localhost:8000", "http://[::1]:80", "https://x.example"]
)
def test_this_machine_and_https_need_no_permission(url: str) -> None:
    """Plain HTTP to this machine, and HTTPS to any, are allowed."""
    config.supabase(SUPABASE | {"SUPABASE_URL": url})


@pytest.mark.parametrize("key", ["two words", "two\nlines", "schlüssel"], ids=repr)
def test_a_service_role_key_that_no_header_can_carry_is_refused(key: str) -> None:
    """The service role key must be ASCII without spaces, because it is sent in a header."""
    error = error_of(SUPABASE | {"SUPABASE_SERVICE_ROLE_KEY": key})
    assert error.detail.startswith("SUPABASE_SERVICE_ROLE_KEY ")


# Forms of the values


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("first_name=given_name last_name=family_name", {"first_name": "given_name", "last_name": "family_name"}),
        ("first_name=given_name,last_name=family_name", {"first_name": "given_name", "last_name": "family_name"}),
        ("first_name=given, last_name=family", {"first_name": "given", "last_name": "family"}),
        ("last_name=full-name.2", {"last_name": "full-name.2"}),
        ("none", {}),
        ("", {"first_name": "first_name", "last_name": "last_name"}),
    ],
    ids=["blank", "comma", "both", "one", "none", "default"],
)
def test_the_name_fields_have_several_forms(text: str, fields: dict[str, str]) -> None:
    """NAME_FIELDS is a list of COLUMN=KEY, separated by spaces or commas, and `none` copies no names."""
    assert config.load(DIRECT | {"NAME_FIELDS": text}).policy.name_fields == fields


@pytest.mark.parametrize(
    ("text", "is_on"),
    [
        ("on", True),
        ("ON", True),
        ("true", True),
        ("1", True),
        ("off", False),
        ("False", False),
        ("0", False),
        ("", False),
    ],
    ids=repr,
)
def test_a_switch_is_on_or_off(text: str, is_on: bool) -> None:
    """A switch takes the usual words in any case, and is off by default."""
    assert config.load(DIRECT | {"WEBHOOK_STATIC_TOKEN": text}).static_token is is_on


@pytest.mark.parametrize("owner", list(EmailOwner))
def test_the_owner_of_the_email_is_chosen(owner: EmailOwner) -> None:
    """EMAIL_OWNER selects Auth or employees as the owner of e-mails."""
    assert config.load(DIRECT | {"EMAIL_OWNER": owner.value}).policy.email_owner is owner


@pytest.mark.parametrize(
    ("text", "at"), [(None, time(2, 30)), ("23:05", time(23, 5)), ("00:00", time(0)), ("off", None), ("OFF", None)]
)
def test_the_time_of_the_daily_run_is_chosen(text: str | None, at: time | None) -> None:
    """RECONCILE_AT is a time of the day in UTC, 02:30 by default, or off."""
    assert config.load(DIRECT | ({} if text is None else {"RECONCILE_AT": text})).reconcile_at == at


def test_the_limit_of_a_body_is_chosen() -> None:
    """MAX_BODY_BYTES limits a body, in bytes."""
    assert config.load(DIRECT | {"MAX_BODY_BYTES": "5000"}).max_body_bytes == 5000


def test_the_pages_have_their_settings() -> None:
    """The pages' settings are the signing key, the roles that may sign in, the idle time and the addresses."""
    texts = {"SECRET_KEY": "k" * 32, "ADMIN_ROLES": "owner, sync_admin", "ADMIN_IDLE_MINUTES": "5"}
    urls = {"PUBLIC_URL": "https://sync.example.com/", "DOCS_URL": "https://git.example/sync/tree/main/docs/"}
    pages = config.load(DIRECT | texts | urls).pages
    roles = frozenset({("owner", Role.ADMIN), ("sync_admin", Role.ADMIN)})
    assert pages == PageSettings(
        "k" * 32, roles, 5, "https://sync.example.com", "https://git.example/sync/tree/main/docs"
    )
    assert "kkk" not in repr(pages)
    assert pages.signing_key(ADMIN_KEY) == b"k" * 32


@pytest.mark.parametrize(
    ("text", "roles"),
    [
        ("", {}),
        ("viewer hr,operator admin", {Role.VIEWER: ["viewer"], Role.HR: ["hr"], Role.OPERATOR: ["operator"],
                                      Role.ADMIN: ["admin"]}),
        ("hr_team=hr, supabase_admin=admin", {Role.HR: ["hr_team"], Role.ADMIN: ["supabase_admin"]}),
        ("sync_admin HR", {Role.ADMIN: ["HR", "sync_admin"]}),
        ("admin=viewer", {Role.VIEWER: ["admin"]}),
        ("lead=hr lead=operator", {Role.HR: ["lead"], Role.OPERATOR: ["lead"]}),
    ],
    ids=["none", "names", "pairs", "other words", "another meaning", "both"],
)  # fmt: skip
def test_the_values_that_give_roles_are_chosen(text: str, roles: dict[Role, list[str]]) -> None:
    """ADMIN_ROLES has VALUE=ROLE pairs. The name of a role means itself, and another single word means admin."""
    assert config.load(DIRECT | {"ADMIN_ROLES": text}).pages.values_by_role() == roles


@pytest.mark.parametrize(
    ("more", "missing"), [({}, "ADMIN_ROLES"), ({"ADMIN_ROLES": "hr"}, "Auth Admin API")], ids=["no role", "no Auth"]
)
def test_somebody_must_be_able_to_sign_in(more: dict[str, str], missing: str) -> None:
    """The admin key cannot be switched off if no account can sign in, and the error says what is missing."""
    error = error_of(DIRECT | {"ADMIN_KEY_SIGN_IN": "off"} | more)
    assert (error.detail.startswith("ADMIN_KEY_SIGN_IN "), missing in error.detail) == (True, True)


def test_the_ways_to_sign_in_are_chosen() -> None:
    """The admin key signs in and no second factor is required, unless the settings say otherwise."""
    pages = config.load(SUPABASE).pages
    assert (pages.key_sign_in, pages.require_second_factor) == (True, False)
    texts = {"ADMIN_ROLES": "hr", "ADMIN_KEY_SIGN_IN": "off", "ADMIN_REQUIRE_SECOND_FACTOR": "on"}
    pages = config.load(SUPABASE | texts).pages
    assert (pages.key_sign_in, pages.require_second_factor) == (False, True)


def test_without_a_secret_key_one_is_derived_from_the_admin_key() -> None:
    """Without SECRET_KEY, all workers derive the same key from the admin key. The derived key does not contain it."""
    pages = config.load(DIRECT).pages
    made = pages.signing_key(ADMIN_KEY)
    assert made == PageSettings().signing_key(ADMIN_KEY)
    assert made != pages.signing_key(ADMIN_KEY + "x")
    assert ADMIN_KEY.encode() not in made
    assert (pages.roles, pages.idle_minutes, pages.public_url) == (frozenset(), 30, None)


@pytest.mark.parametrize("text", ["http", "-1", "0", "99999", "65536"])
def test_a_port_out_of_range_is_refused(text: str) -> None:
    """PORT must be a number from 1 to 65535."""
    with pytest.raises(BadSetting, match="PORT"):
        config.port({"PORT": text})


# Secrets


@pytest.mark.parametrize("environ", [DIRECT, SUPABASE], ids=["direct", "Supabase"])
def test_settings_do_not_show_their_secrets(environ: dict[str, str]) -> None:
    """Neither repr nor str of the settings holds a key or a password."""
    shown = f"{config.load(environ)!r} {config.load(environ)}"
    assert not [word for word in SECRET_WORDS if word in shown]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", f"user:{PASSWORD}@db.example.com"),
        ("WEBHOOK_SECRETS", f"{WEBHOOK_SECRET} {PASSWORD}"),
        ("WEBHOOK_SECRETS", f"{WEBHOOK_SECRET}KKKK"),
        ("WEBHOOK_SECRETS", f"whsec_{PASSWORD}é"),
        ("ADMIN_API_KEY", ADMIN_KEY[:13]),
        ("SUPABASE_SERVICE_ROLE_KEY", f"{ROLE_KEY} {ROLE_KEY}"),
        ("SUPABASE_URL", ROLE_KEY),
        ("WEBHOOK_STATIC_TOKEN", PASSWORD),
        ("EMAIL_OWNER", PASSWORD),
        ("NAME_FIELDS", PASSWORD),
        ("MAX_BODY_BYTES", PASSWORD),
        ("SECRET_KEY", PASSWORD),
        ("ADMIN_ROLES", f"{PASSWORD}={PASSWORD}"),
        ("ADMIN_IDLE_MINUTES", PASSWORD),
        ("PUBLIC_URL", PASSWORD),
    ],
    ids=lambda text: text[:12],
)
def test_an_error_does_not_quote_the_value(name: str, value: str) -> None:
    """An error does not quote the value, which may be a secret in the wrong variable."""
    environ = SUPABASE | {name: value}
    assert "canary" not in str(error_of(environ))


@pytest.mark.parametrize("name", ["DATABASE_URL", "SUPABASE_URL", "SUPABASE_SERVICE_ROLE_KEY"])
def test_an_incomplete_connection_does_not_start_the_embedded_database(name: str) -> None:
    """One variable of a connection counts as a configured database, so that the error names the missing variables."""
    assert config.has_connection({name: "x"})


def test_the_server_takes_its_settings_from_files_too(tmp_path: Path) -> None:
    """The server's settings can be in files too, such as HOST_FILE."""
    file = tmp_path / "host"
    file.write_text("127.0.0.1\n")
    assert config.load_server({"HOST_FILE": str(file), "PORT": "9000"}) == ServerSettings(
        host="127.0.0.1", port=9000, workers=2, log_level="INFO", log_format="auto"
    )


def test_every_documented_setting_is_known() -> None:
    """docs/reference/settings.md has each variable that is read here, and gunicorn's own."""
    rows = re.findall(r"^\| (.*?) \|", SETTINGS_PAGE.read_text("utf-8"), re.MULTILINE)
    documented = {name for row in rows for name in re.findall("`([A-Z_]+)`", row)}
    assert documented - {"FORWARDED_ALLOW_IPS"} == set(config.NAMES)


def test_an_unknown_log_format_is_refused() -> None:
    """LOG_FORMAT is one of three words."""
    with pytest.raises(BadSetting, match="LOG_FORMAT must be json, text or auto"):
        config.load_server({"LOG_FORMAT": "xml"})


@pytest.mark.parametrize("days", ["0", "-1", "36501", "two years"])
def test_an_unusable_audit_retention_is_refused(days: str) -> None:
    """AUDIT_RETENTION_DAYS is a number of days, of at most a century."""
    with pytest.raises(BadSetting, match="AUDIT_RETENTION_DAYS"):
        config.audit_retention({"AUDIT_RETENTION_DAYS": days})
