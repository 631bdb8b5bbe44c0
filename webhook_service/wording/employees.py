"""The words about employees and their logins: statuses, columns, and the reasons why a login has not changed."""

SYNC_STATUSES = {
    "OK": ("In sync", "The employee and the login agree."),
    "MISSING_AUTH_UID": ("No login", "The employee is active, but has no login."),
    "INACTIVE_WITH_AUTH": ("Can still sign in", "The employee is inactive, and the login is not banned yet."),
    "ORPHANED": ("Login deleted", "The employee's login was deleted."),
    "EMAIL_MISMATCH": ("E-mail differs", "The login has another confirmed e-mail."),
    "AMBIGUOUS": ("Several matches", "A login matches this employee and others. Choose its owner."),
    "UNUSABLE_EMAIL": (
        "Unusable e-mail",
        "The employee has no login, and the e-mail cannot be the address of one. Correct the e-mail.",
    ),
}
"""{sync_status: (a label, a sentence)}."""

COLUMNS = {
    "email": "E-mail",
    "first_name": "First name",
    "last_name": "Last name",
    "employee_number": "Number",
    "user_type_id": "User type",
    "is_active": "Works here",
    "auth_user_id": "Login",
    "orphaned_at": "Login deleted",
    "orphaned_auth_user_id": "Deleted login",
}
"""The columns of employees."""

NO_NAME = "Employee {employee_id}"
"""The name of an employee without a name."""

LOGIN_RESULTS = {
    "none": "There is no login",
    "done": None,
    "held": "The ban waits for an admin",
    "queued": "The login follows",
    "failed": "The login could not be changed",
}
"""The audit's words for the login, by the `login` of `outbound.employee_changes.Switched`."""

SWITCHED = {
    (True, "none"): "Activated. There is no login to change.",
    (False, "none"): "Deactivated. There is no login to change.",
    (True, "done"): "Activated. The login is not banned any more.",
    (False, "done"): "Deactivated. The login can no longer sign in.",
}
"""The results of a switch that is complete, by (is_active, login)."""

SWITCHED_BUT = {
    True: "Activated, but **the login is still banned**: {why}",
    False: "Deactivated, but **the login still works**: {why}",
}
"""The results of a switch that is not complete. {why} is a sentence of NOT_FOLLOWED or of AUTH_FAILURES."""

NOT_FOLLOWED = {
    "held": "the ban waits for your decision in the inbox.",
    "failed": "the change of the login failed. Read under “What happened” below why.",
    "queued": "the change is requested, and follows in a moment.",
    "no_auth_admin": "{failure}.",
    "auth": "{failure}. It is retried.",
}
"""Why a login has not followed yet."""

AUTH_FAILURES = {
    "auth_key_refused": "Supabase refuses the key of this service",
    "no_auth_admin": "the Auth Admin API is not configured",
}
"""Why Auth does not perform a change, by the reason of the failure."""

NO_ANSWER = "Supabase does not answer"

STANDINGS = {
    "not_compared": (
        "Not compared yet",
        "Employees and logins have not been compared yet, so a login of this employee may be unknown.",
    ),
    "inactive": ("Inactive", "The employee is inactive, and has no login."),
    "still_in.held": (
        SYNC_STATUSES["INACTIVE_WITH_AUTH"][0],
        "Deactivated, but **the login still works**: the ban waits for your decision.",
    ),
    "still_in.no_ban": (
        SYNC_STATUSES["INACTIVE_WITH_AUTH"][0],
        "Deactivated, but **the login still works**: no ban is under way. Ban the login below.",
    ),
    "still_in.failed": (
        SYNC_STATUSES["INACTIVE_WITH_AUTH"][0],
        "Deactivated, but **the login still works**. {why} “What happened” below says more.",
    ),
    "still_in.waits": (SYNC_STATUSES["INACTIVE_WITH_AUTH"][0], "Deactivated, but **the login still works**: {why}"),
    "banned.inactive": ("Deactivated", "The employee is inactive, and the login is banned."),
    "banned.waits": ("Banned", "Active, but **the login is still banned**: {why}"),
    "banned.by_admin": ("Banned", "Active, but **the login is banned** by an admin in Supabase."),
}
"""{standing: (a label, a sentence)}. The text between ** is emphasized. {why} is a sentence."""

BAN_FAILED = "The ban failed."
WAITS = {
    "failed": "the change failed, and is retried.",
    "requested": "the change is requested, and follows in a moment.",
    "auth": "{failure}. It is retried.",
}
"""Why a requested change of a login is not made yet."""

REJECTED_BY_RULE = 'The database rule "{rule}" rejected this change.'
REJECTED_WITHOUT_VALUE = 'The database requires a value in the column "{column}", so it rejected this change.'
REJECTED = "A rule or a trigger of the employees table rejected this change."
"""Why the employees table refused a change."""

MANAGED = (
    "The directory {name} manages this employee. Change the employee there, or release the employee from it first."
)
"""Why an admin may not change an employee."""
