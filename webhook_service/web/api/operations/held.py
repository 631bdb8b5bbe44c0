"""The routes of the admin API about held bans."""

from webhook_service.web.api import employee_schemas
from webhook_service.web.api.held import Decision, OfReason
from webhook_service.web.api.operation import Operation

OPERATIONS = (
    Operation(
        method="get",
        path="/admin/api/held",
        name="listHeldBans",
        title="Bans that are held",
        text="The bans of logins wait for an admin if an unusual share of the employees is deactivated at once "
        "(`MASS_DEACTIVATION_LIMIT`), or if another active employee may own the login.",
        answer=employee_schemas.Held,
        query=OfReason,
        reasons=("invalid_query",),
    ),
    Operation(
        method="post",
        path="/admin/api/held/release",
        name="releaseHeldBans",
        title="Ban the logins",
        text="Requests the bans that are held for the `reason`, up to `newest_id`, which `GET /admin/api/held` "
        "returned. Relays perform them.",
        answer=employee_schemas.HeldDecision,
        body=Decision,
        needs_body=True,
        request_example={"newest_id": 30, "reason": "mass_deactivation", "requested_by": "Ann"},
        response_example={"count": 30},
    ),
    Operation(
        method="post",
        path="/admin/api/held/discard",
        name="discardHeldBans",
        title="Drop the held bans",
        text="Drops the bans that are held for the `reason`, up to `newest_id`. The logins stay as they are. Correct "
        "the employees first: the next event or reconcile of an employee who is still inactive requests the ban again.",
        answer=employee_schemas.HeldDecision,
        body=Decision,
        needs_body=True,
        request_example={"newest_id": 30, "reason": "mass_deactivation", "requested_by": "Ann"},
        response_example={"count": 30},
    ),
)
