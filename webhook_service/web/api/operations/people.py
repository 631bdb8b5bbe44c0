"""The routes of the admin API that list employees and problems."""

from webhook_service.web.api import people_schemas
from webhook_service.web.api.operation import Operation
from webhook_service.web.api.people import OfProblems, People

OPERATIONS = (
    Operation(
        method="get",
        path="/admin/api/employees",
        name="listEmployees",
        title="Employees and the status of their logins",
        text="Employees must match all given filters. They are sorted by `employee_id`. Pass `next_cursor` as `cursor` "
        "to get the next page.",
        answer=people_schemas.Employees,
        query=People,
        reasons=("invalid_query",),
    ),
    Operation(
        method="get",
        path="/admin/api/employees/{employee_id}",
        name="getEmployee",
        title="One employee",
        text="The employee with the standing of the login, the open action, the logins that could belong to the "
        "employee, and the newest events.",
        answer=people_schemas.Employee,
        reasons=("employee_not_found", "not_found"),
    ),
    Operation(
        method="get",
        path="/admin/api/problems",
        name="listProblems",
        title="Problems of employees and logins",
        text="Each problem with its number of employees and the first of them. `GET /admin/api/employees` with "
        "`sync_status` lists all of them.",
        answer=people_schemas.Problems,
        query=OfProblems,
        reasons=("invalid_query",),
    ),
)
