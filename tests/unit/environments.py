"""Environments with which the service can start, and the error for all other environments."""

import base64

import pytest

from webhook_service import config
from webhook_service.errors import BadSetting

KEY = b"K" * 32
WEBHOOK_SECRET = "whsec_" + base64.b64encode(KEY).decode()
PASSWORD = "canary-password"
ADMIN_KEY = "canary-admin-key"
ROLE_KEY = "sb_secret_canary"
DIRECT = {
    "DATABASE_URL": f"postgresql://user:{PASSWORD}@db.example.com/postgres",
    "WEBHOOK_SECRETS": WEBHOOK_SECRET,
    "ADMIN_API_KEY": ADMIN_KEY,
}
SUPABASE = {name: value for name, value in DIRECT.items() if name != "DATABASE_URL"} | {
    "SUPABASE_URL": "https://project.example.com",
    "SUPABASE_SERVICE_ROLE_KEY": ROLE_KEY,
}
SECRET_WORDS = (PASSWORD, ADMIN_KEY, ROLE_KEY, WEBHOOK_SECRET, WEBHOOK_SECRET[6:14], "KKKK")


def without(environ: dict[str, str], name: str) -> dict[str, str]:
    return {key: value for key, value in environ.items() if key != name}


def error_of(environ: dict[str, str]) -> BadSetting:
    with pytest.raises(BadSetting) as caught:
        config.load(environ)
    return caught.value
