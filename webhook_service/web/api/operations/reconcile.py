"""The routes of the admin API that compare auth users with employees."""

from webhook_service.web.api import job_schemas
from webhook_service.web.api.operation import Operation
from webhook_service.web.api.reconcile import Reconcile

OPERATIONS = (
    Operation(
        method="get",
        path="/admin/api/reconcile",
        name="getComparison",
        title="The last comparison of auth users with employees",
        text="The last complete comparison with its age and its differences, and the newest run that corrects "
        "differences.",
        answer=job_schemas.LastComparison,
    ),
    Operation(
        method="post",
        path="/admin/api/reconcile",
        name="reconcile",
        title="Compare auth users with employees, and correct the differences",
        text="The default is a dry run, which returns what a run would do. A run that would ban more logins than "
        "`max_bans` changes nothing. The comparison takes at most 20 seconds, and the corrections 60. A larger company "
        "needs `webhook-service reconcile`, or the daily run of the relay (`RECONCILE_AT`).",
        answer=job_schemas.Reconciled,
        body=Reconcile,
        request_example={"dry_run": False, "max_bans": 5, "requested_by": "Ann"},
        reasons=("busy", "no_auth_users", "run_under_way", "comparison_too_long", "too_many_bans"),
    ),
)
