"""The routes of the admin API about employees and their logins."""

from webhook_service.web.api import employee_schemas
from webhook_service.web.api.described import JANE
from webhook_service.web.api.employees import Change, NewEmployee, Unlink
from webhook_service.web.api.operation import Operation
from webhook_service.web.api.reasons import AUTH_REASONS

OPERATIONS = (
    Operation(
        method="post",
        path="/admin/api/employees",
        name="createEmployee",
        title="Create an employee with a login",
        text="Fields that are not listed here are other columns of `employees`. With `auth_user_id`, the employee is "
        "linked to that existing auth user instead of a new one. If one of the two cannot be created, neither is "
        "created. Do not log the response, because it contains the password.",
        answer=employee_schemas.CreatedEmployee,
        status=201,
        body=NewEmployee,
        needs_body=True,
        has_password=True,
        request_example={
            "email": "jane.doe@example.com",
            "first_name": "Jane",
            "last_name": "Doe",
            "employee_number": "E-17",
        },
        response_example={
            "employee_id": 7,
            "auth_user_id": JANE,
            "event_id": f"{JANE}:create_auth_user",
            "outcome": "created",
            "temporary_password": "an-example-of-a-password",
            "password_was_shown": False,
        },
        reasons=("email_taken", "employee_rejected", "login_not_found", *AUTH_REASONS),
    ),
    Operation(
        method="patch",
        path="/admin/api/employees/{employee_id}",
        name="changeEmployee",
        title="Edit, deactivate or activate an employee",
        text="Only the fields of the request change; null removes a value. All of them change, or none. The login gets "
        "a new e-mail too, as after a change by HR. With `is_active`, the login changes immediately if Auth responds. "
        "Otherwise the relay performs the queued action later.",
        answer=employee_schemas.ChangedEmployee,
        body=Change,
        needs_body=True,
        request_example={"email": "jane.roe@example.com", "last_name": "Roe", "is_active": False},
        response_example={
            "employee_id": 7,
            "changed": ["email", "last_name"],
            "is_active": False,
            "login": {"status": "done", "outcome": "disabled", "event_id": f"{JANE}:disable_auth_user"},
        },
        reasons=("employee_not_found", "not_found", "employee_rejected", "email_taken", "managed_by_directory"),
    ),
    Operation(
        method="post",
        path="/admin/api/employees/{employee_id}/unlink",
        name="unlinkEmployee",
        title="Take the login away from an employee",
        text="The employee gets the e-mail and the names from before the link. The request is refused if only this "
        "employee matches the login, because the next event would link it again.",
        answer=employee_schemas.UnlinkedEmployee,
        body=Unlink,
        needs_body=True,
        request_example={"auth_user_id": JANE, "requested_by": "Ann"},
        response_example={
            "employee_id": 7,
            "auth_user_id": JANE,
            "restored": {"email": "office@example.com"},
        },
        reasons=("employee_not_found", "not_found", "employee_rejected", "login_changed", "linked_again"),
    ),
)
