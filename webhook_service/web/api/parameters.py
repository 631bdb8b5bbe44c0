"""The parameters and fields of requests to the admin API, with descriptions and examples for its OpenAPI document."""

from webhook_service.events import Json
from webhook_service.web.api.described import JANE
from webhook_service.web.api.employee_schemas import HELD_REASON
from webhook_service.web.api.idempotency import HEADER, KEY_PATTERN, LONGEST_KEY

PATHS = {
    "event_id": ("The id of an event or an action.", {"type": "string"}, "evt-2"),
    "employee_id": ("The employee.", {"type": "integer", "format": "int64", "minimum": 0}, 7),
    "token_id": ("The number of the token.", {"type": "integer", "format": "int64", "minimum": 0}, 3),
    "name": ("The name of the subscriber.", {"type": "string"}, "crm"),
    "id": ("The number of the bulk replay.", {"type": "integer", "format": "int64", "minimum": 0}, 3),
}
"""Path parameters: description, schema, example."""

FIELDS = {
    "status": ("The status of the event or action.", "FAILED"),
    "outcome": ("The outcome, or the reason of a failure.", "ambiguous"),
    "operation": ("The change of the auth user, or the action.", "UPDATE"),
    "direction": ("inbound: events of auth users. outbound: actions to make in Auth.", "inbound"),
    "needs_attention": (
        "true: failed events and actions that are no longer retried, without dismissed ones. false: all others.",
        True,
    ),
    "open": ("true: events and actions that are pending or retried. false: all others.", True),
    "person": ("The beginning of an e-mail, a name or an employee number, or an id: up to 20 of each.", "jane"),
    "auth_user_id": ("An auth user.", JANE),
    "employee_id": ("An employee.", 7),
    "since": ("Created at this time or later: ISO 8601 with a time zone.", "2026-11-22T00:00:00Z"),
    "until": ("Created before this time: ISO 8601 with a time zone.", "2026-11-23T00:00:00Z"),
    "cursor": ("The `next_cursor` of the previous page.", "17"),
    "limit": ("The maximum number of results.", 50),
    "filter": ("A filter of events. Without a filter, all events match.", {"status": "FAILED"}),
    "dry_run": ("Whether to roll all changes back.", True),
    "deactivate_missing": ("Whether to deactivate active employees who are missing in the file.", False),
    "skip_refused": ("Whether to import the other lines if some are refused.", False),
    "allow_mass_deactivation": ("Whether more linked employees than MASS_DEACTIVATION_LIMIT may leave.", False),
    "newest_id": ("The `newest_id` of the list of held bans: bans that were held later stay held.", 30),
    "reason": (f"The reason of the held bans. {HELD_REASON}", "mass_deactivation"),
    "requested_by": ("A name for the record: letters, digits, space and `_.@+-`.", "Ann"),
    "email": ("The e-mail, stored in lower case. No other employee or auth user may have it.", "jane.doe@example.com"),
    "first_name": ("The first name.", "Jane"),
    "last_name": ("The last name.", "Doe"),
    "employee_number": ("The employee's number in the HR system.", "E-17"),
    "user_type_id": ("The value of this column of `employees`.", 3),
    "is_active": ("Whether the employee works here, and may sign in.", False),
    "sync_status": ("The status of the employee and the login.", "ORPHANED"),
    "who": ("The admin or the directory, exactly as the audit has the name.", "api:Ann"),
    "target": ("The object of the act: event:ID, employee:ID, replay:ID or subscriber:NAME.", "employee:7"),
    "requests": ("Whether to include the requests of directories that changed nothing, such as reads.", True),
    "orphans": ("Whether to include employees whose login was deleted.", False),
    "names": ("Whether a first run copies the names that users chose in Auth too.", False),
    "max_bans": ("The largest number of logins to ban. The default is 20, or a tenth of the linked employees.", 20),
    "invite": ("Whether Auth mails an invitation instead of creating a password.", False),
}
"""The fields of requests: description, example."""

FIELDS_OF: dict[str, dict[str, tuple[str, Json]]] = {
    "Change": {"email": ("The e-mail, stored in lower case. The login gets it too.", "jane.roe@example.com")},
    "Dismissal": {"reason": ("Why it needs no attention, for the audit.", "The intern has left.")},
    "NewEmployee": {
        "auth_user_id": ("The existing auth user to link, instead of a new one.", JANE),
        "is_active": ("Must be true: only active employees get a login.", True),
    },
    "NewToken": {"name": ("The name of the directory.", "okta")},
    "OfLogin": {"auth_user_id": ("The login.", JANE)},
    "People": {"is_active": ("Whether the employee works here.", True)},
    "Provision": {
        "dry_run": ("Whether to list the employees only.", True),
        "invite": ("Whether Auth mails invitations instead of creating passwords.", True),
        "limit": ("The largest number of employees.", 20),
    },
    "Reconcile": {"dry_run": ("Whether to compare only.", True)},
    "BulkReplay": {"dry_run": ("Whether to preview only.", True)},
    "NewSubscriber": {
        "name": ("The name: lower-case letters, digits, `_` and `-`.", "crm"),
        "url": ("The address: https, without a user.", "https://crm.example.com/hooks/employees"),
        "types": ("The types of events; an empty list for all.", ["employee.linked"]),
        "allow_private": ("Whether a private address is allowed; needs EVENT_PRIVATE_ADDRESSES.", False),
    },
    "OfDelivery": {"delivery": ("The id of one delivery; null for all dead ones.", 17)},
    "Unlink": {"auth_user_id": ("The login that the employee has now.", JANE)},
}
"""Descriptions that differ in one schema."""

IDEMPOTENCY_KEY: Json = {
    "in": "header",
    "name": HEADER,
    "description": "A new random text for each request, such as a UUID. For a day, the same request with the same key "
    "gets the same answer, with `Idempotency-Replayed: true`, and is not carried out again.",
    "schema": {"type": "string", "minLength": 1, "maxLength": LONGEST_KEY, "pattern": KEY_PATTERN},
    "example": "8e03978e-40d5-43dd-bc93-6894a57f9324",
}
"""The header parameter of all requests that change something."""
