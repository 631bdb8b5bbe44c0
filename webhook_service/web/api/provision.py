"""The part of the admin API that creates logins for employees who have none, a bounded number in each request."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from flask import Blueprint, Response, jsonify
from marshmallow import validate

from webhook_service.errors import ServiceError
from webhook_service.events import Json
from webhook_service.ledger import audit
from webhook_service.ledger.fields import Cursor, Truth, Whole
from webhook_service.ledger.queries import MAX_BIGINT
from webhook_service.outbound.candidates import BEFORE_ALL, Candidate, page_of, shared_among
from webhook_service.outbound.pace import Pace
from webhook_service.outbound.provision import Provisioned, Provisioning
from webhook_service.outbound.refusals import no_auth_admin
from webhook_service.web import Wiring, long_requests
from webhook_service.web.api import idempotency
from webhook_service.web.api.body import json_body
from webhook_service.web.api.events import Replay, cursor_of, loaded, require_admin

MOST, USUAL = 50, 20
"""The largest and the usual number of employees in a request."""
MAX_SECONDS = 20.0
"""The time after which a request begins no other login."""
SLICE_SECONDS = 0.05

WOULD_CREATE, CREATED, HAS_LOGIN, REFUSED, UNDER_WAY = "would_create", "created", "has_login", "refused", "under_way"
STATUSES = (WOULD_CREATE, CREATED, HAS_LOGIN, REFUSED, UNDER_WAY)


class Provision(Replay):
    """The body of POST /admin/api/provision."""

    dry_run = Truth(load_default=True)
    invite = Truth(load_default=True)
    orphans = Truth(load_default=False)
    cursor = Cursor(load_default=BEFORE_ALL, validate=validate.Range(-MAX_BIGINT - 1, MAX_BIGINT))
    limit = Whole(load_default=USUAL, validate=validate.Range(1, MOST))


@dataclass(slots=True)
class Announced:
    """The candidates of a run, with the passwords of those that were sent to Auth, by employee_id."""

    emails: dict[int, str] = field(default_factory=dict)
    passwords: dict[int, str | None] = field(default_factory=dict)

    def add(self, employee_id: int, email: str, password: str | None) -> None:
        self.emails[employee_id], self.passwords[employee_id] = email, password


def blueprint(wiring: Wiring) -> Blueprint:
    views = Blueprint("provision_api", __name__, url_prefix="/admin/api/provision")
    database = wiring.database
    require_admin(views, wiring)
    long_requests.limit(views)
    idempotency.repeat_answers(views, database)

    def candidates(after: int, limit: int, *, orphans: bool) -> list[Candidate]:
        return page_of(database.call, after, limit, orphans=orphans)

    @views.post("")
    def provision() -> Response:
        """List the next employees without a login, and without `dry_run` create their logins."""
        options = loaded(Provision(), json_body())
        after, orphans = options["cursor"], options["orphans"]
        if options["dry_run"]:
            found = candidates(after, options["limit"] + 1, orphans=orphans)
            listed = found[: options["limit"]]
            rows = [row(each.employee_id, each.email, WOULD_CREATE) for each in listed]
            next = listed[-1].employee_id if len(found) > len(listed) else None
            return answered(rows, next, dry_run=True)
        if wiring.accounts is None:
            raise no_auth_admin()
        emails = {each.employee_id: each.email for each in candidates(after, options["limit"], orphans=orphans)}
        shared = shared_among(database.call, list(emails.values()), orphans=orphans)
        announced = Announced(emails)
        with audit.attempt(database, options["requested_by"], "create logins for employees without one") as act:
            run = Provisioning(
                wiring.accounts,
                Pace(wiring.accounts, until(time.monotonic() + MAX_SECONDS), lambda text: None),
                options["requested_by"],
                announced.add,
                invite=options["invite"],
                orphans=orphans,
                after=after,
                most_seen=len(emails),
                shared=shared,
            )
            done = run.run()
            act.outcome = f"{done.made} logins"
            if done.ended_by is not None and not done.seen:
                raise done.ended_by
        more = candidates(run.after, 1, orphans=orphans)
        return answered(rows_of(done, announced), run.after if more else None, ended_by=done.ended_by)

    return views


def until(ends: float) -> Callable[[float], bool]:
    """Return a function that waits, and returns whether the time is over. `ends` is a time of the monotonic clock."""

    def wait(seconds: float) -> bool:
        time.sleep(max(0.0, min(seconds, ends - time.monotonic())))
        return time.monotonic() >= ends

    return wait


def rows_of(done: Provisioned, announced: Announced) -> list[dict[str, Json]]:
    """Return a row for each employee that a run has seen."""
    seen = announced.passwords.keys() | done.refused.keys() | done.under_way | done.had_login
    return [row_of(each, done, announced) for each in sorted(seen)]


def row_of(employee_id: int, done: Provisioned, announced: Announced) -> dict[str, Json]:
    email, password = announced.emails.get(employee_id), announced.passwords.get(employee_id)
    if employee_id in done.refused:
        return row(employee_id, email, REFUSED, done.refused[employee_id])
    if employee_id in done.had_login:
        return row(employee_id, email, HAS_LOGIN)
    is_open = employee_id in done.under_way
    return row(employee_id, email, UNDER_WAY if is_open else CREATED, password=password)


def row(
    employee_id: int, email: str | None, status: str, reason: str | None = None, password: str | None = None
) -> dict[str, Json]:
    names = {"employee_id": employee_id, "email": email, "status": status}
    return names | {"reason": reason, "temporary_password": password}


def answered(
    rows: list[dict[str, Json]], next: int | None, *, dry_run: bool = False, ended_by: ServiceError | None = None
) -> Response:
    """Return the response, which no cache may keep, because it can have passwords."""
    counts = {status: sum(each["status"] == status for each in rows) for status in STATUSES}
    response = jsonify(
        dry_run=dry_run,
        counts=counts,
        employees=rows,
        password_was_shown=False,
        ended_by=ended_by.reason if ended_by is not None else None,
        next_cursor=cursor_of(next),
    )
    response.headers["Cache-Control"] = "no-store"
    return response
