"""Events of Stripe as a webhook sends them, for stripe-sync-engine. All customers are fictitious."""

import hmac
import json
import random
import secrets
import time

from benchmarks.speed.database import HERE, BenchDatabase
from webhook_service.events import Json


def seed(database: BenchDatabase) -> None:
    """Insert one customer for each employee, in the state after an event of the first of January."""
    script = (HERE / "stripe_seed.sql").read_text("utf-8").replace(":employees", str(database.employees))
    database.execute(script)
    database.execute("vacuum analyze stripe.customers")


def new_secret() -> str:
    return f"whsec_{secrets.token_hex(32)}"


def requests(customers: int, count: int, name: str, secret: str, port: int) -> list[bytes]:
    """Return `count` signed updates of distinct customers. `name` is the new name in each update.

    The engine orders updates by whole seconds. It ignores the second of two updates of a customer within one second.
    """
    now = int(time.time())
    numbers = random.sample(range(1, customers + 1), count)
    return [request(json.dumps(event(n, name, now), indent=2).encode(), secret, port, now) for n in numbers]


def request(body: bytes, secret: str, port: int, now: int) -> bytes:
    """A request signed as described in https://docs.stripe.com/webhooks#verify-manually."""
    signature = hmac.digest(secret.encode(), f"{now}.".encode() + body, "sha256").hex()
    lines = [
        "POST /webhooks HTTP/1.1",
        f"Host: 127.0.0.1:{port}",
        "Content-Type: application/json; charset=utf-8",
        f"Content-Length: {len(body)}",
        f"Stripe-Signature: t={now},v1={signature}",
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def event(number: int, name: str, now: int) -> Json:
    return {
        "id": f"evt_{secrets.token_hex(12)}",
        "object": "event",
        "api_version": "2020-08-27",
        "created": now,
        "data": {"object": customer(number, name), "previous_attributes": {"name": f"First{number} Last{number}"}},
        "livemode": False,
        "pending_webhooks": 1,
        "request": {"id": None, "idempotency_key": None},
        "type": "customer.updated",
    }


def customer(number: int, name: str) -> Json:
    return {
        "id": f"cus_{number}",
        "object": "customer",
        "address": None,
        "balance": 0,
        "created": 1767225600,
        "currency": None,
        "default_source": None,
        "delinquent": False,
        "description": None,
        "discount": None,
        "email": f"person{number}@example.com",
        "invoice_prefix": f"{number:08}",
        "invoice_settings": {"custom_fields": None, "default_payment_method": None, "footer": None},
        "livemode": False,
        "metadata": {},
        "name": name,
        "next_invoice_sequence": 1,
        "phone": None,
        "preferred_locales": [],
        "shipping": None,
        "tax_exempt": "none",
    }
