"""The routes of the admin API about directories, which push employees in by SCIM."""

from webhook_service.web.api import directory_schemas
from webhook_service.web.api.directories import NewToken
from webhook_service.web.api.events import Replay
from webhook_service.web.api.operation import Operation

OPERATIONS = (
    Operation(
        method="get",
        path="/admin/api/directories/tokens",
        name="listDirectoryTokens",
        title="The tokens of directories",
        text="Directories push employees in by SCIM with these tokens. All tokens with one name are of one directory.",
        answer=directory_schemas.Tokens,
    ),
    Operation(
        method="post",
        path="/admin/api/directories/tokens",
        name="createDirectoryToken",
        title="Create a token of a directory",
        text="The first token of a name creates the directory. To replace a token, create a second one with the same "
        "name, enter it in the directory, and then revoke the first. Do not log the response, because it contains the "
        "token.",
        answer=directory_schemas.CreatedToken,
        status=201,
        body=NewToken,
        needs_body=True,
        has_password=True,
        request_example={"name": "okta", "requested_by": "Ann"},
        response_example={
            "token_id": 3,
            "name": "okta",
            "token": "scim_an-example-of-a-token",
            "token_was_shown": False,
        },
    ),
    Operation(
        method="post",
        path="/admin/api/directories/tokens/{token_id}/revoke",
        name="revokeDirectoryToken",
        title="Revoke a token of a directory",
        text="The next request with the token is refused. A directory without a valid token manages nobody, so another "
        "directory may take its people over. The count is 0 if there is no such token, or it was revoked before.",
        answer=directory_schemas.RevokedTokens,
        body=Replay,
        request_example={"requested_by": "Ann"},
        response_example={"count": 1},
        reasons=("not_found",),
    ),
    Operation(
        method="post",
        path="/admin/api/employees/{employee_id}/release",
        name="releaseEmployee",
        title="Release an employee from its directory",
        text="Admins can then edit and activate the employee. The employee does not exist for the directory any more, "
        "until the directory adds the person again.",
        answer=directory_schemas.ReleasedEmployee,
        body=Replay,
        request_example={"requested_by": "Ann"},
        response_example={"employee_id": 7, "directory": "okta"},
        reasons=("employee_not_found", "not_found", "not_managed"),
    ),
)
