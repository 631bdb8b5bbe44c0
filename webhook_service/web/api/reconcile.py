"""The part of the admin API that compares auth users with employees, and corrects the differences.

A request compares for at most `MAX_SECONDS`, and corrects for at most `MAX_RUN_SECONDS`. A larger company needs the
command, or the daily run of the relay.
"""

from typing import Any

from flask import Blueprint, Response, jsonify
from marshmallow import validate

from webhook_service.errors import NotPossible
from webhook_service.ledger import audit, comparison
from webhook_service.ledger.fields import Truth, Whole
from webhook_service.ledger.plan import Plan, report
from webhook_service.ledger.reconcile import Reconciled
from webhook_service.ledger.reconcile import reconcile as run_reconcile
from webhook_service.web import Wiring, long_requests
from webhook_service.web.api import idempotency
from webhook_service.web.api.body import json_body
from webhook_service.web.api.events import Replay, loaded, require_admin
from webhook_service.wording.counts import differences

MAX_RUN_SECONDS = 60.0
"""The longest run, less than the lease of an Idempotency-Key together with the comparison."""
ENDED_EARLY = (
    "The run ended early, because the company is too large for a request. The relay applies the differences that the"
    f" run has recorded. Run `{comparison.COMMAND}` for the others."
)
MOST_BANS = 10**9


class Reconcile(Replay):
    """The body of POST /admin/api/reconcile."""

    dry_run = Truth(load_default=True)
    names = Truth(load_default=False)
    max_bans = Whole(load_default=None, allow_none=False, validate=validate.Range(0, MOST_BANS))


def blueprint(wiring: Wiring) -> Blueprint:
    views = Blueprint("reconcile_api", __name__, url_prefix="/admin/api/reconcile")
    database, policy = wiring.database, wiring.settings.policy
    require_admin(views, wiring)
    long_requests.limit(views)
    idempotency.repeat_answers(views, database)

    @views.get("")
    def last() -> Response:
        """Return the last comparison with its age, and the newest run."""
        short = comparison.current(database)
        return jsonify(
            can_compare=short["can_compare"], comparison=comparison.last(database), run=comparison.run(database)
        )

    @views.post("")
    def reconcile() -> Response:
        """Compare now, and without `dry_run` also correct the differences."""
        options = loaded(Reconcile(), json_body())
        who, done = options["requested_by"], None
        act_of = "compare employees and logins" if options["dry_run"] else "reconcile employees and logins"
        with audit.attempt(database, who, act_of) as act:
            planned = comparison.compare(database, policy, requested_by=who, names=options["names"])
            if not options["dry_run"]:
                done = run(planned, options, who)
            act.outcome = differences(sum((done or planned.compared).differences.values()))
        return jsonify(report(planned, done))

    def run(planned: Plan, options: dict[str, Any], who: str) -> Reconciled:
        """Correct the differences. Raises NotPossible (`too_many_bans`, `run_under_way`, `comparison_too_long`)."""
        limit = planned.most_bans if options["max_bans"] is None else options["max_bans"]
        if planned.bans > limit:
            detail = f"The run would ban {planned.bans} logins, and the limit is {limit}. Nothing was changed."
            raise NotPossible("too_many_bans", f"{detail} If all of these people have left, pass `max_bans`.")
        bound = comparison.within(MAX_RUN_SECONDS, ENDED_EARLY)
        return run_reconcile(database, policy, requested_by=who, dry_run=False, names=options["names"], progress=bound)

    return views
