"""The route of the admin API that reads the audit."""

from webhook_service.web.api import job_schemas
from webhook_service.web.api.audit import AuditPage
from webhook_service.web.api.operation import Operation

OPERATIONS = (
    Operation(
        method="get",
        path="/admin/api/audit",
        name="listAudit",
        title="The acts of admins and directories, newest first",
        text="Entries must match all given filters. Pass `next_cursor` as `cursor` to get the next page. Entries are "
        "kept for `AUDIT_RETENTION_DAYS`. Requests of directories that changed nothing are only returned with "
        "`requests=true`.",
        answer=job_schemas.Audit,
        query=AuditPage,
        reasons=("invalid_query",),
    ),
)
