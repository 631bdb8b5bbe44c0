"""The baseline over the Data API, which has the product's steps with one `rpc` for each event."""

import os
from datetime import UTC, datetime

from flask import Flask, Response, jsonify, request

from webhook_service.db.supabase import SupabaseDatabase
from webhook_service.inbound.handlers import decide
from webhook_service.inbound.payload import parse
from webhook_service.inbound.processing import process_batch
from webhook_service.inbound.signature import parse_secrets, verify
from webhook_service.policy import Policy


def create_app() -> Flask:
    app = Flask(__name__)
    policy = Policy()
    secrets = parse_secrets(os.environ["WEBHOOK_SECRETS"])
    database = SupabaseDatabase(os.environ["SUPABASE_URL"], os.environ["SUPABASE_SERVICE_ROLE_KEY"])

    @app.post("/webhook/auth")
    def receive() -> Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        delivery = verify(secrets, headers, request.get_data(), now=datetime.now(UTC))
        result = process_batch(database, [decide(parse(delivery, policy.name_fields), policy)], policy)[0]
        return jsonify(event_id=result.event_id, status=result.status, outcome=result.outcome)

    @app.get("/readyz")
    def ready() -> Response:
        return jsonify(ready=True)

    return app
