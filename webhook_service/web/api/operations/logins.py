"""The routes of the admin API that give employees a login, or help them sign in."""

from webhook_service.web.api import employee_schemas, job_schemas
from webhook_service.web.api.described import JANE
from webhook_service.web.api.logins import NewLogin, OfLogin
from webhook_service.web.api.operation import Operation
from webhook_service.web.api.provision import Provision
from webhook_service.web.api.reasons import AUTH_REASONS, LINK_REASONS

OF_JANE = {"auth_user_id": JANE, "requested_by": "Ann"}
CREDENTIAL_REASONS = (
    *("employee_not_found", "not_found", "login_changed", "inactive", "too_many_requests", "login_not_found"),
    *("user_not_found", *AUTH_REASONS),
)

OPERATIONS = (
    Operation(
        method="post",
        path="/admin/api/employees/{employee_id}/login",
        name="linkLogin",
        title="Link an existing login to an employee",
        text="Links the auth user to an employee who has no login, and replays its events that failed as ambiguous. "
        "`GET /admin/api/employees/{employee_id}` lists the candidates.",
        answer=job_schemas.ChosenLogin,
        body=OfLogin,
        needs_body=True,
        request_example=OF_JANE,
        response_example={"employee_id": 7, "auth_user_id": JANE, "is_replayed": True},
        reasons=LINK_REASONS,
    ),
    Operation(
        method="post",
        path="/admin/api/employees/{employee_id}/moved-login",
        name="moveLogin",
        title="Move the login of an inactive employee to this one",
        text="For a person who was hired again with a new row: the inactive employee has the same e-mail or number.",
        answer=job_schemas.LinkedLogin,
        body=OfLogin,
        needs_body=True,
        request_example=OF_JANE,
        response_example={"employee_id": 7, "auth_user_id": JANE},
        reasons=LINK_REASONS,
    ),
    Operation(
        method="post",
        path="/admin/api/employees/{employee_id}/new-login",
        name="createLogin",
        title="Create a login for an employee who has none",
        text="The login gets the e-mail of the employee, and a temporary password or, with `invite`, an invitation. Do "
        "not log the response, because it contains the password.",
        answer=employee_schemas.CreatedEmployee,
        status=201,
        body=NewLogin,
        has_password=True,
        request_example={"invite": False, "requested_by": "Ann"},
        response_example={
            "employee_id": 7,
            "auth_user_id": JANE,
            "event_id": f"{JANE}:create_auth_user",
            "outcome": "created",
            "temporary_password": "an-example-of-a-password",
            "password_was_shown": False,
        },
        reasons=(*LINK_REASONS, *AUTH_REASONS),
    ),
    Operation(
        method="post",
        path="/admin/api/employees/{employee_id}/password",
        name="setTemporaryPassword",
        title="Set a new temporary password",
        text="The old password no longer works. Up to three passwords and invitations for a login are possible in ten "
        "minutes. Do not log the response, because it contains the password.",
        answer=job_schemas.NewPassword,
        body=OfLogin,
        needs_body=True,
        has_password=True,
        request_example=OF_JANE,
        response_example={
            "employee_id": 7,
            "auth_user_id": JANE,
            "temporary_password": "an-example-of-a-password",
            "password_was_shown": False,
        },
        reasons=CREDENTIAL_REASONS,
    ),
    Operation(
        method="post",
        path="/admin/api/employees/{employee_id}/invitation",
        name="sendInvitation",
        title="Send another invitation",
        text="Auth mails it. It is refused if the e-mail is confirmed: then set a temporary password.",
        answer=job_schemas.LinkedLogin,
        body=OfLogin,
        needs_body=True,
        request_example=OF_JANE,
        response_example={"employee_id": 7, "auth_user_id": JANE},
        reasons=("needs_no_invitation", *CREDENTIAL_REASONS),
    ),
    Operation(
        method="post",
        path="/admin/api/provision",
        name="provision",
        title="Create logins for employees who have none",
        text="Covers up to `limit` active employees without a login, in the order of `employee_id`. Pass "
        "`next_cursor` as `cursor` for the next ones. The default is a dry run, which lists them. Auth mails "
        "invitations, unless `invite` is false: then the response contains temporary passwords, so do not log it. A "
        "request ends early after 20 seconds, and with the setting `AUTH_RATE` shares the rate of the relays.",
        answer=job_schemas.Provisioned,
        body=Provision,
        has_password=True,
        request_example={"dry_run": False, "invite": True, "limit": 20, "requested_by": "Ann"},
        response_example={
            "dry_run": False,
            "counts": {"would_create": 0, "created": 1, "has_login": 0, "refused": 0, "under_way": 0},
            "employees": [
                {
                    "employee_id": 7,
                    "email": "jane.doe@example.com",
                    "status": "created",
                    "reason": None,
                    "temporary_password": None,
                }
            ],
            "password_was_shown": False,
            "ended_by": None,
            "next_cursor": None,
        },
        reasons=("busy", *AUTH_REASONS),
    ),
)
