"""The route of imports."""

from webhook_service.web.api.imports import Imported, ImportQuery
from webhook_service.web.api.operation import Operation

OPERATIONS = (
    Operation(
        method="post",
        path="/admin/api/imports",
        name="importEmployees",
        title="Import employees from a CSV file",
        text="The body is the file, up to 5 MB and 100,000 lines. "
        "The default is a dry run, which changes nothing and returns the plan. "
        "All lines are imported in one transaction, or none. A line is about the employee with its `employee_id`, else "
        "with its `employee_number`, else with its `email`; without such an employee, it is a new employee. An empty "
        "cell and a missing column leave the value as it is.",
        answer=Imported,
        query=ImportQuery,
        csv_example="employee_number,email,last_name\nE-17,jane.doe@example.com,Roe\n",
        response_example={
            "dry_run": True,
            "counts": {"new": 0, "changed": 1, "leaves": 0, "unchanged": 0, "refused": 0},
            "logins": 0,
            "is_mass_deactivation": False,
            "changes": [
                {
                    "kind": "changed",
                    "line": 2,
                    "employee_id": 7,
                    "email": "jane.doe@example.com",
                    "changes": {"last_name": {"from": "Doe", "to": "Roe"}},
                }
            ],
            "refused": [],
        },
        reasons=("busy", "refused_lines", "mass_deactivation", "import_expired", "import_under_way"),
    ),
)
