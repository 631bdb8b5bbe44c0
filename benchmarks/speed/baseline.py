"""A service that verifies the signature, reads the body and calls the plain function, once per event."""

import json
import os
from datetime import UTC, datetime
from queue import SimpleQueue

import psycopg
from flask import Flask, Response, jsonify, request
from psycopg.types.json import Jsonb

from webhook_service.errors import BadSignature
from webhook_service.inbound.signature import parse_secrets, verify

APPLY = "select bench.apply(%s, %s, %s, %s)"
KEPT = ("email", "email_confirmed_at", "is_anonymous", "banned_until", "deleted_at", "raw_user_meta_data")


def create_app() -> Flask:
    app = Flask(__name__)
    secrets = parse_secrets(os.environ["WEBHOOK_SECRETS"])
    pool: SimpleQueue[psycopg.Connection] = SimpleQueue()
    for _ in range(int(os.environ["CONNECTIONS"])):
        pool.put(psycopg.connect(os.environ["DATABASE_URL"], autocommit=True))

    @app.post("/webhook/auth")
    def receive() -> tuple[Response, int]:
        headers = {name.lower(): value for name, value in request.headers.items()}
        try:
            delivery = verify(secrets, headers, request.get_data(), now=datetime.now(UTC))
        except BadSignature as error:
            return jsonify(reason=error.reason), 401
        record = json.loads(delivery.body)["record"]
        data = Jsonb({name: record[name] for name in KEPT})
        connection = pool.get()
        try:
            connection.execute(
                APPLY, [delivery.event_id, record["id"], record["raw_user_meta_data"]["first_name"], data]
            )
        finally:
            pool.put(connection)
        return jsonify(event_id=delivery.event_id, status="SUCCESS"), 200

    @app.get("/readyz")
    def ready() -> Response:
        return jsonify(ready=True)

    return app
